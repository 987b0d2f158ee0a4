/* SPDX-License-Identifier: Apache-2.0
 *
 * medium.c - the context disk: the files that a Dockerfile copies (docs/steps.md,
 * "The context disk").
 *
 * In blocks of 64 KiB: four of a script (context.sh and a table of what is
 * where), then the parts of each tree: names of its directories, a tar archive
 * of its files and links, all names, names by mode.  Directories are no members
 * of the archive: tar would replace a guest's link to a directory (/lib) by one.
 * Files are copied one at a time, so memory does not grow with them.
 */
#include "parts.h"

#include <holos/beneath.h>
#include <holos/util.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK        ((uint64_t)65536)
#define SCRIPT_MAX   (4 * 65536u)
#define NAMES_MAX    (16u << 20)
#define ENTRIES_MAX  100000u
#define TREES_MAX    1000u
#define MODES_MAX    32
#define CHUNK        (256u << 10)
#define DEFAULT_MODE 0755

struct mode_list {
	unsigned mode;
	struct ci_buf names;
};

struct medium {
	struct ci_steps *s;
	holos_call *call;
	int fd;
	int root;     /* the context */
	uint64_t pos; /* where the next byte goes */
	uint64_t copied;
	struct ci_buf script;
	char *chunk;
	/* of the tree at hand */
	unsigned tree;
	struct ci_buf dirs, all;
	struct mode_list modes[MODES_MAX];
	unsigned n_modes;
};

static void fail(struct medium *m, int error, const char *what)
{
	if (m->s->status == HOLOS_OK)
		m->s->status = holos_failf(m->s->host, m->s->err, HOLOS_E_IO, error,
					   "cannot copy %.300s", what);
}

/* ---- the disk ---------------------------------------------------------------------- */

static la_ssize_t write_out(struct archive *a, void *data, const void *buf, size_t len)
{
	struct medium *m = data;
	ssize_t n;

	do {
		n = pwrite(m->fd, buf, len, (off_t)m->pos);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		m->pos += (uint64_t)n;
	else if (a != NULL)
		archive_set_error(a, errno, "write: %s", strerror(errno));
	return n;
}

static void write_text(struct medium *m, const struct ci_buf *b)
{
	size_t done = 0;

	while (done < b->len && m->s->status == HOLOS_OK) {
		la_ssize_t n = write_out(NULL, m, b->s + done, b->len - done);

		if (n <= 0)
			fail(m, errno, "to the disk");
		else
			done += (size_t)n;
	}
}

/* The next part begins at a block. */
static void align(struct medium *m)
{
	m->pos = (m->pos + BLOCK - 1) / BLOCK * BLOCK;
}

/* " NAME='SKIP BLOCKS BYTES'" of what was written since start. */
static void put_part(struct medium *m, uint64_t start)
{
	uint64_t bytes = m->pos - start;

	ci_buf_addf(&m->script, "%llu %llu %llu", (unsigned long long)(start / BLOCK),
		    (unsigned long long)((bytes + BLOCK - 1) / BLOCK), (unsigned long long)bytes);
	align(m);
}

static void put_names(struct medium *m, const char *variable, const struct ci_buf *names)
{
	uint64_t start = m->pos;

	ci_buf_addf(&m->script, " %s='", variable);
	if (names->len > 0) {
		write_text(m, names);
		put_part(m, start);
	}
	ci_buf_addc(&m->script, '\'');
}

/* ---- one entry ------------------------------------------------------------------------- */

/* Relative, without "." and ".." parts and doubled slashes. */
static bool is_below(const char *path)
{
	while (*path != '\0') {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
		if (*path == '/' && *++path == '\0')
			return false;
	}
	return true;
}

static void add_name(struct ci_buf *b, const char *path)
{
	ci_buf_adds(b, "./");
	ci_buf_adds(b, path);
	ci_buf_addc(b, '\0');
}

/* What tar and mkdir leave otherwise: modes of directories, and bits that chown
 * takes away. */
static void add_mode(struct medium *m, unsigned mode, const char *path)
{
	unsigned i;

	for (i = 0; i < m->n_modes && m->modes[i].mode != mode; i++)
		;
	if (i == MODES_MAX) {
		fail(m, 0, "directories of more than 32 different modes");
		return;
	}
	if (i == m->n_modes) {
		m->modes[i] = (struct mode_list){ mode, CI_BUF_INIT(NAMES_MAX) };
		m->n_modes++;
	}
	add_name(&m->modes[i].names, path);
}

static int copy_data(struct medium *m, struct archive *a, int fd, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		size_t want = size - done < CHUNK ? (size_t)(size - done) : CHUNK;
		ssize_t n = read(fd, m->chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EAGAIN;
		if (archive_write_data(a, m->chunk, (size_t)n) != n)
			return archive_errno(a) != 0 ? archive_errno(a) : EIO;
		done += (uint64_t)n;
	}
	m->copied += size;
	return 0;
}

static void put_file(struct medium *m, struct archive *a, struct archive_entry *e, const char *path,
		     const char *from)
{
	int fd = holos_open_beneath(m->root, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int error = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fail(m, errno, from);
	} else if (!S_ISREG(st.st_mode)) {
		fail(m, 0, from);
	} else {
		archive_entry_set_size(e, st.st_size);
		archive_entry_set_mtime(e, st.st_mtim.tv_sec, 0);
		if (archive_write_header(a, e) < ARCHIVE_WARN)
			error = archive_errno(a) != 0 ? archive_errno(a) : EIO;
		if (error == 0)
			error = copy_data(m, a, fd, (uint64_t)st.st_size);
		if (error != 0)
			fail(m, error == EAGAIN ? 0 : error,
			     error == EAGAIN ? "a file that became shorter meanwhile" : path);
	}
	if (fd >= 0)
		close(fd);
}

static void put_content(struct medium *m, struct archive *a, struct archive_entry *e,
			const char *path, const char *content)
{
	size_t len = strlen(content);

	archive_entry_set_size(e, (la_int64_t)len);
	archive_entry_set_mtime(e, 0, 0);
	if (archive_write_header(a, e) < ARCHIVE_WARN ||
	    archive_write_data(a, content, len) != (la_ssize_t)len)
		fail(m, archive_errno(a), path);
}

static void put_entry(struct medium *m, struct archive *a, struct archive_entry *e, unsigned i)
{
	struct ci_steps *s = m->s;
	const char *type = ci_steps_str(s, "file", "/copies/%u/entries/%u/type", m->tree, i);
	const char *path = ci_steps_need(s, "/copies/%u/entries/%u/path", m->tree, i);
	const char *content = ci_steps_str(s, NULL, "/copies/%u/entries/%u/content", m->tree, i);
	const char *from = ci_steps_str(s, path, "/copies/%u/entries/%u/from", m->tree, i);
	const char *to = ci_steps_str(s, "", "/copies/%u/entries/%u/to", m->tree, i);
	unsigned mode =
		(unsigned)ci_steps_int(s, DEFAULT_MODE, "/copies/%u/entries/%u/mode", m->tree, i) &
		07777;

	if (!is_below(path) || !is_below(from)) {
		ci_steps_bad(s, path, "must be relative, without . and ..",
			     "/copies/%u/entries/%u/path", m->tree, i);
		return;
	}
	add_name(&m->all, path);
	if (strcmp(type, "dir") == 0) {
		add_name(&m->dirs, path);
		if (mode != DEFAULT_MODE)
			add_mode(m, mode, path);
		return;
	}
	archive_entry_clear(e);
	archive_entry_set_pathname(e, path);
	archive_entry_set_uid(e, 0);
	archive_entry_set_gid(e, 0);
	archive_entry_set_nlink(e, 1);
	if (strcmp(type, "link") == 0) {
		archive_entry_set_filetype(e, AE_IFLNK);
		archive_entry_set_perm(e, 0777);
		archive_entry_set_symlink(e, to);
		if (archive_write_header(a, e) < ARCHIVE_WARN)
			fail(m, archive_errno(a), path);
		return;
	}
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, mode);
	if ((mode & 06000) != 0)
		add_mode(m, mode, path);
	if (content != NULL)
		put_content(m, a, e, path, content);
	else
		put_file(m, a, e, path, from);
}

/* ---- one tree ------------------------------------------------------------------------------ */

static void put_archive(struct medium *m, unsigned n)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	uint64_t start = m->pos;

	if (a == NULL || e == NULL) {
		m->s->status = m->s->host->fail(m->s->err, HOLOS_E_NOMEM, 0, "no memory to copy");
	} else if (archive_write_set_format_gnutar(a) != ARCHIVE_OK ||
		   archive_write_set_bytes_per_block(a, CHUNK) != ARCHIVE_OK ||
		   archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
		   archive_write_open(a, m, NULL, write_out, NULL) != ARCHIVE_OK) {
		fail(m, archive_errno(a), "to the disk");
	} else {
		for (unsigned i = 0; i < n && m->s->status == HOLOS_OK; i++) {
			put_entry(m, a, e, i);
			if (i % 256 == 0)
				m->s->host->progress(m->call, "copying files", m->copied, 0);
			if (i % 256 == 0 && m->s->host->cancelled(m->call))
				m->s->status = m->s->host->fail(m->s->err, HOLOS_E_CANCELLED, 0,
								"cancelled");
		}
		if (m->s->status == HOLOS_OK && archive_write_close(a) != ARCHIVE_OK)
			fail(m, archive_errno(a), "to the disk");
	}
	archive_entry_free(e);
	archive_write_free(a);
	ci_buf_adds(&m->script, " files='");
	put_part(m, start);
	ci_buf_addc(&m->script, '\'');
}

static void put_modes(struct medium *m)
{
	ci_buf_adds(&m->script, " modes='");
	for (unsigned i = 0; i < m->n_modes; i++) {
		uint64_t start = m->pos;

		write_text(m, &m->modes[i].names);
		ci_buf_addf(&m->script, "%s%04o ", i > 0 ? " " : "", m->modes[i].mode);
		put_part(m, start);
		if (m->modes[i].names.status != HOLOS_OK)
			fail(m, 0, "names of more than 16 MiB");
	}
	ci_buf_adds(&m->script, "' ;;\n");
}

static void put_tree(struct medium *m)
{
	unsigned n = ci_steps_count(m->s, ENTRIES_MAX, "/copies/%u/entries", m->tree);

	m->dirs = (struct ci_buf)CI_BUF_INIT(NAMES_MAX);
	m->all = (struct ci_buf)CI_BUF_INIT(NAMES_MAX);
	m->n_modes = 0;
	ci_buf_addf(&m->script, "\t%u)", m->tree);
	put_archive(m, n);
	if (m->dirs.status != HOLOS_OK || m->all.status != HOLOS_OK)
		fail(m, 0, "names of more than 16 MiB");
	put_names(m, "dirs", &m->dirs);
	put_names(m, "all", &m->all);
	put_modes(m);
	ci_buf_finish(&m->dirs);
	ci_buf_finish(&m->all);
	for (unsigned i = 0; i < m->n_modes; i++)
		ci_buf_finish(&m->modes[i].names);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void put_trees(struct medium *m)
{
	unsigned n = ci_steps_count(m->s, TREES_MAX, "/copies");
	uint64_t end;

	ci_buf_adds(&m->script, (const char *)ci_context_sh);
	ci_buf_adds(&m->script, "tree() {\n\tcase $1 in\n");
	m->pos = SCRIPT_MAX;
	for (m->tree = 0; m->tree < n && m->s->status == HOLOS_OK; m->tree++)
		put_tree(m);
	ci_buf_adds(&m->script, "\t*) return 1 ;;\n\tesac\n}\n");
	end = m->pos;
	if (m->script.status != HOLOS_OK)
		fail(m, 0, "so many trees: put the files of several COPYs into one directory");
	m->pos = 0;
	write_text(m, &m->script);
	if (m->s->status == HOLOS_OK && ftruncate(m->fd, (off_t)end) < 0)
		fail(m, errno, "to the disk");
}

void ci_medium(struct ci_steps *s, holos_call *call, int fd)
{
	struct medium m = { .s = s, .call = call, .fd = fd, .script = CI_BUF_INIT(SCRIPT_MAX) };
	const char *root = ci_steps_need(s, "/context");

	if (s->status != HOLOS_OK)
		return;
	m.root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m.chunk = malloc(CHUNK);
	if (m.root < 0)
		fail(&m, errno, root);
	else if (m.chunk == NULL)
		s->status = s->host->fail(s->err, HOLOS_E_NOMEM, 0, "no memory to copy");
	else
		put_trees(&m);
	if (m.root >= 0)
		close(m.root);
	free(m.chunk);
	ci_buf_finish(&m.script);
}
