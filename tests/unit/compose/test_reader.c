/* SPDX-License-Identifier: Apache-2.0
 *
 * test_reader.c - YAML to trees: places, aliases, merge keys, limits.
 */
#include "harness.h"

#include <compose/reader.h>
#include <compose/scalar.h>

#include <base/jsonx.h>

static struct arena *arena;
static struct diag diag;
static struct source src = { .name = "f", .dir = "/" };

static void setup(void)
{
	arena = arena_create();
	diag_init(&diag, arena);
}

static void teardown(void)
{
	diag_finish(&diag);
	arena_destroy(arena);
}

static struct node *parse(const char *text)
{
	struct node *root = NULL;

	return tree_read(arena, &src, text, strlen(text), &diag, &root) < 0 ? NULL : root;
}

/* YAML to JSON by the core schema (1.2), and with the words of 1.1. */
static const struct {
	const char *yaml;
	const char *json, *json11; /* json11 NULL: the same */
} scalars[] = {
	{ "a", "\"a\"", NULL },
	{ "1", "1", NULL },
	{ "-1", "-1", NULL },
	{ "+1", "1", NULL },
	{ "'1'", "\"1\"", NULL },
	{ "!!str 1", "\"1\"", NULL },
	{ "017", "17", "15" },
	{ "08", "8", NULL },
	{ "0o17", "15", NULL },
	{ "0o18", "\"0o18\"", NULL },
	{ "0x1F", "31", NULL },
	{ "0x-1", "\"0x-1\"", NULL },
	{ "1_000", "\"1_000\"", NULL },
	{ "22:22", "\"22:22\"", NULL },
	{ "9223372036854775807", "9223372036854775807", NULL },
	{ "9223372036854775808", "9.2233720368547758e+18", NULL },
	{ "1.5", "1.5", NULL },
	{ ".5", "0.5", NULL },
	{ "1.", "1.0", NULL },
	{ "1e3", "1000.0", NULL },
	{ "-1.5E-3", "-0.0015", NULL },
	{ "1e999", "\"1e999\"", NULL },
	{ ".", "\".\"", NULL },
	{ "-", "[null]", NULL },
	{ "1.2.3", "\"1.2.3\"", NULL },
	{ "e3", "\"e3\"", NULL },
	{ ".inf", "\".inf\"", NULL },
	{ "true", "true", NULL },
	{ "True", "true", NULL },
	{ "FALSE", "false", NULL },
	{ "yes", "\"yes\"", "true" },
	{ "Off", "\"Off\"", "false" },
	{ "'yes'", "\"yes\"", NULL },
	{ "null", "null", NULL },
	{ "~", "null", NULL },
	{ "''", "\"\"", NULL },
	{ "Null", "null", NULL },
	{ "nUll", "\"nUll\"", NULL },
	{ "2001-01-01", "\"2001-01-01\"", NULL },
	{ "[1, a, {b: null}]", "[1,\"a\",{\"b\":null}]", NULL },
};

START_TEST(core_schema)
{
	struct node *n = parse(scalars[_i].yaml);
	_cleanup_(json_putp) struct json_object *o = NULL;
	_cleanup_(json_putp) struct json_object *o11 = NULL;

	ck_assert_ptr_nonnull(n);
	o = node_to_json(n, false);
	ck_assert_str_eq(jsonx_line(o), scalars[_i].json);
	o11 = node_to_json(n, true);
	ck_assert_str_eq(jsonx_line(o11),
			 scalars[_i].json11 != NULL ? scalars[_i].json11 : scalars[_i].json);
}
END_TEST

static const struct {
	const char *yaml, *json;
} trees[] = {
	{ "a: &x 1\nb: *x", "{\"a\":1,\"b\":1}" },
	{ "a: &x {k: v}\nb: *x", "{\"a\":{\"k\":\"v\"},\"b\":{\"k\":\"v\"}}" },
	{ "a: &x 1\nb: &x 2\nc: *x", "{\"a\":1,\"b\":2,\"c\":2}" },
	{ "a: &k key\n*k : v", "{\"a\":\"key\",\"key\":\"v\"}" },
	{ "a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}",
	  "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"l\":3,\"k\":1}}" },
	{ "a: {l: 3, <<: {k: 1, l: 2}}", "{\"a\":{\"l\":3,\"k\":1}}" },
	{ "{<<: [{a: 1}, {a: 2, b: 2}], c: 3}", "{\"c\":3,\"a\":1,\"b\":2}" },
	{ "{<<: [], a: 1}", "{\"a\":1}" },
	{ "{<<: {<<: {a: 1}, b: 2}, c: 3}", "{\"c\":3,\"b\":2,\"a\":1}" },
	{ "{'<<': {a: 1}}", "{\"<<\":{\"a\":1}}" },
	{ "a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}" },
	{ "%YAML 1.2\n---\na: 1\n...\n", "{\"a\":1}" },
};

START_TEST(aliases_and_merge_keys)
{
	struct node *n = parse(trees[_i].yaml);
	_cleanup_(json_putp) struct json_object *o = NULL;

	ck_assert_ptr_nonnull(n);
	ck_assert_uint_eq(diag.n_errors, 0);
	o = node_to_json(n, false);
	ck_assert_str_eq(jsonx_line(o), trees[_i].json);
}
END_TEST

START_TEST(places)
{
	struct node *n = parse("a: 1\n# c\nbb:\n  - x\n  - \"y\xc3\xa4\": zz\n");
	const struct node *list, *value;

	ck_assert_ptr_nonnull(n);
	ck_assert_uint_eq(n->line, 1);
	ck_assert_uint_eq(node_pair(n, "bb")->key->line, 3);
	list = node_get(n, "bb");
	ck_assert_uint_eq(list->line, 4);
	ck_assert_uint_eq(list->column, 3);
	value = node_get(list->items[1], "y\xc3\xa4");
	ck_assert_uint_eq(value->line, 5);
	ck_assert_uint_eq(value->column, 11); /* characters, not bytes */
	ck_assert_str_eq(node_mark(value).file, "f");
}
END_TEST

/* Changing the copy that an alias stands for leaves the anchor alone. */
START_TEST(aliases_are_copies)
{
	struct node *n = parse("a: &x {k: [1]}\nb: *x");

	ck_assert_ptr_nonnull(n);
	node_get(node_get(n, "b"), "k")->items[0]->text = "2";
	ck_assert_str_eq(node_get(node_get(n, "a"), "k")->items[0]->text, "1");
}
END_TEST

START_TEST(lookups)
{
	_cleanup_(node_index_finish) struct node_index x = { NULL, 0 };
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	struct node *n;
	char key[16];

	for (unsigned i = 0; i < 500; i++)
		strbuf_addf(&b, "k%u: %u\n", i * 7919 % 500, i);
	n = parse(b.s);
	ck_assert_ptr_nonnull(n);
	node_index_init(&x, n);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		ck_assert_ptr_nonnull(node_index_find(&x, key));
		ck_assert_str_eq(node_index_find(&x, key)->value->text, node_get(n, key)->text);
	}
	ck_assert_ptr_null(node_index_find(&x, "k500"));
	node_remove(n, "k3");
	ck_assert_ptr_null(node_get(n, "k3"));
	ck_assert_uint_eq(n->n, 499);
	ck_assert_uint_eq(node_count(n), 500);
}
END_TEST

/* What a person sees of a value. */
static const struct {
	const char *text, *shown;
} shown[] = {
	{ "a", "\"a\"" },
	{ "", "\"\"" },
	{ "a\nb\tc\x01", "\"a\\nb\\tc\\x01\"" },
	{ "123456789 123456789 123456789 123456789 123456789 123456789 ",
	  "\"123456789 123456789 123456789 123456789 123456789 123456789 \"" },
	{ "123456789 123456789 123456789 123456789 123456789 123456789 1",
	  "\"123456789 123456789 123456789 123456789 123456789 1234567...\"" },
	{ "123456789 123456789 123456789 123456789 123456789 123456\xc3\xa4 123456789",
	  "\"123456789 123456789 123456789 123456789 123456789 123456...\"" },
};

START_TEST(values_in_messages)
{
	ck_assert_str_eq(text_show(arena, shown[_i].text), shown[_i].shown);
}
END_TEST

static void expect_refused(char *text, const char *why)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_ptr_null(parse(text));
	ck_assert_int_lt(diag_take(&diag, NULL, &err), 0);
	ck_assert_msg(strstr(err->message, why) != NULL, "%s", err->message);
	free(text);
}

static char *repeat(const char *what, size_t bytes)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	while (b.len + strlen(what) <= bytes)
		strbuf_adds(&b, what);
	return strbuf_steal(&b);
}

START_TEST(limits)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	expect_refused(repeat("[", TREE_TEXT_MAX), "64 levels");
	expect_refused(repeat("{a: ", TREE_TEXT_MAX), "64 levels");
	expect_refused(repeat("- ", TREE_TEXT_MAX), "64 levels");
	expect_refused(repeat("- a\n", TREE_TEXT_MAX), "100000 values");
	expect_refused(repeat("x", TREE_TEXT_MAX + 1), "1 MiB");
	expect_refused(repeat("? ", TREE_TEXT_MAX), "64 levels");
	expect_refused(repeat("&a ", TREE_TEXT_MAX), "not valid YAML");
	expect_refused(repeat("\"", TREE_TEXT_MAX - 1), "not valid YAML");
	expect_refused(repeat("a: b: ", TREE_TEXT_MAX), "not valid YAML");
	/* Many anchors and many aliases: no quadratic search. */
	for (unsigned i = 0; i < 30000; i++)
		strbuf_addf(&b, "- &a%u x\n", i);
	for (unsigned i = 0; i < 30000; i++)
		strbuf_addf(&b, "- *a%u\n", i);
	strbuf_adds(&b, "- *nowhere\n");
	expect_refused(strbuf_steal(&b), "no such anchor");
}
END_TEST

START_TEST(depth_of_64_is_fine)
{
	_cleanup_(freep) char *open = repeat("[", 64);
	_cleanup_(freep) char *close = repeat("]", 64);
	_cleanup_(freep) char *text = xasprintf("%s%s", open, close);

	ck_assert_ptr_nonnull(parse(text));
}
END_TEST

static void add(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, core_schema, 0, sizeof(scalars) / sizeof(scalars[0]));
	tcase_add_loop_test(c, aliases_and_merge_keys, 0, sizeof(trees) / sizeof(trees[0]));
	tcase_add_test(c, places);
	tcase_add_test(c, aliases_are_copies);
	tcase_add_test(c, lookups);
	tcase_add_loop_test(c, values_in_messages, 0, sizeof(shown) / sizeof(shown[0]));
	tcase_add_test(c, limits);
	tcase_add_test(c, depth_of_64_is_fine);
}

int main(void)
{
	return run_suite("compose-reader", add);
}
