/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_life.c - dependencies, health, restart policy, replicas.
 */
#include <compose/decode.h>
#include <compose/scalar.h>

#include <base/clock.h>
#include <base/units.h>

#include <string.h>

void decode_depends_on(struct decoder *d, const struct shape *sh, const struct node *n,
		       const struct path *p, void *out)
{
	const struct shape *item = sh->alts[0]->item;
	struct dependency *deps;
	struct model_list list = { NULL, 0 };

	if (!decode_is(d, sh, n, p, NODE_MAP))
		return;
	deps = arena_array(d->arena, n->n + 1, struct dependency);
	for (size_t i = 0; i < n->n; i++) {
		const struct node *key = n->pairs[i].key;
		const struct path here = { p, key->text, 0 };

		if (key_is_ignored(sh->alts[0], key->text))
			continue;
		decode_object(d, item, n->pairs[i].value, &here, &deps[list.n]);
		deps[list.n].mark = node_mark(key);
		deps[list.n++].name = key->text;
	}
	list.items = deps;
	memcpy(out, &list, sizeof(list));
}

/* A line for the shell, or [NONE], [CMD, ...], [CMD-SHELL, line], [word, ...]. */
void decode_test(struct decoder *d, const struct shape *sh, const struct node *n,
		 const struct path *p, void *out)
{
	const struct shape *fit = shape_for_node(sh, n);
	struct healthcheck *h = out;
	const char *const *argv = NULL;
	const char **line;
	const char *text;

	if (fit == NULL || node_is_null(n)) {
		decode_expected(d, sh, n, p);
		return;
	}
	if (n->kind == NODE_SCALAR) {
		text = decode_text(d, fit, n, p);
		line = arena_array(d->arena, 2, const char *);
		line[0] = text;
		h->argv = line;
		h->shell = true;
		return;
	}
	decode_value(d, fit, n, p, &argv);
	if (argv == NULL || argv[0] == NULL)
		return;
	if (strcmp(argv[0], "CMD-SHELL") == 0) {
		if (n->n != 2)
			diag_error(d->diag, n, p, "CMD-SHELL must be followed by one line");
		h->shell = true;
		h->argv = argv + 1;
	} else if (strcmp(argv[0], "CMD") == 0) {
		if (n->n < 2)
			diag_error(d->diag, n, p, "CMD must be followed by a command");
		h->argv = argv + 1;
	} else {
		h->argv = argv;
	}
}

static bool test_is_none(const struct node *test)
{
	if (test != NULL && test->kind == NODE_LIST)
		test = test->n > 0 ? test->items[0] : NULL;
	return node_text(test) != NULL && strcmp(test->text, "NONE") == 0;
}

void decode_healthcheck(struct decoder *d, const struct shape *sh, const struct node *n,
			const struct path *p, void *out)
{
	static const char *const none[] = { NULL };
	struct healthcheck *h = out;
	bool off;

	decode_object(d, sh, n, p, h);
	/* disable: false says nothing against test: NONE. */
	h->disabled = h->disabled || test_is_none(node_get(n, "test"));
	off = h->disabled || (n->kind == NODE_MAP && n->n == 0);
	if (!off && h->argv == NULL && h->type != NULL && strcmp(h->type, "ssh") == 0 &&
	    node_is_null(node_get(n, "test")))
		diag_error(d->diag, n, p,
			   "\"test\" is missing: the command that tells whether the "
			   "service is healthy");
	h->set = !off;
	if (h->argv == NULL || off) {
		h->argv = none;
		h->shell = false;
	}
}

bool restart_parse(const char *text, struct service *s)
{
	static const struct {
		const char *text;
		enum restart_policy policy;
	} words[] = {
		{ "no", RESTART_NO },
		{ "false", RESTART_NO },
		{ "always", RESTART_ALWAYS },
		{ "unless-stopped", RESTART_UNLESS_STOPPED },
		{ "on-failure", RESTART_ON_FAILURE },
	};
	static const char prefix[] = "on-failure:";
	int64_t max = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].text, text) == 0) {
			s->restart = words[i].policy;
			s->restart_max = 0;
			return true;
		}
	}
	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0 ||
	    units_parse_int(text + sizeof(prefix) - 1, 0, 1000000, &max) < 0)
		return false;
	s->restart = RESTART_ON_FAILURE;
	s->restart_max = (unsigned)max;
	return true;
}

void decode_restart(struct decoder *d, const struct shape *sh, const struct node *n,
		    const struct path *p, void *out)
{
	const char *text = decode_text(d, sh, n, p);

	if (text != NULL)
		restart_parse(text, out);
}

/* 0 counts as 1, as it does in existing files. */
void decode_replicas(struct decoder *d, const struct shape *sh, const struct node *n,
		     const struct path *p, void *out)
{
	struct shape plain = *sh;
	unsigned value = 0;

	plain.decode = NULL;
	decode_value(d, &plain, n, p, &value);
	value = value == 0 ? 1 : value;
	memcpy(out, &value, sizeof(value));
}

/* 0 counts as one second, as it does in existing files. */
void decode_grace(struct decoder *d, const struct shape *sh, const struct node *n,
		  const struct path *p, void *out)
{
	struct shape plain = *sh;
	uint64_t value = 0;

	plain.decode = NULL;
	decode_value(d, &plain, n, p, &value);
	value = value == 0 ? NS_PER_S : value;
	memcpy(out, &value, sizeof(value));
}
