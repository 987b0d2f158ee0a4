/* SPDX-License-Identifier: Apache-2.0
 *
 * vars.c - see vars.h.
 */
#include <compose/strmap.h>
#include <compose/vars.h>

#include <base/alloc.h>

#include <stdlib.h>
#include <string.h>

#define EXPANDED_MAX ((size_t)16 << 20) /* bytes of expanded text in one load */

struct var {
	const char *name, *value, *origin;
};

struct used {
	struct variable variable;
	bool warned;
};

struct vars {
	struct arena *arena;
	struct vars *up;
	char *const *environment; /* of the topmost one */
	struct strmap index;
	struct var *list;
	size_t n, cap;
	/* of the topmost one: */
	struct strmap used_index;
	struct used *used;
	size_t n_used, cap_used;
	size_t expanded;
};

struct vars *vars_create(struct arena *a, char *const *environment)
{
	struct vars *v = xnew(struct vars);

	v->arena = a;
	v->environment = environment;
	return v;
}

struct vars *vars_fork(struct arena *a, struct vars *up)
{
	struct vars *v = xnew(struct vars);

	v->arena = a;
	v->up = up;
	return v;
}

void vars_destroy(struct vars *v)
{
	if (v == NULL)
		return;
	strmap_finish(&v->index);
	strmap_finish(&v->used_index);
	free(v->list);
	free(v->used);
	free(v);
}

static struct vars *top_of(struct vars *v)
{
	while (v->up != NULL)
		v = v->up;
	return v;
}

void vars_set(struct vars *v, const char *name, const char *value, const char *origin)
{
	size_t i = strmap_get(&v->index, name);

	if (i == STRMAP_NONE) {
		struct var *one = ARRAY_PUSH(v->list, v->n, v->cap);

		one->name = arena_strdup(v->arena, name);
		i = v->n - 1;
		strmap_set(&v->index, one->name, i);
	}
	v->list[i].value = value != NULL ? arena_strdup(v->arena, value) : NULL;
	v->list[i].origin = arena_strdup(v->arena, origin);
}

static const char *from_environ(const struct vars *v, const char *name)
{
	size_t len = strlen(name);

	for (char *const *e = v->environment; e != NULL && *e != NULL; e++) {
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return *e + len + 1;
	}
	return NULL;
}

static const char *look_up(const struct vars *v, const char *name, const char **origin)
{
	const char *value;
	size_t i;

	if (v->up != NULL) {
		value = look_up(v->up, name, origin);
	} else {
		value = from_environ(v, name);
		*origin = "environment";
	}
	if (value != NULL)
		return value;
	i = strmap_get(&v->index, name);
	if (i != STRMAP_NONE && v->list[i].value != NULL) {
		*origin = v->list[i].origin;
		return v->list[i].value;
	}
	*origin = "unset";
	return NULL;
}

const char *vars_get(const struct vars *v, const char *name)
{
	const char *origin;

	return look_up(v, name, &origin);
}

const char *vars_origin(const struct vars *v, const char *name)
{
	const char *origin;

	look_up(v, name, &origin);
	return origin;
}

bool vars_use(struct vars *v, const char *name, const struct node *at, bool warn)
{
	struct vars *top = top_of(v);
	size_t i = strmap_get(&top->used_index, name);
	struct used *u;
	const char *value;

	if (i == STRMAP_NONE) {
		u = ARRAY_PUSH(top->used, top->n_used, top->cap_used);
		*u = (struct used){ .variable.name = arena_strdup(v->arena, name) };
		value = look_up(v, name, &u->variable.origin);
		u->variable.value = value != NULL ? arena_strdup(v->arena, value) : NULL;
		u->variable.mark = node_mark(at);
		strmap_set(&top->used_index, u->variable.name, top->n_used - 1);
	} else {
		u = &top->used[i];
	}
	warn = warn && !u->warned;
	u->warned = u->warned || warn;
	return warn;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct variable *)a)->name, ((const struct variable *)b)->name);
}

const struct variable *vars_used(struct vars *v, size_t *ret_n)
{
	struct vars *top = top_of(v);
	struct variable *copy = arena_array(v->arena, top->n_used + 1, struct variable);

	for (size_t i = 0; i < top->n_used; i++)
		copy[i] = top->used[i].variable;
	qsort(copy, top->n_used, sizeof(*copy), by_name);
	*ret_n = top->n_used;
	return copy;
}

bool vars_spend(struct vars *v, size_t n)
{
	struct vars *top = top_of(v);

	if (n > EXPANDED_MAX - top->expanded)
		return false;
	top->expanded += n;
	return true;
}
