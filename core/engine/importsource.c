/* SPDX-License-Identifier: Apache-2.0
 *
 * importsource.c - see importsource.h.
 */
#include <engine/importsource.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/process.h>
#include <base/strbuf.h>
#include <base/strv.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VIRSH_TIMEOUT_NS (60 * NS_PER_S)
#define VIRSH_OUT_MAX    (1u << 20) /* what process_run() keeps */
#define FILES_MAX        1000

/* ---- files ------------------------------------------------------------------------------- */

/* libvirt keeps links to what it starts with the host in autostart/. */
static bool is_autostarted(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_(freep) char *link =
		slash != NULL ? xasprintf("%.*s/autostart/%s", (int)(slash - path), path, slash + 1)
			      : xasprintf("autostart/%s", path);

	return fs_exists(AT_FDCWD, link);
}

static int add_file(struct import *im, const char *path, struct holos_error **err)
{
	/* O_NONBLOCK: a FIFO of that name must not hold us up. */
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", path);
	return import_add(im, path, fd, is_autostarted(path), err);
}

static int add_directory(struct import *im, const char *path, struct holos_error **err)
{
	_cleanup_(closedirp) DIR *dir = opendir(path);
	_cleanup_(strv_finish) struct strv files = STRV_INIT;
	int r = 0;

	if (dir == NULL)
		return error_sys(err, ERR_FAILED, errno, "cannot read directory %s", path);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		size_t n = strlen(e->d_name);
		struct stat st;

		if (e->d_name[0] == '.' || n <= 4 || strcmp(e->d_name + n - 4, ".xml") != 0 ||
		    fstatat(dirfd(dir), e->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (files.n == FILES_MAX)
			return error_set(err, ERR_FAILED, "%s: more than %d files", path,
					 FILES_MAX);
		strv_take(&files, fs_join(path, e->d_name));
	}
	if (files.n == 0) {
		error_set(err, ERR_FAILED, "%s: no *.xml in this directory", path);
		error_hint(err, "libvirt keeps its domains in /etc/libvirt/qemu and "
				"~/.config/libvirt/qemu");
		return -ERR_FAILED;
	}
	strv_sort(&files);
	for (size_t i = 0; i < files.n && r == 0; i++)
		r = add_file(im, files.v[i], err);
	return r;
}

int import_path(struct import *im, const char *path, struct holos_error **err)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		return import_add(im, "standard input", STDIN_FILENO, false, err);
	if (stat(path, &st) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", path);
	return S_ISDIR(st.st_mode) ? add_directory(im, path, err) : add_file(im, path, err);
}

/* ---- virsh(1) ------------------------------------------------------------------------------ */

struct virsh {
	char *program;
	const char *connect;
};

/* "virsh [-c URI] ARGS..." with its output in out; what it complains of is in err. */
static int run(const struct virsh *v, const char *const *args, struct strbuf *out,
	       struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;
	_cleanup_(strbuf_finish) struct strbuf complaint = STRBUF_INIT;
	char text[64];
	int status, r;

	strv_add(&argv, "virsh");
	if (v->connect != NULL) {
		strv_add(&argv, "-c");
		strv_add(&argv, v->connect);
	}
	for (; *args != NULL; args++)
		strv_add(&argv, *args);
	r = process_run(v->program, argv.v, clock_now_ns() + VIRSH_TIMEOUT_NS, out, &complaint,
			&status, err);
	if (r < 0)
		return error_wrap(err, "virsh");
	if (status == 0)
		return 0;
	for (size_t i = 0; i < complaint.len; i++) {
		if (complaint.s[i] == '\n' || complaint.s[i] == '\t')
			complaint.s[i] = ' ';
	}
	while (complaint.len > 0 && complaint.s[complaint.len - 1] == ' ')
		complaint.s[--complaint.len] = '\0';
	return error_set(err, ERR_FAILED, "virsh %s %s%s%.600s", argv.v[v->connect != NULL ? 3 : 1],
			 process_describe_status(status, text), complaint.len != 0 ? ": " : "",
			 complaint.len != 0 ? complaint.s : "");
}

static int list(const struct virsh *v, bool autostarted, struct strv *ret, struct holos_error **err)
{
	const char *args[] = { "list", "--all", "--name", autostarted ? "--autostart" : NULL,
			       NULL };
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	int r = run(v, args, &out, err);

	for (char *line = out.s; r == 0 && line != NULL && *line != '\0';) {
		size_t n = strcspn(line, "\n");

		if (n != 0)
			strv_take(ret, xstrndup(line, n));
		line += n + (line[n] == '\n');
	}
	return r;
}

struct domains {
	struct import *im;
	struct virsh virsh;
	struct strv autostarted;
	bool asked; /* for them */
	import_warn_fn *warn;
	void *data;
};

/* Asked when a domain was there: what is wrong with virsh has been told by then. */
static bool starts_with_host(struct domains *d, const char *name)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;

	if (!d->asked && list(&d->virsh, true, &d->autostarted, &why) < 0) {
		_cleanup_(freep) char *text = xasprintf(
			"cannot tell which domains start with the host: %s", why->message);

		d->warn(d->data, text);
	}
	d->asked = true;
	return strv_has(&d->autostarted, name);
}

static int add_domain(struct domains *d, const char *name, struct holos_error **err)
{
	/* A name may look like an option. */
	const char *plain[] = { "dumpxml", name, NULL };
	const char *marked[] = { "dumpxml", "--domain", name, NULL };
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	_cleanup_(freep) char *what = xasprintf("domain \"%s\"", name);
	int r = run(&d->virsh, name[0] == '-' ? marked : plain, &out, err);

	if (r < 0)
		return error_wrap(err, "%s", what);
	if (out.len >= VIRSH_OUT_MAX)
		return error_set(err, ERR_FAILED, "%s: its XML is larger than %u KiB", what,
				 VIRSH_OUT_MAX >> 10);
	return import_add_text(d->im, what, out.s != NULL ? out.s : "", out.len,
			       starts_with_host(d, name), err);
}

int import_virsh(struct import *im, const char *connect, const char *const *names, bool all,
		 import_warn_fn *warn, void *data, struct holos_error **err)
{
	_cleanup_(freep) char *program = fs_find_program("virsh");
	struct domains d = { .im = im, .virsh = { program, connect }, .warn = warn, .data = data };
	_cleanup_(strv_finish) struct strv domains = STRV_INIT;
	int r = 0;

	if (program == NULL) {
		error_set(err, ERR_HOST,
			  "virsh is not installed, which tells of libvirt's domains");
		error_hint(err, "apt-get install libvirt-clients; or give XML files: --xml FILE");
		return -ERR_HOST;
	}
	if (all)
		r = list(&d.virsh, false, &domains, err);
	for (; !all && *names != NULL; names++)
		strv_add(&domains, *names);
	if (r == 0 && domains.n == 0)
		r = error_set(err, ERR_FAILED, "libvirt knows no domains%s%s",
			      connect != NULL ? " at " : "", connect != NULL ? connect : "");
	for (size_t i = 0; i < domains.n && r == 0; i++)
		r = add_domain(&d, domains.v[i], err);
	strv_finish(&d.autostarted);
	return r;
}
