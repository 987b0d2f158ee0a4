/* SPDX-License-Identifier: Apache-2.0
 *
 * program.c - see program.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/cleanup.h>
#include <base/fs.h>
#include <base/process.h>
#include <vm/program.h>

#include <string.h>
#include <sys/wait.h>

#define VERSION_DEADLINE (5 * NS_PER_S)

int program_find_qemu(char **ret, struct holos_error **err)
{
	const char *name = getenv("HOLOS_QEMU_SYSTEM");
	bool named = name != NULL && *name != '\0';
	char *path = fs_find_program(named ? name : "qemu-system-x86_64");

	if (path != NULL) {
		*ret = path;
		return 0;
	}
	if (named) {
		error_set(err, ERR_HOST, "HOLOS_QEMU_SYSTEM names %s, which is no program", name);
		error_hint(err, "set it to an executable file, or unset it");
	} else {
		error_set(err, ERR_HOST, "cannot find qemu-system-x86_64 in PATH");
		error_hint(err, "install QEMU (Debian: apt install qemu-system-x86), or set "
				"HOLOS_QEMU_SYSTEM");
	}
	return -ERR_HOST;
}

/* A decimal number of at most three digits, with *p moved behind it; -1. */
static int number(const char **p)
{
	int v = 0, n = 0;

	for (; **p >= '0' && **p <= '9' && n < 3; (*p)++, n++)
		v = v * 10 + (**p - '0');
	return n > 0 ? v : -1;
}

static int parse_version(const char *text, struct qemu_version *ret)
{
	const char *p = strstr(text, "version ");
	int v[3];

	if (p == NULL)
		return -1;
	p += strlen("version ");
	for (int i = 0; i < 3; i++) {
		v[i] = number(&p);
		if (v[i] < 0 || (i < 2 && *p++ != '.'))
			return -1;
	}
	ret->major = (unsigned)v[0];
	ret->minor = (unsigned)v[1];
	ret->micro = (unsigned)v[2];
	return 0;
}

int program_qemu_version(const char *program, struct qemu_version *ret, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT, errout = STRBUF_INIT;
	char arg0[] = "qemu", arg1[] = "--version";
	char *argv[] = { arg0, arg1, NULL };
	struct qemu_version v;
	char how[64];
	int status;

	if (process_run(program, argv, clock_now_ns() + VERSION_DEADLINE, &out, &errout, &status,
			err) < 0) {
		if (err != NULL)
			(*err)->code = ERR_HOST;
		return error_wrap(err, "cannot ask %s for its version", program);
	}
	if (status != 0)
		return error_set(err, ERR_HOST, "%s --version %s", program,
				 process_describe_status(status, how));
	if (parse_version(out.s != NULL ? out.s : "", &v) < 0)
		return error_set(err, ERR_HOST, "%s --version does not answer as QEMU does",
				 program);
	if (v.major < QEMU_MIN_MAJOR || (v.major == QEMU_MIN_MAJOR && v.minor < QEMU_MIN_MINOR)) {
		error_set(err, ERR_HOST, "%s is QEMU %u.%u.%u, and holos needs %d.%d or newer",
			  program, v.major, v.minor, v.micro, QEMU_MIN_MAJOR, QEMU_MIN_MINOR);
		error_hint(err, "install a newer QEMU, or set HOLOS_QEMU_SYSTEM to one");
		return -ERR_HOST;
	}
	*ret = v;
	return 0;
}
