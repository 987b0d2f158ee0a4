/* files.c - write_files: contents, encodings, owner and mode. */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_UNPACKED ((size_t)64 << 20)

static bool one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcasecmp(s, *list) == 0)
			return true;
	return false;
}

/* unpacks with busybox, through two files: contents may be larger than a pipe */
static bool gunzip(char **text, size_t *n)
{
	static const char in[] = "/run/micro/unpack.gz", out[] = "/run/micro/unpack";
	static const char *const argv[] = { "gunzip", "-c", NULL };
	int i, o;
	bool ok = false;

	if (!spew(in, *text, *n, O_TRUNC, 0600))
		return false;
	i = open(in, O_RDONLY | O_CLOEXEC);
	o = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (i >= 0 && o >= 0 && run(i, o, argv) == 0) {
		char *plain = slurp(out, MAX_UNPACKED, n);

		ok = plain != NULL;
		if (ok)
			*text = plain;
	}
	if (i >= 0)
		close(i);
	if (o >= 0)
		close(o);
	(void)unlink(in);
	(void)unlink(out);
	return ok;
}

static bool decode(struct ynode *content, const char *enc, char **text, size_t *n)
{
	static const char *const b64[] = { "b64",       "base64",      "gz+b64", "gzip+b64",
					   "gz+base64", "gzip+base64", NULL };
	static const char *const gz[] = { "gz",        "gzip",        "gz+b64", "gzip+b64",
					  "gz+base64", "gzip+base64", NULL };

	*text = content ? content->s : xdup("");
	*n = content ? content->len : 0;
	if (content && content->binary && !base64(*text, *n, text, n))
		return false;
	if (!enc)
		return true;
	if (one_of(enc, b64) && !base64(*text, *n, text, n))
		return false;
	return !one_of(enc, gz) || gunzip(text, n);
}

/* "user", "user:group", ":group"; names or numbers */
static bool give_to(const char *path, const char *owner)
{
	char *user = xdup(owner), *group = strchr(user, ':'), *end;
	struct account a;
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	unsigned g;

	if (group)
		*group++ = '\0';
	if (*user && account_find(user, &a))
		uid = a.uid;
	else if (*user && ((uid = (uid_t)strtoul(user, &end, 10)), *end))
		return false;
	if (group && *group && group_find(group, &g))
		gid = g;
	else if (group && *group && ((gid = (gid_t)strtoul(group, &end, 10)), *end))
		return false;
	return chown(path, uid, gid) == 0;
}

static void write_one(struct ynode *f, size_t i)
{
	const char *path = y_text(f, "path"), *mode = y_text(f, "permissions"),
		   *owner = y_text(f, "owner");
	const char *enc = y_text(f, "encoding");
	struct ynode *content = y_get(f, "content");
	int flags = y_true(y_get(f, "append"), false) ? O_APPEND : O_TRUNC;
	mode_t m = 0644;
	char *text, *end;
	size_t n;

	if (!path || path[0] != '/') {
		complain("write_files[%zu]: no absolute path", i);
		return;
	}
	if (mode) {
		m = (mode_t)strtoul(mode[0] == '0' && mode[1] == 'o' ? mode + 2 : mode, &end, 8);
		if (*end || m > 07777) {
			complain("write_files[%zu]: %s: permissions %s", i, path, mode);
			m = 0644;
		}
	}
	if (content && content->kind != Y_SCALAR) {
		complain("write_files[%zu]: %s: content is not text", i, path);
		return;
	}
	if (!decode(content, enc, &text, &n)) {
		complain("write_files[%zu]: %s: cannot decode as %s", i, path,
			 enc ? enc : "binary");
		return;
	}
	if (!mkparents(path) || !spew(path, text, n, flags, m & 0700)) {
		complain("write_files[%zu]: %s: %s", i, path, strerror(errno));
		return;
	}
	/* owner first: chown clears the set-user-ID bit */
	if (!give_to(path, owner ? owner : "root:root"))
		complain("write_files[%zu]: %s: cannot give it to %s", i, path,
			 owner ? owner : "root:root");
	if (chmod(path, m) < 0)
		complain("write_files[%zu]: %s: %s", i, path, strerror(errno));
}

void write_files(struct ynode *list, bool deferred)
{
	for (size_t i = 0; i < y_len(list); i++) {
		struct ynode *f = y_at(list, i);

		if (y_true(y_get(f, "defer"), false) == deferred)
			write_one(f, i);
	}
}

bool writes_file(struct ynode *list, const char *path)
{
	for (size_t i = 0; i < y_len(list); i++) {
		const char *p = y_text(y_at(list, i), "path");

		if (p && strcmp(p, path) == 0)
			return true;
	}
	return false;
}
