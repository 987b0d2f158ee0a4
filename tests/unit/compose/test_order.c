/* SPDX-License-Identifier: Apache-2.0
 *
 * test_order.c - the order of services, and links by index.
 */
#include "harness.h"

#include <base/strv.h>

static const struct {
	const char *services, *order;
} cases[] = {
	{ "{b: {image: a}, a: {image: a}}", "a b" },
	{ "{c: {image: a}, a: {image: a, depends_on: [c]}, b: {image: a}}", "b c a" },
	/* The ready set is a queue: what becomes ready goes behind it. */
	{ "{a: {image: x}, z: {image: x}, b: {image: x, depends_on: [a]}}", "a z b" },
	{ "{w: {image: x, depends_on: [d]}, v: {image: x, depends_on: [d]}, d: {image: x}}",
	  "d v w" },
	{ "{a: {image: x, depends_on: [b, c]}, b: {image: x, depends_on: [d]},"
	  " c: {image: x, depends_on: [d]}, d: {image: x}}",
	  "d b c a" },
	{ "{web: {image: x, depends_on: {db: {condition: service_started}}}, db: {image: x}}",
	  "db web" },
};

START_TEST(order)
{
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	_cleanup_(freep) char *joined = NULL;
	_cleanup_(freep) char *text = xasprintf("services: %s\n", cases[_i].services);

	make_dir();
	put("holos.yaml", text);
	p = load_good((struct project_options){ 0 });
	for (size_t i = 0; i < p->n_services; i++) {
		const struct service *s = &p->services[p->order[i]];

		strv_add(&names, s->name);
		for (size_t j = 0; j < s->n_depends_on; j++)
			ck_assert_str_eq(p->services[s->depends_on[j].service].name,
					 s->depends_on[j].name);
	}
	joined = strv_join(names.v, " ");
	ck_assert_str_eq(joined, cases[_i].order);
	remove_dir();
}
END_TEST

/* A cycle of any length, with others before and behind it, is found and named. */
START_TEST(long_cycle)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	_cleanup_(freep) char *errors = NULL;

	make_dir();
	strbuf_adds(&b, "services:\n  base: {image: a}\n  tail: {image: a, depends_on: [s3]}\n");
	for (int i = 0; i < _i; i++)
		strbuf_addf(&b, "  s%d: {image: a, depends_on: [base, s%d]}\n", i, (i + 1) % _i);
	put("holos.yaml", b.s);
	ck_assert_ptr_null(load((struct project_options){ 0 }, &errors));
	ck_assert_msg(strstr(errors, "circular dependency detected among services: s0 -> s1 -> ") !=
			      NULL,
		      "%s", errors);
	ck_assert_msg(strstr(errors, " -> s0\n") != NULL, "%s", errors);
	/* One cycle, one message. */
	ck_assert_ptr_eq(strchr(errors, '\n') + 1, errors + strlen(errors));
	remove_dir();
}
END_TEST

static void add(TCase *c)
{
	tcase_add_loop_test(c, order, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(c, long_cycle, 4, 9);
}

int main(void)
{
	return run_suite("compose-order", add);
}
