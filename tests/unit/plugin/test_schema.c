/* SPDX-License-Identifier: Apache-2.0 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/strbuf.h>
#include <plugin/schema.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *parse(const char *text)
{
	struct json_object *obj = NULL;

	ck_assert_int_eq(jsonx_parse(text, strlen(text), "test", &obj, NULL), 0);
	return obj;
}

static const struct {
	const char *schema, *says; /* NULL: valid */
} schemas[] = {
	{ "{\"type\":\"object\"}", NULL },
	{ "{\"type\":\"object\",\"properties\":{},\"description\":\"x\"}", NULL },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":1,"
	  "\"maximum\":2,\"default\":1,\"enum\":[1,2]}},\"required\":[\"a\"]}",
	  NULL },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":"
	  "{\"type\":\"string\"}}}}",
	  NULL },
	{ "[]", "s: is no object" },
	{ "{}", "s: no \"type\", or an unknown one" },
	{ "{\"type\":\"thing\"}", "s: no \"type\", or an unknown one" },
	{ "{\"type\":\"array\"}", "s: its \"type\" is not \"object\"" },
	{ "{\"type\":\"object\",\"additionalProperties\":false}",
	  "s: keyword \"additionalProperties\" is not understood for type \"object\"" },
	{ "{\"type\":\"object\",\"minimum\":1}",
	  "s: keyword \"minimum\" is not understood for type \"object\"" },
	{ "{\"type\":\"object\",\"required\":[\"a\"]}",
	  "s: \"required\" names what \"properties\" does not have" },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\"}},\"required\":[]}",
	  "s: \"required\" is no list of names" },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"default\":1}}}",
	  "s.a: \"default\" is not of type \"string\"" },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":1.5}}}",
	  "s.a: \"minimum\" is no integer" },
	{ "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"enum\":[]}}}",
	  "s.a: \"enum\" is no list" },
	{ "{\"type\":\"object\",\"properties\":[]}", "s: \"properties\" is no object" },
};

START_TEST(validate)
{
	_cleanup_(json_putp) struct json_object *schema = parse(schemas[_i].schema);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	int r = schema_validate(schema, "s", &err);

	if (schemas[_i].says == NULL) {
		ck_assert_msg(r == 0, "%s", err != NULL ? err->message : "");
	} else {
		ck_assert_int_lt(r, 0);
		ck_assert_str_eq(err->message, schemas[_i].says);
	}
}
END_TEST

static const char schema_text[] =
	"{\"type\":\"object\",\"required\":[\"host\"],\"properties\":{"
	"\"host\":{\"type\":\"string\"},"
	"\"port\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535},"
	"\"ratio\":{\"type\":\"number\",\"maximum\":1},"
	"\"mode\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]},"
	"\"on\":{\"type\":\"boolean\"},"
	"\"list\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":"
	"{\"n\":{\"type\":\"integer\"}}}},"
	"\"any\":{\"type\":\"object\"}}}";

/* says: all messages, each followed by "|", then all pointers. */
static const struct {
	const char *value, *says, *pointers;
} values[] = {
	{ "{\"host\":\"x\"}", "", "" },
	{ "{\"host\":\"x\",\"port\":65535,\"ratio\":0.5,\"mode\":\"b\",\"on\":true,"
	  "\"list\":[{\"n\":1},{}],\"any\":{\"whatever\":[1]}}",
	  "", "" },
	{ "{\"host\":\"x\",\"ratio\":1}", "", "" },
	{ "{}", "o: \"host\" is missing|", "|" },
	{ "[]", "o: must be a map, is []|", "|" },
	{ "{\"host\":null}", "o.host: must be a string, is null|", "/host|" },
	{ "{\"host\":\"x\",\"port\":\"80\"}", "o.port: must be an integer, is \"80\"|", "/port|" },
	{ "{\"host\":\"x\",\"port\":0}", "o.port: 0 is less than the minimum 1|", "/port|" },
	{ "{\"host\":\"x\",\"port\":70000}", "o.port: 70000 is more than the maximum 65535|",
	  "/port|" },
	{ "{\"host\":\"x\",\"port\":1.5}", "o.port: must be an integer, is 1.5|", "/port|" },
	{ "{\"host\":\"x\",\"mode\":\"c\"}", "o.mode: \"c\" is not one of \"a\", \"b\"|",
	  "/mode|" },
	{ "{\"host\":\"x\",\"on\":1}", "o.on: must be true or false, is 1|", "/on|" },
	{ "{\"host\":\"x\",\"prot\":1}", "o.prot: unknown option; did you mean \"port\"?|",
	  "/prot|" },
	{ "{\"host\":\"x\",\"zzzzzz\":1}", "o.zzzzzz: unknown option|", "/zzzzzz|" },
	{ "{\"host\":\"x\",\"list\":[{\"n\":1},{\"n\":\"y\"}]}",
	  "o.list[1].n: must be an integer, is \"y\"|", "/list/1/n|" },
	{ "{\"host\":1,\"port\":0}",
	  "o.host: must be a string, is 1|o.port: 0 is less than the minimum 1|", "/host|/port|" },
	{ "{\"host\":\"x\",\"a/b~c\":1}", "o.a/b~c: unknown option|", "/a~1b~0c|" },
};

static void collect(void *data, const char *pointer, const char *message)
{
	(void)message;
	strbuf_addf(data, "%s|", pointer);
}

START_TEST(check_values)
{
	_cleanup_(json_putp) struct json_object *schema = parse(schema_text);
	_cleanup_(json_putp) struct json_object *value = parse(values[_i].value);
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(strbuf_finish) struct strbuf pointers = STRBUF_INIT;
	_cleanup_(strbuf_finish) struct strbuf says = STRBUF_INIT;
	int r;

	ck_assert_int_eq(schema_validate(schema, "s", NULL), 0);
	r = schema_check(schema, value, "o", collect, &pointers, &err);
	ck_assert_int_eq(r, values[_i].says[0] != '\0' ? -ERR_INVALID : 0);
	for (const struct holos_error *e = err; e != NULL; e = e->next)
		strbuf_addf(&says, "%s|", e->message);
	ck_assert_str_eq(says.len != 0 ? says.s : "", values[_i].says);
	ck_assert_str_eq(pointers.len != 0 ? pointers.s : "", values[_i].pointers);
}
END_TEST

START_TEST(no_schema)
{
	_cleanup_(json_putp) struct json_object *none = parse("{}");
	_cleanup_(json_putp) struct json_object *one = parse("{\"x\":1}");
	_cleanup_(error_destroyp) struct holos_error *err = NULL;

	ck_assert_int_eq(schema_check(NULL, none, "o", NULL, NULL, &err), 0);
	ck_assert_int_eq(schema_check(NULL, one, "o", NULL, NULL, &err), -ERR_INVALID);
	ck_assert_str_eq(err->message, "o.x: unknown option: this plugin takes none");
	ck_assert_int_eq(schema_check(NULL, one, "o", NULL, NULL, NULL), -ERR_INVALID);
}
END_TEST

START_TEST(at_most_20_faults)
{
	_cleanup_(json_putp) struct json_object *schema = parse(schema_text);
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	_cleanup_(json_putp) struct json_object *value = NULL;
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	unsigned n = 0;

	strbuf_adds(&text, "{\"host\":\"x\"");
	for (int i = 0; i < 50; i++)
		strbuf_addf(&text, ",\"zzzzz%d\":1", i);
	strbuf_adds(&text, "}");
	value = parse(text.s);
	ck_assert_int_lt(schema_check(schema, value, "o", NULL, NULL, &err), 0);
	for (const struct holos_error *e = err; e != NULL; e = e->next) {
		n++;
		if (e->next == NULL)
			ck_assert_str_eq(e->message, "o: and 30 more");
	}
	ck_assert_uint_eq(n, 21);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schema");
	TCase *tc = tcase_create("schema");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, validate, 0, sizeof(schemas) / sizeof(schemas[0]));
	tcase_add_loop_test(tc, check_values, 0, sizeof(values) / sizeof(values[0]));
	tcase_add_test(tc, no_schema);
	tcase_add_test(tc, at_most_20_faults);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
