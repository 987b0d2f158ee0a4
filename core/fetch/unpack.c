/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack.c - the one disk image in a file that is compressed, or an archive, or
 * both.
 *
 * Nothing is extracted by name: the entry that is a disk is streamed into a file
 * that is open already.  Zeroes become holes, and sizes are counted, not believed.
 */
#include "internal.h"

#include <base/alloc.h>
#include <base/fs.h>
#include <base/units.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE       (256u << 10)
#define ENTRIES_MAX 256

struct unpacking {
	struct archive *a;
	int out;
	uint64_t max, packed;
	const struct fetch_limits *limits;
	struct digest_pair *digest;
	uint64_t size;
	char *buf;
};

bool unpack_needed(int fd)
{
	unsigned char head[512];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n < 6)
		return false;
	return memcmp(head,
		      "\xfd"
		      "7zXZ\0",
		      6) == 0 ||
	       memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0 || memcmp(head, "\x1f\x8b", 2) == 0 ||
	       (n == sizeof(head) && memcmp(head + 257, "ustar", 5) == 0);
}

/* Ready to read from the beginning; tar: else it is one compressed file.  (To
 * libarchive's tar reader a disk that begins with zeroes is an empty archive.) */
static struct archive *open_packed(int in, bool tar)
{
	struct archive *a = archive_read_new();

	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_gzip(a);
	if (tar)
		archive_read_support_format_tar(a);
	else
		archive_read_support_format_raw(a);
	if (lseek(in, 0, SEEK_SET) >= 0)
		(void)archive_read_open_fd(a, in, PIECE); /* a failure shows in the first read */
	return a;
}

/* Is it an archive when the compression is taken off? */
static bool holds_tar(int in)
{
	struct archive *a = open_packed(in, false);
	struct archive_entry *e;
	char head[512];
	bool yes = archive_read_next_header(a, &e) >= ARCHIVE_WARN &&
		   archive_read_data(a, head, sizeof(head)) == (la_ssize_t)sizeof(head) &&
		   memcmp(head + 257, "ustar", 5) == 0;

	archive_read_free(a);
	return yes;
}

static holos_status broken(const struct unpacking *u, struct holos_error **err)
{
	const char *why = archive_error_string(u->a);

	return fetch_fail(err, HOLOS_E_INTEGRITY, 0, "cannot unpack the image: %s",
			  why != NULL ? why : "it is damaged");
}

static holos_status put(struct unpacking *u, const char *p, size_t n, struct holos_error **err)
{
	bool zero = p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
	char max[32];
	int r = 0;

	if (n > u->max - u->size)
		return fetch_fail(
			err, HOLOS_E_INTEGRITY, 0,
			"the image unpacks to more than %s, which is the most there can be",
			units_format_size(u->max, max));
	digest_add(u->digest, p, n);
	if (zero && lseek(u->out, (off_t)n, SEEK_CUR) < 0)
		r = -errno;
	else if (!zero)
		r = fs_write_all(u->out, p, n);
	u->size += n;
	if (r == -ENOSPC) {
		fetch_fail(err, HOLOS_E_UNAVAIL, ENOSPC, "cannot unpack the image");
		error_hint(err, "holos images prune makes room");
		return HOLOS_E_UNAVAIL;
	}
	return r < 0 ? fetch_fail(err, HOLOS_E_IO, -r, "cannot unpack the image") : HOLOS_OK;
}

static holos_status copy_entry(struct unpacking *u, struct holos_error **err)
{
	for (;;) {
		size_t have = 0;
		holos_status st;

		while (have < PIECE) { /* whole pieces, so that zeroes are seen */
			la_ssize_t n = archive_read_data(u->a, u->buf + have, PIECE - have);

			if (n == ARCHIVE_RETRY)
				continue;
			if (n < 0)
				return broken(u, err);
			if (n == 0)
				break;
			have += (size_t)n;
		}
		if (have == 0)
			break;
		if (fetch_cancelled(u->limits))
			return fetch_cancel_error(err);
		st = put(u, u->buf, have, err);
		if (st != HOLOS_OK)
			return st;
		fetch_progress(u->limits, "unpacking", (uint64_t)archive_filter_bytes(u->a, -1),
			       u->packed);
	}
	if (ftruncate(u->out, (off_t)u->size) < 0) /* it may end in a hole */
		return fetch_fail(err, HOLOS_E_IO, errno, "cannot unpack the image");
	return HOLOS_OK;
}

static bool is_disk_name(const char *name)
{
	static const char *const ends[] = { ".qcow2", ".raw", ".img" };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t m = strlen(ends[i]);

		if (n > m && strcmp(name + n - m, ends[i]) == 0)
			return true;
	}
	return false;
}

/* In a compressed file without an archive the only entry is the disk, whatever
 * libarchive calls it. */
static bool is_disk(struct archive *a, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);

	if (archive_format(a) == ARCHIVE_FORMAT_RAW)
		return true;
	return archive_entry_filetype(e) == AE_IFREG && name != NULL && is_disk_name(name);
}

static holos_status walk(struct unpacking *u, struct holos_error **err)
{
	bool found = false;

	for (unsigned i = 0;; i++) {
		struct archive_entry *e;
		int r = archive_read_next_header(u->a, &e);
		holos_status st;

		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return broken(u, err);
		if (i == ENTRIES_MAX)
			return fetch_fail(err, HOLOS_E_INTEGRITY, 0,
					  "the archive has more than %d files", ENTRIES_MAX);
		if (!is_disk(u->a, e))
			continue;
		if (found)
			return fetch_fail(err, HOLOS_E_INTEGRITY, 0,
					  "the archive has several disk images; which one is not "
					  "said");
		found = true;
		st = copy_entry(u, err);
		if (st != HOLOS_OK)
			return st;
	}
	if (!found)
		return fetch_fail(err, HOLOS_E_INTEGRITY, 0,
				  "the archive has no disk image (*.qcow2, *.raw, *.img)");
	return HOLOS_OK;
}

holos_status unpack(int in, int out, uint64_t max, const struct fetch_limits *limits, char hex[65],
		    uint64_t *ret_size, struct holos_error **err)
{
	struct unpacking u = { .a = open_packed(in, holds_tar(in)),
			       .out = out,
			       .max = max,
			       .limits = limits,
			       .digest = digest_create(false),
			       .buf = xmalloc(PIECE) };
	char unused[129];
	struct stat st;
	holos_status r;

	u.packed = fstat(in, &st) == 0 ? (uint64_t)st.st_size : 0;
	r = walk(&u, err);
	archive_read_free(u.a);
	digest_end(u.digest, hex, unused);
	free(u.buf);
	if (r == HOLOS_OK)
		*ret_size = u.size;
	return r;
}
