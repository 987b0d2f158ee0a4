/* SPDX-License-Identifier: Apache-2.0
 *
 * imageremove.c - see imagelist.h: rm and prune.
 *
 * Both have the store alone while they look and remove: who is about to put a VM on
 * a base holds it shared from before he chose the base until its record says so.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/url.h>
#include <engine/context.h>
#include <engine/imagelist.h>
#include <engine/imagestore.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DIGITS_MIN    8
#define GIVEN_UP_DAYS 7

struct removal {
	struct engine *e;
	struct json_object *index;
	struct image_user *users;
	size_t n_users;
	struct image_entry *entries;
	size_t n_entries;
	struct strv *removed;
	uint64_t *bytes;
	int alone;
};

static void removal_finish(struct removal *r)
{
	for (size_t i = 0; i < r->n_entries; i++)
		image_entry_finish(&r->entries[i]);
	free(r->entries);
	image_users_free(r->users, r->n_users);
	json_object_put(r->index);
	if (r->alone >= 0)
		close(r->alone);
}

static int removal_begin(struct engine *e, struct strv *removed, uint64_t *bytes,
			 struct removal *ret, struct holos_error **err)
{
	int r;

	*ret = (struct removal){ .e = e, .removed = removed, .bytes = bytes, .alone = -1 };
	*bytes = 0;
	r = store_hold_alone(e, &ret->alone, err);
	if (r == 0)
		r = store_read(e, &ret->index, err);
	if (r == 0)
		r = store_users(e, &ret->users, &ret->n_users, err);
	if (r == 0)
		ret->n_entries = store_entries(e, ret->index, &ret->entries);
	return r;
}

/* The index has lost this reference: the list that was made of it does too. */
static int drop_ref(struct removal *r, size_t at, struct holos_error **err)
{
	int e = store_drop(r->e, r->entries[at].ref, err);

	if (e < 0)
		return e;
	image_entry_finish(&r->entries[at]);
	memmove(&r->entries[at], &r->entries[at + 1], (--r->n_entries - at) * sizeof(*r->entries));
	return 0;
}

static uint64_t disk_usage(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* Does a reference other than `but` (NULL: any) lead to this disk? */
static bool is_referenced(const struct removal *r, const char *disk, const char *but)
{
	for (size_t i = 0; i < r->n_entries; i++) {
		if (strcmp(r->entries[i].disk, disk) == 0 &&
		    (but == NULL || strcmp(r->entries[i].ref, but) != 0))
			return true;
	}
	return false;
}

static int remove_base(struct removal *r, const char *disk, const char *format,
		       struct holos_error **err)
{
	_cleanup_(freep) char *path = store_path(r->e, disk, format);
	uint64_t bytes = disk_usage(path);
	int e = 0;

	for (size_t i = r->n_entries; e == 0 && i-- > 0;) {
		if (strcmp(r->entries[i].disk, disk) == 0)
			e = drop_ref(r, i, err);
	}
	if (e == 0)
		e = store_remove(r->e, disk, format, err);
	if (e < 0)
		return e;
	strv_addf(r->removed, "sha256:%s", disk);
	*r->bytes += bytes;
	return 0;
}

static int refuse_used(const struct removal *r, const char *name, const char *disk,
		       const char *format, struct holos_error **err)
{
	_cleanup_(freep) char *path = store_path(r->e, disk, format);
	_cleanup_(freep) char *users = store_users_text(r->users, r->n_users, path, NULL);

	if (users == NULL)
		return 0;
	error_set(err, ERR_FAILED, "image \"%s\" is used by %s", name, users);
	error_hint(err, "holos down removes these VMs and their root disks");
	return -ERR_FAILED;
}

static int remove_ref(struct removal *r, size_t at, struct holos_error **err)
{
	const struct image_entry *i = &r->entries[at];
	_cleanup_(freep) char *ref = xstrdup(i->ref);
	_cleanup_(freep) char *disk = xstrdup(i->disk);
	_cleanup_(freep) char *format = xstrdup(i->format);
	bool shared = is_referenced(r, disk, ref);
	int e = shared ? 0 : refuse_used(r, ref, disk, format, err);

	if (e == 0)
		e = drop_ref(r, at, err);
	if (e == 0)
		strv_add(r->removed, ref);
	return e == 0 && !shared ? remove_base(r, disk, format, err) : e;
}

/* "sha256:0123abcd", as the list shows it: exactly one base begins so. */
static int remove_digest(struct removal *r, const char *name, const char *digits,
			 struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv bases = STRV_INIT;
	char hex[65], found[65] = "";
	const char *format, *found_format = NULL;
	int e = store_bases(r->e, &bases, err);

	for (size_t i = 0; e == 0 && i < bases.n; i++) {
		if (!store_parse_base(bases.v[i], hex, &format) ||
		    strncmp(hex, digits, strlen(digits)) != 0)
			continue;
		if (found_format != NULL)
			return error_set(err, ERR_USAGE, "several images begin with %s", name);
		memcpy(found, hex, sizeof(found));
		found_format = format;
	}
	if (e == 0 && found_format == NULL)
		e = error_set(err, ERR_FAILED, "no image in the store begins with %s", name);
	if (e == 0)
		e = refuse_used(r, name, found, found_format, err);
	return e == 0 ? remove_base(r, found, found_format, err) : e;
}

static int remove_one(struct removal *r, const char *name, struct holos_error **err)
{
	const struct plugin_info *plugin;
	_cleanup_(freep) char *full = NULL;
	_cleanup_(freep) char *shown = NULL;

	if (strncmp(name, "sha256:", 7) == 0) {
		if (strlen(name + 7) < DIGITS_MIN)
			return error_set(err, ERR_USAGE, "%s: at least %d digits are needed", name,
					 DIGITS_MIN);
		return remove_digest(r, name, name + 7, err);
	}
	/* A reference that no source serves any more may still be in the store. */
	if (registry_image_source(engine_registry(r->e), name, &plugin, &full, NULL) < 0)
		full = xstrdup(name);
	for (size_t i = 0; i < r->n_entries; i++) {
		if (strcmp(r->entries[i].ref, full) == 0)
			return remove_ref(r, i, err);
	}
	shown = url_masked(name);
	error_set(err, ERR_FAILED, "image \"%s\" is not in the store", shown);
	error_hint(err, "holos images shows what is");
	return -ERR_FAILED;
}

int images_remove(struct engine *e, char *const *names, size_t n, struct strv *removed,
		  uint64_t *ret_bytes, struct holos_error **err)
{
	struct removal r;
	int result = removal_begin(e, removed, ret_bytes, &r, err);

	for (size_t i = 0; result == 0 && i < n; i++)
		result = remove_one(&r, names[i], err);
	removal_finish(&r);
	return result;
}

/* ---- prune ------------------------------------------------------------------------ */

static bool is_recent(const struct stat *st)
{
	return time(NULL) - st->st_mtime < GIVEN_UP_DAYS * 24 * 3600;
}

/* Downloads that nobody goes on with.  Nobody else is at work here now. */
static int prune_downloads(struct removal *r, bool all, struct holos_error **err)
{
	int fd = state_open_dir(r->e->state, false, "images/.fetch");
	_cleanup_(closedirp) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (d == NULL)
		return error_sys(err, ERR_FAILED, errno, "cannot read %s/images/.fetch",
				 r->e->state->dir);
	while ((entry = readdir(d)) != NULL) {
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (!all && is_recent(&st)))
			continue;
		if (unlinkat(fd, entry->d_name, 0) < 0)
			return error_sys(err, ERR_FAILED, errno, "cannot remove %s", entry->d_name);
		*r->bytes += (uint64_t)st.st_blocks * 512;
	}
	return 0;
}

static bool is_used(const struct removal *r, const char *disk, const char *format)
{
	_cleanup_(freep) char *path = store_path(r->e, disk, format);
	char *users = store_users_text(r->users, r->n_users, path, NULL);

	if (users == NULL)
		return false;
	free(users);
	return true;
}

/* "damaged-sha256-….qcow2", which verify set aside; "sha256-….kernel" without its
 * disk, of who was killed while he stored or removed it. */
static bool is_leftover(struct removal *r, const char *name)
{
	static const char *const formats[] = { "qcow2", "raw" };
	const char *format;
	char hex[65];

	/* Who has a VM on it may want to save what he can. */
	if (strncmp(name, "damaged-", 8) == 0 && store_parse_base(name + 8, hex, &format))
		return !is_used(r, hex, format);
	if (strncmp(name, "sha256-", 7) != 0 || strspn(name + 7, "0123456789abcdef") != 64 ||
	    (strcmp(name + 71, ".kernel") != 0 && strcmp(name + 71, ".initrd") != 0 &&
	     strcmp(name + 71, ".cmdline") != 0))
		return false;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_(freep) char *disk = xasprintf("images/%.71s.%s", name, formats[i]);

		if (!fs_absent(r->e->state->fd, disk))
			return false;
	}
	return true;
}

/* What the files of a directory take up. */
static uint64_t tree_usage(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(closedirp) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	uint64_t bytes = 0;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		bytes += (uint64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode))
			bytes += tree_usage(fd, entry->d_name);
	}
	return bytes;
}

/* ".cache-PLUGIN": what an image plugin keeps to make its image again.  In use, or
 * used lately, it saves a download of packages. */
static int prune_cache(struct removal *r, int dir, const char *name, bool all,
		       struct holos_error **err)
{
	uint64_t bytes = 0;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
	    (!all && is_recent(&st)))
		return 0;
	bytes = tree_usage(dir, name);
	if (fs_remove_tree(dir, name, err) < 0)
		return -ERR_FAILED;
	*r->bytes += bytes;
	return 0;
}

static int prune_leftovers(struct removal *r, bool all, struct holos_error **err)
{
	/* Which may be a link. */
	int fd = openat(r->e->state->fd, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (d == NULL)
		return error_sys(err, ERR_FAILED, errno, "cannot read %s/images", r->e->state->dir);
	while ((entry = readdir(d)) != NULL) {
		struct stat st;

		if (strncmp(entry->d_name, ".cache-", 7) == 0 &&
		    prune_cache(r, fd, entry->d_name, all, err) < 0)
			return -ERR_FAILED;
		if (!is_leftover(r, entry->d_name) ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) < 0)
			return error_sys(err, ERR_FAILED, errno, "cannot remove %s", entry->d_name);
		*r->bytes += (uint64_t)st.st_blocks * 512;
	}
	return 0;
}

int images_prune(struct engine *e, bool all, struct strv *removed, uint64_t *ret_bytes,
		 struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv bases = STRV_INIT;
	struct removal r;
	int result = removal_begin(e, removed, ret_bytes, &r, err);

	if (result == 0)
		result = store_bases(e, &bases, err);
	for (size_t i = 0; result == 0 && i < bases.n; i++) {
		const char *format;
		char hex[65];

		if (!store_parse_base(bases.v[i], hex, &format))
			continue;
		if (!is_used(&r, hex, format) && (all || !is_referenced(&r, hex, NULL)))
			result = remove_base(&r, hex, format, err);
	}
	if (result == 0)
		result = prune_leftovers(&r, all, err);
	if (result == 0)
		result = prune_downloads(&r, all, err);
	removal_finish(&r);
	return result;
}
