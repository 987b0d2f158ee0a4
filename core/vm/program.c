/* SPDX-License-Identifier: Apache-2.0
 *
 * program.c - see program.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/process.h>
#include <base/sha256.h>
#include <base/strv.h>
#include <vm/hostpath.h>
#include <vm/packages.h>
#include <vm/program.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PROBE_DEADLINE (20 * NS_PER_S)
#define CACHE_MAX      65536u
#define CACHE_FORMAT   2

int program_find_qemu(enum arch arch, char **ret, struct holos_error **err)
{
	const char *wish = getenv("HOLOS_QEMU_SYSTEM");
	bool named = wish != NULL && *wish != '\0';
	_cleanup_(freep) char *usual = xasprintf("qemu-system-%s", arch_name(arch));
	char *path = fs_find_program(named ? wish : usual);

	if (path == NULL && !named && arch_is_native(arch)) {
		_cleanup_(freep) char *red_hat = host_path("/usr/libexec/qemu-kvm");

		path = fs_find_program(red_hat);
	}
	if (path != NULL) {
		*ret = path;
		return 0;
	}
	if (named) {
		error_set(err, ERR_HOST, "HOLOS_QEMU_SYSTEM names %s, which is no program", wish);
		error_hint(err, "set it to an executable file, or unset it");
	} else {
		_cleanup_(freep) char *command = packages_command(NEED_QEMU, arch);

		error_set(err, ERR_HOST, "cannot find %s in PATH", usual);
		error_hint(err, "%s, or set HOLOS_QEMU_SYSTEM", command);
	}
	return -ERR_HOST;
}

/* ---- the cache ------------------------------------------------------------------ */

static const struct {
	const char *key;
	size_t offset;
} flags[] = {
	{ "sandbox", offsetof(struct qemu_traits, sandbox) },
	{ "kvm", offsetof(struct qemu_traits, kvm) },
	{ "tcg", offsetof(struct qemu_traits, tcg) },
	{ "vfio", offsetof(struct qemu_traits, vfio) },
	{ "shares", offsetof(struct qemu_traits, shares) },
	{ "pvpanic", offsetof(struct qemu_traits, pvpanic) },
};
#define N_FLAGS (sizeof(flags) / sizeof(flags[0]))

static bool *flag(struct qemu_traits *t, size_t i)
{
	return (bool *)((char *)t + flags[i].offset);
}

/* "qemu-HASH.json", for the path. */
static char *cache_name(const char *program)
{
	uint8_t d[32];
	char hex[65];

	sha256(program, strlen(program), d);
	sha256_hex(d, hex);
	return xasprintf("qemu-%.16s.json", hex);
}

static int64_t mtime_ns(const struct stat *st)
{
	return clock_ns(&st->st_mtim);
}

static void take_version(struct json_object *o, struct qemu_traits *t)
{
	t->major = (unsigned)jsonx_int(o, "major", 0);
	t->minor = (unsigned)jsonx_int(o, "minor", 0);
	t->micro = (unsigned)jsonx_int(o, "micro", 0);
}

static bool is_too_old(const struct qemu_traits *t)
{
	return t->major < QEMU_MIN_MAJOR ||
	       (t->major == QEMU_MIN_MAJOR && t->minor < QEMU_MIN_MINOR);
}

static bool cache_read(int dir, const char *program, const struct stat *st, struct qemu_traits *ret)
{
	_cleanup_(freep) char *name = cache_name(program);
	_cleanup_(json_putp) struct json_object *o = NULL;
	struct qemu_traits t = { 0 };

	if (dir < 0 || jsonx_read_file(dir, name, CACHE_MAX, &o, NULL) < 0 ||
	    jsonx_int(o, "format", 0) != CACHE_FORMAT ||
	    strcmp(jsonx_str(o, "program", ""), program) != 0 ||
	    jsonx_int(o, "size", -1) != st->st_size ||
	    jsonx_int(o, "inode", -1) != (int64_t)st->st_ino ||
	    jsonx_int(o, "mtime_ns", -1) != mtime_ns(st))
		return false;
	take_version(o, &t);
	for (size_t i = 0; i < N_FLAGS; i++) {
		/* What says nothing of it was not written by us. */
		if (!json_object_is_type(json_object_object_get(o, flags[i].key),
					 json_type_boolean))
			return false;
		*flag(&t, i) = jsonx_bool(o, flags[i].key, false);
	}
	if (is_too_old(&t))
		return false;
	t.remembered = true;
	*ret = t;
	return true;
}

/* A cache that cannot be written is none. */
static void cache_write(int dir, const char *program, const struct stat *st, struct qemu_traits *t)
{
	_cleanup_(freep) char *name = cache_name(program);
	_cleanup_(json_putp) struct json_object *o = json_object_new_object();
	const char *text;

	if (dir < 0)
		return;
	jsonx_set_int(o, "format", CACHE_FORMAT);
	jsonx_set_str(o, "program", program);
	jsonx_set_int(o, "size", st->st_size);
	jsonx_set_int(o, "inode", (int64_t)st->st_ino);
	jsonx_set_int(o, "mtime_ns", mtime_ns(st));
	jsonx_set_int(o, "major", t->major);
	jsonx_set_int(o, "minor", t->minor);
	jsonx_set_int(o, "micro", t->micro);
	for (size_t i = 0; i < N_FLAGS; i++)
		jsonx_set_bool(o, flags[i].key, *flag(t, i));
	text = jsonx_line(o);
	(void)fs_write_replace(dir, name, text, strlen(text), 0600, NULL);
}

/* ---- the probe ------------------------------------------------------------------ */

static const char questions[] =
	"{\"execute\":\"qmp_capabilities\"}\n"
	"{\"execute\":\"query-command-line-options\",\"arguments\":{\"option\":\"sandbox\"},"
	"\"id\":\"options\"}\n"
	"{\"execute\":\"qom-list-types\",\"arguments\":{\"implements\":\"accel\"},\"id\":\"types\"}"
	"\n"
	"{\"execute\":\"qom-list-types\",\"arguments\":{\"implements\":\"pci-device\"},"
	"\"id\":\"types\"}\n"
	"{\"execute\":\"quit\"}\n";

static void take_types(struct json_object *list, struct qemu_traits *t)
{
	for (size_t i = 0; i < jsonx_len(list); i++) {
		const char *name = jsonx_str(json_object_array_get_idx(list, i), "name", "");

		t->kvm = t->kvm || strcmp(name, "kvm-accel") == 0;
		t->tcg = t->tcg || strcmp(name, "tcg-accel") == 0;
		t->vfio = t->vfio || strcmp(name, "vfio-pci") == 0;
		t->shares = t->shares || strcmp(name, "virtio-9p-pci") == 0;
		t->pvpanic = t->pvpanic || strcmp(name, "pvpanic-pci") == 0;
	}
}

/* One line of QMP; *answers counts those that matter. */
static void take_line(const char *line, size_t len, struct qemu_traits *t, unsigned *answers)
{
	_cleanup_(json_putp) struct json_object *o = NULL;
	struct json_object *v, *list;
	const char *id;

	if (len == 0 || jsonx_parse(line, len, "QMP", &o, NULL) < 0)
		return;
	v = jsonx_obj(jsonx_obj(jsonx_obj(o, "QMP"), "version"), "qemu");
	if (v != NULL) {
		take_version(v, t);
		return;
	}
	id = jsonx_str(o, "id", "");
	list = jsonx_arr(o, "return");
	if (strcmp(id, "options") == 0) { /* an error: it knows no such option */
		t->sandbox = jsonx_len(list) != 0;
		++*answers;
	} else if (strcmp(id, "types") == 0 && list != NULL) {
		take_types(list, t);
		++*answers;
	}
}

/* The last line of what it said, for a message; the caller frees. */
static char *last_words(const struct strbuf *errout)
{
	size_t n = errout->len;
	const char *line;

	while (n > 0 && (errout->s[n - 1] == '\n' || errout->s[n - 1] == ' '))
		n--;
	if (n == 0)
		return NULL;
	line = memrchr(errout->s, '\n', n);
	line = line != NULL ? line + 1 : errout->s;
	n -= (size_t)(line - errout->s);
	return xasprintf("%.*s", (int)(n < 300 ? n : 300), line);
}

static int ask(const char *program, struct qemu_traits *ret, struct holos_error **err)
{
	static const char *const args[] = {
		"qemu",     "-machine", "none,accel=tcg:kvm", "-nodefaults",
		"-display", "none",     "-no-user-config",    "-qmp",
		"stdio"
	};
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT, errout = STRBUF_INIT;
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;
	_cleanup_(closep) int in = memfd_create("qmp", MFD_CLOEXEC);
	_cleanup_(freep) char *words = NULL;
	struct qemu_traits t = { 0 };
	unsigned answers = 0;
	char how[64];
	int status;

	if (in < 0 || fs_write_all(in, questions, strlen(questions)) < 0 ||
	    lseek(in, 0, SEEK_SET) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot ask %s what it can do", program);
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		strv_add(&argv, args[i]);
	if (process_run_from(in, program, argv.v, clock_now_ns() + PROBE_DEADLINE, &out, &errout,
			     &status, err) < 0) {
		if (err != NULL && (*err)->code != ERR_INTERRUPTED)
			(*err)->code = ERR_HOST;
		return error_wrap(err, "cannot ask %s what it can do", program);
	}
	for (size_t at = 0; at < out.len;) {
		size_t len = strcspn(out.s + at, "\n");

		take_line(out.s + at, len, &t, &answers);
		at += len + 1;
	}
	if (t.major != 0 && is_too_old(&t)) {
		error_set(err, ERR_HOST, "%s is QEMU %u.%u.%u, and holos needs %d.%d or newer",
			  program, t.major, t.minor, t.micro, QEMU_MIN_MAJOR, QEMU_MIN_MINOR);
		error_hint(err, "install a newer QEMU, or set HOLOS_QEMU_SYSTEM to one");
		return -ERR_HOST;
	}
	if (t.major == 0 || answers != 3) {
		words = last_words(&errout);
		error_set(err, ERR_HOST, "%s does not answer as QEMU does: %s", program,
			  words != NULL ? words : process_describe_status(status, how));
		error_hint(err, "install QEMU again, or set HOLOS_QEMU_SYSTEM to one that works");
		return -ERR_HOST;
	}
	*ret = t;
	return 0;
}

static int look(const char *program, struct stat *ret, struct holos_error **err)
{
	if (stat(program, ret) < 0)
		return error_sys(err, ERR_HOST, errno, "cannot look at %s", program);
	return 0;
}

int program_probe(const char *program, int cache_dir, struct qemu_traits *ret,
		  struct holos_error **err)
{
	struct stat st;
	int r = look(program, &st, err);

	if (r == 0 && cache_read(cache_dir, program, &st, ret))
		return 0;
	return r == 0 ? program_probe_anew(program, cache_dir, ret, err) : r;
}

int program_probe_anew(const char *program, int cache_dir, struct qemu_traits *ret,
		       struct holos_error **err)
{
	struct stat st;
	int r = look(program, &st, err);

	if (r == 0)
		r = ask(program, ret, err);
	if (r == 0)
		cache_write(cache_dir, program, &st, ret);
	return r;
}
