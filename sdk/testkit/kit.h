/* SPDX-License-Identifier: Apache-2.0
 *
 * kit.h - shared by the files of the test kit: testkit.c (life, errors, calls,
 * options) and tables.c (the host tables).
 */
#ifndef TESTKIT_KIT_H
#define TESTKIT_KIT_H

#include <holos/testkit.h>

#include <json-c/json.h>

struct text {
	char *s; /* NULL: nothing yet */
};

struct holos_error {
	holos_status code;
	char *message, *hint, *at;
};

struct holos_cfg {
	struct json_object *root;
	int open;
};

struct holos_call {
	struct holos_testkit *kit;
	uint64_t deadline_ns;
	int cancel_fds[2]; /* a pipe; a byte in it: cancelled */
};

struct holos_self {
	struct holos_testkit *kit;
};

struct holos_image_sink {
	struct holos_testkit *kit;
	const char *work_dir, *cache_dir;
};

struct holos_plan {
	struct holos_testkit *kit;
	const char *dir;
};

struct holos_importer_sink {
	struct holos_testkit *kit;
};

struct holos_steps_sink {
	struct holos_testkit *kit;
};

#define KIT_OPEN_MAX 256
#define KIT_FDS_MAX  64

struct holos_testkit {
	const struct holos_plugin *plugin;
	struct holos_host host;
	struct holos_self self;
	void *state;
	int ready;

	struct holos_call call;
	struct holos_error error;
	struct json_object *result;
	struct text log, result_text;
	struct holos_cfg cfgs[KIT_OPEN_MAX]; /* of open instances */
	void *insts[KIT_OPEN_MAX];
	struct holos_cfg document;

	struct holos_image_sink image_sink;
	struct holos_plan plan;
	struct holos_importer_sink importer_sink;
	struct holos_steps_sink steps_sink;
	int fds[KIT_FDS_MAX]; /* of files in the plan */
	char *paths[KIT_FDS_MAX];
	unsigned n_fds;

	holos_status guest_status;
	int32_t guest_exit;
	char *guest_out, *guest_err;
	char *doc;
	size_t doc_len;
	int secret;

	unsigned cancel_at, used;
	int expired;
	const char *hidden;
};

/* The plugin broke a rule: say so and end the test. */
_Noreturn void kit_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *kit_strdup(const char *s);
void *kit_alloc(size_t n);
/* The plugin used the host in this call. */
void kit_used(struct holos_testkit *kit);
struct holos_testkit *kit_now(void);
/* The array of that name in the result. */
struct json_object *kit_list(struct holos_testkit *kit, const char *name);
void kit_set(struct json_object *obj, const char *key, const char *value);
/* Record a failure that is the plugin's. */
holos_status kit_fail(struct holos_testkit *kit, holos_status code, const char *text);
/* A host table, or NULL. */
const void *kit_table(const char *id);

#endif
