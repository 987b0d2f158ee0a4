/* SPDX-License-Identifier: Apache-2.0
 *
 * firmware.c - see firmware.h.
 */
#include <base/alloc.h>
#include <base/cleanup.h>
#include <vm/firmware.h>
#include <vm/hostpath.h>
#include <vm/packages.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct pair {
	enum arch arch;
	bool secure;
	const char *code, *vars;
} pairs[] = {
	/* contract.md section 4, in this order */
	{ ARCH_X86_64, false, "/usr/share/OVMF/OVMF_CODE_4M.fd",
	  "/usr/share/OVMF/OVMF_VARS_4M.fd" },
	{ ARCH_X86_64, false, "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd" },
	{ ARCH_X86_64, false, "/usr/share/edk2/ovmf/OVMF_CODE.fd",
	  "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
	{ ARCH_X86_64, false, "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
	  "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd" },
	{ ARCH_X86_64, false, "/usr/share/qemu/OVMF_CODE.fd", "/usr/share/qemu/OVMF_VARS.fd" },
	/* Debian; Fedora; Red Hat */
	{ ARCH_X86_64, true, "/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
	  "/usr/share/OVMF/OVMF_VARS_4M.ms.fd" },
	{ ARCH_X86_64, true, "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd",
	  "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd" },
	{ ARCH_X86_64, true, "/usr/share/OVMF/OVMF_CODE.secboot.fd",
	  "/usr/share/OVMF/OVMF_VARS.secboot.fd" },
	{ ARCH_AARCH64, false, "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd" },
	{ ARCH_AARCH64, false, "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
	  "/usr/share/edk2/aarch64/vars-template-pflash.raw" },
	{ ARCH_AARCH64, true, "/usr/share/AAVMF/AAVMF_CODE.ms.fd",
	  "/usr/share/AAVMF/AAVMF_VARS.ms.fd" },
};

void firmware_finish(struct firmware *f)
{
	free(f->code);
	free(f->code_format);
	free(f->vars);
	free(f->vars_format);
	memset(f, 0, sizeof(*f));
}

bool firmware_usable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode) && access(path, R_OK) == 0;
}

static void fill(struct firmware *f, const char *code, const char *vars, bool smm)
{
	f->code = xstrdup(code);
	f->vars = xstrdup(vars);
	f->code_format = xstrdup("raw");
	f->vars_format = xstrdup("raw");
	f->smm = smm;
}

static int from_environment(const char *code, const char *vars, bool smm, struct firmware *ret,
			    struct holos_error **err)
{
	const char *bad = !firmware_usable(code) ? code : !firmware_usable(vars) ? vars : NULL;

	if (bad != NULL) {
		error_set(err, ERR_HOST, "%s names %s, which is no readable file",
			  bad == code ? "HOLOS_OVMF_CODE" : "HOLOS_OVMF_VARS", bad);
		error_hint(err, "set both to firmware files, or unset both");
		return -ERR_HOST;
	}
	fill(ret, code, vars, smm);
	return 0;
}

static bool from_known_places(enum arch arch, bool secure, struct firmware *ret)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct pair *p = &pairs[i];
		_cleanup_(freep) char *code = host_path(p->code);
		_cleanup_(freep) char *vars = host_path(p->vars);

		if (p->arch == arch && p->secure == secure && firmware_usable(code) &&
		    firmware_usable(vars)) {
			fill(ret, code, vars, secure && arch == ARCH_X86_64);
			return true;
		}
	}
	return false;
}

int firmware_find(enum arch arch, bool secure, struct firmware *ret, struct holos_error **err)
{
	const char *code = getenv("HOLOS_OVMF_CODE"), *vars = getenv("HOLOS_OVMF_VARS");
	bool has_code = code != NULL && *code != '\0', has_vars = vars != NULL && *vars != '\0';
	_cleanup_(freep) char *command = NULL;

	if (has_code && has_vars)
		return from_environment(code, vars, secure && arch == ARCH_X86_64, ret, err);
	if (has_code || has_vars) {
		error_set(err, ERR_HOST, "%s is set and %s is not",
			  has_code ? "HOLOS_OVMF_CODE" : "HOLOS_OVMF_VARS",
			  has_code ? "HOLOS_OVMF_VARS" : "HOLOS_OVMF_CODE");
		error_hint(err, "set both, or neither");
		return -ERR_HOST;
	}
	if (from_known_places(arch, secure, ret) || firmware_from_descriptors(arch, secure, ret))
		return 0;
	command = packages_command(NEED_FIRMWARE, arch);
	error_set(err, ERR_HOST, "cannot find UEFI firmware %sfor %s",
		  secure ? "with secure boot " : "", arch_name(arch));
	error_hint(err, "%s, or set HOLOS_OVMF_CODE and HOLOS_OVMF_VARS", command);
	return -ERR_HOST;
}
