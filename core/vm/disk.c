/* SPDX-License-Identifier: Apache-2.0
 *
 * disk.c - see disk.h.
 *
 * qemu-img makes every image under NAME.new beside its place; it gets its name
 * when it is whole.  A NAME.new that a killed command left is replaced by the
 * next try.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <base/strbuf.h>
#include <base/strv.h>
#include <vm/disk.h>
#include <vm/packages.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define QEMU_IMG_DEADLINE (60 * NS_PER_S)
/* An empty overlay takes some 200 KiB; one that is kept for copies never more
 * than this. */
#define TEMPLATE_MAX (16 << 20)

struct template
{
	char *base, *format;
	uint64_t base_size; /* 0: not asked yet */
	uint64_t size;
	int fd; /* memfd of the overlay as qemu-img made it, -1: none */
};

struct disk_set {
	char *qemu_img;
	struct template *t;
	size_t n, cap;
};

int disk_find_qemu_img(char **ret, struct holos_error **err)
{
	const char *name = getenv("HOLOS_QEMU_IMG");
	bool named = name != NULL && *name != '\0';
	char *path = fs_find_program(named ? name : "qemu-img");

	if (path != NULL) {
		*ret = path;
		return 0;
	}
	if (named) {
		error_set(err, ERR_HOST, "HOLOS_QEMU_IMG names %s, which is no program", name);
		error_hint(err, "set it to an executable file, or unset it");
	} else {
		_cleanup_(freep) char *command = packages_command(NEED_QEMU_IMG, ARCH_X86_64);

		error_set(err, ERR_HOST, "cannot find qemu-img in PATH");
		error_hint(err, "%s, or set HOLOS_QEMU_IMG", command);
	}
	return -ERR_HOST;
}

/* Run qemu-img; its first line on stderr becomes the reason of a failure. */
static int run(const char *qemu_img, const struct strv *argv, struct strbuf *out,
	       struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf errout = STRBUF_INIT;
	const char *why;
	char how[64];
	int status, r;

	r = process_run(qemu_img, argv->v, clock_now_ns() + QEMU_IMG_DEADLINE, out, &errout,
			&status, err);
	if (r < 0 || status == 0)
		return r;
	why = errout.s != NULL ? errout.s : "";
	if (strncmp(why, "qemu-img: ", 10) == 0)
		why += 10;
	if (*why == '\0' || *why == '\n')
		why = process_describe_status(status, how);
	return error_set(err, ERR_FAILED, "qemu-img %s: %.*s", argv->v[1], (int)strcspn(why, "\n"),
			 why);
}

void disk_info_finish(struct disk_info *i)
{
	free(i->format);
	free(i->backing_file);
	free(i->backing_format);
	memset(i, 0, sizeof(*i));
}

static int parse_info(const char *text, size_t len, const char *path, struct disk_info *ret,
		      struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = NULL;
	struct json_object *data;
	int64_t size;
	int r;

	r = jsonx_parse(text, len, "qemu-img info", &obj, err);
	if (r < 0)
		return r;
	size = jsonx_int(obj, "virtual-size", -1);
	if (size < 0 || jsonx_str(obj, "format", NULL) == NULL)
		return error_set(err, ERR_FAILED, "qemu-img info says nothing about %s", path);
	data = jsonx_obj(jsonx_obj(obj, "format-specific"), "data");
	ret->format = xstrdup(jsonx_str(obj, "format", ""));
	ret->backing_file = xstrdup_null(jsonx_str(obj, "backing-filename", NULL));
	ret->backing_format = xstrdup_null(jsonx_str(obj, "backing-filename-format", NULL));
	ret->virtual_size = (uint64_t)size;
	size = jsonx_int(obj, "actual-size", 0);
	ret->actual_size = size > 0 ? (uint64_t)size : 0;
	ret->encrypted = jsonx_bool(obj, "encrypted", false);
	ret->corrupt = jsonx_bool(data, "corrupt", false);
	return 0;
}

int disk_info(const char *qemu_img, const char *path, const char *format, struct disk_info *ret,
	      struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;
	int r;

	strv_add(&argv, "qemu-img");
	strv_add(&argv, "info");
	strv_add(&argv, "--output=json");
	strv_add(&argv, "-U"); /* without the lock that a running QEMU holds */
	if (format != NULL) {
		strv_add(&argv, "-f");
		strv_add(&argv, format);
	}
	strv_add(&argv, "--");
	strv_add(&argv, path);
	r = run(qemu_img, &argv, &out, err);
	return r < 0 ? r : parse_info(out.s != NULL ? out.s : "", out.len, path, ret, err);
}

struct disk_set *disk_set_create(const char *qemu_img)
{
	struct disk_set *s = xnew(struct disk_set);

	s->qemu_img = xstrdup(qemu_img);
	return s;
}

void disk_set_destroy(struct disk_set *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		free(s->t[i].base);
		free(s->t[i].format);
		closep(&s->t[i].fd);
	}
	free(s->t);
	free(s->qemu_img);
	free(s);
}

/* The entry of (base, format, size), made when it is the first. */
static struct template *find_template(struct disk_set *s, const char *base, const char *format,
				      uint64_t size)
{
	uint64_t base_size = 0;
	struct template *t;

	for (size_t i = 0; i < s->n; i++) {
		t = &s->t[i];
		if (strcmp(t->base, base) != 0 || strcmp(t->format, format) != 0)
			continue;
		if (t->size == size)
			return t;
		base_size = t->base_size;
	}
	t = ARRAY_PUSH(s->t, s->n, s->cap);
	*t = (struct template){ .base = xstrdup(base),
				.format = xstrdup(format),
				.base_size = base_size,
				.size = size,
				.fd = -1 };
	return t;
}

static int learn_base_size(struct disk_set *s, struct template *t, struct holos_error **err)
{
	_cleanup_(disk_info_finish) struct disk_info i = { 0 };
	int r;

	if (t->base_size != 0)
		return 0;
	r = disk_info(s->qemu_img, t->base, t->format, &i, err);
	if (r < 0)
		return error_wrap(err, "cannot use image %s", t->base);
	t->base_size = i.virtual_size;
	return 0;
}

int disk_set_base_size(struct disk_set *s, const char *base, const char *base_format,
		       uint64_t *ret_size, struct holos_error **err)
{
	struct template *t = find_template(s, base, base_format, 0);
	int r = learn_base_size(s, t, err);

	if (r == 0)
		*ret_size = t->base_size;
	return r;
}

/* Give the finished `tmp` its name, unless something has it already. */
static int publish(const char *tmp, const char *path, bool sync, struct holos_error **err)
{
	_cleanup_(closep) int fd = open(tmp, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	const char *slash = strrchr(path, '/');
	_cleanup_(freep) char *dir = xstrndup(path, (size_t)(slash - path));
	int e = 0;

	if (fd < 0 || fchmod(fd, 0600) < 0 || (sync && fsync(fd) < 0))
		e = errno;
	if (e == 0 && fs_rename_new(AT_FDCWD, tmp, AT_FDCWD, path) < 0)
		e = errno;
	if (e != 0) {
		unlink(tmp);
		return error_sys(err, ERR_FAILED, e, "cannot make disk %s", path);
	}
	return sync ? fs_sync_dir(AT_FDCWD, *dir != '\0' ? dir : "/", err) : 0;
}

/* Keep the bytes of a fresh overlay, before any VM can write to it.  Without
 * them the next overlay is made by qemu-img again: no failure. */
static void keep_template(struct template *t, const char *tmp)
{
	_cleanup_(closep) int in = open(tmp, O_RDONLY | O_CLOEXEC);
	_cleanup_(closep) int fd = memfd_create("holos-overlay", MFD_CLOEXEC);
	char buf[16384];
	off_t at = 0, size;
	struct stat st;
	ssize_t n;

	if (in < 0 || fd < 0 || fstat(in, &st) < 0 || st.st_size > TEMPLATE_MAX)
		return;
	size = st.st_size;
	if (ftruncate(fd, size) < 0)
		return;
	while (at < size && (n = pread(in, buf, sizeof(buf), at)) > 0) {
		bool zero = buf[0] == 0 && memcmp(buf, buf + 1, (size_t)n - 1) == 0;

		if (!zero && pwrite(fd, buf, (size_t)n, at) != n)
			return;
		at += n;
	}
	if (at == size)
		t->fd = steal_fd(&fd);
}

static int qemu_img_create(const char *qemu_img, const struct template *t, uint64_t size,
			   const char *tmp, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;

	strv_add(&argv, "qemu-img");
	strv_add(&argv, "create");
	strv_add(&argv, "-q");
	strv_add(&argv, "-f");
	strv_add(&argv, "qcow2");
	if (t != NULL) {
		strv_add(&argv, "-F");
		strv_add(&argv, t->format);
		strv_add(&argv, "-b");
		strv_add(&argv, t->base);
	}
	strv_add(&argv, "--");
	strv_add(&argv, tmp);
	if (size != 0)
		strv_addf(&argv, "%llu", (unsigned long long)size);
	return run(qemu_img, &argv, NULL, err);
}

static int refuse_existing(const char *path, struct holos_error **err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	return error_sys(err, ERR_FAILED, EEXIST, "cannot make disk %s", path);
}

int disk_set_overlay(struct disk_set *s, const char *base, const char *base_format, uint64_t size,
		     const char *path, bool sync, struct holos_error **err)
{
	_cleanup_(freep) char *tmp = xasprintf("%s.new", path);
	struct template *t = find_template(s, base, base_format, size);
	int r = refuse_existing(path, err);

	if (r == 0 && size != 0)
		r = learn_base_size(s, t, err);
	if (r < 0)
		return r;
	if (size != 0 && size < t->base_size) {
		error_set(err, ERR_INVALID,
			  "disk size %llu is smaller than the image %s, which has %llu bytes",
			  (unsigned long long)size, base, (unsigned long long)t->base_size);
		error_hint(err, "ask for at least as much, or leave disk_size out");
		return -ERR_INVALID;
	}
	unlink(tmp);
	if (t->fd >= 0) {
		char from[32];

		snprintf(from, sizeof(from), "/proc/self/fd/%d", t->fd);
		r = fs_copy(AT_FDCWD, from, AT_FDCWD, tmp, 0600, err);
	} else {
		r = qemu_img_create(s->qemu_img, t, size, tmp, err);
		if (r == 0)
			keep_template(t, tmp);
	}
	if (r < 0) {
		unlink(tmp);
		return error_wrap(err, "cannot make disk %s", path);
	}
	return publish(tmp, path, sync, err);
}

int disk_create_volume(const char *qemu_img, const char *path, uint64_t size,
		       struct holos_error **err)
{
	_cleanup_(freep) char *tmp = xasprintf("%s.new", path);
	int r = refuse_existing(path, err);

	if (r < 0)
		return r;
	unlink(tmp);
	r = qemu_img_create(qemu_img, NULL, size, tmp, err);
	if (r < 0) {
		unlink(tmp);
		return error_wrap(err, "cannot make volume %s", path);
	}
	return publish(tmp, path, true, err);
}

int disk_grow(const char *qemu_img, const char *path, uint64_t size, struct holos_error **err)
{
	_cleanup_(disk_info_finish) struct disk_info i = { 0 };
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;
	int r = disk_info(qemu_img, path, "qcow2", &i, err);

	if (r < 0 || i.virtual_size == size)
		return r;
	if (size < i.virtual_size)
		return error_set(err, ERR_INVALID,
				 "cannot make disk %s smaller: it has %llu bytes, asked for %llu",
				 path, (unsigned long long)i.virtual_size,
				 (unsigned long long)size);
	strv_add(&argv, "qemu-img");
	strv_add(&argv, "resize");
	strv_add(&argv, "-q");
	strv_add(&argv, "-f");
	strv_add(&argv, "qcow2");
	strv_add(&argv, "--");
	strv_add(&argv, path);
	strv_addf(&argv, "%llu", (unsigned long long)size);
	r = run(qemu_img, &argv, NULL, err);
	return r < 0 ? error_wrap(err, "cannot grow disk %s", path) : 0;
}

int disk_check_chain(const char *qemu_img, const char *path, const char *base,
		     const char *base_format, struct holos_error **err)
{
	_cleanup_(disk_info_finish) struct disk_info top = { 0 }, below = { 0 };
	int r = disk_info(qemu_img, path, "qcow2", &top, err);

	if (r < 0)
		return r;
	if (top.backing_file == NULL || strcmp(top.backing_file, base) != 0)
		return error_set(err, ERR_FAILED, "disk %s lies on %s and not on %s", path,
				 top.backing_file != NULL ? top.backing_file : "nothing", base);
	if (top.backing_format == NULL || strcmp(top.backing_format, base_format) != 0)
		return error_set(err, ERR_FAILED, "disk %s takes its base for %s, which is %s",
				 path, top.backing_format != NULL ? top.backing_format : "anything",
				 base_format);
	if (top.corrupt)
		return error_set(err, ERR_FAILED, "disk %s is marked corrupt", path);
	r = disk_info(qemu_img, base, base_format, &below, err);
	if (r < 0)
		return r;
	if (below.backing_file != NULL)
		return error_set(err, ERR_FAILED, "image %s needs another file (%s) behind it",
				 base, below.backing_file);
	return 0;
}
