/* SPDX-License-Identifier: Apache-2.0
 *
 * compose.c - fuzz target: bytes as a compose file.
 *
 * Whatever they are, loading ends with a project or with messages that are one
 * line each.  A project's canonical form must load again to the same form and
 * the same hashes.
 */
#include "fuzz.h"

#include <base/alloc.h>
#include <base/fs.h>
#include <compose/output.h>
#include <compose/project.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void fail(const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s\n", what, detail);
	abort();
}

static void check_messages(const struct holos_error *e)
{
	unsigned n = 0;

	for (; e != NULL; e = e->next, n++) {
		if (e->message == NULL || e->message[0] == '\0' || strchr(e->message, '\n') != NULL)
			fail("a message that is not one line", e->message);
	}
	if (n > 21)
		fail("too many messages", "");
}

/* The text as a file, read through a descriptor: nothing is written to disk. */
static struct project *load(const void *text, size_t len, struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *warnings = NULL;
	_cleanup_(closep) int fd = memfd_create("holos.yaml", MFD_CLOEXEC);
	_cleanup_(freep) char *path = xasprintf("/proc/self/fd/%d", fd);
	const char *files[] = { path, NULL };
	struct project_options opts = {
		.files = files, .name = "fuzz", .cwd = "/", .warnings = &warnings
	};
	struct project *p = NULL;

	if (fd < 0 || fs_write_all(fd, text, len) < 0)
		abort();
	if (project_load(&opts, &p, err) == 0)
		return p;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(project_destroyp) struct project *first = NULL;
	_cleanup_(project_destroyp) struct project *second = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *yaml = NULL;
	_cleanup_(freep) char *again = NULL;

	first = load(data, size, &err);
	if (first == NULL) {
		if (err == NULL)
			fail("no project and no message", "");
		check_messages(err);
		return 0;
	}
	/* All in inactive profiles: written out, that is a file without services. */
	if (first->n_services == 0)
		return 0;
	yaml = project_to_yaml(first);
	/* Long forms take more room than the 1 MiB that a file may have. */
	if (strlen(yaml) > (1u << 20))
		return 0;
	second = load(yaml, strlen(yaml), &err);
	if (second == NULL)
		fail(err->message, yaml);
	again = project_to_yaml(second);
	if (strcmp(yaml, again) != 0) {
		fprintf(stderr, "%s", yaml);
		fail("another form", again);
	}
	for (size_t i = 0; i < first->n_services; i++) {
		struct service_hashes a, b;

		service_hash(first, &first->services[i], &a);
		service_hash(second, &second->services[i], &b);
		if (strcmp(a.all, b.all) != 0)
			fail("another hash", first->services[i].name);
	}
	return 0;
}
