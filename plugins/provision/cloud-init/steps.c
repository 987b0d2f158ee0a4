/* SPDX-License-Identifier: Apache-2.0
 *
 * steps.c - see steps.h.
 */
#include "steps.h"
#include "yamlout.h"

#include <holos/util.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Longest pointer in use: "/files/9999/content_base64". */
#define POINTER_MAX 128

#define FORMAT_POINTER(buf, fmt)                                                                   \
	do {                                                                                       \
		va_list ap_;                                                                       \
		va_start(ap_, fmt);                                                                \
		vsnprintf((buf), sizeof(buf), (fmt), ap_);                                         \
		va_end(ap_);                                                                       \
	} while (0)

static void bad(struct ci_steps *s, const char *pointer, const char *value, const char *rule)
{
	char shown[80];

	if (s->status != HOLOS_OK)
		return;
	snprintf(shown, sizeof(shown), "%s", value != NULL ? value : "");
	for (char *p = shown; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	}
	if (value != NULL)
		s->status = holos_failf(s->host, s->err, HOLOS_E_CONFIG, 0,
					"steps %s is \"%s\": %s", pointer, shown, rule);
	else
		s->status = holos_failf(s->host, s->err, HOLOS_E_CONFIG, 0, "steps %s: %s", pointer,
					rule);
	s->host->fail_at(s->err, s->cfg, pointer);
}

void ci_steps_bad(struct ci_steps *s, const char *value, const char *rule, const char *fmt, ...)
{
	char pointer[POINTER_MAX];

	FORMAT_POINTER(pointer, fmt);
	bad(s, pointer, value, rule);
}

static const char *get_str(struct ci_steps *s, const char *fallback, const char *pointer)
{
	const char *value = s->host->cfg_str(s->cfg, pointer, NULL);

	if (value == NULL)
		return fallback;
	if (!ci_yaml_is_utf8(value)) {
		bad(s, pointer, NULL, "is not UTF-8");
		return fallback;
	}
	return value;
}

const char *ci_steps_str(struct ci_steps *s, const char *fallback, const char *fmt, ...)
{
	char pointer[POINTER_MAX];

	FORMAT_POINTER(pointer, fmt);
	return get_str(s, fallback, pointer);
}

const char *ci_steps_need(struct ci_steps *s, const char *fmt, ...)
{
	char pointer[POINTER_MAX];
	const char *value;

	FORMAT_POINTER(pointer, fmt);
	value = get_str(s, NULL, pointer);
	if (value == NULL || *value == '\0') {
		bad(s, pointer, NULL, "a string is missing here");
		return "";
	}
	return value;
}

bool ci_steps_bool(struct ci_steps *s, bool fallback, const char *fmt, ...)
{
	char pointer[POINTER_MAX];

	FORMAT_POINTER(pointer, fmt);
	return s->host->cfg_bool(s->cfg, pointer, fallback) != 0;
}

int64_t ci_steps_int(struct ci_steps *s, int64_t fallback, const char *fmt, ...)
{
	char pointer[POINTER_MAX];

	FORMAT_POINTER(pointer, fmt);
	return s->host->cfg_int(s->cfg, pointer, fallback);
}

unsigned ci_steps_count(struct ci_steps *s, unsigned max, const char *fmt, ...)
{
	char pointer[POINTER_MAX];
	int64_t n;

	FORMAT_POINTER(pointer, fmt);
	n = s->host->cfg_count(s->cfg, pointer);
	if (n <= 0)
		return 0;
	if (n > max) {
		bad(s, pointer, NULL, "too many elements");
		return 0;
	}
	return (unsigned)n;
}

bool ci_steps_has_list(struct ci_steps *s, const char *pointer)
{
	return s->host->cfg_count(s->cfg, pointer) >= 0;
}

enum ci_init ci_steps_init(struct ci_steps *s)
{
	const char *name = get_str(s, "systemd", "/init");

	if (strcmp(name, "openrc") == 0)
		return CI_OPENRC;
	if (strcmp(name, "micro") == 0)
		return CI_MICRO;
	if (strcmp(name, "systemd") != 0)
		bad(s, "/init", name, "must be systemd, openrc or micro");
	return CI_SYSTEMD;
}
