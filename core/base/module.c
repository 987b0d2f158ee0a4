/* SPDX-License-Identifier: Apache-2.0
 *
 * module.c - see module.h.
 */
#include <base/fs.h>
#include <base/module.h>
#include <base/paths.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* How everything that a module exports begins. */
struct module_head {
	uint32_t size;
	const char *version;
};

int module_load(const struct module_file *m, const void **loaded, struct holos_error **err)
{
	const char *dir = getenv("HOLOS_MODULE_DIR");
	_cleanup_(freep) char *path = NULL;
	const struct module_head *head;
	void *handle;

	if (*loaded != NULL)
		return 0;
	path = fs_join(dir != NULL && dir[0] != '\0' ? dir : paths_modules(), m->file);
	/* Never unloaded: libcrypto leaves exit handlers behind. */
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (handle == NULL) {
		const char *why = dlerror();

		error_set(err, ERR_HOST, "cannot load %s: %s", m->what, why != NULL ? why : path);
		error_hint(err, "%s", m->hint);
		return -ERR_HOST;
	}
	head = dlsym(handle, m->symbol);
	if (head == NULL || head->size != m->size || strcmp(head->version, HOLOS_VERSION) != 0) {
		error_set(err, ERR_HOST, "%s does not belong to holos %s", path, HOLOS_VERSION);
		error_hint(err, "install all parts of holos in the same version");
		return -ERR_HOST;
	}
	*loaded = head;
	return 0;
}
