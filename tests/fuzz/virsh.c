/* SPDX-License-Identifier: Apache-2.0
 *
 * virsh.c - fuzz target: bytes as the XML of a libvirt domain.
 *
 * Whatever they are, the importer ends with a model that is JSON, or with one message
 * of one line.
 */
#include "fuzz.h"

#include <importer.h>

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *result;
	struct json_object *o;

	(void)import_sniff("fuzz.xml", data, size < 4096 ? size : 4096);
	if (import_text(data, size, &result) != HOLOS_OK) {
		if (result[0] == '\0' || strchr(result, '\n') != NULL) {
			fprintf(stderr, "no message of one line: %s\n", result);
			abort();
		}
		return 0;
	}
	o = json_tokener_parse(result);
	if (o == NULL || !json_object_object_get_ex(o, "model", NULL)) {
		fprintf(stderr, "no model: %s\n", result);
		abort();
	}
	json_object_put(o);
	return 0;
}
