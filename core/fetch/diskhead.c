/* SPDX-License-Identifier: Apache-2.0
 *
 * diskhead.c - is this a disk that QEMU may be given as a base?
 *
 * The head of a qcow2 file (QEMU's docs/interop/qcow2.txt) can make QEMU open
 * other files of the host, or set aside memory without end.  It is read here, by a
 * few comparisons, before QEMU sees the file.
 */
#include "internal.h"

#include <base/units.h>

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_V2     72u
#define HEAD_V3     104u
#define VIRTUAL_MAX (64ull << 40)
/* Incompatible features that a base may have: compression type, extended L2. */
#define FEATURES_FINE 0x18u
#define FEATURE_DATA  0x04u

static uint64_t be(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* What the file is instead, by its first bytes; NULL: unknown. */
static const char *other_kind(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && i < 64 &&
	       (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t' || p[i] == 0xef ||
		p[i] == 0xbb || p[i] == 0xbf))
		i++;
	if (n - i >= 5 && (strncasecmp((const char *)p + i, "<html", 5) == 0 ||
			   strncasecmp((const char *)p + i, "<!doc", 5) == 0))
		return "a web page";
	if (n - i >= 5 && strncasecmp((const char *)p + i, "<?xml", 5) == 0)
		return "an XML document";
	if (n >= 4 && memcmp(p, "KDMV", 4) == 0)
		return "a VMDK image";
	if (n >= 8 && memcmp(p, "vhdxfile", 8) == 0)
		return "a VHDX image";
	if (n >= 8 && memcmp(p, "conectix", 8) == 0)
		return "a VHD image";
	if (n >= 4 && memcmp(p, "PK\3\4", 4) == 0)
		return "a ZIP archive";
	if (n >= 3 && memcmp(p, "BZh", 3) == 0)
		return "compressed with bzip2";
	return NULL;
}

holos_status disk_head_sniff(const void *head, size_t n, const char *what, struct holos_error **err)
{
	const char *kind = other_kind(head, n);

	if (kind == NULL)
		return HOLOS_OK;
	fetch_fail(err, HOLOS_E_INTEGRITY, 0, "%s: is %s, and no disk image", what, kind);
	error_hint(err,
		   strcmp(kind, "a web page") == 0
			   ? "is there a proxy or a hotspot that wants a login?"
			   : "qcow2 and raw images are taken, also compressed (.xz, .zst, .gz)");
	return HOLOS_E_INTEGRITY;
}

static holos_status bad(const char *what, const char *why, struct holos_error **err)
{
	return fetch_fail(err, HOLOS_E_INTEGRITY, 0, "%s: %s", what, why);
}

/* Does a table of n entries of 8 bytes lie within the file? */
static bool table_fits(uint64_t offset, uint64_t n, uint64_t size)
{
	return offset % 512 == 0 && offset <= size && n <= (size - offset) / 8;
}

static holos_status check_qcow2(const unsigned char *h, size_t n, uint64_t size, const char *what,
				uint64_t *ret_virtual, struct holos_error **err)
{
	uint64_t version = n >= HEAD_V2 ? be(h + 4, 4) : 0;
	uint64_t bits = n >= HEAD_V2 ? be(h + 20, 4) : 0;
	uint64_t features = version == 3 && n >= HEAD_V3 ? be(h + 72, 8) : 0;
	uint64_t virtual, l1, covers;

	if ((version != 2 && version != 3) || (version == 3 && n < HEAD_V3))
		return bad(what, "its qcow2 header is damaged, or of a version newer than 3", err);
	if (be(h + 8, 8) != 0)
		return bad(what, "it is an overlay on another file, and cannot be a base image",
			   err);
	if ((features & FEATURE_DATA) != 0)
		return bad(what, "it keeps its data in another file, and cannot be a base image",
			   err);
	if ((features & ~(uint64_t)FEATURES_FINE) != 0)
		return bad(what, "it is marked dirty or corrupt, or needs a newer QEMU", err);
	if (be(h + 32, 4) != 0)
		return bad(what, "it is encrypted, which is not supported", err);
	virtual = be(h + 24, 8);
	l1 = be(h + 36, 4);
	if (bits < 9 || bits > 21 || virtual == 0)
		return bad(what, "its qcow2 header is damaged", err);
	if (virtual > VIRTUAL_MAX) {
		char is[32], most[32];

		return fetch_fail(err, HOLOS_E_INTEGRITY, 0,
				  "%s: it claims a size of %s, and %s is the most there can be",
				  what, units_format_size(virtual, is),
				  units_format_size(VIRTUAL_MAX, most));
	}
	covers = 1ull << (bits + bits - 3); /* bytes that one L1 entry leads to */
	if ((features & 0x10) != 0)
		covers /= 2; /* extended L2 entries are twice as large */
	if (l1 < (virtual + covers - 1) / covers || !table_fits(be(h + 40, 8), l1, size) ||
	    !table_fits(be(h + 48, 8), (be(h + 56, 4) << bits) / 8, size))
		return bad(what, "its tables lie outside of the file: it is damaged or cut off",
			   err);
	*ret_virtual = virtual;
	return HOLOS_OK;
}

holos_status disk_head_check(int fd, const char *want, const char *what, char format[8],
			     uint64_t *ret_virtual, struct holos_error **err)
{
	unsigned char head[DISK_HEAD_BYTES];
	ssize_t n = pread(fd, head, sizeof(head), 0);
	bool qcow2 = n >= 4 && memcmp(head, "QFI\xfb", 4) == 0;
	struct stat st;
	holos_status r;

	if (n < 0 || fstat(fd, &st) < 0)
		return fetch_fail(err, HOLOS_E_IO, errno, "cannot read %s", what);
	r = disk_head_sniff(head, (size_t)n, what, err);
	if (r != HOLOS_OK)
		return r;
	if (qcow2) {
		r = check_qcow2(head, (size_t)n, (uint64_t)st.st_size, what, ret_virtual, err);
		if (r == HOLOS_OK)
			strcpy(format, "qcow2");
		return r;
	}
	if (want != NULL && strcmp(want, "qcow2") == 0)
		return bad(what, "is no qcow2 image, as it should be", err);
	if (st.st_size == 0 || st.st_size % 512 != 0)
		return bad(what,
			   "is neither a qcow2 image nor a raw disk, whose size is a multiple of "
			   "512 bytes",
			   err);
	*ret_virtual = (uint64_t)st.st_size;
	strcpy(format, "raw");
	return HOLOS_OK;
}
