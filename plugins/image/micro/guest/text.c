/* text.c - memory, growing buffers, whole files, base64. */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *xalloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p) {
		static const char msg[] = "micro: out of memory\n";

		(void)!write(2, msg, sizeof(msg) - 1); /* nothing left to do about a failure */
		_exit(70);
	}
	return p;
}

char *xdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xalloc(n), s, n);
}

char *fmt(const char *f, ...)
{
	va_list ap;
	char *s = NULL;

	va_start(ap, f);
	if (vasprintf(&s, f, ap) < 0)
		s = xdup("");
	va_end(ap);
	return s;
}

void buf_add(struct buf *b, const char *p, size_t n)
{
	if (b->n + n + 1 > b->cap) {
		size_t cap = (b->n + n + 1) * 2;
		char *q = xalloc(cap);

		if (b->n)
			memcpy(q, b->p, b->n);
		free(b->p);
		b->p = q;
		b->cap = cap;
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_quote(struct buf *b, const char *s)
{
	buf_add(b, "'", 1);
	for (; *s; s++) {
		if (*s == '\'')
			buf_str(b, "'\\''");
		else
			buf_add(b, s, 1);
	}
	buf_add(b, "'", 1);
}

bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

char *slurp(const char *path, size_t cap, size_t *ret_n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf b = { 0 };
	char part[16384];
	ssize_t r;

	if (fd < 0)
		return NULL;
	buf_add(&b, "", 0);
	while ((r = read(fd, part, sizeof(part))) > 0) {
		if (b.n + (size_t)r > cap) {
			close(fd);
			free(b.p);
			errno = EFBIG;
			return NULL;
		}
		buf_add(&b, part, (size_t)r);
	}
	close(fd);
	if (r < 0) {
		free(b.p);
		return NULL;
	}
	if (ret_n)
		*ret_n = b.n;
	return b.p;
}

bool write_all(int fd, const void *p, size_t n)
{
	const char *c = p;

	while (n) {
		ssize_t r = write(fd, c, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		c += r;
		n -= (size_t)r;
	}
	return true;
}

bool spew(const char *path, const char *p, size_t n, int flags, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode);
	bool ok;

	if (fd < 0)
		return false;
	ok = write_all(fd, p, n);
	return close(fd) == 0 && ok;
}

bool mkdirs(const char *path, mode_t mode)
{
	char *p = xdup(path);
	struct stat st;
	bool ok;

	for (char *c = p + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		(void)mkdir(p, mode); /* the last call tells whether it worked */
		*c = '/';
	}
	(void)mkdir(p, mode);
	ok = stat(p, &st) == 0 && S_ISDIR(st.st_mode);
	free(p);
	return ok;
}

bool mkparents(const char *path)
{
	char *p = xdup(path), *slash = strrchr(p, '/');
	bool ok = true;

	if (slash && slash != p) {
		*slash = '\0';
		ok = mkdirs(p, 0755);
	}
	free(p);
	return ok;
}

static int sextet(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

bool base64(const char *s, size_t n, char **ret, size_t *ret_n)
{
	char *out = xalloc(n / 4 * 3 + 4);
	size_t used = 0, bits = 0;
	unsigned acc = 0;

	for (size_t i = 0; i < n; i++) {
		int v;

		if (strchr(" \t\r\n=", s[i]))
			continue;
		v = sextet(s[i]);
		if (v < 0) {
			free(out);
			return false;
		}
		acc = (acc << 6 | (unsigned)v) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[used++] = (char)(acc >> bits & 0xff);
		}
	}
	out[used] = '\0';
	*ret = out;
	*ret_n = used;
	return true;
}

char *chomp(char *s)
{
	char *end;

	s += strspn(s, " \t\r\n");
	end = s + strcspn(s, "\n");
	while (end > s && strchr(" \t\r", end[-1]))
		end--;
	*end = '\0';
	return s;
}
