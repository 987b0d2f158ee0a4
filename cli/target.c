/* SPDX-License-Identifier: Apache-2.0
 *
 * target.c - which project and which VM the command line means.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/names.h>
#include <cli.h>
#include <compose/files.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool cli_is_project(const struct state *s, const char *name)
{
	_cleanup_(freep) char *record = NULL;
	_cleanup_(strv_finish) struct strv instances = STRV_INIT;

	if (!names_is_label(name) || s->fd < 0)
		return false;
	record = xasprintf("projects/%s.json", name);
	return fs_exists(s->fd, record) ||
	       (state_list_instances(s, name, &instances, NULL) == 0 && instances.n != 0);
}

/* The project whose record says that it came from this file, or NULL. */
static char *project_of_file(const struct state *s, const char *file)
{
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	char real[PATH_MAX];
	char *found = NULL;

	if (realpath(file, real) == NULL || state_list_projects(s, &names, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_(project_record_destroyp) struct project_record *rec = NULL;

		if (project_record_read(s, names.v[i], &rec, NULL) < 0 || rec->file == NULL ||
		    strcmp(rec->file, real) != 0)
			continue;
		if (found != NULL) { /* two projects of one file: only reading it tells */
			free(found);
			return NULL;
		}
		found = xstrdup(names.v[i]);
	}
	return found;
}

/* The compose file that is meant, by -f, HOLOS_FILE or search; NULL: none. */
static char *first_file(const struct common *c)
{
	struct project_options o = { .environ = environ };
	_cleanup_(strv_finish) struct strv files = STRV_INIT;
	_cleanup_(freep) char *cwd = getcwd(NULL, 0);

	o.files = c->files.n != 0 ? (const char *const *)c->files.v : NULL;
	if (cwd == NULL || load_find_files(&o, cwd, &files, NULL) < 0 || files.n == 0)
		return NULL;
	return xstrdup(files.v[0]);
}

/* A project of that name may be another file's. */
static int refuse_other_file(const struct state *s, const struct project *p,
			     struct holos_error **err)
{
	_cleanup_(project_status_destroyp) struct project_status *status = NULL;
	const char *ours = p->file != NULL ? p->file : p->dir;
	const char *theirs;

	if (project_status_read(s, p->name, &status, NULL) < 0)
		return 0;
	theirs = project_status_owner(status);
	if (theirs == NULL || strcmp(ours, theirs) == 0)
		return 0;
	error_set(err, ERR_FAILED, "project \"%s\" belongs to %s, and this is %s", p->name, theirs,
		  ours);
	error_hint(err, "say which project you mean: -p NAME");
	return -ERR_FAILED;
}

int cli_project_name(const struct common *c, const struct state *s, char **ret,
		     struct holos_error **err)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *file = NULL;
	const char *given = c->project;
	int r;

	if (given == NULL) {
		given = getenv("HOLOS_PROJECT_NAME");
		if (given != NULL && *given == '\0')
			given = NULL;
	}
	if (given != NULL) {
		if (!names_is_label(given))
			return error_set(err, ERR_USAGE,
					 "project name \"%s\" must be " NAMES_LABEL_RULE, given);
		*ret = xstrdup(given);
		return 0;
	}
	file = first_file(c);
	*ret = file != NULL && strcmp(file, "-") != 0 ? project_of_file(s, file) : NULL;
	if (*ret != NULL)
		return 0;
	r = cli_project(c, NULL, &p, err);
	if (r == 0)
		r = refuse_other_file(s, p, err);
	if (r == 0)
		*ret = xstrdup(p->name);
	return r;
}

int cli_resolve(const struct common *c, const struct state *s, const struct strv *operands,
		char **ret_project, char *const **ret_services, struct holos_error **err)
{
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *here = NULL;
	int r = cli_project_name(c, s, &here, &why);

	*ret_services = operands->v;
	if (operands->n != 0 && c->project == NULL && cli_is_project(s, operands->v[0])) {
		_cleanup_(project_status_destroyp) struct project_status *p = NULL;
		const char **services = NULL;
		size_t n = 0;
		bool is_service = false;

		if (here != NULL && project_status_read(s, here, &p, NULL) == 0)
			n = project_status_services(p, &services);
		for (size_t i = 0; i < n; i++)
			is_service = is_service || strcmp(services[i], operands->v[0]) == 0;
		is_service =
			is_service || (p != NULL && project_status_vm(p, operands->v[0]) != NULL);
		free(services);
		if (!is_service) {
			*ret_project = xstrdup(operands->v[0]);
			(*ret_services)++;
			return 0;
		}
	}
	if (r < 0)
		return error_move(err, &why);
	*ret_project = steal_ptr(&here);
	return 0;
}

bool cli_is_named(const struct vm_status *v, char *const *names)
{
	if (names == NULL || names[0] == NULL)
		return true;
	for (; *names != NULL; names++) {
		if (strcmp(*names, v->service) == 0 || strcmp(*names, v->name) == 0)
			return true;
	}
	return false;
}

int cli_read_members(const struct common *c, const struct strv *operands, struct state **ret_state,
		     struct project_status **ret, char *const **ret_names, struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_default_dir(c->state_dir);
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	_cleanup_(freep) char *name = NULL;
	char *const *names = NULL;
	int r = state_open(dir, false, &s, err);

	if (r == 0)
		r = cli_resolve(c, s, operands, &name, &names, err);
	if (r == 0 && !cli_is_project(s, name))
		r = error_set(err, ERR_FAILED, "project \"%s\" not found", name);
	if (r == 0)
		r = project_status_read(s, name, &p, err);
	for (char *const *n = names; r == 0 && n != NULL && *n != NULL; n++)
		r = project_status_find(p, *n, err);
	if (r < 0)
		return r;
	*ret_state = steal_ptr(&s);
	*ret = steal_ptr(&p);
	*ret_names = names;
	return 0;
}

/* ---- instances -------------------------------------------------------------------------- */

static int no_such_instance(const struct project_status *p, const char *name,
			    struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	_cleanup_(freep) char *list = NULL;
	const char *near;

	for (size_t i = 0; i < p->n_vms; i++)
		strv_add(&names, p->vms[i].name);
	near = names_nearest(name, (const char *const *)names.v, names.n);
	list = strv_join(names.v, ", ");
	error_set(err, ERR_FAILED, "instance \"%s\" not found in project \"%s\"%s%s%s", name,
		  p->name, near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
		  near != NULL ? "\"?" : "");
	if (names.n != 0)
		error_hint(err, "it has: %s", list);
	return -ERR_FAILED;
}

int cli_find_instance(const struct project_status *p, const char *name, unsigned index,
		      struct vm_status **ret, struct holos_error **err)
{
	struct vm_status *v = project_status_vm(p, name);

	if (v == NULL) {
		_cleanup_(freep) char *replica = xasprintf("%s-%u", name, index);

		v = project_status_vm(p, replica);
	}
	if (v == NULL)
		return no_such_instance(p, name, err);
	*ret = v;
	return 0;
}
