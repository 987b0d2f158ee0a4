/* SPDX-License-Identifier: Apache-2.0
 *
 * projectrecord.c - projects/<p>.json, see records.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <state/field.h>
#include <state/records.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX   (16u << 20)
#define SERVICES_MAX 4096u
#define DEPENDS_MAX  4096u

struct project_record *project_record_create(void)
{
	return xnew(struct project_record);
}

void project_record_destroy(struct project_record *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_services; i++) {
		free(r->services[i].name);
		free(r->services[i].user);
		for (size_t d = 0; d < r->services[i].n_depends_on; d++)
			free(r->services[i].depends_on[d].service);
		free(r->services[i].depends_on);
	}
	free(r->services);
	free(r->name);
	free(r->id);
	free(r->file);
	free(r->dir);
	free(r->spec_hash);
	free(r->group);
	free(r->subnet);
	json_object_put(r->hosts);
	free(r->updated_at);
	free(r);
}

struct service_record *project_record_service(const struct project_record *r, const char *name)
{
	for (size_t i = 0; i < r->n_services; i++) {
		if (strcmp(r->services[i].name, name) == 0)
			return &r->services[i];
	}
	return NULL;
}

const struct dependency_record *service_record_depends(const struct service_record *s,
						       const char *on)
{
	for (size_t i = 0; i < s->n_depends_on; i++) {
		if (strcmp(s->depends_on[i].service, on) == 0)
			return &s->depends_on[i];
	}
	return NULL;
}

struct dependency_record *service_record_depend(struct service_record *s, const char *on)
{
	struct dependency_record *d;

	s->depends_on = xrealloc(s->depends_on, s->n_depends_on + 1, sizeof(*s->depends_on));
	d = &s->depends_on[s->n_depends_on++];
	memset(d, 0, sizeof(*d));
	d->service = xstrdup(on);
	return d;
}

static const char *const conditions[] = {
	[DEP_AUTO] = "auto",
	[DEP_STARTED] = "service_started",
	[DEP_HEALTHY] = "service_healthy",
	[DEP_COMPLETED] = "service_completed_successfully",
};
#define N_CONDITIONS (sizeof(conditions) / sizeof(conditions[0]))

/* "depends_on" names services; "dependencies", which the first records had not,
 * says how. */
static void decode_dependencies(struct fields *f, struct service_record *s)
{
	struct json_object *names = field_arr(f, "depends_on", DEPENDS_MAX);
	struct json_object *how = field_arr(f, "dependencies", DEPENDS_MAX);

	for (size_t i = 0; i < jsonx_len(names) && f->r == 0; i++) {
		const char *name = jsonx_str_at(names, i);
		struct dependency_record *d;
		struct fields v;

		if (name == NULL || !names_is_label(name)) {
			field_spoil(f, "depends_on", "must be names of services");
			return;
		}
		d = service_record_depend(s, name);
		d->condition = DEP_AUTO;
		d->required = true;
		if (i >= jsonx_len(how))
			continue;
		v = fields_open(json_object_array_get_idx(how, i), f->what, f->err);
		d->condition = (enum dep_condition)field_enum(&v, "condition", conditions,
							      N_CONDITIONS, DEP_AUTO, DEP_AUTO);
		d->required = field_bool(&v, "required", true);
		d->restart = field_bool(&v, "restart", false);
		f->r = v.r;
	}
}

static void decode_service(struct fields *f, struct json_object *obj, struct service_record *s)
{
	struct fields v = fields_open(obj, f->what, f->err);

	s->name = field_str(&v, "name", true);
	s->replicas = (unsigned)field_int(&v, "desired_replicas", 0, 1 << 20, 0);
	s->user = field_str(&v, "login_user", false);
	decode_dependencies(&v, s);
	if (v.r == 0 && !names_is_label(s->name))
		field_spoil(&v, "name", "must be the name of a service");
	if (v.r < 0)
		f->r = v.r;
}

static int decode(struct json_object *obj, const char *what, struct project_record **ret,
		  struct holos_error **err)
{
	_cleanup_(project_record_destroyp) struct project_record *r = project_record_create();
	struct fields f = fields_open(obj, what, err);
	struct json_object *services, *network;

	r->foreign = f.r == 0 && !json_object_object_get_ex(obj, "format", NULL);
	if (!r->foreign)
		field_format(&f, PROJECT_RECORD_FORMAT);
	r->name = field_str(&f, "name", true);
	r->id = field_str(&f, "id", !r->foreign);
	r->file = field_raw(&f, "file", false);
	r->dir = field_raw(&f, "dir", false);
	r->spec_hash = field_str(&f, "spec_hash", false);
	r->updated_at = field_str(&f, "updated_at", false);
	network = field_obj(&f, "network");
	if (network != NULL) {
		struct fields n = fields_open(network, what, err);

		r->group = field_str(&n, "multicast_group", false);
		r->group_port = (unsigned)field_int(&n, "multicast_port", 0, 65535, 0);
		r->subnet = field_str(&n, "subnet", false);
		r->hosts = json_object_get(field_obj(&n, "hosts"));
		if (n.r < 0)
			f.r = n.r;
	}
	services = field_arr(&f, "services", SERVICES_MAX);
	r->services = xcalloc(jsonx_len(services), sizeof(*r->services));
	for (size_t i = 0; i < jsonx_len(services) && f.r == 0; i++)
		decode_service(&f, json_object_array_get_idx(services, i),
			       &r->services[r->n_services++]);
	if (f.r == 0 && !names_is_label(r->name))
		field_spoil(&f, "name", "must be the name of a project");
	if (f.r < 0)
		return f.r;
	*ret = steal_ptr(&r);
	return 0;
}

/* ---- the brief -------------------------------------------------------------------- */

/* projects/<p>.brief has the record without the snapshot of the instances, most of
 * its bytes, for readers in a hurry.  It names the record by inode, change time
 * and size, and counts only beside exactly that file. */
static char *brief_path(const char *project)
{
	return xasprintf("projects/%s.brief", project);
}

static void brief_write(const struct state *s, const char *project, const char *rel,
			struct json_object *obj)
{
	_cleanup_(json_putp) struct json_object *brief = json_object_new_object();
	_cleanup_(freep) char *path = brief_path(project);
	struct stat st;
	const char *text;

	if (fstatat(s->fd, rel, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	jsonx_set_int(brief, "ino", (int64_t)st.st_ino);
	jsonx_set_int(brief, "size", st.st_size);
	jsonx_set_int(brief, "ctime_s", st.st_ctim.tv_sec);
	jsonx_set_int(brief, "ctime_ns", st.st_ctim.tv_nsec);
	jsonx_set(brief, "record", json_object_get(obj));
	text = jsonx_line(brief);
	(void)fs_write_replace(s->fd, path, text, strlen(text), 0600,
			       NULL); /* or it does not count */
}

/* The record by its brief; NULL: there is none that counts. */
static struct project_record *brief_read(const struct state *s, const char *project,
					 const char *rel)
{
	_cleanup_(json_putp) struct json_object *obj = NULL;
	_cleanup_(freep) char *path = brief_path(project);
	struct project_record *r = NULL;
	struct stat st;

	if (jsonx_read_file(s->fd, path, RECORD_MAX, &obj, NULL) < 0 ||
	    fstatat(s->fd, rel, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    jsonx_int(obj, "ino", -1) != (int64_t)st.st_ino ||
	    jsonx_int(obj, "size", -1) != st.st_size ||
	    jsonx_int(obj, "ctime_s", -1) != st.st_ctim.tv_sec ||
	    jsonx_int(obj, "ctime_ns", -1) != st.st_ctim.tv_nsec ||
	    decode(jsonx_obj(obj, "record"), path, &r, NULL) < 0)
		return NULL;
	if (strcmp(r->name, project) == 0)
		return r;
	project_record_destroy(r);
	return NULL;
}

int project_record_read(const struct state *s, const char *project, struct project_record **ret,
			struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = NULL;
	_cleanup_(freep) char *rel = xasprintf("projects/%s.json", project);
	_cleanup_(project_record_destroyp) struct project_record *r = NULL;
	int64_t format;
	int e;

	if (s->fd < 0)
		return error_sys(err, ERR_FAILED, ENOENT, "no record of project \"%s\"", project);
	r = brief_read(s, project, rel);
	if (r != NULL) {
		*ret = steal_ptr(&r);
		return 0;
	}
	e = jsonx_read_file(s->fd, rel, RECORD_MAX, &obj, err);
	format = jsonx_int(obj, "format", 0);
	if (e == 0 && format > PROJECT_RECORD_FORMAT)
		e = error_set(err, ERR_HOST,
			      "%s/%s was written by a newer holos (format %lld, this one knows %d)",
			      s->dir, rel, (long long)format, PROJECT_RECORD_FORMAT);
	if (e == 0)
		e = decode(obj, rel, &r, err);
	if (e == 0 && strcmp(r->name, project) != 0)
		e = error_set(err, ERR_FAILED, "%s is the record of another project, \"%s\"", rel,
			      r->name);
	if (e < 0)
		return e;
	*ret = steal_ptr(&r);
	return 0;
}

static void encode_dependencies(const struct service_record *s, struct json_object *o)
{
	struct json_object *names = json_object_new_array();
	struct json_object *how = json_object_new_array();

	for (size_t i = 0; i < s->n_depends_on; i++) {
		const struct dependency_record *d = &s->depends_on[i];
		struct json_object *v = json_object_new_object();

		json_object_array_add(names, json_object_new_string(d->service));
		jsonx_set_str(v, "condition", conditions[d->condition]);
		jsonx_set_bool(v, "required", d->required);
		jsonx_set_bool(v, "restart", d->restart);
		json_object_array_add(how, v);
	}
	jsonx_set(o, "depends_on", names);
	jsonx_set(o, "dependencies", how);
}

static struct json_object *encode_services(const struct project_record *r,
					   struct json_object *snapshot)
{
	struct json_object *services = json_object_new_array();

	for (size_t i = 0; i < r->n_services; i++) {
		const struct service_record *s = &r->services[i];
		struct json_object *o = json_object_new_object();
		struct json_object *instances = NULL;

		for (size_t k = 0; k < jsonx_len(snapshot); k++) {
			struct json_object *v = json_object_array_get_idx(snapshot, k);

			if (strcmp(jsonx_str(v, "name", ""), s->name) == 0)
				instances = json_object_get(jsonx_arr(v, "instances"));
		}
		jsonx_set_str(o, "name", s->name);
		jsonx_set_int(o, "desired_replicas", s->replicas);
		jsonx_set(o, "instances", instances != NULL ? instances : json_object_new_array());
		if (s->user != NULL)
			jsonx_set_str(o, "login_user", s->user);
		encode_dependencies(s, o);
		json_object_array_add(services, o);
	}
	return services;
}

static struct json_object *encode(const struct project_record *r, struct json_object *snapshot,
				  const char *updated_at)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *network = json_object_new_object();

	jsonx_set_int(obj, "format", PROJECT_RECORD_FORMAT);
	jsonx_set_str(obj, "name", r->name);
	jsonx_set_str(obj, "id", r->id);
	jsonx_set_str(obj, "file", r->file);
	jsonx_set_str(obj, "dir", r->dir);
	jsonx_set_str(obj, "spec_hash", r->spec_hash);
	jsonx_set(obj, "services", encode_services(r, snapshot));
	jsonx_set_str(network, "multicast_group", r->group);
	jsonx_set_int(network, "multicast_port", r->group_port);
	jsonx_set_str(network, "subnet", r->subnet);
	jsonx_set(network, "hosts",
		  r->hosts != NULL ? json_object_get(r->hosts) : json_object_new_object());
	jsonx_set(obj, "network", network);
	jsonx_set_str(obj, "updated_at", updated_at);
	return obj;
}

/* Does the file hold this text already, but for the time, which is its last member? */
static bool is_written(const struct state *s, const char *rel, const char *text)
{
	_cleanup_(strbuf_finish) struct strbuf old = STRBUF_INIT;
	static const char last[] = "\"updated_at\": \"";
	const char *end = text + strlen(text), *time = end;
	size_t before;

	while (time > text && strncmp(time, last, sizeof(last) - 1) != 0)
		time--;
	before = (size_t)(time - text);
	return fs_read(s->fd, rel, RECORD_MAX, &old, NULL) == 0 &&
	       old.len == (size_t)(end - text) && memcmp(old.s, text, before) == 0;
}

int project_record_write(const struct state *s, const struct project_record *r,
			 struct json_object *snapshot, struct holos_error **err)
{
	char now[40];
	_cleanup_(json_putp) struct json_object *obj = encode(r, snapshot, clock_rfc3339_now(now));
	_cleanup_(freep) char *rel = xasprintf("projects/%s.json", r->name);
	_cleanup_(freep) char *text = jsonx_pretty(obj);

	if (is_written(s, rel, text))
		return 0;
	if (fs_write_atomic(s->fd, rel, text, strlen(text), 0600, err) < 0)
		return error_wrap(err, "state directory %s", s->dir);
	jsonx_set(obj, "services", encode_services(r, NULL));
	brief_write(s, r->name, rel, obj);
	return 0;
}

int project_record_remove(const struct state *s, const char *project, struct holos_error **err)
{
	_cleanup_(freep) char *rel = xasprintf("projects/%s.json", project);
	_cleanup_(freep) char *brief = brief_path(project);

	if (unlinkat(s->fd, brief, 0) < 0 && errno != ENOENT)
		return error_sys(err, ERR_FAILED, errno, "cannot remove %s", brief);
	if (unlinkat(s->fd, rel, 0) < 0 && errno != ENOENT)
		return error_sys(err, ERR_FAILED, errno, "cannot remove %s", rel);
	return fs_sync_dir(s->fd, "projects", err);
}
