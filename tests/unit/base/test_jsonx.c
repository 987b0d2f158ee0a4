/* SPDX-License-Identifier: Apache-2.0
 *
 * test_jsonx.c - JSON read strictly: nothing is guessed, nothing is coerced.
 */
#include "harness.h"

#include <base/jsonx.h>

#include <errno.h>

#define T(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1, true                                                       \
	}
#define F(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1, false                                                      \
	}

static const struct {
	const char *text;
	size_t len;
	bool good;
} texts[] = {
	T("{}"),
	T("[]"),
	T("null"),
	T("true"),
	T("false"),
	T("0"),
	T("-1"),
	T("12"),
	T("1.5"),
	T("1e3"),
	T("\"\""),
	T("\"a\""),
	T("  {\"a\": [1, 2, {\"b\": null}]}\t\r\n"),
	T("\"it's // fine /* here */\""),
	T("{\"a'b\": \"/\"}"),
	T("\"\\\"\""),
	T("\"\\\\\""),
	T("\"\\\\u0000\""), /* a backslash and text, not a NUL */
	T("\"\\u0001\""),
	T("\"\\ud83d\\ude00\""),
	T("\"\xc3\xa4\""),
	T("\"\\/\""),
	T("9223372036854775807"),
	T("-9223372036854775808"),
	T("\"\\u000a\""),
	T("\"\xf0\x9f\x98\x80\""),
	T("\"\x7f\""),
	T("[0.5,1.25e-3]"),
	T("\"NaN . I\""),

	F(""),
	F(" "),
	F("\n"),
	F("{} x"),
	F("{}{}"),
	F("1 2"),
	F("null null"),
	F("{},"),
	F("[1]]"),
	F("{'a': 1}"),
	F("'a'"),
	F("{\"a\": 'b'}"),
	F("// x\n1"),
	F("1 // x"),
	F("/* x */ 1"),
	F("{\"a\": /* x */ 1}"),
	F("[1,/**/2]"),
	F("\"\\u0000\""),
	F("\"a\\u0000b\""),
	F("{\"\\u0000\": 1}"),
	F("\"\\\\\\u0000\""),
	F("{\"a\": 1}\0"),
	F("\"a\0b\""),
	F("\0"),
	F("1\0"),
	F("{"),
	F("["),
	F("\"a"),
	F("{\"a\""),
	F("{\"a\":"),
	F("{\"a\":1"),
	F("[1,"),
	F("\""),
	F("\"\\"),
	F("\"\\u12"),
	F("tru"),
	F("nul"),
	F("-"),
	F("1e"),
	F("1.e"),
	F("[1,]"),
	F("{\"a\":1,}"),
	F("{,}"),
	F("[,1]"),
	F("{\"a\" 1}"),
	F("{a: 1}"),
	F("{1: 1}"),
	F("True"),
	F("NULL"),
	F("nan"),
	F("NaN"),
	F("Infinity"),
	F("-Infinity"),
	F("[NaN]"),
	F("{\"a\": -Infinity}"),
	F("01"),
	F("0x10"),
	F("+1"),
	F(".5"),
	F("1."),
	F("\"\\x41\""),
	F("\"\\q\""),
	F("\"a\nb\""),
	F("\"a\tb\""),
	F("\"\x01\""),
	F("\"\xff\""),
	F("\"\xc3\""),
	F("\"\xed\xa0\x80\""),
	F("\xef\xbb\xbf{}"),
	F("\"\xc0\x80\""),
	F("\"\xe0\x80\x80\""),
	F("\"\xf4\x90\x80\x80\""),
	F("\"\xf8\x88\x80\x80\x80\""),
	F("\"\\\xc3\""),
	F("\"\\\n\""),
};

START_TEST(strictness)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct json_object *marker = json_object_new_int(7);
	struct json_object *obj = marker;
	int r = jsonx_parse(texts[_i].text, texts[_i].len, "the text", &obj, &err);

	ck_assert_msg((r == 0) == texts[_i].good, "<%s>: %s", texts[_i].text,
		      r == 0 ? "taken" : err->message);
	if (r < 0) {
		assert_has(err->message, "the text: ");
		ck_assert_ptr_eq(obj, marker); /* untouched */
	} else {
		ck_assert_ptr_null(err);
		json_object_put(obj);
	}
	json_object_put(marker);
}
END_TEST

START_TEST(depth_is_bounded)
{
	static const struct {
		unsigned depth;
		int r;
	} cases[] = { { 1, 0 }, { 31, 0 }, { 32, 0 }, { 33, -1 }, { 100000, -1 } };

	for (int i = 0; i < N(cases); i++) {
		_cleanup_(json_putp) struct json_object *obj = NULL;
		_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

		for (unsigned k = 0; k < cases[i].depth; k++)
			strbuf_addc(&b, '[');
		for (unsigned k = 0; k < cases[i].depth; k++)
			strbuf_addc(&b, ']');
		ck_assert_msg((jsonx_parse(b.s, b.len, "x", &obj, NULL) < 0) == (cases[i].r < 0),
			      "depth %u", cases[i].depth);
	}
}
END_TEST

START_TEST(equal_keys_last_wins)
{
	_cleanup_(json_putp) struct json_object *obj = NULL;
	static const char text[] = "{\"a\": 1, \"a\": \"x\"}";

	ck_assert_int_eq(jsonx_parse(text, sizeof(text) - 1, "x", &obj, NULL), 0);
	ck_assert_str_eq(jsonx_str(obj, "a", ""), "x");
}
END_TEST

static struct json_object *parse(const char *text)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct json_object *obj = NULL;

	ck_assert_msg(jsonx_parse(text, strlen(text), "x", &obj, &err) == 0, "%s",
		      err != NULL ? err->message : "");
	return obj;
}

/* Every member against every getter: only its own type comes through. */
START_TEST(getters_do_not_coerce)
{
	static const char *const keys[] = { "s", "n", "b",       "o",      "a",
					    "d", "z", "missing", "number", "word" };
	_cleanup_(json_putp) struct json_object *obj =
		parse("{\"s\": \"text\", \"n\": 42, \"b\": true, \"o\": {}, \"a\": [1],"
		      " \"d\": 1.0, \"z\": null, \"number\": \"12\", \"word\": \"true\"}");

	for (int i = 0; i < N(keys); i++) {
		const char *k = keys[i];
		bool text =
			strcmp(k, "s") == 0 || strcmp(k, "number") == 0 || strcmp(k, "word") == 0;

		ck_assert_msg((strcmp(jsonx_str(obj, k, "none"), "none") != 0) == text, "%s", k);
		ck_assert_int_eq(jsonx_int(obj, k, -1), strcmp(k, "n") == 0 ? 42 : -1);
		ck_assert_int_eq(jsonx_bool(obj, k, false), strcmp(k, "b") == 0);
		ck_assert_int_eq(jsonx_bool(obj, k, true), true);
		ck_assert_int_eq(jsonx_obj(obj, k) != NULL, strcmp(k, "o") == 0);
		ck_assert_int_eq(jsonx_arr(obj, k) != NULL, strcmp(k, "a") == 0);
	}
}
END_TEST

/* json-c would give INT64_MAX. */
START_TEST(numbers_that_do_not_fit_are_no_integers)
{
	_cleanup_(json_putp) struct json_object *obj =
		parse("{\"max\": 9223372036854775807, \"min\": -9223372036854775808,"
		      " \"more\": 9223372036854775808, \"most\": 18446744073709551615,"
		      " \"beyond\": 99999999999999999999999999}");

	ck_assert_int_eq(jsonx_int(obj, "max", -1), INT64_MAX);
	ck_assert_int_eq(jsonx_int(obj, "min", -1), INT64_MIN);
	ck_assert_int_eq(jsonx_int(obj, "more", -1), -1);
	ck_assert_int_eq(jsonx_int(obj, "most", -1), -1);
	ck_assert_int_eq(jsonx_int(obj, "beyond", -1), -1);
}
END_TEST

START_TEST(getters_of_what_is_no_object)
{
	_cleanup_(json_putp) struct json_object *arr = parse("[1, \"two\", null]");

	ck_assert_ptr_null(jsonx_str(NULL, "a", NULL));
	ck_assert_ptr_null(jsonx_str(arr, "a", NULL));
	ck_assert_int_eq(jsonx_int(arr, "0", 7), 7);
	ck_assert_ptr_null(jsonx_obj(arr, "a"));
	ck_assert_uint_eq(jsonx_len(NULL), 0);
	ck_assert_uint_eq(jsonx_len(arr), 3);
	ck_assert_ptr_null(jsonx_str_at(arr, 0));
	ck_assert_str_eq(jsonx_str_at(arr, 1), "two");
	ck_assert_ptr_null(jsonx_str_at(arr, 2));
	ck_assert_ptr_null(jsonx_str_at(arr, 3));
	ck_assert_ptr_null(jsonx_str_at(NULL, 0));
}
END_TEST

START_TEST(line_form)
{
	_cleanup_(json_putp) struct json_object *obj = json_object_new_object();
	char *list[] = { xstrdup("x"), xstrdup("y z"), NULL };

	jsonx_set_str(obj, "path", "/a/b");
	jsonx_set_str(obj, "none", NULL);
	jsonx_set_int(obj, "n", INT64_MIN);
	jsonx_set_bool(obj, "b", false);
	jsonx_set(obj, "v", jsonx_from_strv(list));
	jsonx_set(obj, "w", jsonx_from_strv(NULL));
	jsonx_set_str(obj, "text", "a\nb\t\"\x01");
	ck_assert_str_eq(jsonx_line(obj),
			 "{\"path\":\"/a/b\",\"none\":null,\"n\":-9223372036854775808,\"b\":false,"
			 "\"v\":[\"x\",\"y z\"],\"w\":[],\"text\":\"a\\nb\\t\\\"\\u0001\"}");
	free(list[0]);
	free(list[1]);
}
END_TEST

/* The contract: 2 spaces and `"key": value`, as users grep for it. */
START_TEST(pretty_form)
{
	_cleanup_(json_putp) struct json_object *obj =
		parse("{\"name\":\"de/mo\",\"list\":[1,{\"a\":true}],\"empty\":{},\"none\":[],"
		      "\"null\":null,\"a\\\"b\":1.5}");
	_cleanup_(freep) char *text = jsonx_pretty(obj);
	_cleanup_(freep) char *null = jsonx_pretty(NULL);
	_cleanup_(json_putp) struct json_object *back = parse(text);

	ck_assert_str_eq(text, "{\n"
			       "  \"name\": \"de/mo\",\n"
			       "  \"list\": [\n"
			       "    1,\n"
			       "    {\n"
			       "      \"a\": true\n"
			       "    }\n"
			       "  ],\n"
			       "  \"empty\": {},\n"
			       "  \"none\": [],\n"
			       "  \"null\": null,\n"
			       "  \"a\\\"b\": 1.5\n"
			       "}");
	ck_assert_str_eq(null, "null");
	ck_assert_int_eq(json_object_equal(obj, back), 1);
}
END_TEST

START_TEST(files)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(json_putp) struct json_object *obj = NULL;

	ck_assert_int_lt(jsonx_read_file(AT_FDCWD, in_dir("none"), 100, &obj, &err), 0);
	ck_assert_int_eq(err->sys_errno, ENOENT);
	write_text("good", "{\"a\": 1}\n");
	ck_assert_int_eq(jsonx_read_file(AT_FDCWD, in_dir("good"), 9, &obj, NULL), 0);
	ck_assert_int_eq(jsonx_int(obj, "a", 0), 1);
	ck_assert_int_lt(jsonx_read_file(AT_FDCWD, in_dir("good"), 8, &obj, NULL), 0);
	write_text("empty", "");
	ck_assert_int_lt(jsonx_read_file(AT_FDCWD, in_dir("empty"), 100, &obj, &err), 0);
	assert_has(err->message, "empty");
	write_text("bad", "{\"a\": 1");
	ck_assert_int_lt(jsonx_read_file(AT_FDCWD, in_dir("bad"), 100, &obj, &err), 0);
	assert_has(err->message, "/bad: no valid JSON");
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_loop_test(c, strictness, 0, N(texts));
	tcase_add_test(c, depth_is_bounded);
	tcase_add_test(c, equal_keys_last_wins);
	tcase_add_test(c, getters_do_not_coerce);
	tcase_add_test(c, numbers_that_do_not_fit_are_no_integers);
	tcase_add_test(c, getters_of_what_is_no_object);
	tcase_add_test(c, line_form);
	tcase_add_test(c, pretty_form);
	tcase_add_test(c, files);
}

int main(void)
{
	return run_suite("base-jsonx", add_tests);
}
