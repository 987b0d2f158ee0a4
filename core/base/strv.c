/* SPDX-License-Identifier: Apache-2.0
 *
 * strv.c - see strv.h.
 */
#include <base/alloc.h>
#include <base/strbuf.h>
#include <base/strv.h>

#include <stdlib.h>
#include <string.h>

void strv_take(struct strv *v, char *s)
{
	array_reserve((void **)&v->v, v->n + 1, &v->cap, sizeof(*v->v));
	v->v[v->n++] = s;
	v->v[v->n] = NULL;
}

void strv_add(struct strv *v, const char *s)
{
	strv_take(v, xstrdup(s));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(v, xvasprintf(fmt, ap));
	va_end(ap);
}

void strv_add_all(struct strv *v, char *const *list)
{
	for (; list != NULL && *list != NULL; list++)
		strv_add(v, *list);
}

bool strv_has(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++) {
		if (strcmp(v->v[i], s) == 0)
			return true;
	}
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *v)
{
	if (v->n > 1)
		qsort(v->v, v->n, sizeof(*v->v), compare);
}

char *strv_join(char *const *v, const char *sep)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; v != NULL && v[i] != NULL; i++) {
		if (i != 0)
			strbuf_adds(&b, sep);
		strbuf_adds(&b, v[i]);
	}
	return strbuf_steal(&b);
}

void strv_finish(struct strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	free(v->v);
	*v = (struct strv)STRV_INIT;
}
