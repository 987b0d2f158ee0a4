/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/importer.h - from another tool's VM definition to a compose file.
 */
#ifndef HOLOS_IMPORTER_H
#define HOLOS_IMPORTER_H
#include <holos/plugin.h>

#define HOLOS_IMPORTER_ID      "holos.importer/1"
#define HOLOS_IMPORTER_SINK_ID "holos.importer-sink/1"

typedef struct holos_importer_sink holos_importer_sink;

struct holos_importer_sink_api {
	uint32_t size;
	uint32_t reserved;
	/* The compose model as JSON: name, services and volumes.  Values are as
	 * they are meant (a dollar sign is one); "x-comment" of a service
	 * becomes a comment.  The host validates and writes YAML. */
	holos_status (*model)(holos_importer_sink *out, const char *json,
	                      size_t len);
	/* Something that could not be carried over. */
	void (*lost)(holos_importer_sink *out, uint32_t line, const char *what,
	             const char *why);
};

struct holos_importer_ops {
	struct holos_ops head;
	/* 0 no .. 100 certain, from the name and the first bytes. */
	int32_t (*sniff)(void *state, const char *name, const void *head,
	                 size_t len);
	/* fd is at offset 0, may not be seekable, and belongs to the host. */
	holos_status (*convert)(void *inst, int fd, const char *name,
	                        holos_importer_sink *out, holos_call *call,
	                        holos_error *err);
};
#endif
