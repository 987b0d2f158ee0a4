/* SPDX-License-Identifier: Apache-2.0
 *
 * import.c - see import.h.
 *
 * A model of an importer holds values as they are meant; here the dollar signs are
 * doubled that a compose file would take for variables.  "x-comment" of a service
 * becomes a comment above it.
 */
#include <engine/import.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <base/strbuf.h>
#include <compose/output.h>
#include <compose/project.h>
#include <compose/yamlout.h>
#include <plugin/client.h>
#include <plugin/registry.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DOCUMENT_MAX (16u << 20) /* the importer has a limit of its own */
#define SERVICES_MAX 1000
#define SNIFF_LEAST  1

struct import {
	char *from;
	import_lost_fn *fn;
	void *data;
	struct worker *worker;
	struct registry *registry;
	char *name; /* of the first model */
	struct json_object *services, *volumes;
	struct json_object *lost; /* by service: what on_lost was told */
};

struct import *import_create(const char *from, import_lost_fn *fn, void *data)
{
	struct worker_options o = { .label = "import" };
	struct import *im = xnew(struct import);

	im->from = xstrdup_null(from);
	im->fn = fn;
	im->data = data;
	im->worker = worker_create(NULL, &o);
	im->registry = registry_create(NULL);
	im->services = json_object_new_object();
	im->volumes = json_object_new_object();
	im->lost = json_object_new_object();
	return im;
}

void import_destroy(struct import *im)
{
	if (im == NULL)
		return;
	worker_destroy(im->worker);
	registry_destroy(im->registry);
	json_object_put(im->services);
	json_object_put(im->volumes);
	json_object_put(im->lost);
	free(im->name);
	free(im->from);
	free(im);
}

size_t import_services(const struct import *im)
{
	return (size_t)json_object_object_length(im->services);
}

/* ---- one document --------------------------------------------------------------------------- */

static struct worker_request request(const char *plugin, const char *op, const char *name,
				     const int *fd)
{
	static const char *const names[] = { "source" };
	struct worker_request rq = { .kind = "importer",
				     .name = plugin,
				     .op = op,
				     .fds = fd,
				     .fd_names = names,
				     .n_fds = 1 };

	rq.args = json_object_new_object();
	jsonx_set_str(rq.args, "name", name);
	return rq;
}

static int sniff(struct import *im, const char *plugin, const char *name, int fd,
		 struct holos_error **err)
{
	struct worker_request rq = request(plugin, "sniff", name, &fd);
	_cleanup_(json_putp) struct json_object *answer = NULL;
	int r = worker_call_wait(im->worker, &rq, &answer, err);

	json_object_put(rq.args);
	return r < 0 ? r : (int)jsonx_int(answer, "score", 0);
}

static int unknown_document(const struct strv *names, const char *name, struct holos_error **err)
{
	_cleanup_(freep) char *list = names->n != 0 ? strv_join(names->v, ", ") : NULL;

	if (names->n == 0) {
		error_set(err, ERR_HOST, "no importer plugin is installed");
		error_hint(err, "virsh is in package holos-plugin-importer-virsh");
		return -ERR_HOST;
	}
	error_set(err, ERR_FAILED, "%s: no importer knows it (asked: %s)", name, list);
	error_hint(err, "--from NAME names the importer");
	return -ERR_FAILED;
}

/* The importer with the highest score; *ret is borrowed. */
static int choose(struct import *im, const char *name, int fd, const char **ret,
		  struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv asked = STRV_INIT;
	const struct plugin_info *const *all;
	const char *best = NULL;
	int best_score = SNIFF_LEAST - 1;
	size_t n;

	registry_list(im->registry, &all, &n);
	for (size_t i = 0; i < n; i++) {
		int score;

		if (strcmp(all[i]->kind, "importer") != 0 || all[i]->refused != NULL)
			continue;
		score = sniff(im, all[i]->name, name, fd, err);
		if (score < 0)
			return score;
		strv_add(&asked, all[i]->name);
		if (score > best_score) {
			best_score = score;
			best = all[i]->name;
		}
	}
	if (best == NULL)
		return unknown_document(&asked, name, err);
	*ret = best;
	return 0;
}

static int bad_model(const char *plugin, const char *name, const char *what,
		     struct holos_error **err)
{
	return error_set(err, ERR_FAILED, "importer plugin \"%s\": %s: its model %s", plugin, name,
			 what);
}

/* One member of a model into what was gathered; its keys are new. */
static int join(struct json_object *to, struct json_object *from, const char *sort,
		const char *name, struct holos_error **err)
{
	if (from == NULL)
		return 0;
	json_object_object_foreach (from, key, value) {
		if (json_object_object_get_ex(to, key, NULL)) {
			error_set(err, ERR_FAILED, "%s: there is a %s \"%s\" already", name, sort,
				  key);
			error_hint(err, "import it by itself into another file");
			return -ERR_FAILED;
		}
		jsonx_set(to, key, json_object_get(value));
	}
	return 0;
}

/* The one that says least of all: on-failure comes from what happens at a crash. */
static void set_autostart(struct json_object *service)
{
	const char *restart = jsonx_str(service, "restart", "no");

	if (strcmp(restart, "always") != 0)
		jsonx_set_str(service, "restart", "unless-stopped");
}

static int take_model(struct import *im, const char *plugin, const char *name, bool autostart,
		      struct json_object *model, struct holos_error **err)
{
	struct json_object *services = jsonx_obj(model, "services");
	int r;

	if (services == NULL || json_object_object_length(services) == 0)
		return bad_model(plugin, name, "has no services", err);
	json_object_object_foreach (services, key, service) {
		if (!names_is_label(key) || !json_object_is_type(service, json_type_object))
			return bad_model(plugin, name, "has a service that is none", err);
		if (autostart)
			set_autostart(service);
	}
	json_object_object_foreach (model, member, unused) {
		(void)unused;
		if (strcmp(member, "name") != 0 && strcmp(member, "services") != 0 &&
		    strcmp(member, "volumes") != 0)
			return bad_model(plugin, name, "has more than name, services and volumes",
					 err);
	}
	if (import_services(im) + (size_t)json_object_object_length(services) > SERVICES_MAX)
		return error_set(err, ERR_FAILED, "%s: more than %d services in one file", name,
				 SERVICES_MAX);
	r = join(im->services, services, "service", name, err);
	if (r == 0)
		r = join(im->volumes, jsonx_obj(model, "volumes"), "volume", name, err);
	if (r == 0 && im->name == NULL)
		im->name = xstrdup_null(jsonx_str(model, "name", NULL));
	return r;
}

static const char *first_key(struct json_object *o)
{
	json_object_object_foreach (o, key, unused) {
		(void)unused;
		return key;
	}
	return "";
}

/* "WHAT (line N): WHY"; texts that begin with what they are about need no head.  The
 * caller frees. */
static char *lost_text(int64_t line, const char *what, const char *why)
{
	if (strncmp(why, what, strlen(what)) == 0 || strcmp(what, "disk") == 0 ||
	    strcmp(what, "name") == 0)
		return xstrdup(why);
	if (line > 0)
		return xasprintf("%s (line %lld): %s", what, (long long)line, why);
	return xasprintf("%s: %s", what, why);
}

static void tell_lost(struct import *im, struct json_object *answer)
{
	struct json_object *list = jsonx_arr(answer, "lost");
	struct json_object *services = jsonx_obj(jsonx_obj(answer, "model"), "services");
	const char *service = services != NULL ? first_key(services) : "";
	struct json_object *texts = json_object_new_array();

	for (size_t i = 0; i < jsonx_len(list); i++) {
		struct json_object *l = json_object_array_get_idx(list, i);
		_cleanup_(freep) char *text = lost_text(
			jsonx_int(l, "line", 0), jsonx_str(l, "what", ""), jsonx_str(l, "why", ""));

		json_object_array_add(texts, json_object_new_string(text));
		if (im->fn != NULL)
			im->fn(im->data, service, text);
	}
	jsonx_set(im->lost, service, texts);
}

static int convert(struct import *im, const char *plugin, const char *name, int fd, bool autostart,
		   struct holos_error **err)
{
	struct worker_request rq = request(plugin, "convert", name, &fd);
	_cleanup_(json_putp) struct json_object *answer = NULL;
	int r = worker_call_wait(im->worker, &rq, &answer, err);

	json_object_put(rq.args);
	if (r < 0)
		return r;
	r = take_model(im, plugin, name, autostart, jsonx_obj(answer, "model"), err);
	if (r == 0)
		tell_lost(im, answer);
	return r;
}

int import_add_text(struct import *im, const char *name, const char *text, size_t len,
		    bool autostart, struct holos_error **err)
{
	_cleanup_(closep) int fd = memfd_create("import", MFD_CLOEXEC);
	const struct plugin_info *info;
	const char *plugin = im->from;
	int r = fd >= 0 ? fs_write_all(fd, text, len) : -errno;

	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "%s: cannot keep it in memory", name);
	if (plugin == NULL)
		r = choose(im, name, fd, &plugin, err);
	else
		r = registry_find(im->registry, "importer", plugin, &info, err);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_sys(err, ERR_FAILED, errno, "%s", name);
	return convert(im, plugin, name, fd, autostart, err);
}

int import_add(struct import *im, const char *name, int fd, bool autostart,
	       struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	int r = fs_read_fd(fd, name, DOCUMENT_MAX, &text, err);

	return r < 0 ? r
		     : import_add_text(im, name, text.s != NULL ? text.s : "", text.len, autostart,
				       err);
}

/* ---- the file
 * ------------------------------------------------------------------------------------ */

/* Lines of `text`, each with `before` in front; empty ones stay empty. */
static void add_lines(struct strbuf *b, const char *text, const char *before)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		if (n != 0) {
			strbuf_adds(b, before);
			strbuf_add(b, text, n);
		}
		strbuf_addc(b, '\n');
		text += n + (text[n] == '\n');
	}
}

/* What some terminal or reader could take for the end of the comment is left out. */
static void add_comment(struct strbuf *b, const char *text)
{
	_cleanup_(strbuf_finish) struct strbuf clean = STRBUF_INIT;

	strbuf_adds(&clean, "");
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		/* C1 controls, NEL, line and paragraph separators. */
		if (c == 0xc2 && ((unsigned char)text[1] & 0xe0) == 0x80)
			text++;
		else if (c == 0xe2 && (unsigned char)text[1] == 0x80 &&
			 ((unsigned char)text[2] & 0xfe) == 0xa8)
			text += 2;
		else if (c == '\t')
			strbuf_addc(&clean, ' ');
		else if ((c >= 0x20 && c != 0x7f) || c == '\n')
			strbuf_addc(&clean, *text);
	}
	add_lines(b, clean.s, "  # ");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_lost(struct strbuf *b, struct json_object *texts)
{
	if (jsonx_len(texts) != 0)
		strbuf_adds(b, "  # Not as it was:\n");
	for (size_t i = 0; i < jsonx_len(texts); i++) {
		_cleanup_(freep) char *line = xasprintf("- %s", jsonx_str_at(texts, i));

		add_comment(b, line);
	}
}

/* {"KEY": value} as a block, indented under its section. */
static void add_member(struct strbuf *b, const char *key, struct json_object *value)
{
	_cleanup_(json_putp) struct json_object *one = json_object_new_object();
	_cleanup_(freep) char *yaml = NULL;

	jsonx_set(one, key, json_object_get(value));
	yaml = json_to_yaml(one);
	add_lines(b, yaml, "  ");
}

/* lost: what is told of each member, or NULL. */
static void add_section(struct strbuf *b, const char *title, struct json_object *section,
			struct json_object *lost)
{
	size_t n = 0, all = (size_t)json_object_object_length(section);
	_cleanup_(freep) const char **keys = xcalloc(all + 1, sizeof(*keys));

	json_object_object_foreach (section, key, unused) {
		(void)unused;
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), by_name);
	strbuf_addf(b, "%s:\n", title);
	for (size_t i = 0; i < n; i++) {
		struct json_object *value = json_object_object_get(section, keys[i]);
		_cleanup_(freep) char *comment = NULL;

		if (json_object_is_type(value, json_type_object)) {
			comment = xstrdup_null(jsonx_str(value, "x-comment", NULL));
			json_object_object_del(value, "x-comment");
		}
		if (comment != NULL)
			add_comment(b, comment);
		add_lost(b, jsonx_arr(lost, keys[i]));
		add_member(b, keys[i], value);
	}
}

int import_write(struct import *im, const char *project, char **ret, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *root = json_object_new_object();
	_cleanup_(json_putp) struct json_object *name = json_object_new_object();
	_cleanup_(freep) char *head = NULL;
	struct strbuf b = STRBUF_INIT;

	if (project == NULL)
		project = im->name;
	if (project == NULL || !names_is_label(project))
		return error_set(err, ERR_FAILED, "project \"%s\": must be " NAMES_LABEL_RULE,
				 project != NULL ? project : "");
	jsonx_set(root, "services", json_object_get(im->services));
	jsonx_set(root, "volumes", json_object_get(im->volumes));
	project_json_escape(root);
	jsonx_set_str(name, "name", project);
	head = json_to_yaml(name);
	strbuf_adds(
		&b,
		"# Made by holos import; holos validate checks it, holos up --dry-run tells what "
		"it does.\n"
		"# An image is only read: a VM writes to a root disk of its own, which holos down "
		"removes.\n"
		"# vm.root_disk in place of image boots a disk as it is, and never removes it.\n");
	strbuf_adds(&b, head);
	add_section(&b, "services", im->services, im->lost);
	if (json_object_object_length(im->volumes) != 0)
		add_section(&b, "volumes", im->volumes, NULL);
	*ret = strbuf_steal(&b);
	return 0;
}

int import_check(const char *yaml, const char *dir, struct holos_error **err)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(closep) int fd = memfd_create("holos.yaml", MFD_CLOEXEC);
	_cleanup_(freep) char *path = xasprintf("/proc/self/fd/%d", fd);
	const char *files[] = { path, NULL };
	struct project_options o = { .files = files, .cwd = dir };
	int r = fd >= 0 ? fs_write_all(fd, yaml, strlen(yaml)) : -errno;

	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "cannot check the compose file");
	return project_load(&o, &p, err);
}
