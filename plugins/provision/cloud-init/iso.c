/* SPDX-License-Identifier: Apache-2.0
 *
 * iso.c - the seed as an ISO 9660 image, by libarchive.
 *
 * Rock Ridge (strict: modes stay as given, one file holds a key) and Joliet.
 * libarchive upper-cases the label in the primary descriptor and keeps it in
 * Joliet's; NoCloud accepts both.  The image carries the time of its making,
 * so two images of the same files differ.
 */
#include "parts.h"

#include <holos/util.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_DUE (64u << 20) /* a seed is smaller by far: it came in a message */

struct target {
	int fd;
};

/* Not archive_write_open_fd(): that one makes a system call of every 10 KiB
 * and looks at the file's type. */
static la_ssize_t write_out(struct archive *a, void *data, const void *buf, size_t len)
{
	const struct target *t = data;
	ssize_t n;

	do {
		n = write(t->fd, buf, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(a, errno, "write: %s", strerror(errno));
	return n;
}

static int add(struct archive *a, struct archive_entry *e, const struct ci_file *f, time_t now)
{
	size_t len = strlen(f->path);
	int directory = len > 0 && f->path[len - 1] == '/';
	int r;

	archive_entry_clear(e);
	archive_entry_set_pathname(e, f->path);
	archive_entry_set_filetype(e, directory ? AE_IFDIR : AE_IFREG);
	archive_entry_set_perm(e, f->mode);
	archive_entry_set_nlink(e, 1);
	archive_entry_set_mtime(e, now, 0);
	if (!directory)
		archive_entry_set_size(e, (la_int64_t)f->len);
	r = archive_write_header(a, e);
	if (r < ARCHIVE_WARN || directory || f->len == 0)
		return r;
	return archive_write_data(a, f->data, f->len) == (la_ssize_t)f->len ? ARCHIVE_OK
									    : ARCHIVE_FATAL;
}

/* libarchive gathers the files in an unlinked one of TMPDIR; there are keys among
 * them, which memory is the better place for.  *ret_old is to be given back. */
static void use_memory(char **ret_old)
{
	const char *old = getenv("TMPDIR");
	struct statvfs room;

	*ret_old = old != NULL ? strdup(old) : NULL;
	if (access("/dev/shm", W_OK | X_OK) == 0 && statvfs("/dev/shm", &room) == 0 &&
	    (uint64_t)room.f_bavail * room.f_frsize >= MEMORY_DUE)
		(void)setenv("TMPDIR", "/dev/shm", 1);
}

static void use_again(char *old)
{
	if (old != NULL)
		(void)setenv("TMPDIR", old, 1);
	else
		(void)unsetenv("TMPDIR");
	free(old);
}

static int write_all(struct archive *a, struct archive_entry *e, struct target *t,
		     const struct ci_file *files, size_t n)
{
	time_t now = time(NULL);
	int r;

	if (archive_write_set_format_iso9660(a) != ARCHIVE_OK ||
	    archive_write_set_options(a, "iso9660:rockridge=strict,iso9660:joliet,"
					 "iso9660:volume-id=cidata,iso9660:!pad") != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(a, 65536) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
	    archive_write_open(a, t, NULL, write_out, NULL) != ARCHIVE_OK)
		return ARCHIVE_FATAL;
	for (size_t i = 0; i < n; i++) {
		r = add(a, e, &files[i], now);
		if (r < ARCHIVE_WARN)
			return r;
	}
	return archive_write_close(a);
}

static int write_from_memory(struct archive *a, struct archive_entry *e, struct target *t,
			     const struct ci_file *files, size_t n)
{
	char *old;
	int r;

	use_memory(&old);
	r = write_all(a, e, t, files, n);
	use_again(old);
	return r;
}

holos_status ci_iso_write(const struct holos_host *host, int fd, const struct ci_file *files,
			  size_t n, holos_error *err)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	struct target t = { fd };
	holos_status status = HOLOS_OK;

	if (a == NULL || e == NULL) {
		status = host->fail(err, HOLOS_E_NOMEM, 0, "no memory for the seed");
	} else if (write_from_memory(a, e, &t, files, n) < ARCHIVE_WARN) {
		const char *why = archive_error_string(a);

		status = holos_failf(host, err, HOLOS_E_IO, archive_errno(a),
				     "cannot write the seed: %s", why != NULL ? why : "unknown");
	}
	archive_entry_free(e);
	archive_write_free(a);
	return status;
}
