/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_cp.c - holos cp: files between this host and a VM, as docker cp does it.
 *
 * What is where is asked first, as it decides what things are called afterwards; then
 * one tar stream is sent.  tar in the guest and holos-copy here are its ends.
 */
#include <base/alloc.h>
#include <base/strv.h>
#include <copy.h>
#include <enter.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_MAX 4096

struct cp_options {
	struct common common;
	const char *user, *wait, *index;
	bool archive, follow, quiet;
};

/* ---- names ---------------------------------------------------------------------- */

/* One of the two operands, taken apart. */
struct side {
	char *vm;      /* of "web-0:PATH"; NULL: it is on this host */
	bool stream;   /* "-" */
	char *path;    /* begins with '/' or '.', ends with neither '/' nor "/." */
	char *parent;  /* of path */
	char *base;    /* its last part */
	bool contents; /* it ended with "/.", or has no last part: what is in it is meant */
	bool slash;    /* it ended with '/': a directory is meant */
	char *said;    /* for messages */
};

static void side_finish(struct side *s)
{
	free(s->vm);
	free(s->path);
	free(s->parent);
	free(s->base);
	free(s->said);
}

static bool ends_with(const char *text, size_t n, const char *end)
{
	return n >= strlen(end) && strncmp(text + n - strlen(end), end, strlen(end)) == 0;
}

static void take_apart(struct side *s, const char *path)
{
	char *text = path[0] == '/' || path[0] == '.' ? xstrdup(path) : xasprintf("./%s", path);
	size_t n = strlen(text);
	char *slash;

	for (;;) {
		if (ends_with(text, n, "/.")) {
			s->contents = true;
			n -= 1;
		} else if (n > 1 && text[n - 1] == '/') {
			s->slash = true;
			n -= 1;
		} else {
			break;
		}
	}
	text[n] = '\0';
	slash = strrchr(text, '/');
	s->base = xstrdup(slash != NULL ? slash + 1 : text);
	s->parent = slash == NULL || slash == text ? xstrdup("/")
						   : xstrndup(text, (size_t)(slash - text));
	if (slash == NULL) { /* ".", "..", ".name" */
		free(s->parent);
		s->parent = xstrdup(".");
	}
	if (s->base[0] == '\0' || strcmp(s->base, ".") == 0 || strcmp(s->base, "..") == 0)
		s->contents = true;
	s->slash = s->slash || s->contents;
	s->path = text;
}

/* "web-0:PATH", or a path of this host: one that begins with '/' or '.', has no ':' or
 * a '/' before it. */
static int parse_side(const char *text, struct side *ret, struct holos_error **err)
{
	const char *colon = strchr(text, ':');
	const char *path = text;

	if (text[0] == '\0')
		return error_set(err, ERR_USAGE, "the name of a file is empty");
	ret->said = xstrdup(text);
	if (strcmp(text, "-") == 0) {
		ret->stream = true;
		return 0;
	}
	if (text[0] != '/' && text[0] != '.' && colon != NULL &&
	    memchr(text, '/', (size_t)(colon - text)) == NULL) {
		if (colon == text)
			return error_set(err, ERR_USAGE, "%s: the name of the VM is missing", text);
		ret->vm = xstrndup(text, (size_t)(colon - text));
		path = colon + 1;
	}
	take_apart(ret, path);
	return 0;
}

/* ---- the guest's side ------------------------------------------------------------- */

struct cp {
	const struct cp_options *o;
	const struct side *from, *to;
	struct copy_stream stream;
};

static int run_stream(struct cp *c, char *const *copier, const char *const *remote,
		      struct holos_error **err)
{
	c->stream.copier = copier;
	c->stream.remote = remote;
	return copy_run(&c->stream, err);
}

/* What path is in the guest: 'd'irectory, 'l'ink (unless they are followed), 'f'ile or
 * the like, 'p': nothing, but its parent is a directory, 'n': nothing. */
static int ask_kind(struct cp *c, const struct side *s, bool follow, char *ret,
		    struct holos_error **err)
{
	static const char script[] =
		"if [ -z \"$3\" ] && [ -L \"$1\" ]; then echo l; elif [ -d \"$1\" ]; then echo d; "
		"elif [ -e \"$1\" ] || [ -L \"$1\" ]; then echo f; elif [ -d \"$2\" ]; then "
		"echo p; else echo n; fi; command -v tar >/dev/null 2>&1 || echo t";
	const char *const argv[] = {
		"sh", "-c", script, "sh", s->path, s->parent, follow ? "y" : "", NULL
	};
	_cleanup_(freep) char *answer = NULL;
	const char *last;
	int r;

	c->stream.remote = argv;
	r = copy_ask(&c->stream, ANSWER_MAX, &answer, err);
	if (r < 0)
		return r;
	if (ends_with(answer, strlen(answer), "\nt\n"))
		return error_set(err, ERR_FAILED, "there is no tar in %s, which cp needs",
				 c->stream.vm);
	/* What the login shell's own files print comes before. */
	last = strlen(answer) >= 2 ? answer + strlen(answer) - 2 : "";
	if (last[0] == '\0' || strchr("dlfpn", last[0]) == NULL || last[1] != '\n')
		return error_set(err, ERR_FAILED, "%s does not say what %s is", c->stream.vm,
				 s->said);
	*ret = last[0];
	return 0;
}

static int no_such(const struct side *s, struct holos_error **err)
{
	return error_set(err, ERR_FAILED, "%s: no such file or directory", s->said);
}

static int no_directory(const struct side *s, struct holos_error **err)
{
	return error_set(err, ERR_FAILED, "%s: there is no such directory", s->said);
}

/* The stream of what `from` is in the guest. */
static void pack_command(const struct cp *c, char kind, struct strv *argv)
{
	const struct side *s = c->from;

	strv_add(argv, "tar");
	strv_add(argv, "-C");
	if (kind == 'd' && !c->to->stream) {
		strv_add(argv, s->path);
		strv_add(argv, "-cf");
		strv_add(argv, "-");
		strv_add(argv, ".");
		return;
	}
	strv_add(argv, s->contents ? s->path : s->parent);
	strv_add(argv, c->o->follow && kind == 'f' ? "-chf" : "-cf");
	strv_add(argv, "-");
	if (s->contents)
		strv_add(argv, ".");
	else
		strv_addf(argv, "./%s", s->base);
}

/* ---- from the guest ----------------------------------------------------------------- */

static int local_error(const char *path, struct holos_error **err)
{
	return error_sys(err, ERR_FAILED, errno, "cannot write to %s", path);
}

/* Where on this host it goes: *ret_name in *ret_dir, which the caller frees. */
static int place_here(const struct side *from, const struct side *to, bool tree, char **ret_dir,
		      char **ret_name, struct holos_error **err)
{
	bool there, link;
	struct stat st;

	link = lstat(to->path, &st) == 0 && S_ISLNK(st.st_mode);
	there = stat(to->path, &st) == 0;
	if (!there && errno != ENOENT)
		return local_error(to->said, err);
	if (there && S_ISDIR(st.st_mode)) {
		*ret_dir = xstrdup(to->path);
		*ret_name = xstrdup(from->contents ? "." : from->base);
		return 0;
	}
	if ((there || link) && tree)
		return error_set(err, ERR_FAILED,
				 "%s is no directory, but %s is one: not copied over it", to->said,
				 from->said);
	if ((there || link) && to->slash)
		return error_set(err, ERR_FAILED, "%s is no directory", to->said);
	if (there && !S_ISREG(st.st_mode))
		return error_set(err, ERR_FAILED, "%s is no plain file: not replaced", to->said);
	if ((to->slash && !tree) || to->contents || stat(to->parent, &st) < 0 ||
	    !S_ISDIR(st.st_mode))
		return no_directory(to, err);
	/* A link to a file is replaced, not followed: the guest may have sent it last time. */
	*ret_dir = xstrdup(to->parent);
	*ret_name = xstrdup(to->base);
	return 0;
}

/* Who asked for a file and got a link should know where it leads. */
static void tell_link(const struct side *from, const char *dir, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, name);
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return;
	target[n] = '\0';
	print_warning("%s is a link to %s, and so is the copy (-L copies what it leads to)",
		      from->said, target);
}

static int from_guest(struct cp *c, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv remote = STRV_INIT;
	_cleanup_(freep) char *dir = NULL;
	_cleanup_(freep) char *name = NULL;
	bool follow = c->o->follow || c->from->slash;
	bool tree;
	char kind;
	int r = ask_kind(c, c->from, follow, &kind, err);

	if (r < 0)
		return r;
	if (kind == 'p' || kind == 'n')
		return no_such(c->from, err);
	tree = kind == 'd';
	if (c->from->slash && !tree)
		return error_set(err, ERR_FAILED, "%s is no directory", c->from->said);
	pack_command(c, kind, &remote);
	if (c->to->stream)
		return run_stream(c, NULL, (const char *const *)remote.v, err);
	r = place_here(c->from, c->to, tree, &dir, &name, err);
	if (r == 0) {
		_cleanup_(strv_finish) struct strv copier = STRV_INIT;

		strv_add(&copier, "unpack");
		strv_add(&copier, tree ? "tree" : kind == 'l' ? "link" : "file");
		if (c->o->archive)
			strv_add(&copier, "-a");
		strv_add(&copier, dir);
		strv_add(&copier, name);
		r = run_stream(c, copier.v, (const char *const *)remote.v, err);
		if (r == 0 && kind == 'l')
			tell_link(c->from, dir, name);
	}
	return r;
}

/* ---- to the guest --------------------------------------------------------------------- */

/* What is sent, and what it is: 'd' or 'f'.  The caller frees *ret_path. */
static int look_here(const struct cp *c, char **ret_path, char *ret_kind, struct holos_error **err)
{
	bool follow = c->o->follow || c->from->slash;
	const char *path = c->from->path;
	char real[PATH_MAX];
	struct stat st;

	if ((follow ? stat(path, &st) : lstat(path, &st)) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot read %s", c->from->said);
	if (c->from->slash && !S_ISDIR(st.st_mode))
		return error_set(err, ERR_FAILED, "%s is no directory", c->from->said);
	*ret_kind = S_ISDIR(st.st_mode) ? 'd' : 'f';
	*ret_path = xstrdup(follow && realpath(path, real) != NULL ? real : path);
	return 0;
}

/* busybox' tar takes the user's umask off the modes, whatever it is told. */
#define UNPACK "umask 0 && exec tar -C \"$1\" -xpf -"

/* A directory goes into `dir`, which is made where it is missing. */
static int send_tree(struct cp *c, const char *path, const char *dir, bool itself,
		     struct holos_error **err)
{
	const char *const remote[] = { "sh", "-c", "mkdir -p \"$1\" && " UNPACK, "sh", dir, NULL };
	_cleanup_(strv_finish) struct strv copier = STRV_INIT;

	strv_add(&copier, "pack");
	strv_add(&copier, itself ? "tree" : "contents");
	if (c->o->archive)
		strv_add(&copier, "-a");
	strv_add(&copier, path);
	return run_stream(c, copier.v, remote, err);
}

static int send_file(struct cp *c, const char *path, const char *dir, const char *name,
		     struct holos_error **err)
{
	const char *const remote[] = { "sh", "-c", UNPACK, "sh", dir, NULL };
	_cleanup_(strv_finish) struct strv copier = STRV_INIT;

	strv_add(&copier, "pack");
	strv_add(&copier, "file");
	if (c->o->archive)
		strv_add(&copier, "-a");
	strv_add(&copier, path);
	strv_add(&copier, name);
	return run_stream(c, copier.v, remote, err);
}

static int to_guest(struct cp *c, struct holos_error **err)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) char *inside = NULL;
	const struct side *to = c->to;
	char kind = 'd', there;
	int r = 0;

	c->stream.to_guest = true;
	if (!c->from->stream)
		r = look_here(c, &path, &kind, err);
	if (r == 0)
		r = ask_kind(c, to, true, &there, err);
	if (r < 0)
		return r;
	if (there == 'n' ||
	    (there == 'p' && (c->from->stream || to->contents || (to->slash && kind == 'f'))))
		return no_directory(to, err);
	if (there == 'f' && (kind == 'd' || to->slash))
		return error_set(err, ERR_FAILED, "%s is no directory", to->said);
	if (c->from->stream) {
		const char *const remote[] = { "sh", "-c", UNPACK, "sh", to->path, NULL };

		return run_stream(c, NULL, remote, err);
	}
	if (kind == 'f')
		return there == 'd' ? send_file(c, path, to->path, c->from->base, err)
				    : send_file(c, path, to->parent, to->base, err);
	if (there != 'd')
		return send_tree(c, path, to->path, true, err);
	if (c->from->contents)
		return send_tree(c, path, to->path, false, err);
	inside = xasprintf("%s/%s", to->path, c->from->base);
	return send_tree(c, path, inside, true, err);
}

/* ---- the verb ---------------------------------------------------------------------------- */

static int copy_one(const struct cp_options *o, const struct state *s, const struct enter_target *t,
		    const struct side *from, const struct side *to, struct holos_error **err)
{
	const struct side *there = from->vm != NULL ? from : to;
	_cleanup_(freep) char *what = xasprintf("%s:%s", t->vm->name, there->path);
	struct cp c = { .o = o,
			.from = from,
			.to = to,
			.stream = { .vm = t->vm->name, .what = what, .quiet = o->quiet } };
	int r = enter_running(t, err);

	if (r == 0)
		r = enter_connect(s, t, o->user, o->wait, &c.stream.ssh, &c.stream.conn, err);
	if (r < 0)
		return r;
	r = from->vm != NULL ? from_guest(&c, err) : to_guest(&c, err);
	c.stream.ssh->conn_close(c.stream.conn);
	return r;
}

/* To all replicas of a service that is named without --index; else to or from one. */
static int copy_all(const struct cp_options *o, const struct state *s, struct enter_target *t,
		    const struct side *from, const struct side *to, struct holos_error **err)
{
	const char *service = t->vm->service;
	int r = 0;

	if (to->vm == NULL || o->index != NULL || strcmp(to->vm, t->vm->name) == 0 ||
	    strcmp(to->vm, service) != 0)
		return copy_one(o, s, t, from, to, err);
	if (from->stream && project_status_replicas(t->project, service) > 1)
		return error_set(err, ERR_USAGE,
				 "a stream is read once, and \"%s\" has several replicas: which "
				 "one? (--index)",
				 service);
	for (size_t i = 0; i < t->project->n_vms && r == 0; i++) {
		t->vm = &t->project->vms[i];
		if (strcmp(t->vm->service, service) == 0)
			r = copy_one(o, s, t, from, to, err);
	}
	return r;
}

static int check(const struct side *from, const struct side *to, struct holos_error **err)
{
	if ((from->vm != NULL) == (to->vm != NULL)) {
		error_set(err, ERR_USAGE,
			  from->vm != NULL ? "cp copies between this host and a VM, not between VMs"
					   : "one of %s and %s must be in a VM: INSTANCE:PATH",
			  from->said, to->said);
		if (from->vm != NULL)
			error_hint(err, "holos cp %s - | holos cp - %s:DIRECTORY", from->said,
				   to->vm);
		return -ERR_USAGE;
	}
	if (to->stream && isatty(STDOUT_FILENO))
		return error_set(err, ERR_USAGE,
				 "a tar stream is nothing for a terminal: cp %s - >FILE",
				 from->said);
	if (from->stream && isatty(STDIN_FILENO))
		return error_set(err, ERR_USAGE,
				 "a tar stream does not come from a terminal: cp - %s <FILE",
				 to->said);
	return 0;
}

static int cp(const struct cp_options *o, const struct strv *operands, struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(o->common.state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(enter_finish) struct enter_target t = { 0 };
	_cleanup_(side_finish) struct side from = { .vm = NULL };
	_cleanup_(side_finish) struct side to = { .vm = NULL };
	unsigned index = 0;
	int r = options_at_most(operands, 2, err);

	if (r == 0 && operands->n < 2)
		r = error_set(err, ERR_USAGE, "cp needs a source and a destination");
	if (r == 0)
		r = parse_side(operands->v[0], &from, err);
	if (r == 0)
		r = parse_side(operands->v[1], &to, err);
	if (r == 0)
		r = check(&from, &to, err);
	if (r == 0)
		r = enter_index(o->index, &index, err);
	if (r == 0)
		r = state_open(dir, false, &s, err);
	if (r == 0) {
		char *const name[] = { from.vm != NULL ? from.vm : to.vm, NULL };

		r = enter_find(&o->common, s, "cp", name, index, &t, err);
	}
	return r == 0 ? copy_all(o, s, &t, &from, &to, err) : r;
}

int verb_cp(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct cp_options o = { .common = COMMON_INIT };
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	const struct option_def defs[] = {
		OPTIONS_FILE(o.common),
		OPTIONS_PROJECT(o.common),
		{ "archive", 'a', OPTION_FLAG, &o.archive, NULL, "keep owners (by number)" },
		{ "follow-link", 'L', OPTION_FLAG, &o.follow, NULL,
		  "copy what SRC points to, when it is a link" },
		{ "index", 0, OPTION_VALUE, &o.index, "N", "the replica, when a service is named" },
		{ "quiet", 'q', OPTION_FLAG, &o.quiet, NULL, "show no progress" },
		{ "user", 'u', OPTION_VALUE, &o.user, "USER", "log in as USER" },
		{ "wait", 'w', OPTION_VALUE, &o.wait, "TIME",
		  "how long the guest may take to answer (default 60s; 0: one try)" },
		OPTIONS_STATE(o.common),
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r == 0)
		r = cp(&o, &operands, err);
	common_finish(&o.common);
	return r;
}

const struct verb entry_cp = {
	.name = "cp",
	.operands = "SRC DST",
	.summary = "copy files to INSTANCE:PATH, or from there",
	.run = verb_cp,
	.group = GROUP_ENTER,
	.more = "Files, directories and links keep their modes and times. What is called how "
		"afterwards is as with docker cp: into a directory that is there, else under the "
		"name that is given; SRC/. is what is in SRC. A PATH without / at its "
		"beginning begins in the user's home. - is a tar stream.",
	.examples = {
		{ "holos cp site web-0:/srv", "make /srv/site" },
		{ "holos cp site/. web:/srv/www", "what is in site, into every replica" },
		{ "holos cp db-0:/var/log/syslog .", "fetch a file" },
		{ "holos cp db-0:data - >data.tar", "fetch a directory as a tar file" },
	},
};
