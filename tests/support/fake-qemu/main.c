/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - the fake's start, in QEMU's order.  See fake.h.
 */
#include "fake.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static bool is_help(const struct fake *f)
{
	const char *accel = args_get(f, "accel");

	if (accel && !strcmp(accel, "help")) {
		puts("Accelerators supported in QEMU binary:\ntcg\nkvm");
		return true;
	}
	return false;
}

static int open_all(struct fake *f)
{
	return chardev_open_all(f) || image_open_all(f) || net_open_all(f);
}

int main(int argc, char **argv)
{
	static struct fake f;
	struct rlimit no_core = { 0, 0 };
	int status;

	f.argc = argc;
	f.argv = argv;
	if (argc == 2 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-version"))) {
		puts("QEMU emulator version 7.2.22 (fake)\n"
		     "Copyright (c) 2003-2022 Fabrice Bellard and the QEMU Project developers");
		return 0;
	}
	if (probe_is_meant(argc, argv))
		return probe_answer();
	setrlimit(RLIMIT_CORE, &no_core);
	status = args_parse(&f);
	if (status || is_help(&f))
		return status;
	if (behavior_load(&f.behavior, f.name))
		return 1;
	log_start(&f);
	if (f.behavior.start_delay_ms)
		poll(NULL, 0, f.behavior.start_delay_ms);
	if (f.behavior.fail_start >= 0) {
		if (*f.behavior.message)
			complain("%s", f.behavior.message);
		return f.behavior.fail_start;
	}
	if (open_all(&f)) {
		chardev_remove_all(&f);
		return 1;
	}
	machine_start(&f);
	loop_run();
}
