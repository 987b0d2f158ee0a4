/*
 * host_files.c - small file work of the builder, here so that it needs no cpio, binutils
 * or Python on the user's host.
 *
 *	mkcpio OUT NAME=FILE ...	an uncompressed initramfs, all root's, all times 0
 *	unsign IN OUT			a kernel module without its signature, whose check is
 *					slow on an emulated CPU
 *	payload VMLINUZ			the compressed kernel inside a bzImage, to stdout
 *	unping IN OUT			a busybox whose ping is called pinf: its shell runs its
 *					own applets before it looks in PATH, and would never
 *					get to our /bin/ping, which works for every user
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define FILE_CAP ((size_t)256 << 20)
#define SIG_MARK "~Module signature appended~\n"
#define SIG_INFO 12 /* struct module_signature; its last 4 bytes: length, big-endian */

static void pad(struct buf *b)
{
	while (b->n % 4)
		buf_add(b, "", 1);
}

static void member(struct buf *b, const char *name, unsigned mode, const char *p, size_t n,
		   unsigned rdev)
{
	static unsigned ino = 1;

	buf_str(b,
		fmt("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ino++, mode, 0u,
		    0u, S_ISDIR(mode) ? 2u : 1u, 0u, (unsigned)n, 0u, 0u, rdev ? major(rdev) : 0u,
		    rdev ? minor(rdev) : 0u, (unsigned)strlen(name) + 1, 0u));
	buf_add(b, name, strlen(name) + 1);
	pad(b);
	if (n)
		buf_add(b, p, n);
	pad(b);
}

int mkcpio_main(int argc, char **argv)
{
	static const char *const dirs[] = { "dev", "m", "newroot", "proc", "sys" };
	struct buf b = { 0 };

	if (argc < 3)
		return 2;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		member(&b, dirs[i], S_IFDIR | 0755, "", 0, 0);
	member(&b, "dev/console", S_IFCHR | 0600, "", 0, (unsigned)makedev(5, 1));
	for (int i = 2; i < argc; i++) {
		char *eq = strchr(argv[i], '='), *text;
		size_t n;

		if (!eq)
			return 2;
		*eq = '\0';
		text = slurp(eq + 1, FILE_CAP, &n);
		if (!text) {
			(void)fprintf(stderr, "mkcpio: %s: %s\n", eq + 1, strerror(errno));
			return 1;
		}
		member(&b, argv[i], S_IFREG | 0755, text, n, 0);
	}
	member(&b, "TRAILER!!!", 0, "", 0, 0);
	if (!spew(argv[1], b.p, b.n, O_TRUNC, 0644)) {
		(void)fprintf(stderr, "mkcpio: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	return 0;
}

int unsign_main(int argc, char **argv)
{
	size_t n, mark = strlen(SIG_MARK), sig;
	char *text;

	if (argc != 3)
		return 2;
	text = slurp(argv[1], FILE_CAP, &n);
	if (!text) {
		(void)fprintf(stderr, "unsign: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	if (n > mark + SIG_INFO && memcmp(text + n - mark, SIG_MARK, mark) == 0) {
		const unsigned char *len = (const unsigned char *)text + n - mark - 4;

		sig = (size_t)len[0] << 24 | (size_t)len[1] << 16 | (size_t)len[2] << 8 | len[3];
		if (sig < n - mark - SIG_INFO)
			n -= mark + SIG_INFO + sig;
	}
	if (!spew(argv[2], text, n, O_TRUNC, 0644)) {
		(void)fprintf(stderr, "unsign: %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	return 0;
}

static size_t le32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (size_t)u[0] | (size_t)u[1] << 8 | (size_t)u[2] << 16 | (size_t)u[3] << 24;
}

int payload_main(int argc, char **argv)
{
	size_t n, at, len;
	char *k;

	if (argc != 2)
		return 2;
	k = slurp(argv[1], FILE_CAP, &n);
	if (!k || n < 0x260 || memcmp(k + 0x202, "HdrS", 4) != 0) {
		(void)fprintf(stderr, "payload: %s: not a bzImage\n", argv[1]);
		return 1;
	}
	/* the real-mode part's sectors and the boot sector come first */
	at = ((size_t)(unsigned char)k[0x1f1] + 1) * 512 + le32(k + 0x248);
	len = le32(k + 0x24c);
	if (at > n || len > n - at) {
		(void)fprintf(stderr, "payload: %s: cut short\n", argv[1]);
		return 1;
	}
	return write_all(1, k + at, len) ? 0 : 1;
}

int unping_main(int argc, char **argv)
{
	static const char names[] = "\0ping\0ping6"; /* in the sorted list of applets */
	size_t n;
	char *text;

	if (argc != 3)
		return 2;
	text = slurp(argv[1], FILE_CAP, &n);
	if (!text) {
		(void)fprintf(stderr, "unping: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	/* a busybox without that list keeps its ping, for root only */
	for (size_t i = 0; i + sizeof(names) <= n; i++) {
		if (text[i] == '\0' && memcmp(text + i, names, sizeof(names)) == 0) {
			text[i + 4] = 'f';
			text[i + 9] = 'f';
			break;
		}
	}
	if (!spew(argv[2], text, n, O_TRUNC, 0755)) {
		(void)fprintf(stderr, "unping: %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	return 0;
}
