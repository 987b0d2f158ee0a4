/* SPDX-License-Identifier: Apache-2.0
 *
 * search.h - where plugins are and which files are safe to take: used by the
 * registry (manifests) and by holos-worker (code).
 */
#ifndef PLUGIN_SEARCH_H
#define PLUGIN_SEARCH_H

#include <base/error.h>
#include <base/strv.h>

#include <stdbool.h>

/* "holos-" + kind + "-" + name + suffix always fit. */
#define PLUGIN_FILE_MAX 64

/* HOLOS_PLUGIN_PATH (colon list of absolute directories; not where the process is
 * set-uid), ~/.local/lib/holos/plugins, the installed directory. */
void plugin_search_dirs(struct strv *ret);
/* The holos-worker that belongs to this program; the caller frees. */
char *plugin_worker_program(void);

/* A file that was found. */
struct plugin_file {
	int fd;       /* open for reading */
	char *dir;    /* the directory */
	char *path;   /* dir/FILE with symlinks in that directory resolved */
	char *module; /* "net-user": the stem of path without "holos-" */
};

/* Look for holos-KIND-NAME + suffix (".so", ".json") in the directories, in
 * order; a missing directory is passed over.  Returns 1 when found, 0 when not,
 * and -code (ERR_HOST) when it is there and must not be used: it, its directory
 * or one above that is writable by others or belongs to somebody else, a
 * symlink leads out of the directory, it is no regular file.  *ret_path (may be
 * NULL) then tells where it is. */
int plugin_search(char *const *dirs, const char *kind, const char *name, const char *suffix,
		  struct plugin_file *ret, char **ret_path, struct holos_error **err);
/* The same in one directory. */
int plugin_search_dir(const char *dir, const char *kind, const char *name, const char *suffix,
		      struct plugin_file *ret, char **ret_path, struct holos_error **err);
void plugin_file_finish(struct plugin_file *f);

/* Split "holos-KIND-NAME" + suffix: true when it is exactly that, with a known
 * kind; *ret_kind is borrowed, name holds at least 33 bytes. */
bool plugin_file_parse(const char *file, const char *suffix, const char **ret_kind, char *name);

#endif
