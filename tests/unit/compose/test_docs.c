/* SPDX-License-Identifier: Apache-2.0
 *
 * test_docs.c - docs/compose.md has every field as the tables describe it.
 *
 * Between two marker lines the page is made from the tables.  With
 * HOLOS_UPDATE_EXPECT set it is written anew, else compared.  Every example of
 * a field must load.
 */
#include "harness.h"

#include <compose/fields.h>

static const char begin_mark[] = "<!-- fields: made by tests/unit/compose/test_docs.c -->\n";
static const char end_mark[] = "<!-- end of fields -->\n";

static const char *type_name(const struct shape *sh)
{
	static char words[256];

	if (sh->name != NULL)
		return sh->name;
	words[0] = '\0';
	for (unsigned i = 0; sh->words != NULL && sh->words[i] != NULL; i++)
		snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s`%s`",
			 i > 0 ? ", " : "", sh->words[i]);
	ck_assert_msg(words[0] != '\0', "a shape without a name");
	return words;
}

static void add_cell(struct strbuf *b, const char *text)
{
	strbuf_adds(b, " ");
	for (; *text != '\0'; text++) {
		if (*text == '|')
			strbuf_addc(b, '\\');
		strbuf_addc(b, *text);
	}
	strbuf_adds(b, " |");
}

static void add_table(struct strbuf *b, const char *title, const struct shape *sh)
{
	strbuf_addf(b, "\n### %s\n\n| key | type | default | meaning | example |\n", title);
	strbuf_adds(b, "| --- | --- | --- | --- | --- |\n");
	for (const struct field *f = sh->fields; f->key != NULL; f++) {
		_cleanup_(freep) char *key =
			xasprintf("`%s`%s", f->key, f->required ? " (required)" : "");
		_cleanup_(freep) char *example = xasprintf("`%s`", f->example);
		_cleanup_(freep) char *deflt = NULL;

		if (f->shown_default != NULL)
			deflt = xstrdup(f->shown_default);
		else
			deflt = f->deflt != NULL ? xasprintf("`%s`", f->deflt) : xstrdup("");
		strbuf_addc(b, '|');
		add_cell(b, key);
		add_cell(b, type_name(f->shape));
		add_cell(b, deflt);
		add_cell(b, f->doc);
		add_cell(b, example);
		strbuf_addc(b, '\n');
	}
}

static void add_tables(struct strbuf *b, const char *title, const struct shape *sh)
{
	add_table(b, title, sh);
	for (const struct field *f = sh->fields; f->key != NULL; f++) {
		const struct shape *inner = shape_object_in(f->shape);
		_cleanup_(freep) char *below = NULL;
		const char *item = f->shape->kind == SHAPE_LIST ? "[]" : "";

		if (inner == NULL)
			continue;
		if (f->shape->kind == SHAPE_MAP || (f->shape->flags & SHAPE_PAIRS))
			item = ".NAME";
		below = xasprintf("%s%s%s%s", sh == &shape_file ? "" : title,
				  sh == &shape_file ? "" : ".", f->key, item);
		add_tables(b, below, inner);
	}
}

START_TEST(page)
{
	const char *data = getenv("HOLOS_TEST_DATA");
	_cleanup_(freep) char *path =
		xasprintf("%s/../../docs/compose.md", data != NULL ? data : "tests/data");
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf made = STRBUF_INIT;
	char *begin, *end;

	ck_assert_int_eq(fs_read(AT_FDCWD, path, 1u << 20, &text, NULL), 0);
	begin = strstr(text.s, begin_mark);
	end = strstr(text.s, end_mark);
	ck_assert(begin != NULL && end != NULL && begin < end);
	strbuf_add(&made, text.s, (size_t)(begin - text.s) + strlen(begin_mark));
	add_tables(&made, "The file", &shape_file);
	strbuf_adds(&made, "\n");
	strbuf_adds(&made, end);
	if (getenv("HOLOS_UPDATE_EXPECT") != NULL)
		fs_write_replace(AT_FDCWD, path, made.s, made.len, 0644, NULL);
	else
		ck_assert_msg(strcmp(text.s, made.s) == 0,
			      "docs/compose.md is not what the tables say; run this test with "
			      "HOLOS_UPDATE_EXPECT=1");
}
END_TEST

/* A file with one field set to its example. */
static void check_example(const char *context, const struct field *f)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(freep) char *errors = NULL;
	_cleanup_(project_destroyp) struct project *p = NULL;
	_cleanup_(freep) char *entry = xasprintf("%s: %s", f->key, f->example);
	const char *at = strstr(context, "KEY");

	text = xasprintf("%.*s%s%s", (int)(at - context), context, entry, at + strlen("KEY"));
	put("holos.yaml", text);
	p = load((struct project_options){ .environ = environment_of("HOME=/home/me", NULL) },
		 &errors);
	ck_assert_msg(p != NULL, "%s\n%s", text, errors);
}

static const struct {
	const char *context; /* KEY: here the field goes */
	const char *skip;    /* keys that need more around them */
	const struct shape *shape;
	const char *inner; /* the object below this key of it; NULL: itself */
} examples[] = {
	{ "services: {web: {image: a, KEY}, base: {image: a}, db: {image: a}}\n",
	  " image dockerfile ", &shape_service, NULL },
	{ "services: {web: {KEY}}\n", " dockerfile replicas extends ", &shape_service, "-image" },
	{ "services: {web: {image: a, vm: {KEY}}}\n", " root_disk ", &shape_service, "vm" },
	{ "services: {web: {image: a, cloud_init: {KEY}}}\n", " ", &shape_service, "cloud_init" },
	{ "services: {web: {image: a, healthcheck: {type: x, KEY}}}\n", " type ", &shape_service,
	  "healthcheck" },
	{ "services: {web: {image: a, ports: [{target: 1, KEY}]}}\n", " target ", &shape_service,
	  "ports" },
	{ "services: {web: {image: a, volumes: [{source: ./x, target: /x, KEY}]}}\n",
	  " source target ", &shape_service, "volumes" },
	{ "services: {web: {image: a, volumes: [\"v:/v\"]}}\nvolumes: {v: {KEY}}\n", " shared ",
	  &shape_volume, NULL },
	{ "services: {web: {image: a}}\nnetworks: {default: {KEY}}\n", " ", &shape_network, NULL },
};

START_TEST(examples_load)
{
	const struct shape *sh = examples[_i].shape;

	make_dir();
	put("web.env", "A=1\n");
	put("common.yaml", "services: {base: {image: a}}\n");
	put("user-data.yaml", "#cloud-config\na: 1\n");
	if (examples[_i].inner != NULL && examples[_i].inner[0] != '-')
		sh = shape_object_in(field_find(sh->fields, examples[_i].inner)->shape);
	for (const struct field *f = sh->fields; f->key != NULL; f++) {
		_cleanup_(freep) char *word = xasprintf(" %s ", f->key);
		bool only = examples[_i].inner != NULL && examples[_i].inner[0] == '-';

		if (only && strcmp(f->key, examples[_i].inner + 1) != 0)
			continue;
		if (strstr(examples[_i].skip, word) == NULL)
			check_example(examples[_i].context, f);
	}
	remove_dir();
}
END_TEST

/* The tables themselves: complete, and within what the code assumes. */
static void check_tables(const struct shape *sh, unsigned depth)
{
	size_t n = 0;

	ck_assert_uint_lt(depth, 10);
	for (const struct field *f = sh->fields; f->key != NULL; f++, n++) {
		const struct shape *inner = shape_object_in(f->shape);

		ck_assert_ptr_nonnull(f->doc);
		ck_assert_ptr_nonnull(f->example);
		ck_assert_ptr_eq(field_find(sh->fields, f->key), f);
		if (f->same_as != NULL)
			ck_assert_ptr_nonnull(field_find(sh->fields, f->same_as));
		if (inner != NULL)
			check_tables(inner, depth + 1);
	}
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_le(n, 64);
}

START_TEST(tables)
{
	check_tables(&shape_file, 0);
}
END_TEST

static void add(TCase *c)
{
	tcase_add_test(c, page);
	tcase_add_test(c, tables);
	tcase_add_loop_test(c, examples_load, 0, sizeof(examples) / sizeof(examples[0]));
}

int main(void)
{
	return run_suite("compose-docs", add);
}
