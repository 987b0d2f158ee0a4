/* SPDX-License-Identifier: Apache-2.0
 *
 * harness.h - projects from text, for the tests of core/plan.
 */
#ifndef TESTS_PLAN_HARNESS_H
#define TESTS_PLAN_HARNESS_H

#include "../base/harness.h"

#include <compose/project.h>
#include <plan/plan.h>

/* A project with no environment and no plugins asked; fails the test when the
 * text is wrong. */
static inline struct project *load_text(const char *yaml)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(freep) char *why = NULL;
	struct project_options o = { .cwd = test_dir };
	struct project *p = NULL;

	write_text("holos.yaml", yaml);
	if (project_load(&o, &p, &err) < 0)
		why = error_format(err);
	ck_assert_msg(p != NULL, "%s\n%s", why, yaml);
	return p;
}

static inline struct plan *plan_of(const struct project *project, const struct plan_past *past,
				   size_t n_past)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct plan *p = NULL;

	ck_assert_msg(plan_create(project, "0123456789abcdef", past, n_past, &p, &err) == 0, "%s",
		      err != NULL ? err->message : "");
	return p;
}

static inline const struct plan_vm *vm_of(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->n_vms; i++) {
		if (strcmp(p->vms[i].name, name) == 0)
			return &p->vms[i];
	}
	ck_abort_msg("no VM %s", name);
	return NULL;
}

/* Fails at the first line in which `got` differs from the file PLAN_DATA/name. */
static inline void assert_golden(const char *got, const char *name)
{
	_cleanup_(strbuf_finish) struct strbuf want = STRBUF_INIT;
	_cleanup_(freep) char *path = xasprintf(PLAN_DATA "/%s", name);
	const char *g = got, *w;
	unsigned line = 1;

	if (getenv("HOLOS_UPDATE_EXPECT") != NULL) { /* then read what git diff says */
		_cleanup_(freep) char *text = xasprintf("%s\n", got);

		ck_assert_int_eq(fs_write_replace(AT_FDCWD, path, text, strlen(text), 0644, NULL),
				 0);
	}
	ck_assert_int_eq(fs_read(AT_FDCWD, path, 1 << 20, &want, NULL), 0);
	w = want.s;
	for (; *g != '\0' || *w != '\0'; line++) {
		size_t ng = strcspn(g, "\n"), nw = strcspn(w, "\n");

		ck_assert_msg(ng == nw && memcmp(g, w, ng) == 0,
			      "%s:%u: \"%.*s\" is due, not \"%.*s\"", name, line, (int)nw, w,
			      (int)ng, g);
		g += ng + (g[ng] == '\n');
		w += nw + (w[nw] == '\n');
	}
}

#endif
