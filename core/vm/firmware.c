/* SPDX-License-Identifier: Apache-2.0
 *
 * firmware.c - see firmware.h.
 */
#include <base/alloc.h>
#include <base/cleanup.h>
#include <vm/firmware.h>

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *code, *vars;
} pairs[] = {
	/* contract.md section 4, in this order */
	{ "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd" },
	{ "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd" },
	{ "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
	{ "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd" },
	{ "/usr/share/qemu/OVMF_CODE.fd", "/usr/share/qemu/OVMF_VARS.fd" },
};

void firmware_finish(struct firmware *f)
{
	free(f->code);
	free(f->vars);
	f->code = NULL;
	f->vars = NULL;
}

static bool usable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode) && access(path, R_OK) == 0;
}

static int from_environment(const char *code, const char *vars, struct firmware *ret,
			    struct holos_error **err)
{
	const char *bad = !usable(code) ? code : !usable(vars) ? vars : NULL;

	if (bad != NULL) {
		error_set(err, ERR_HOST, "%s names %s, which is no readable file",
			  bad == code ? "HOLOS_OVMF_CODE" : "HOLOS_OVMF_VARS", bad);
		error_hint(err, "set both to firmware files, or unset both");
		return -ERR_HOST;
	}
	ret->code = xstrdup(code);
	ret->vars = xstrdup(vars);
	return 0;
}

int firmware_find_at(const char *root, struct firmware *ret, struct holos_error **err)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		_cleanup_(freep) char *code = xasprintf("%s%s", root, pairs[i].code);
		_cleanup_(freep) char *vars = xasprintf("%s%s", root, pairs[i].vars);

		if (usable(code) && usable(vars)) {
			ret->code = steal_ptr(&code);
			ret->vars = steal_ptr(&vars);
			return 0;
		}
	}
	error_set(err, ERR_HOST, "cannot find the UEFI firmware OVMF");
	error_hint(err, "install it (Debian: apt install ovmf), or set HOLOS_OVMF_CODE and "
			"HOLOS_OVMF_VARS");
	return -ERR_HOST;
}

int firmware_find(struct firmware *ret, struct holos_error **err)
{
	const char *code = getenv("HOLOS_OVMF_CODE"), *vars = getenv("HOLOS_OVMF_VARS");
	bool has_code = code != NULL && *code != '\0', has_vars = vars != NULL && *vars != '\0';

	if (has_code && has_vars)
		return from_environment(code, vars, ret, err);
	if (has_code || has_vars)
		return error_set(err, ERR_HOST, "%s is set and %s is not: set both, or neither",
				 has_code ? "HOLOS_OVMF_CODE" : "HOLOS_OVMF_VARS",
				 has_code ? "HOLOS_OVMF_VARS" : "HOLOS_OVMF_CODE");
	return firmware_find_at("", ret, err);
}
