/* SPDX-License-Identifier: Apache-2.0
 *
 * arch.c - see arch.h.
 */
#include <base/arch.h>

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static const char *const names[] = { [ARCH_X86_64] = "x86_64", [ARCH_AARCH64] = "aarch64" };
#define N_ARCHS (sizeof(names) / sizeof(names[0]))

const char *arch_name(enum arch a)
{
	return names[a];
}

static bool parse(const char *name, enum arch *ret)
{
	for (size_t i = 0; i < N_ARCHS; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = (enum arch)i;
			return true;
		}
	}
	return false;
}

static const char *machine(struct utsname *u)
{
	return uname(u) == 0 ? u->machine : "unknown";
}

int arch_get(enum arch *ret, struct holos_error **err)
{
	const char *wish = getenv("HOLOS_ARCH");
	struct utsname u;

	if (wish != NULL && *wish != '\0') {
		if (parse(wish, ret))
			return 0;
		error_set(err, ERR_USAGE, "HOLOS_ARCH is \"%.32s\"", wish);
		error_hint(err, "it may be x86_64 or aarch64");
		return -ERR_USAGE;
	}
	if (parse(machine(&u), ret))
		return 0;
	error_set(err, ERR_HOST, "holos has no VMs for the architecture %.64s", machine(&u));
	error_hint(err, "HOLOS_ARCH=x86_64 or aarch64 has those emulated");
	return -ERR_HOST;
}

bool arch_is_native(enum arch a)
{
	struct utsname u;

	return strcmp(machine(&u), names[a]) == 0;
}
