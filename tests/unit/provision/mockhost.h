/* SPDX-License-Identifier: Apache-2.0
 *
 * mockhost.h - a host for one provision plugin linked into the test: options
 * from a JSON text, one secret, and what the plugin reported.
 */
#ifndef MOCKHOST_H
#define MOCKHOST_H

#include <holos/provision.h>

#include <json-c/json.h>

struct mock_error {
	holos_status code;
	char message[1024];
	char pointer[256];
};

struct mock_result {
	holos_status status;
	struct mock_error error;
	char *iso; /* NULL unless it went well; the caller frees */
	size_t iso_len;
};

/* The file that seed() gets as context disk; -1: none. */
extern int mock_context;

/* Call seed() with these steps; key is the text of the host key or NULL. */
void mock_seed(struct json_object *steps, const char *key, struct mock_result *ret);
/* The same, writing to fd. */
holos_status mock_seed_fd(struct json_object *steps, const char *key, int fd,
			  struct mock_error *ret_error);

#endif
