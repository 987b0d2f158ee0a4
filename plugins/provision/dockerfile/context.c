/* SPDX-License-Identifier: Apache-2.0
 *
 * context.c - finding what COPY names, and walking it.
 *
 * Nothing outside the context is reached: a source is resolved with realpath(3)
 * and must lie in the root; below a directory no link is followed, links are
 * copied as links.
 */
#include "context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IGNORE_MAX ((size_t)1 << 20)

static const char *join(struct df_pool *p, const char *dir, const char *name)
{
	return *dir == '\0' ? df_strdup(p, name) : df_printf(p, "%s/%s", dir, name);
}

static const char *full(const struct df_context *c, const char *path)
{
	return *path == '\0' ? c->root
			     : df_printf(c->pool, "%s/%s", strcmp(c->root, "/") == 0 ? "" : c->root,
					 path);
}

/* ---- .dockerignore ----------------------------------------------------------------- */

static bool read_ignore(struct df_context *c, const char *path, bool *ret_found)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct df_text t = DF_TEXT(c->pool);
	struct stat st;
	char chunk[4096];
	ssize_t n;

	*ret_found = fd >= 0;
	if (fd < 0)
		return errno == ENOENT || df_fail(c->pool, 0, "%s: %s", path, strerror(errno));
	/* A FIFO would read as empty, and everything be copied. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return df_fail(c->pool, 0, "%s: is no file", path);
	}
	while ((n = read(fd, chunk, sizeof(chunk))) > 0 && t.len <= IGNORE_MAX)
		df_add(&t, chunk, (size_t)n);
	close(fd);
	if (n < 0)
		return df_fail(c->pool, 0, "%s: %s", path, strerror(errno));
	if (t.len > IGNORE_MAX || strlen(df_str(&t)) != t.len)
		return df_fail(c->pool, 0, "%s: is larger than 1 MiB, or no text", path);
	return df_ignore_parse(c->pool, df_str(&t), &c->ignore);
}

bool df_context_open(struct df_pool *p, const char *dockerfile, struct df_context *ret)
{
	const char *slash = strrchr(dockerfile, '/');
	const char *dir =
		slash == dockerfile ? "/" : df_strndup(p, dockerfile, (size_t)(slash - dockerfile));
	char real[PATH_MAX];
	bool found;

	*ret = (struct df_context){ .pool = p };
	if (realpath(dir, real) == NULL)
		return df_fail(p, 0, "%s: %s", dir, strerror(errno));
	ret->root = df_strdup(p, real);
	if (!read_ignore(ret, df_printf(p, "%s.dockerignore", dockerfile), &found))
		return false;
	return found || read_ignore(ret, full(ret, ".dockerignore"), &found);
}

/* ---- finding ------------------------------------------------------------------------- */

static bool escapes(struct df_context *c, const struct df_instr *in, const char *source)
{
	df_fail(c->pool, in->line, "%s %.200s: escapes the build context %.200s",
		df_op_name(in->op), source, c->root);
	return df_hint(c->pool, "sources are relative paths in the Dockerfile's directory");
}

/* The path inside the root of a real path, or NULL when it is outside. */
static const char *inside(const struct df_context *c, const char *real)
{
	size_t n = strcmp(c->root, "/") == 0 ? 0 : strlen(c->root);

	if (strncmp(real, c->root, n) != 0)
		return NULL;
	if (real[n] == '\0')
		return "";
	return real[n] == '/' ? df_strdup(c->pool, real + n + 1) : NULL;
}

struct search {
	struct df_context *context;
	const struct df_instr *in;
	const char *source; /* as written */
	struct df_found *found;
	size_t n;
	bool ignored; /* something was there, and .dockerignore leaves it out */
};

/* A path of the context, which may be a link or not be there at all. */
static bool found_path(struct search *s, const char *path)
{
	struct df_context *c = s->context;
	const char *slash = strrchr(path, '/');
	struct df_found f = { .name = slash != NULL ? slash + 1 : path };
	char real[PATH_MAX];
	struct stat st;

	if (*path != '\0' && df_ignored(&c->ignore, path) && !c->ignore.any_again) {
		s->ignored = true;
		return true;
	}
	if (realpath(full(c, path), real) == NULL)
		return errno == ENOENT || errno == ENOTDIR ||
		       df_fail(c->pool, s->in->line, "%s %.200s: %s", df_op_name(s->in->op), path,
			       strerror(errno));
	f.path = inside(c, real);
	if (f.path == NULL)
		return escapes(c, s->in, s->source);
	if (stat(real, &st) < 0)
		return df_fail(c->pool, s->in->line, "%s %.200s: %s", df_op_name(s->in->op), path,
			       strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return df_fail(c->pool, s->in->line, "%s %.200s: is no file and no directory",
			       df_op_name(s->in->op), path);
	if (S_ISREG(st.st_mode) && df_ignored(&c->ignore, path)) {
		s->ignored = true;
		return true;
	}
	f.kind = S_ISDIR(st.st_mode) ? DF_SOURCE_DIR : DF_SOURCE_FILE;
	f.mode = st.st_mode & 07777;
	s->found = df_grow(c->pool, s->found, s->n, sizeof(f));
	s->found[s->n++] = f;
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a directory, sorted; fd is closed.  A negative errno, or 0. */
static int list_dir(struct df_pool *p, int fd, const char ***ret, size_t *ret_n)
{
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const char **names = NULL;
	struct dirent *e;
	size_t n = 0;

	if (dir == NULL) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return -error;
	}
	while ((e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		names = df_grow(p, names, n, sizeof(*names));
		names[n++] = df_strdup(p, e->d_name);
	}
	closedir(dir);
	if (n > 0)
		qsort(names, n, sizeof(*names), by_name);
	*ret = names;
	*ret_n = n;
	return 0;
}

/* The rest of a source, part by part, below dir. */
static bool expand_glob(struct search *s, const char *dir, const char *rest)
{
	struct df_pool *p = s->context->pool;
	size_t len = strcspn(rest, "/"), n;
	const char *part = df_strndup(p, rest, len);
	const struct df_pattern *pattern;
	const char **names;
	bool last = rest[len] == '\0';
	char real[PATH_MAX];

	if (df_pattern_is_literal(part)) {
		dir = join(p, dir, part);
		return last ? found_path(s, dir) : expand_glob(s, dir, rest + len + 1);
	}
	pattern = df_pattern(p, part);
	if (pattern == NULL)
		return df_fail(p, s->in->line, "%s %.200s: malformed pattern",
			       df_op_name(s->in->op), s->source);
	if (realpath(full(s->context, dir), real) == NULL)
		return true;
	if (inside(s->context, real) == NULL)
		return escapes(s->context, s->in, s->source);
	if (list_dir(p, open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &names, &n) < 0)
		return true; /* no directory: nothing matches */
	for (size_t i = 0; i < n; i++) {
		const char *path = join(p, dir, names[i]);

		if (df_pattern_matches(pattern, names[i]) &&
		    !(last ? found_path(s, path) : expand_glob(s, path, rest + len + 1)))
			return false;
	}
	return true;
}

bool df_find(struct df_context *c, const struct df_instr *in, const char *source,
	     struct df_found **ret, size_t *ret_n)
{
	struct search s = { .context = c, .in = in, .source = source };
	struct df_text t = DF_TEXT(c->pool);

	/* A leading slash is the context's. */
	for (const char *at = source; *at != '\0';) {
		size_t n = strcspn(at, "/");

		if (n == 2 && at[0] == '.' && at[1] == '.')
			return escapes(c, in, source);
		if (n > 0 && !(n == 1 && at[0] == '.')) {
			if (t.len > 0)
				df_addc(&t, '/');
			df_add(&t, at, n);
		}
		at += n;
		at += *at == '/';
	}
	if (t.len == 0 ? !found_path(&s, "") : !expand_glob(&s, "", df_str(&t)))
		return false;
	if (s.n == 0) {
		df_fail(c->pool, in->line, "%s %.200s: no such file in %.200s", df_op_name(in->op),
			source, c->root);
		return s.ignored ? df_hint(c->pool, ".dockerignore leaves it out") : false;
	}
	*ret = s.found;
	*ret_n = s.n;
	return true;
}

/* ---- walking --------------------------------------------------------------------------- */

struct walk {
	struct df_context *context;
	const struct df_instr *in;
	struct json_object *entries;
	int mode;
};

/* path: in the guest, below the copy's target; from: in the context. */
static bool add_entry(struct walk *w, const char *type, const char *path, const char *from,
		      unsigned mode, const char *to)
{
	struct df_context *c = w->context;
	struct json_object *o;

	if (++c->entries > DF_ENTRIES_MAX) {
		df_fail(c->pool, w->in->line, "%s: more than %u files in all",
			df_op_name(w->in->op), DF_ENTRIES_MAX);
		return df_hint(c->pool, "leave some out with .dockerignore, or mount the directory "
					"with volumes:");
	}
	o = json_object_new_object();
	if (type != NULL)
		json_object_object_add(o, "type", json_object_new_string(type));
	json_object_object_add(o, "path", json_object_new_string(path));
	if (to != NULL)
		json_object_object_add(o, "to", json_object_new_string(to));
	else if (from != NULL && strcmp(path, from) != 0)
		json_object_object_add(o, "from", json_object_new_string(from));
	if (to == NULL)
		json_object_object_add(o, "mode",
				       json_object_new_int(w->mode >= 0 ? w->mode : (int)mode));
	json_object_array_add(w->entries, o);
	return true;
}

/* Valid UTF-8 without control characters?  The steps are JSON. */
static bool is_text(const char *s)
{
	const unsigned char *c = (const unsigned char *)s;

	while (*c != '\0') {
		unsigned more = *c < 0x80                 ? 0
				: *c >= 0xc2 && *c < 0xe0 ? 1
				: *c >= 0xe0 && *c < 0xf0 ? 2
				: *c >= 0xf0 && *c < 0xf5 ? 3
							  : 9;

		if (*c < 0x20 || *c == 0x7f || more == 9)
			return false;
		for (c++; more > 0; more--, c++) {
			if ((*c & 0xc0) != 0x80)
				return false;
		}
	}
	return true;
}

static bool cannot(struct walk *w, const char *from, const char *why)
{
	return df_fail(w->context->pool, w->in->line, "%s: %.300s: %s", df_op_name(w->in->op), from,
		       why);
}

static bool walk_dir(struct walk *w, int fd, const char *path, const char *from, unsigned depth);

static bool walk_one(struct walk *w, int dir, const char *name, const char *path, const char *from,
		     unsigned depth)
{
	bool ignored = df_ignored(&w->context->ignore, from);
	char to[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (ignored && !w->context->ignore.any_again)
		return true;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cannot(w, from, strerror(errno));
	if (ignored && !S_ISDIR(st.st_mode))
		return true;
	if (!is_text(name))
		return cannot(w, from, "the name is no UTF-8 text");
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return add_entry(w, NULL, path, from, st.st_mode & 07777, NULL);
	case S_IFDIR:
		return (ignored || add_entry(w, "dir", path, NULL, st.st_mode & 07777, NULL)) &&
		       walk_dir(w,
				openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
				path, from, depth + 1);
	case S_IFLNK:
		n = readlinkat(dir, name, to, sizeof(to) - 1);
		if (n <= 0)
			return cannot(w, from, strerror(errno));
		to[n] = '\0';
		return is_text(to) ? add_entry(w, "link", path, NULL, 0, to)
				   : cannot(w, from, "what the link names is no UTF-8 text");
	default:
		return cannot(w, from, "is no file, directory or symbolic link");
	}
}

/* Takes fd over. */
static bool walk_dir(struct walk *w, int fd, const char *path, const char *from, unsigned depth)
{
	struct df_pool *p = w->context->pool;
	int dir = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	const char **names = NULL;
	bool ok = true;
	size_t n = 0;
	int r = list_dir(p, fd, &names, &n);

	if (r < 0 || dir < 0)
		ok = cannot(w, *from != '\0' ? from : ".", strerror(r < 0 ? -r : errno));
	else if (depth > DF_TREE_DEPTH)
		ok = cannot(w, from, "nested too deep");
	for (size_t i = 0; i < n && ok; i++)
		ok = walk_one(w, dir, names[i], join(p, path, names[i]), join(p, from, names[i]),
			      depth);
	if (dir >= 0)
		close(dir);
	return ok;
}

bool df_collect(struct df_context *c, const struct df_instr *in, const struct df_found *f, int mode,
		struct json_object *entries)
{
	struct walk w = { .context = c, .in = in, .entries = entries, .mode = mode };

	if (f->kind == DF_SOURCE_FILE) {
		if (!is_text(f->path) || !is_text(f->name))
			return cannot(&w, f->path, "the name is no UTF-8 text");
		return add_entry(&w, NULL, f->name, f->path, f->mode, NULL);
	}
	return walk_dir(&w, open(full(c, f->path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
			"", f->path, 0);
}

bool df_is_archive(const struct df_context *c, const struct df_found *f)
{
	static const struct {
		size_t offset, n;
		const char *magic;
	} kinds[] = {
		{ 257, 5, "ustar" },
		{ 0, 2, "\x1f\x8b" },
		{ 0, 3, "BZh" },
		{ 0, 6,
		  "\xfd"
		  "7zXZ\0" },
		{ 0, 4, "\x28\xb5\x2f\xfd" },
	};
	char head[512] = { 0 };
	int fd = open(full(c, f->path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, head, sizeof(head)) : -1;

	if (fd >= 0)
		close(fd);
	for (size_t i = 0; n > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (memcmp(head + kinds[i].offset, kinds[i].magic, kinds[i].n) == 0)
			return true;
	}
	return false;
}
