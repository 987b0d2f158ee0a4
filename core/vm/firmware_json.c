/* SPDX-License-Identifier: Apache-2.0
 *
 * firmware_json.c - QEMU's firmware descriptors, by which distributions say which
 * firmware they have (QEMU's docs/interop/firmware.json).
 *
 * They lie in three directories, the user's first; of files of one name that of the
 * first directory counts, an empty one hides the others; they are tried in the order
 * of their names.  One that is damaged is passed over, as libvirt does.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/strv.h>
#include <vm/firmware.h>
#include <vm/hostpath.h>

#include <dirent.h>
#include <fnmatch.h>
#include <string.h>

#define DESCRIPTOR_MAX  65536u
#define DESCRIPTORS_MAX 256u

static bool lists(struct json_object *obj, const char *key, const char *word)
{
	struct json_object *arr = jsonx_arr(obj, key);

	for (size_t i = 0; i < jsonx_len(arr); i++) {
		const char *s = jsonx_str_at(arr, i);

		if (s != NULL && strcmp(s, word) == 0)
			return true;
	}
	return false;
}

/* Is it for our machine?  Descriptors name versioned ones by patterns: "pc-q35-*". */
static bool targets(struct json_object *d, enum arch arch)
{
	const char *machine = arch == ARCH_X86_64 ? "pc-q35-6.2" : "virt-6.2";
	struct json_object *all = jsonx_arr(d, "targets");

	for (size_t i = 0; i < jsonx_len(all); i++) {
		struct json_object *t = json_object_array_get_idx(all, i);
		struct json_object *machines = jsonx_arr(t, "machines");

		if (strcmp(jsonx_str(t, "architecture", ""), arch_name(arch)) != 0)
			continue;
		for (size_t k = 0; k < jsonx_len(machines); k++) {
			const char *pattern = jsonx_str_at(machines, k);

			if (pattern != NULL && fnmatch(pattern, machine, 0) == 0)
				return true;
		}
	}
	return false;
}

/* Secure boot with enrolled keys, when that is wanted; else what starts anything. */
static bool features_fit(struct json_object *d, bool secure)
{
	if (secure)
		return lists(d, "features", "secure-boot") && lists(d, "features", "enrolled-keys");
	return !lists(d, "features", "enrolled-keys") && !lists(d, "features", "requires-smm");
}

static char *file_of(struct json_object *mapping, const char *key, const char **ret_format)
{
	struct json_object *file = jsonx_obj(mapping, key);
	const char *name = jsonx_str(file, "filename", NULL);
	const char *format = jsonx_str(file, "format", "");
	_cleanup_(freep) char *path = NULL;

	if (name == NULL || name[0] != '/' ||
	    (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0))
		return NULL;
	path = host_path(name);
	*ret_format = format;
	return firmware_usable(path) ? steal_ptr(&path) : NULL;
}

static bool take(struct json_object *d, enum arch arch, bool secure, struct firmware *ret)
{
	struct json_object *mapping = jsonx_obj(d, "mapping");
	const char *code_format, *vars_format;
	_cleanup_(freep) char *code = NULL;
	_cleanup_(freep) char *vars = NULL;

	if (!lists(d, "interface-types", "uefi") || !targets(d, arch) || !features_fit(d, secure) ||
	    strcmp(jsonx_str(mapping, "device", ""), "flash") != 0 ||
	    strcmp(jsonx_str(mapping, "mode", "split"), "split") != 0)
		return false;
	code = file_of(mapping, "executable", &code_format);
	vars = file_of(mapping, "nvram-template", &vars_format);
	if (code == NULL || vars == NULL)
		return false;
	ret->code_format = xstrdup(code_format);
	ret->vars_format = xstrdup(vars_format);
	ret->code = steal_ptr(&code);
	ret->vars = steal_ptr(&vars);
	ret->smm = lists(d, "features", "requires-smm");
	return true;
}

/* The names of all descriptors, sorted. */
static void list_names(char *const *dirs, struct strv *names)
{
	for (; *dirs != NULL; dirs++) {
		_cleanup_(closedirp) DIR *d = opendir(*dirs);
		const struct dirent *e;

		while (d != NULL && names->n < DESCRIPTORS_MAX && (e = readdir(d)) != NULL) {
			size_t len = strlen(e->d_name);

			if (e->d_name[0] != '.' && len > 5 &&
			    strcmp(e->d_name + len - 5, ".json") == 0 &&
			    !strv_has(names, e->d_name))
				strv_add(names, e->d_name);
		}
	}
	strv_sort(names);
}

static char *user_directory(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config != NULL && config[0] == '/')
		return fs_join(config, "qemu/firmware");
	return home != NULL && home[0] == '/' ? fs_join(home, ".config/qemu/firmware") : NULL;
}

bool firmware_from_descriptors(enum arch arch, bool secure, struct firmware *ret)
{
	_cleanup_(strv_finish) struct strv dirs = STRV_INIT, names = STRV_INIT;
	char *own = user_directory();
	bool found = false;

	if (own != NULL)
		strv_take(&dirs, own);
	strv_take(&dirs, host_path("/etc/qemu/firmware"));
	strv_take(&dirs, host_path("/usr/share/qemu/firmware"));
	list_names(dirs.v, &names);
	for (size_t i = 0; i < names.n && !found; i++) {
		for (size_t k = 0; k < dirs.n; k++) {
			_cleanup_(freep) char *path = fs_join(dirs.v[k], names.v[i]);
			_cleanup_(json_putp) struct json_object *d = NULL;

			if (!fs_exists(AT_FDCWD, path))
				continue;
			if (jsonx_read_file(AT_FDCWD, path, DESCRIPTOR_MAX, &d, NULL) == 0)
				found = take(d, arch, secure, ret);
			break;
		}
	}
	return found;
}
