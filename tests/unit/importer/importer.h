/* SPDX-License-Identifier: Apache-2.0
 *
 * importer.h - the importer virsh on the host of the test kit.
 */
#ifndef TEST_IMPORTER_H
#define TEST_IMPORTER_H

#include <holos/importer.h>

#include <stddef.h>

/* Convert a text.  *ret: {"model", "lost"} as JSON, or the message of what went
 * wrong; good until the next call. */
holos_status import_text(const void *text, size_t len, const char **ret);
/* The hint of the last failure, or "". */
const char *import_hint(void);
int import_sniff(const char *name, const void *head, size_t len);

#endif
