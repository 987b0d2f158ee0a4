/* SPDX-License-Identifier: Apache-2.0
 *
 * test_yaml.c - whatever the writer writes, libyaml reads back byte for byte,
 * and plain scalars are never anything but strings.
 */
#include "yamlout.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static const char *const nasty[] = {
	"",
	" ",
	"  ",
	"\n",
	"\n\n",
	" \n",
	"\n ",
	"\t",
	"\t\n",
	"\n\t",
	"a",
	"a ",
	" a",
	"\ta",
	"a\t",
	"a\n",
	"a\n\n",
	"a\n\n\n",
	"\na",
	"\n\na\n",
	" a\n",
	"  a\nb\n",
	"\ta\n",
	"a\n b\n  c\n",
	"a\n\tb\n",
	"a \nb \n",
	"a\n \nb",
	"a\n   ",
	"a\n   \n",
	"a\n\t\n",
	"   \na\n",
	"\n   a\n",
	"a\r\nb\r\n",
	"\r",
	"a\rb",
	"a\n\rb\n",
	"yes",
	"no",
	"Yes",
	"ON",
	"off",
	"true",
	"FALSE",
	"null",
	"Null",
	"~",
	"y",
	"N",
	"yesterday",
	"0",
	"00",
	"0644",
	"0o17",
	"0x1f",
	"1_000",
	"1e3",
	"1.5",
	".5",
	".inf",
	".NaN",
	"-1",
	"+1",
	"-",
	"--",
	"---",
	"...",
	"--- a",
	"---\n",
	"...\na\n",
	"22:22",
	"1:30:45",
	"2001-01-01",
	"2001-12-14t21:59:43.10-05:00",
	"52:54:00:00:00:01",
	"10.10.0.2/24",
	"::1",
	"a:",
	"a: b",
	": a",
	":",
	"a:b",
	"a #b",
	"#a",
	"a#b",
	"# comment\n",
	"?",
	"? a",
	"- a",
	"-a",
	"[",
	"]",
	"[a]",
	"{",
	"}",
	"{a: b}",
	",",
	"a,b",
	"&a",
	"*a",
	"!a",
	"!!str a",
	"|",
	"|a",
	"|\na",
	">",
	">-",
	"%a",
	"%YAML 1.1",
	"@a",
	"`a`",
	"'",
	"''",
	"'a'",
	"a'b",
	"\"",
	"\"a\"",
	"a\"b",
	"\\",
	"\\n",
	"a\\",
	"\\\\",
	"a'b\"c\\d",
	"<<",
	"=",
	"<<: *a",
	"$HOME",
	"${HOME}",
	"$(id)",
	"a b c",
	"a  b",
	"key: 'value' # c",
	"#!/bin/sh\nset -e\necho \"$1\"\n",
	"#cloud-config\nruncmd:\n- a\n",
	"\x01",
	"\x1b[0m",
	"a\x07"
	"b",
	"\x7f",
	"a\x08\nb",
	"\xc2\x80",
	"\xc2\x85",
	"a\xc2\x85"
	"b",
	"\xc2\x9f",
	"\xc2\xa0",
	"a\xc2\xa0"
	"b",
	"\xe2\x80\xa8",
	"a\xe2\x80\xa9"
	"b\n",
	"\xef\xbb\xbf",
	"a\xef\xbb\xbf"
	"b",
	"\xef\xbf\xbe",
	"\xef\xbf\xbf",
	"\xef\xbf\xbd",
	"\xf0\x9f\x98\x80",
	"\xf4\x8f\xbf\xbf",
	"\xc3\xa4\xc3\xb6\xc3\xbc",
	"gr\xc3\xbc\xc3\x9f\n",
	"\xe6\x97\xa5\xe6\x9c\xac\n\xe8\xaa\x9e\n",
	"a\xf0\x9f\x98\x80\n  b\n",
	"ssh-ed25519 AAAA+/= me@host",
	"ALL=(ALL) NOPASSWD:ALL",
	"/usr/bin/x",
	"/a b",
	"a/b",
	"./a",
	"../a",
	"~/a",
	"web-0",
	"Web_0.x",
	"e3",
	"a+b",
	"a@b",
	"a.b.c",
	"no-op",
	"n0",
	"x: |\n  y\n",
	"- a\n- b\n",
	"a\n---\nb\n",
	"a\n...\nb\n",
	"  - x\n  - y\n",
	"\n\n  x\n\n",
	"x\n\n\ny\n",
	"'\n'",
	"\"\n\"",
	"a: b\nc: d",
	"{{ x }}\n",
	"%\n%\n",
	"tab\there",
	"tab\there\n",
	"\ttab\n\ttab\n",
	" \ta\n",
	"\t a\n",
	"a\n \t\n",
	"a\n\t \nb\n",
	"#\n#\n",
	"\n#\n",
	" #\n",
	"|\n",
	"|2\n  a\n",
	">\n a\n",
	"a\\\nb",
	"a\\nb\n",
	"end with spaces   ",
	"   \t   ",
	"mixed\n  \xc3\xa9 trailing  \n\n  deeper\n",
	"\xc2\xa0\n",
	"\n\xc2\xa0",
	"a\xc2\x85\nb\n",
	"-----BEGIN X-----\nAB==\n-----END X-----\n",
};

#define N_NASTY (sizeof(nasty) / sizeof(nasty[0]))
_Static_assert(N_NASTY >= 200, "a corpus of 200");

/* Every scalar value of the document, in order; keys are left out by the
 * caller's knowledge of the form. */
struct scalars {
	char *text[64];
	size_t len[64];
	bool plain[64];
	size_t n;
};

static void read_scalars(const struct ci_buf *b, struct scalars *ret)
{
	yaml_parser_t p;
	yaml_event_t e;
	bool end = false;

	memset(ret, 0, sizeof(*ret));
	ck_assert(yaml_parser_initialize(&p));
	yaml_parser_set_input_string(&p, (const unsigned char *)b->s, b->len);
	while (!end) {
		ck_assert_msg(yaml_parser_parse(&p, &e), "%s at line %zu of:\n%s", p.problem,
			      p.problem_mark.line + 1, b->s);
		if (e.type == YAML_SCALAR_EVENT) {
			ck_assert_uint_lt(ret->n, 64);
			ret->len[ret->n] = e.data.scalar.length;
			ret->plain[ret->n] = e.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
			ret->text[ret->n++] =
				strndup((const char *)e.data.scalar.value, e.data.scalar.length);
		}
		end = e.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&p);
}

static void free_scalars(struct scalars *sc)
{
	for (size_t i = 0; i < sc->n; i++)
		free(sc->text[i]);
}

static void same(const struct scalars *sc, size_t i, const char *want, const struct ci_buf *b)
{
	ck_assert_msg(sc->len[i] == strlen(want) && strcmp(sc->text[i], want) == 0,
		      "scalar %zu is \"%s\", not \"%s\", in:\n%s", i, sc->text[i], want, b->s);
	if (sc->plain[i]) {
		ck_assert_msg(
			strspn(want, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/") > 0,
			"\"%s\" is plain", want);
	}
}

/* A string in every place that the writer has, with something after it. */
static void round_trip(const char *s)
{
	struct ci_buf b = CI_BUF_INIT(1 << 20);
	struct ci_yaml y = CI_YAML_INIT(&b);
	struct scalars sc;
	static const size_t at[] = { 1, 4, 5, 7, 8, 10, 11, 12, 13, 15 };

	ci_yaml_str(&y, "k", s); /* 0 1 */
	ci_yaml_begin(&y, "m");  /* 2 */
	ci_yaml_begin(&y, "l");  /* 3 */
	ci_yaml_item(&y, s);     /* 4 */
	ci_yaml_item(&y, s);     /* 5 */
	ci_yaml_item_map(&y);
	ci_yaml_str(&y, "a", s); /* 6 7 */
	ci_yaml_end(&y);
	ci_yaml_item(&y, s); /* 8 */
	ci_yaml_end(&y);
	ci_yaml_str(&y, "b", s); /* 9 10 */
	ci_yaml_end(&y);
	ci_yaml_begin(&y, "r"); /* 11: rewritten below */
	ci_yaml_item_list(&y);
	ci_yaml_item_list_add(&y, s); /* 12 */
	ci_yaml_item_list_add(&y, s); /* 13 */
	ci_yaml_item_list_end(&y);
	ci_yaml_end(&y);
	ci_yaml_str(&y, "z", s); /* 14 15 */
	ck_assert_int_eq(b.status, HOLOS_OK);
	read_scalars(&b, &sc);
	ck_assert_uint_eq(sc.n, 16);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		if (at[i] != 11)
			same(&sc, at[i], s, &b);
	}
	ck_assert_str_eq(sc.text[11], "r");
	free_scalars(&sc);
	ci_buf_finish(&b);
}

START_TEST(nasty_strings)
{
	ck_assert(ci_yaml_is_utf8(nasty[_i]));
	round_trip(nasty[_i]);
}
END_TEST

/* Random texts over an alphabet of trouble, always the same ones. */
START_TEST(random_strings)
{
	static const char *const atoms[] = { " ",        "\n",
					     "\t",       "a",
					     "-",        ":",
					     "#",        "'",
					     "\"",       "\\",
					     "|",        "\r",
					     "\xc2\x85", "\xe2\x80\xa8",
					     "\xc3\xa9", "0",
					     "?",        "[",
					     ",",        "%",
					     "\x02",     "\xf0\x9f\x98\x80",
					     "  ",       "\n\n" };
	unsigned seed = 4711u + (unsigned)_i;

	for (int k = 0; k < 200; k++) {
		char s[256] = "";
		unsigned n = (seed = seed * 1103515245u + 12345u) / 65536u % 24u;

		for (unsigned i = 0; i < n; i++) {
			seed = seed * 1103515245u + 12345u;
			strcat(s, atoms[seed / 65536u % (sizeof(atoms) / sizeof(atoms[0]))]);
		}
		round_trip(s);
	}
}
END_TEST

START_TEST(style)
{
	struct ci_buf b = CI_BUF_INIT(4096);
	struct ci_yaml y = CI_YAML_INIT(&b);

	ci_yaml_str(&y, "hostname", "web-0");
	ci_yaml_bool(&y, "flag", true);
	ci_yaml_int(&y, "mtu", 1500);
	ci_yaml_begin(&y, "users");
	ci_yaml_item_map(&y);
	ci_yaml_str(&y, "name", "debian");
	ci_yaml_str(&y, "sudo", "ALL=(ALL) NOPASSWD:ALL");
	ci_yaml_begin(&y, "keys");
	ci_yaml_item(&y, "it's");
	ci_yaml_end(&y);
	ci_yaml_end(&y);
	ci_yaml_end(&y);
	ci_yaml_empty_map(&y, "none");
	ci_yaml_begin(&y, "runcmd");
	ci_yaml_item(&y, "set -e\nid\n");
	ci_yaml_item_list(&y);
	ci_yaml_item_list_add(&y, "echo");
	ci_yaml_item_list_add(&y, "a, b");
	ci_yaml_item_list_end(&y);
	ci_yaml_end(&y);
	ck_assert_str_eq(b.s, "hostname: web-0\n"
			      "flag: true\n"
			      "mtu: 1500\n"
			      "users:\n"
			      "  - name: debian\n"
			      "    sudo: 'ALL=(ALL) NOPASSWD:ALL'\n"
			      "    keys:\n"
			      "      - 'it''s'\n"
			      "none: {}\n"
			      "runcmd:\n"
			      "  - |\n"
			      "    set -e\n"
			      "    id\n"
			      "  - [echo, 'a, b']\n");
	ci_buf_finish(&b);
}
END_TEST

START_TEST(utf8)
{
	static const char *const bad[] = { "\x80",
					   "a\xc3",
					   "\xc0\x80",
					   "\xc1\xbf",
					   "\xe0\x80\x80",
					   "\xed\xa0\x80",
					   "\xf0\x80\x80\x80",
					   "\xf4\x90\x80\x80",
					   "\xf8\x88\x80\x80\x80",
					   "\xff",
					   "\xe2\x80",
					   "\xf0\x9f\x98",
					   "a\xe2(\xa1" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!ci_yaml_is_utf8(bad[i]), "%zu", i);
}
END_TEST

START_TEST(bounds)
{
	struct ci_buf b = CI_BUF_INIT(8);

	ci_buf_adds(&b, "12345678");
	ck_assert_int_eq(b.status, HOLOS_OK);
	ci_buf_addc(&b, '9');
	ck_assert_int_eq(b.status, HOLOS_E_CONFIG);
	ck_assert_str_eq(b.s, "12345678");
	ci_buf_finish(&b);
	b = (struct ci_buf)CI_BUF_INIT(64);
	ci_buf_add_quoted(&b, "it's '$x'");
	ck_assert_str_eq(b.s, "'it'\\''s '\\''$x'\\'''");
	ci_buf_finish(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("provision-yaml");
	TCase *c = tcase_create("yaml");
	SRunner *r;
	int failed;

	tcase_add_loop_test(c, nasty_strings, 0, (int)N_NASTY);
	tcase_add_loop_test(c, random_strings, 0, 20);
	tcase_add_test(c, style);
	tcase_add_test(c, utf8);
	tcase_add_test(c, bounds);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
