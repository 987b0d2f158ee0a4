/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve.c - links the decoded parts: profiles, dependencies, networks,
 * volumes, what env files and Dockerfiles say.
 */
#include <compose/envfile.h>
#include <compose/load.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/names.h>
#include <base/sha256.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DOCKERFILE_MAX ((size_t)1 << 20)

/* ---- profiles -------------------------------------------------------------------- */

static void add_profiles(struct loader *l, const struct project *p, struct strv *active)
{
	const char *list = vars_get(l->vars, "HOLOS_PROFILES");
	const char *const *f;

	for (f = l->opts->profiles; f != NULL && *f != NULL; f++)
		strv_add(active, *f);
	for (; list != NULL && *list != '\0'; list += strcspn(list, ","), list += *list == ',') {
		if (strcspn(list, ",") > 0)
			strv_take(active, xstrndup(list, strcspn(list, ",")));
	}
	/* Whoever names a service wants it. */
	for (f = l->opts->services; f != NULL && *f != NULL; f++) {
		const struct service *s = project_service(p, *f);

		for (size_t i = 0; s != NULL && s->profiles != NULL && s->profiles[i] != NULL; i++)
			strv_add(active, s->profiles[i]);
	}
}

static bool is_active(const struct service *s, const struct strv *active)
{
	if (s->profiles == NULL || s->profiles[0] == NULL || strv_has(active, "*"))
		return true;
	for (const char *const *f = s->profiles; *f != NULL; f++) {
		if (strv_has(active, *f))
			return true;
	}
	return false;
}

/* Leaves the active services in p, as a copy that is ours to change. */
static struct service *select_services(struct loader *l, struct project *p)
{
	_cleanup_(strv_finish) struct strv active = STRV_INIT;
	struct service *kept = arena_array(l->arena, p->n_services + 1, struct service);
	const char **inactive = arena_array(l->arena, p->n_services + 1, const char *);
	size_t n = 0, n_inactive = 0;

	add_profiles(l, p, &active);
	for (size_t i = 0; i < p->n_services; i++) {
		if (is_active(&p->services[i], &active))
			kept[n++] = p->services[i];
		else
			inactive[n_inactive++] = p->services[i].name;
	}
	p->services = l->services = kept;
	p->n_services = l->n_services = n;
	p->inactive = inactive;
	return kept;
}

/* ---- references by name ------------------------------------------------------------ */

struct names {
	struct strmap index;
	const char **list; /* for "did you mean" */
	size_t n;
};

static void names_finish(struct names *x)
{
	strmap_finish(&x->index);
	free(x->list);
}

static void names_add(struct names *x, const char *name)
{
	strmap_set(&x->index, name, x->n);
	x->list[x->n++] = name;
}

static void hint_name(struct loader *l, const struct names *x, const char *name)
{
	const char *near = diag_is_full(l->diag) ? NULL : names_nearest(name, x->list, x->n);

	if (near != NULL)
		diag_hint(l->diag, "did you mean \"%s\"?", near);
}

static bool is_inactive(const struct project *p, const char *name)
{
	for (const char *const *f = p->inactive; *f != NULL; f++) {
		if (strcmp(*f, name) == 0)
			return true;
	}
	return false;
}

/* A dependency that is optional and not there is left out. */
static bool link_dependency(struct loader *l, const struct project *p, const struct names *services,
			    const struct service *s, struct dependency *dep)
{
	size_t i = strmap_get(&services->index, dep->name);

	dep->service = i;
	if (i != STRMAP_NONE && strcmp(dep->name, s->name) != 0)
		return true;
	if (i != STRMAP_NONE) {
		diag_error_mark(l->diag, &dep->mark,
				"services.%s.depends_on: a service cannot depend "
				"on itself",
				s->name);
	} else if (!is_inactive(p, dep->name)) {
		diag_error_mark(l->diag, &dep->mark, "services.%s.depends_on: %s: no such service",
				s->name, text_show(l->arena, dep->name));
		hint_name(l, services, dep->name);
	} else if (dep->required) {
		diag_error_mark(l->diag, &dep->mark,
				"services.%s.depends_on: service \"%s\" is in none of the active "
				"profiles",
				s->name, dep->name);
		diag_hint(l->diag, "turn its profile on with --profile, or say required: false");
	}
	return false;
}

static void link_dependencies(struct loader *l, const struct project *p,
			      const struct names *services, struct service *s)
{
	struct dependency *deps = arena_array(l->arena, s->n_depends_on + 1, struct dependency);
	size_t n = 0;

	for (size_t i = 0; i < s->n_depends_on; i++) {
		deps[n] = s->depends_on[i];
		if (link_dependency(l, p, services, s, &deps[n]))
			n++;
	}
	s->depends_on = deps;
	s->n_depends_on = n;
}

static void link_networks(struct loader *l, const struct names *networks, struct service *s)
{
	static const char *const none[] = { NULL };
	size_t count = s->n_networks > 0 ? s->n_networks : 1, n = 0;
	struct service_network *nets = arena_array(l->arena, count, struct service_network);

	if (s->n_networks == 0) {
		nets[n++] = (struct service_network){ .name = "default", .aliases = none };
	}
	for (size_t i = 0; i < s->n_networks; i++) {
		nets[n] = s->networks[i];
		nets[n].network = strmap_get(&networks->index, nets[n].name);
		if (nets[n].network != STRMAP_NONE) {
			n++;
			continue;
		}
		diag_error_mark(
			l->diag, &nets[n].mark,
			"services.%s.networks: %s: no network of this name is declared under "
			"\"networks\"",
			s->name, text_show(l->arena, nets[n].name));
		hint_name(l, networks, nets[n].name);
	}
	s->networks = nets;
	s->n_networks = n;
}

static void link_mounts(struct loader *l, const struct names *names, struct volume *volumes,
			struct service *s)
{
	struct mount_spec *mounts =
		arena_memdup(l->arena, s->mounts, s->n_mounts * sizeof(*mounts));

	for (size_t i = 0; i < s->n_mounts; i++) {
		if (mounts[i].type != MOUNT_VOLUME)
			continue;
		mounts[i].volume = strmap_get(&names->index, mounts[i].source);
		if (mounts[i].volume != STRMAP_NONE)
			volumes[mounts[i].volume].used = true;
	}
	s->mounts = mounts;
}

/* ---- environment and Dockerfile ------------------------------------------------------ */

struct environment {
	struct loader *loader;
	struct vars *vars; /* what came before in the files, for expansion */
	struct strmap index;
	struct key_value *list;
	size_t n, cap;
	struct mark mark;
};

static void set_variable(struct environment *env, const struct key_value *kv)
{
	size_t i = strmap_get(&env->index, kv->key);

	if (i == STRMAP_NONE) {
		i = env->n;
		*ARRAY_PUSH(env->list, env->n, env->cap) = *kv;
		strmap_set(&env->index, kv->key, i);
	}
	env->list[i] = *kv;
}

static void env_file_entry(void *data, const char *name, const char *value)
{
	struct environment *env = data;
	struct arena *a = env->loader->arena;
	struct key_value kv = { .mark = env->mark, .key = arena_strdup(a, name) };

	if (value == NULL)
		value = vars_get(env->loader->vars, name);
	if (value == NULL)
		return;
	kv.value = arena_strdup(a, value);
	vars_set(env->vars, name, value, "env_file");
	set_variable(env, &kv);
}

static void read_env_file(struct environment *env, const struct service *s,
			  const struct env_file *file)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct loader *l = env->loader;
	struct source *src;

	if (fs_read(AT_FDCWD, file->path, ENVFILE_MAX, &text, &err) < 0) {
		if (file->required || (err->sys_errno != ENOENT && err->sys_errno != ENOTDIR))
			diag_error_mark(l->diag, &file->mark, "services.%s.env_file: %s", s->name,
					err->message);
		return;
	}
	src = source_add(&l->sources, file->path, file->path, "/");
	env->mark = file->mark;
	if (!strv_has(&l->files, file->path))
		strv_add(&l->files, file->path);
	env_parse(env->vars, l->diag, src, text.s != NULL ? text.s : "", text.len, file->raw,
		  env_file_entry, env);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct key_value *)a)->key, ((const struct key_value *)b)->key);
}

/* env_file in order, environment over it. */
static void collect_environment(struct loader *l, struct service *s)
{
	_cleanup_(vars_destroyp) struct vars *vars = NULL;
	struct environment env = { .loader = l };
	struct key_value *sorted;

	if (s->n_env_files == 0)
		return;
	vars = vars_fork(l->arena, l->vars);
	env.vars = vars;
	for (size_t i = 0; i < s->n_env_files; i++)
		read_env_file(&env, s, &s->env_files[i]);
	for (size_t i = 0; i < s->n_environment; i++)
		set_variable(&env, &s->environment[i]);
	sorted = arena_memdup(l->arena, env.list, env.n * sizeof(*sorted));
	qsort(sorted, env.n, sizeof(*sorted), by_key);
	s->environment = sorted;
	s->n_environment = env.n;
	strmap_finish(&env.index);
	free(env.list);
}

static void read_dockerfile(struct loader *l, struct service *s)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	uint8_t digest[32];
	char hex[65];

	if (s->dockerfile == NULL)
		return;
	if (fs_read(AT_FDCWD, s->dockerfile, DOCKERFILE_MAX, &text, &err) < 0) {
		diag_error_mark(l->diag, &s->dockerfile_mark, "services.%s.dockerfile: %s", s->name,
				err->message);
		return;
	}
	sha256(text.s != NULL ? text.s : "", text.len, digest);
	sha256_hex(digest, hex);
	s->dockerfile_sha256 = arena_strdup(l->arena, hex);
}

/* ---- all of it ---------------------------------------------------------------------- */

/* "default" comes first, declared or not. */
static void arrange_networks(struct loader *l, struct decoder *d, struct project *p)
{
	const struct source nowhere = { .name = NULL, .dir = "/" };
	const struct node empty = { .src = &nowhere, .kind = NODE_MAP };
	struct network *nets = arena_array(l->arena, p->n_networks + 1, struct network);
	size_t n = 1;

	for (size_t i = 0; i < p->n_networks; i++) {
		bool is_default = strcmp(p->networks[i].name, "default") == 0;

		nets[is_default ? 0 : n++] = p->networks[i];
	}
	if (nets[0].name == NULL) {
		decode_object(d, &shape_network, &empty, NULL, &nets[0]);
		nets[0].name = "default";
	}
	if (nets[0].subnet == NULL) {
		nets[0].subnet = "10.10.0.0/24";
		nets[0].address = UINT32_C(10) << 24 | UINT32_C(10) << 16;
		nets[0].prefix = 24;
	}
	p->networks = nets;
	p->n_networks = n;
}

static void index_volumes(struct loader *l, struct project *p, struct names *names,
			  struct volume **ret)
{
	struct volume *volumes =
		arena_memdup(l->arena, p->volumes, p->n_volumes * sizeof(*volumes));

	names->list = xcalloc(p->n_volumes + 1, sizeof(*names->list));
	for (size_t i = 0; i < p->n_volumes; i++)
		names_add(names, volumes[i].name);
	p->volumes = volumes;
	*ret = volumes;
}

void resolve_project(struct loader *l, struct decoder *d, struct project *p)
{
	_cleanup_(names_finish) struct names services = { STRMAP_INIT, NULL, 0 };
	_cleanup_(names_finish) struct names volume_names = { STRMAP_INIT, NULL, 0 };
	_cleanup_(names_finish) struct names networks = { STRMAP_INIT, NULL, 0 };
	struct service *list = select_services(l, p);
	struct volume *volumes;

	arrange_networks(l, d, p);
	index_volumes(l, p, &volume_names, &volumes);
	services.list = xcalloc(p->n_services + 1, sizeof(*services.list));
	networks.list = xcalloc(p->n_networks + 1, sizeof(*networks.list));
	for (size_t i = 0; i < p->n_services; i++)
		names_add(&services, list[i].name);
	for (size_t i = 0; i < p->n_networks; i++)
		names_add(&networks, p->networks[i].name);
	for (size_t i = 0; i < p->n_services; i++) {
		struct service *s = &list[i];

		link_dependencies(l, p, &services, s);
		link_networks(l, &networks, s);
		link_mounts(l, &volume_names, volumes, s);
		collect_environment(l, s);
		read_dockerfile(l, s);
		s->vm.uefi = s->vm.uefi || s->vm.secure_boot || s->n_devices > 0;
	}
	order_services(l, p);
}
