/* SPDX-License-Identifier: Apache-2.0
 *
 * test_fs.c - bounded reads, whole writes, removal that follows no link.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

static unsigned count_entries(const char *name)
{
	_cleanup_(closedirp) DIR *d = opendir(in_dir(name));
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	return n;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(lstat(in_dir(name), &st), 0);
	return st.st_mode & 07777;
}

static void assert_text(const char *name, const char *text)
{
	_cleanup_(freep) char *got = read_text(name);

	ck_assert_str_eq(got, text);
}

/* ---- reading ---------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t max;
	bool good;
	int sys_errno;
	const char *says;
} reads[] = {
	{ "nine", 9, true, 0, NULL },
	{ "nine", 100, true, 0, NULL },
	{ "nine", 8, false, 0, "larger than 8 bytes" },
	{ "nine", 0, false, 0, "larger than 0 bytes" },
	{ "empty", 0, true, 0, NULL },
	{ "link", 9, true, 0, NULL },
	{ "none", 9, false, ENOENT, "No such file" },
	{ "dangling", 9, false, ENOENT, "No such file" },
	{ "nine/x", 9, false, ENOTDIR, "Not a directory" },
	{ "fifo", 9, false, 0, "no regular file" }, /* and it does not block */
	{ "dir", 9, false, 0, "is a directory" },
	{ "null", 9, false, 0, "no regular file" },
};

static void make_things_to_read(void)
{
	make_test_dir();
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, in_dir("nine"), "1234\0 78\n", 9, 0600, NULL),
			 0);
	write_text("empty", "");
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0);
	ck_assert_int_eq(mkdir(in_dir("dir"), 0700), 0);
	ck_assert_int_eq(symlink("nine", in_dir("link")), 0);
	ck_assert_int_eq(symlink("nowhere", in_dir("dangling")), 0);
	ck_assert_int_eq(symlink("/dev/null", in_dir("null")), 0);
}

START_TEST(read_is_bounded)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(closep) int dir = open(test_dir, O_RDONLY | O_DIRECTORY);
	int r;

	strbuf_adds(&b, "old");
	r = fs_read(dir, reads[_i].name, reads[_i].max, &b, &err);
	ck_assert_msg((r == 0) == reads[_i].good, "%s: %s", reads[_i].name,
		      r == 0 ? "read" : err->message);
	if (r == 0) {
		ck_assert_uint_eq(b.len, strcmp(reads[_i].name, "empty") == 0 ? 0 : 9);
		ck_assert_mem_eq(b.s, "1234\0 78\n", b.len);
		ck_assert_int_eq(b.s[b.len], '\0');
		return;
	}
	ck_assert_str_eq(b.s, "old"); /* untouched */
	ck_assert_int_eq(err->sys_errno, reads[_i].sys_errno);
	assert_has(err->message, reads[_i].name);
	assert_has(err->message, reads[_i].says);
}
END_TEST

START_TEST(read_of_a_pipe)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(freep) char *data = xmalloc(50000);
	int p[2];

	memset(data, 'x', 50000);
	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(fs_write_all(p[1], data, 50000), 0);
	close(p[1]);
	ck_assert_int_eq(fs_read_fd(p[0], "the pipe", 50000, &b, NULL), 0);
	ck_assert_uint_eq(b.len, 50000);
	ck_assert_mem_eq(b.s, data, 50000);
	close(p[0]);
}
END_TEST

/* ---- writing ---------------------------------------------------------------- */

static const struct {
	mode_t umask, mode;
} modes[] = { { 022, 0644 }, { 077, 0644 }, { 0, 0600 }, { 0777, 0640 }, { 077, 0444 } };

START_TEST(write_has_its_mode_whatever_the_umask)
{
	umask(modes[_i].umask);
	ck_assert_int_eq(fs_write_atomic(AT_FDCWD, in_dir("f"), "one", 3, modes[_i].mode, NULL), 0);
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, in_dir("g"), "two", 3, modes[_i].mode, NULL),
			 0);
	umask(022);
	ck_assert_uint_eq(mode_of("f"), modes[_i].mode);
	ck_assert_uint_eq(mode_of("g"), modes[_i].mode);
	assert_text("f", "one");
	assert_text("g", "two");
	/* Also over what is there, with another mode. */
	ck_assert_int_eq(fs_write_atomic(AT_FDCWD, in_dir("f"), "", 0, 0600, NULL), 0);
	ck_assert_uint_eq(mode_of("f"), 0600);
	assert_text("f", "");
	ck_assert_uint_eq(count_entries("."), 2);
}
END_TEST

typedef int write_fn(int, const char *, const void *, size_t, mode_t, struct holos_error **);

static write_fn *const writers[] = { fs_write_atomic, fs_write_replace };

START_TEST(write_below_a_directory)
{
	_cleanup_(closep) int dir = open(test_dir, O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(mkdir(in_dir("sub"), 0700), 0);
	ck_assert_int_eq(writers[_i](dir, "sub/f", "abc", 3, 0600, NULL), 0);
	ck_assert_int_eq(writers[_i](dir, "f", "def", 3, 0600, NULL), 0);
	assert_text("sub/f", "abc");
	assert_text("f", "def");
}
END_TEST

/* The disk is full half way: the old file stays whole, and nothing is left over. */
START_TEST(failed_write_keeps_the_old_file)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *data = xcalloc(1, 100000);
	struct rlimit lim = { 50000, 50000 };

	write_text("f", "old text");
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	ck_assert_int_lt(writers[_i](AT_FDCWD, in_dir("f"), data, 100000, 0600, &err), 0);
	ck_assert_int_eq(err->sys_errno, EFBIG);
	assert_has(err->message, in_dir("f"));
	assert_text("f", "old text");
	ck_assert_uint_eq(count_entries("."), 1);
}
END_TEST

START_TEST(write_where_it_cannot_be)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_lt(writers[_i](AT_FDCWD, in_dir("none/f"), "x", 1, 0600, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	ck_assert_int_eq(mkdir(in_dir("dir"), 0700), 0);
	ck_assert_int_lt(writers[_i](AT_FDCWD, in_dir("dir"), "x", 1, 0600, &err), 0);
	ck_assert_uint_eq(count_entries("."), 1);
	ck_assert_uint_eq(count_entries("dir"), 0);
}
END_TEST

START_TEST(write_replaces_a_link_and_not_its_target)
{
	_cleanup_(freep) char *tmp = xasprintf("victim.tmp.%ld", (long)getpid());

	write_text("victim", "precious");
	ck_assert_int_eq(symlink("victim", in_dir("f")), 0);
	ck_assert_int_eq(writers[_i](AT_FDCWD, in_dir("f"), "new", 3, 0600, NULL), 0);
	assert_text("f", "new");
	assert_text("victim", "precious");
	/* A link where the temporary file would be. */
	write_text("other", "precious too");
	ck_assert_int_eq(symlink("other", in_dir(tmp)), 0);
	ck_assert_int_lt(writers[_i](AT_FDCWD, in_dir("victim"), "new", 3, 0600, NULL), 0);
	assert_text("other", "precious too");
	assert_text("victim", "precious");
}
END_TEST

/* Of one that was killed and had our pid. */
START_TEST(stale_temporary_file_is_no_obstacle)
{
	_cleanup_(freep) char *tmp = xasprintf("f.tmp.%ld", (long)getpid());

	write_text(tmp, "a longer text than the new one");
	ck_assert_int_eq(writers[_i](AT_FDCWD, in_dir("f"), "new", 3, 0600, NULL), 0);
	assert_text("f", "new");
	ck_assert_uint_eq(count_entries("."), 1);
}
END_TEST

START_TEST(write_all_to_nobody)
{
	int p[2];

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(fs_write_all(p[1], "abc", 3), 0);
	close(p[0]);
	ck_assert_int_eq(fs_write_all(p[1], "abc", 3), -EPIPE);
	ck_assert_int_eq(fs_write_all(-1, "abc", 3), -EBADF);
	ck_assert_int_eq(fs_write_all(-1, "", 0), 0);
	close(p[1]);
}
END_TEST

/* ---- directories -------------------------------------------------------------- */

START_TEST(mkdir_with_parents)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	static const char *const good[] = { "a/b/c", "a/b/c", "a/b/c/", "a//d", "a/./e" };

	umask(0);
	for (int i = 0; i < N(good); i++)
		ck_assert_msg(fs_mkdir_p(in_dir(good[i]), 0700, NULL) == 0, "%s", good[i]);
	umask(022);
	ck_assert_uint_eq(mode_of("a"), 0700);
	ck_assert_uint_eq(mode_of("a/b/c"), 0700);
	ck_assert_int_eq(chmod(in_dir("a"), 0755), 0);
	ck_assert_int_eq(fs_mkdir_p(in_dir("a/f"), 0700, NULL), 0);
	ck_assert_uint_eq(mode_of("a"), 0755); /* what is there stays */
	write_text("file", "");
	ck_assert_int_lt(fs_mkdir_p(in_dir("file"), 0700, &err), 0);
	assert_has(err->message, "file is no directory");
	ck_assert_int_lt(fs_mkdir_p(in_dir("file/x"), 0700, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOTDIR);
	ck_assert_int_lt(fs_mkdir_p("", 0700, &err), 0);
	ck_assert_int_eq(fs_mkdir_p("/", 0700, NULL), 0);
	ck_assert_int_eq(chdir(test_dir), 0);
	ck_assert_int_eq(fs_mkdir_p("rel/x", 0700, NULL), 0);
	ck_assert(fs_exists(AT_FDCWD, in_dir("rel/x")));
}
END_TEST

START_TEST(open_dir)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(closep) int fd = fs_open_dir(AT_FDCWD, in_dir("d"), 0700, NULL);
	_cleanup_(closep) int again = fs_open_dir(AT_FDCWD, in_dir("d"), 0755, NULL);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(again, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_uint_eq(mode_of("d"), 0700);
	write_text("f", "");
	ck_assert_int_lt(fs_open_dir(AT_FDCWD, in_dir("f"), 0700, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOTDIR);
	ck_assert_int_lt(fs_open_dir(AT_FDCWD, in_dir("x/y"), 0700, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	ck_assert_int_eq(fs_sync_dir(fd, ".", NULL), 0);
	ck_assert_int_lt(fs_sync_dir(AT_FDCWD, in_dir("f"), NULL), 0);
}
END_TEST

START_TEST(remove_tree_follows_no_link)
{
	ck_assert_int_eq(mkdir(in_dir("out"), 0700), 0);
	write_text("out/precious", "x");
	ck_assert_int_eq(fs_mkdir_p(in_dir("tree/a/b"), 0700, NULL), 0);
	write_text("tree/a/f", "");
	ck_assert_int_eq(symlink(in_dir("out"), in_dir("tree/a/dir-link")), 0);
	ck_assert_int_eq(symlink("../../out/precious", in_dir("tree/a/b/file-link")), 0);
	ck_assert_int_eq(symlink("nowhere", in_dir("tree/dangling")), 0);
	ck_assert_int_eq(link(in_dir("out/precious"), in_dir("tree/hard")), 0);
	ck_assert_int_eq(mkfifo(in_dir("tree/fifo"), 0600), 0);
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, in_dir("tree"), NULL), 0);
	ck_assert(!fs_exists(AT_FDCWD, in_dir("tree")));
	assert_text("out/precious", "x");
	/* The root itself is a link. */
	ck_assert_int_eq(symlink("out", in_dir("link")), 0);
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, in_dir("link"), NULL), 0);
	assert_text("out/precious", "x");
	ck_assert_uint_eq(count_entries("."), 1);
}
END_TEST

START_TEST(remove_tree_of_anything)
{
	_cleanup_(closep) int dir = open(test_dir, O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(fs_remove_tree(dir, "nothing", NULL), 0);
	ck_assert_int_eq(fs_remove_tree(dir, "nothing/at/all", NULL), 0);
	write_text("f", "");
	ck_assert_int_eq(fs_remove_tree(dir, "f", NULL), 0);
	ck_assert_int_eq(mkdir(in_dir("d"), 0700), 0);
	for (unsigned i = 0; i < 500; i++) {
		_cleanup_(freep) char *name = xasprintf("d/%u", i);

		write_text(name, "");
	}
	ck_assert_int_eq(fs_remove_tree(dir, "d", NULL), 0);
	ck_assert_uint_eq(count_entries("."), 0);
}
END_TEST

/* Something made that deep on purpose; no stack of ours follows it. */
START_TEST(remove_tree_has_a_depth)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(strbuf_finish) struct strbuf path = STRBUF_INIT;

	strbuf_adds(&path, in_dir("deep"));
	for (unsigned i = 0; i < 100; i++)
		strbuf_adds(&path, "/d");
	ck_assert_int_eq(fs_mkdir_p(path.s, 0700, NULL), 0);
	ck_assert_int_lt(fs_remove_tree(AT_FDCWD, in_dir("deep"), &err), 0);
	assert_has(err->message, "nested too deeply");
	/* From half way down it works, so the teardown does too. */
	path.s[strlen(in_dir("deep")) + 2 * 50] = '\0';
	ck_assert_int_eq(fs_remove_tree(AT_FDCWD, path.s, NULL), 0);
}
END_TEST

/* ---- copying ------------------------------------------------------------------ */

START_TEST(copy_keeps_holes)
{
	_cleanup_(closep) int fd = open(in_dir("src"), O_RDWR | O_CREAT, 0600);
	static const off_t at[] = { 0, 1 << 20, (5 << 20) - 3 };
	char buf[3], out[3];
	struct stat src, dst;

	for (int i = 0; i < N(at); i++)
		ck_assert_int_eq(pwrite(fd, "abc", 3, at[i]), 3);
	ck_assert_int_eq(ftruncate(fd, 64 << 20), 0);
	umask(022);
	ck_assert_int_eq(fs_copy(AT_FDCWD, in_dir("src"), AT_FDCWD, in_dir("dst"), 0640, NULL), 0);
	ck_assert_int_eq(fstat(fd, &src), 0);
	ck_assert_int_eq(stat(in_dir("dst"), &dst), 0);
	ck_assert_int_eq(dst.st_size, 64 << 20);
	ck_assert_int_le(dst.st_blocks, src.st_blocks + 64);
	ck_assert_int_lt(dst.st_blocks, 2048); /* 1 MiB */
	ck_assert_uint_eq(dst.st_mode & 0777, 0640);
	close(steal_fd(&fd));
	fd = open(in_dir("dst"), O_RDONLY);
	for (int i = 0; i < N(at); i++) {
		ck_assert_int_eq(pread(fd, out, 3, at[i]), 3);
		ck_assert_mem_eq(out, "abc", 3);
	}
	ck_assert_int_eq(pread(fd, buf, 3, 3), 3);
	ck_assert_mem_eq(buf, "\0\0\0", 3);
}
END_TEST

static const size_t lengths[] = { 0, 1, 4095, 65535, 65536, 65537, 200001 };

START_TEST(copy_of_every_length)
{
	_cleanup_(freep) char *data = xmalloc(lengths[_i] + 1);
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < lengths[_i]; i++)
		data[i] = (char)(i * 31 + 1);
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, in_dir("src"), data, lengths[_i], 0600, NULL),
			 0);
	ck_assert_int_eq(fs_copy(AT_FDCWD, in_dir("src"), AT_FDCWD, in_dir("dst"), 0600, NULL), 0);
	ck_assert_int_eq(fs_read(AT_FDCWD, in_dir("dst"), 1 << 20, &b, NULL), 0);
	ck_assert_uint_eq(b.len, lengths[_i]);
	ck_assert_mem_eq(b.s, data, b.len);
}
END_TEST

START_TEST(copy_overwrites_nothing)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	write_text("src", "new");
	write_text("dst", "old");
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0);
	ck_assert_int_eq(symlink("victim", in_dir("link")), 0);
	ck_assert_int_lt(fs_copy(AT_FDCWD, in_dir("src"), AT_FDCWD, in_dir("dst"), 0600, &err), 0);
	ck_assert_int_eq(err->sys_errno, EEXIST);
	assert_text("dst", "old");
	ck_assert_int_lt(fs_copy(AT_FDCWD, in_dir("src"), AT_FDCWD, in_dir("link"), 0600, NULL), 0);
	ck_assert(!fs_exists(AT_FDCWD, in_dir("victim")));
	ck_assert_int_lt(fs_copy(AT_FDCWD, in_dir("none"), AT_FDCWD, in_dir("x"), 0600, NULL), 0);
	ck_assert_int_lt(fs_copy(AT_FDCWD, in_dir("fifo"), AT_FDCWD, in_dir("x"), 0600, NULL), 0);
	ck_assert_int_lt(fs_copy(AT_FDCWD, test_dir, AT_FDCWD, in_dir("x"), 0600, NULL), 0);
	ck_assert(!fs_exists(AT_FDCWD, in_dir("x")));
}
END_TEST

START_TEST(failed_copy_leaves_nothing)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *data = xmalloc(100000);
	struct rlimit lim = { 50000, 50000 };

	memset(data, 'x', 100000);
	ck_assert_int_eq(fs_write_replace(AT_FDCWD, in_dir("src"), data, 100000, 0600, NULL), 0);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	ck_assert_int_lt(fs_copy(AT_FDCWD, in_dir("src"), AT_FDCWD, in_dir("dst"), 0600, &err), 0);
	ck_assert_int_eq(err->sys_errno, EFBIG);
	ck_assert(!fs_exists(AT_FDCWD, in_dir("dst")));
}
END_TEST

/* ---- names --------------------------------------------------------------------- */

static const struct {
	const char *base, *path, *joined, *normal;
} paths[] = {
	{ "/a", "b", "/a/b", "/a/b" },
	{ "/a/", "b", "/a/b", "/a/b" },
	{ "/a", "/b", "/b", "/b" },
	{ "/", "b", "/b", "/b" },
	{ "/a", "", "/a/", "/a" },
	{ "/a", ".", "/a/.", "/a" },
	{ "/a", "..", "/a/..", "/" },
	{ "/a/b", "../c", "/a/b/../c", "/a/c" },
	{ "/a/b", "../../../../c", "/a/b/../../../../c", "/c" },
	{ "/", "..", "/..", "/" },
	{ "/a", "b//c/./d/", "/a/b//c/./d/", "/a/b/c/d" },
	{ "/a", "...", "/a/...", "/a/..." },
	{ "/a", ".b/..c", "/a/.b/..c", "/a/.b/..c" },
	{ "/a", "/x/../y/./z/..", "/x/../y/./z/..", "/y" },
	{ "/a", "//", "//", "/" },
};

START_TEST(path_text)
{
	_cleanup_(freep) char *joined = fs_join(paths[_i].base, paths[_i].path);
	_cleanup_(freep) char *normal = fs_normalize(paths[_i].base, paths[_i].path);

	ck_assert_str_eq(joined, paths[_i].joined);
	ck_assert_str_eq(normal, paths[_i].normal);
}
END_TEST

START_TEST(programs)
{
	_cleanup_(freep) char *path =
		xasprintf(":%s/none:%s:%s/d:/bin", test_dir, in_dir("a"), test_dir);
	_cleanup_(freep) char *found = NULL;
	_cleanup_(freep) char *given = NULL;

	setenv("PATH", path, 1);
	ck_assert_int_eq(mkdir(in_dir("a"), 0700), 0);
	ck_assert_int_eq(mkdir(in_dir("d"), 0700), 0);
	ck_assert_int_eq(mkdir(in_dir("a/prog"), 0700), 0); /* a directory is none */
	write_text("d/prog", "");
	ck_assert_ptr_null(fs_find_program("prog")); /* nor a file that is not executable */
	ck_assert_int_eq(chmod(in_dir("d/prog"), 0700), 0);
	found = fs_find_program("prog");
	ck_assert_str_eq(found, in_dir("d/prog"));
	given = fs_find_program(in_dir("d/prog"));
	ck_assert_str_eq(given, found);
	ck_assert_ptr_null(fs_find_program("./prog"));
	ck_assert_ptr_null(fs_find_program(in_dir("d")));
	/* An empty element is not the current directory. */
	ck_assert_int_eq(chdir(in_dir("d")), 0);
	setenv("PATH", "", 1);
	ck_assert_ptr_null(fs_find_program("prog"));
	setenv("PATH", "::", 1);
	ck_assert_ptr_null(fs_find_program("prog"));
	unsetenv("PATH");
	free(steal_ptr(&found));
	found = fs_find_program("sh");
	ck_assert_ptr_nonnull(found);
}
END_TEST

START_TEST(existence)
{
	write_text("f", "");
	ck_assert_int_eq(symlink("nowhere", in_dir("dangling")), 0);
	ck_assert(fs_exists(AT_FDCWD, in_dir("f")));
	ck_assert(fs_exists(AT_FDCWD, in_dir(".")));
	ck_assert(!fs_exists(AT_FDCWD, in_dir("dangling")));
	ck_assert(!fs_exists(AT_FDCWD, in_dir("none")));
}
END_TEST

/* A log is never written to where a name of it leads elsewhere. */
START_TEST(log_of_our_own)
{
	struct stat st;
	int fd;

	write_text("precious", "data");
	ck_assert_int_eq(symlink(in_dir("precious"), in_dir("link")), 0);
	ck_assert_int_eq(link(in_dir("precious"), in_dir("second")), 0);
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0);
	write_text("plain", "old ");
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = { "link", "second", "fifo", "plain" };

		fd = fs_open_log(AT_FDCWD, in_dir(names[i]));
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert(S_ISREG(st.st_mode));
		ck_assert_int_eq(st.st_size, i == 3 ? 4 : 0);
		ck_assert_int_eq(fs_write_all(fd, "new", 3), 0);
		close(fd);
	}
	ck_assert_int_eq(stat(in_dir("precious"), &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	ck_assert_int_eq(mkdir(in_dir("dir"), 0700), 0);
	ck_assert_int_lt(fs_open_log(AT_FDCWD, in_dir("dir")), 0);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_test(c, read_of_a_pipe);
	tcase_add_loop_test(c, write_has_its_mode_whatever_the_umask, 0, N(modes));
	tcase_add_loop_test(c, write_below_a_directory, 0, N(writers));
	tcase_add_loop_test(c, failed_write_keeps_the_old_file, 0, N(writers));
	tcase_add_loop_test(c, write_where_it_cannot_be, 0, N(writers));
	tcase_add_loop_test(c, write_replaces_a_link_and_not_its_target, 0, N(writers));
	tcase_add_loop_test(c, stale_temporary_file_is_no_obstacle, 0, N(writers));
	tcase_add_test(c, write_all_to_nobody);
	tcase_add_test(c, mkdir_with_parents);
	tcase_add_test(c, open_dir);
	tcase_add_test(c, remove_tree_follows_no_link);
	tcase_add_test(c, remove_tree_of_anything);
	tcase_add_test(c, remove_tree_has_a_depth);
	tcase_add_test(c, copy_keeps_holes);
	tcase_add_loop_test(c, copy_of_every_length, 0, N(lengths));
	tcase_add_test(c, copy_overwrites_nothing);
	tcase_add_test(c, failed_copy_leaves_nothing);
	tcase_add_loop_test(c, path_text, 0, N(paths));
	tcase_add_test(c, programs);
	tcase_add_test(c, existence);
	tcase_add_test(c, log_of_our_own);
}

static void add_read_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_things_to_read, remove_test_dir);
	tcase_add_loop_test(c, read_is_bounded, 0, N(reads));
}

int main(void)
{
	int r = run_suite("base-fs-read", add_read_tests);

	return run_suite("base-fs", add_tests) != 0 ? 1 : r;
}
