/* SPDX-License-Identifier: Apache-2.0
 *
 * importer.c - see importer.h.
 */
#include "importer.h"

#include <holos/testkit.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern const struct holos_plugin *holos_importer_virsh_LTX_holos_plugin_v1(void);

static struct holos_testkit *kit;
static void *inst;

static const struct holos_importer_ops *prepare(void)
{
	if (kit == NULL) {
		kit = holos_testkit_new(holos_importer_virsh_LTX_holos_plugin_v1());
		inst = holos_testkit_open(kit, "virsh", NULL);
	}
	return holos_testkit_ops(kit, "virsh");
}

holos_status import_text(const void *text, size_t len, const char **ret)
{
	const struct holos_importer_ops *ops = prepare();
	int fd = memfd_create("domain", MFD_CLOEXEC);
	holos_call *call = holos_testkit_call(kit);
	holos_status status;

	if (fd < 0 || (len != 0 && write(fd, text, len) != (ssize_t)len) ||
	    lseek(fd, 0, SEEK_SET) != 0)
		abort();
	status = ops->convert(inst, fd, "domain.xml", holos_testkit_importer_sink(kit), call,
			      holos_testkit_error(kit));
	close(fd);
	*ret = status == HOLOS_OK ? holos_testkit_result(kit) : holos_testkit_message(kit);
	return status;
}

const char *import_hint(void)
{
	return holos_testkit_hint(kit);
}

int import_sniff(const char *name, const void *head, size_t len)
{
	return prepare()->sniff(NULL, name, head, len);
}
