/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.c - QMP on stdin and stdout, without a VM.
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

bool probe_is_meant(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "-qmp") && !strcmp(argv[i + 1], "stdio"))
			return true;
	}
	return false;
}

static bool lacks(const char *what)
{
	const char *list = getenv("FAKE_QEMU_LACKS");

	return list && strstr(list, what);
}

static void put_types(const char *const *names)
{
	const char *sep = "";

	printf("{\"return\": [");
	for (; *names; names++) {
		if (lacks(*names))
			continue;
		printf("%s{\"name\": \"%s\", \"parent\": \"x\"}", sep, *names);
		sep = ", ";
	}
	puts("], \"id\": \"types\"}");
}

int probe_answer(void)
{
	static const char *const accels[] = { "tcg-accel", "kvm-accel", "accel", NULL };
	static const char *const devices[] = { "virtio-9p-pci", "vfio-pci", "pvpanic-pci", NULL };
	const char *version = getenv("FAKE_QEMU_VERSION");
	const char *probed = getenv("FAKE_QEMU_PROBED");
	FILE *log = probed ? fopen(probed, "a") : NULL;
	unsigned v[3] = { 7, 2, 22 };
	char line[512];

	if (log) {
		fputs("probed\n", log);
		fclose(log);
	}
	if (version && sscanf(version, "%u.%u.%u", &v[0], &v[1], &v[2]) != 3)
		return 1;
	printf("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": %u, \"minor\": %u, \"major\": %u}, "
	       "\"package\": \"\"}, \"capabilities\": [\"oob\"]}}\n",
	       v[2], v[1], v[0]);
	while (fgets(line, sizeof(line), stdin)) {
		if (strstr(line, "query-command-line-options") && lacks("sandbox"))
			puts("{\"id\": \"options\", \"error\": {\"class\": \"GenericError\", "
			     "\"desc\": \"invalid option name: sandbox\"}}");
		else if (strstr(line, "query-command-line-options"))
			puts("{\"return\": [{\"parameters\": [], \"option\": \"sandbox\"}], "
			     "\"id\": \"options\"}");
		else if (strstr(line, "\"accel\""))
			put_types(accels);
		else if (strstr(line, "pci-device"))
			put_types(devices);
		else
			puts("{\"return\": {}}");
	}
	return 0;
}
