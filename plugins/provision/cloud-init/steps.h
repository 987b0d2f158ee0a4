/* SPDX-License-Identifier: Apache-2.0
 *
 * steps.h - reading the steps document (docs/steps.md), with its rules.
 *
 * The first mistake is reported to the host, with the JSON Pointer of the
 * member, and remembered in `status`; readers go on with harmless values, so
 * a writer checks once, at its end.  Strings belong to the host's document.
 */
#ifndef CI_STEPS_H
#define CI_STEPS_H

#include <holos/plugin.h>

#include <stdbool.h>

#define CI_LIST_MAX   16384
#define CI_MOUNTS_MAX 256

struct ci_steps {
	const struct holos_host *host;
	const holos_cfg *cfg;
	holos_error *err;
	holos_status status;
};

/* Init families; what is not micro or openrc is an ordinary distribution. */
enum ci_init { CI_SYSTEMD, CI_OPENRC, CI_MICRO };

/* A string, which must be UTF-8; fallback (may be NULL) when there is none.
 * The pointer is given as a format. */
const char *ci_steps_str(struct ci_steps *s, const char *fallback, const char *fmt, ...)
	HOLOS_PRINTF(3, 4);
/* The same, but it must be there and must not be empty; "" on a mistake. */
const char *ci_steps_need(struct ci_steps *s, const char *fmt, ...) HOLOS_PRINTF(2, 3);
bool ci_steps_bool(struct ci_steps *s, bool fallback, const char *fmt, ...) HOLOS_PRINTF(3, 4);
int64_t ci_steps_int(struct ci_steps *s, int64_t fallback, const char *fmt, ...) HOLOS_PRINTF(3, 4);
/* Elements of an array, 0 when there is none. */
unsigned ci_steps_count(struct ci_steps *s, unsigned max, const char *fmt, ...) HOLOS_PRINTF(3, 4);
bool ci_steps_has_list(struct ci_steps *s, const char *pointer);
enum ci_init ci_steps_init(struct ci_steps *s);

/* Report that the member breaks `rule`; value may be NULL. */
void ci_steps_bad(struct ci_steps *s, const char *value, const char *rule, const char *fmt, ...)
	HOLOS_PRINTF(4, 5);

/* Rules of single values. */
/* min..max characters, letters, digits and those of `extra`. */
bool ci_is_chars(const char *s, size_t min, size_t max, const char *extra);
bool ci_is_path(const char *s);    /* absolute, no control characters */
bool ci_is_target(const char *s);  /* that, not "/", no empty, "." or ".." part */
bool ci_is_line(const char *s);    /* no control characters but tab */
bool ci_is_address(const char *s); /* IPv4 or IPv6 */
bool ci_is_network(const char *s); /* ADDRESS/PREFIX */
bool ci_is_mac(const char *s);
bool ci_is_user(const char *s);
bool ci_is_variable(const char *s);
bool ci_is_base64(const char *s);

#endif
