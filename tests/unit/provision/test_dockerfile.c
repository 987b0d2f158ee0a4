/* SPDX-License-Identifier: Apache-2.0
 *
 * test_dockerfile.c - the Dockerfile language, table by table: lines, words,
 * variables, patterns, what is refused, what the script says.  Expected results
 * are those of the Dockerfile reference (BuildKit).
 */
#include "context.h"
#include "translate.h"

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct df_pool pool;
static char dir[PATH_MAX];

static void setup(void)
{
	pool = (struct df_pool){ 0 };
}

static void teardown(void)
{
	df_pool_finish(&pool);
}

/* ---- lines ------------------------------------------------------------------------ */

static const struct {
	const char *text;
	const char *printed; /* without the first line, the escape; or the error */
} parses[] = {
	{ "FROM a\nRUN b\n", "FROM a\nRUN b\n" },
	{ "from a\n  rUn\tb  \n", "FROM a\nRUN b\n" },
	{ "\xef\xbb\xbf"
	  "FROM a\r\nRUN b\r\n",
	  "FROM a\nRUN b\n" },
	{ "# comment\n\n \t\nRUN a # b\n", "RUN a # b\n" },
	{ "RUN a \\\n  b\\\nc\n", "RUN a   bc\n" },
	{ "RUN a \\\n# gone\n\n  # too\n  b\nRUN c", "RUN a   b\nRUN c\n" },
	{ "RUN a \\  \n b\n", "RUN a  b\n" },
	{ "RUN a\\\\\nRUN b\n", "RUN a\\\\\nRUN b\n" }, /* escaped escape: no continuation */
	{ "RUN a \\", "RUN a\n" },
	{ "# escape=`\nRUN a `\n b\\\nRUN c\n", "RUN a  b\\\nRUN c\n" },
	{ "#syntax=docker/dockerfile:1\n# Escape = `\nRUN a `\n b\n", "RUN a  b\n" },
	{ "# note\n# escape=`\nRUN a \\\n b\n", "RUN a  b\n" },
	{ "RUN a\n# escape=`\nRUN b \\\n c\n", "RUN a\nRUN b  c\n" },
	{ "# escape=x\nRUN a\n", "1: escape=x: the escape character is ` or \\" },
	{ "RUN --mount=type=cache,target=/x --network=default a b\n",
	  "RUN --mount=type=cache,target=/x --network=default a b\n" },
	{ "COPY --chown=a:b --link -- --x y\n", "COPY --chown=a:b --link -- --x y\n" },
	{ "ENV --x=y\n", "ENV --x=y\n" },
	{ "RUN <<EOF\na\n b\nEOF\nRUN c\n", "RUN <<EOF\na\n b\nEOF\nRUN c\n" },
	{ "RUN <<-EOF\n\ta\n\t\tb\n\tEOF\n", "RUN <<-EOF\na\nb\nEOF\n" },
	{ "RUN cat <<A 3<<\"B C\" >x\na\nA\nb\nB C\n",
	  "RUN cat <<A 3<<\"B C\" >x\na\nA\nb\nB C\n" },
	{ "RUN cat '<<EOF'\nRUN b\n", "RUN cat '<<EOF'\nRUN b\n" },
	{ "RUN echo $((1<<2))\n", "RUN echo $((1<<2))\n" },
	{ "RUN cat <<<x\n", "RUN cat <<<x\n" },
	{ "COPY <<EOF /x\n# kept\n\nRUN kept \\\nEOF\n",
	  "COPY <<EOF /x\n# kept\n\nRUN kept \\\nEOF\n" },
	{ "RUN <<EOF\na\n", "1: the heredoc \"EOF\" has no end: a line with this word" },
	{ "ENV a=<<EOF\n", "ENV a=<<EOF\n" },
	{ "\n\nFORM a\n", "3: unknown instruction \"FORM\"" },
	{ "RUN\n", "1: RUN needs an argument" },
	{ "CMD\n", "CMD \n" },
	{ "", "" },
};

START_TEST(parse)
{
	struct df_file f, again;
	const char *printed, *second, *first;

	if (!df_parse(&pool, parses[_i].text, strlen(parses[_i].text), &f)) {
		ck_assert_str_eq(df_printf(&pool, "%u: %s", pool.line, pool.message),
				 parses[_i].printed);
		return;
	}
	printed = df_print(&pool, &f);
	first = strchr(printed, '\n') + 1;
	ck_assert_str_eq(first, parses[_i].printed);
	ck_assert_msg(df_parse(&pool, printed, strlen(printed), &again), "%s", pool.message);
	second = df_print(&pool, &again);
	ck_assert_str_eq(printed, second);
}
END_TEST

static const struct {
	const char *text, *words; /* joined by |; NULL: no exec form */
} forms[] = {
	{ "RUN [\"a\", \"b c\", \"\"]", "a|b c||" },
	{ "RUN [\"a\\u00e9\\n\"]", "a\xc3\xa9\n|" },
	{ "RUN [ ]", "" },
	{ "RUN ['a']", NULL }, /* JSON takes double quotes alone */
	{ "RUN [\"a\"] b", NULL },
	{ "RUN [\"a\", 1]", NULL },
	{ "RUN [\"a\",]", NULL },
	{ "RUN [ -f x ] && y", NULL },
	{ "RUN [\"a\\u0000b\"]", NULL },
	{ "ENV [\"a\"]", NULL },
};

START_TEST(exec_form)
{
	struct df_text t = DF_TEXT(&pool);
	struct df_file f;

	ck_assert(df_parse(&pool, forms[_i].text, strlen(forms[_i].text), &f));
	ck_assert_int_eq(f.instrs[0].words != NULL, forms[_i].words != NULL);
	for (size_t i = 0; i < f.instrs[0].n_words; i++)
		df_addf(&t, "%s|", f.instrs[0].words[i]);
	if (forms[_i].words != NULL)
		ck_assert_str_eq(df_str(&t), forms[_i].words);
}
END_TEST

/* ---- variables ------------------------------------------------------------------------ */

static const struct {
	const char *word, *value; /* value "!...": the error */
} words[] = {
	{ "", "" },
	{ "a b", "a b" },
	{ "$V", "value" },
	{ "${V}", "value" },
	{ "$V/x$V-y", "value/xvalue-y" },
	{ "$Vx", "" },
	{ "${V}x", "valuex" },
	{ "$NO", "" },
	{ "\\$V", "$V" },
	{ "\\\\$V", "\\value" },
	{ "'$V'", "$V" },
	{ "\"$V\"", "value" },
	{ "\"'$V'\"", "'value'" },
	{ "'a'\"b\"c", "abc" },
	{ "\"a\\\"b\"", "a\"b" },
	{ "\"a\\nb\"", "a\\nb" },
	{ "\"\\$V\"", "$V" },
	{ "a\\ b", "a b" },
	{ "'a\\'", "a\\" },
	{ "$", "$" },
	{ "a$", "a$" },
	{ "$/", "$/" },
	{ "a\\", "a" },
	{ "${V:-d}", "value" },
	{ "${NO:-d}", "d" },
	{ "${NO-d}", "d" },
	{ "${EMPTY:-d}", "d" },
	{ "${EMPTY-d}", "" },
	{ "${V:+a}", "a" },
	{ "${NO:+a}", "" },
	{ "${EMPTY:+a}", "" },
	{ "${EMPTY+a}", "a" },
	{ "${NO:-$V}", "value" },
	{ "${NO:-${NO:-${V}}}", "value" },
	{ "${NO:-a b}", "a b" },
	{ "${NO:-\"a}b\"}", "a}b" },
	{ "${NO:-'$V'}", "$V" },
	{ "${NO:-\\}}", "}" },
	{ "${V:?needed}", "value" },
	{ "${NO:?is needed}", "!NO: is needed" },
	{ "${EMPTY?x}", "" },
	{ "${NO?}", "!NO: is not set, and is needed" },
	{ "${PATHS#*/}", "usr/bin:/bin" },
	{ "${PATHS##*/}", "bin" },
	{ "${PATHS%/*}", "/usr/bin:" },
	{ "${PATHS%%/bin*}", "/usr" },
	{ "${PATHS#x}", "/usr/bin:/bin" },
	{ "${V#v?l}", "ue" },
	{ "${V%\\*}", "value" },
	{ "${PATHS/bin/sbin}", "/usr/sbin:/bin" },
	{ "${PATHS//bin/sbin}", "/usr/sbin:/sbin" },
	{ "${PATHS//\\//-}", "-usr-bin:-bin" },
	{ "${PATHS/bin}", "/usr/:/bin" },
	{ "${V/a*/A}", "vA" },
	{ "${}", "!${}: bad substitution" },
	{ "${V", "!${V: a } is missing" },
	{ "${V:-x", "!${V:-x: a } is missing" },
	{ "${V:x}", "!${V:x}: only - + and ? may follow a : in ${...}" },
	{ "${V!}", "!${V!}: unknown operator in ${...}" },
	{ "'a", "!'a: a ' is missing" },
	{ "\"a", "!\"a: a \" is missing" },
};

START_TEST(expand)
{
	struct df_pair list[] = { { "V", "value" }, { "EMPTY", "" }, { "PATHS", "/usr/bin:/bin" } };
	const struct df_pairs env = { list, 3 };
	const char *value = df_expand(&pool, 7, words[_i].word, '\\', &env);

	if (words[_i].value[0] == '!') {
		ck_assert_ptr_null(value);
		ck_assert_str_eq(pool.message, words[_i].value + 1);
		ck_assert_uint_eq(pool.line, 7);
		return;
	}
	ck_assert_msg(value != NULL, "%s", pool.message);
	ck_assert_str_eq(value, words[_i].value);
}
END_TEST

/* A value that doubles with each line comes to an end. */
START_TEST(expansion_is_bounded)
{
	struct df_pairs env = { 0 };
	const char *value = "0123456789abcdef";

	for (int i = 0; i < 40 && value != NULL; i++) {
		df_set(&pool, &env, "A", value);
		value = df_expand(&pool, 1, "$A$A", '\\', &env);
	}
	ck_assert_ptr_null(value);
	ck_assert_msg(strstr(pool.message, "64 KiB") != NULL, "%s", pool.message);
}
END_TEST

static const struct {
	const char *text, *pairs; /* "!...": the error */
} pairs[] = {
	{ "ENV a=b", "a=b;" },
	{ "ENV a=b c=\"d e\" f=g\\ h", "a=b;c=\"d e\";f=g\\ h;" },
	{ "ENV a b c=d", "a=b c=d;" },
	{ "ENV a   b", "a=b;" },
	{ "ENV a=", "a=;" },
	{ "ENV a", "!ENV a: a value is missing: NAME=VALUE" },
	{ "ENV a=b c", "!ENV: no = in \"c\": NAME=VALUE" },
	{ "ENV 1a=b",
	  "!ENV 1a: a variable's name is letters, digits and _, and begins with no digit" },
	{ "ENV a;b=c",
	  "!ENV a;b: a variable's name is letters, digits and _, and begins with no digit" },
	{ "ARG a", "a;" },
	{ "ARG a=1 b", "a=1;b;" },
	{ "LABEL a.b-c=d \"e f\"=g", "a.b-c=d;\"e f\"=g;" },
};

START_TEST(name_values)
{
	struct df_text t = DF_TEXT(&pool);
	struct df_pairs got;
	struct df_file f;

	ck_assert(df_parse(&pool, pairs[_i].text, strlen(pairs[_i].text), &f));
	if (!df_split_pairs(&pool, &f.instrs[0], '\\', &got)) {
		ck_assert_str_eq(pool.message, pairs[_i].pairs + 1);
		return;
	}
	for (size_t i = 0; i < got.n; i++)
		df_addf(&t, "%s%s%s;", got.list[i].name, got.list[i].value != NULL ? "=" : "",
			got.list[i].value != NULL ? got.list[i].value : "");
	ck_assert_str_eq(df_str(&t), pairs[_i].pairs);
}
END_TEST

/* ---- patterns ------------------------------------------------------------------------ */

static const struct {
	const char *pattern, *path;
	bool matches;
} patterns[] = {
	{ "a", "a", true },
	{ "a", "b", false },
	{ "*", "abc", true },
	{ "*", "a/b", false },
	{ "*.c", "x.c", true },
	{ "*.c", ".c", true },
	{ "a?c", "abc", true },
	{ "a?c", "a/c", false },
	{ "[a-c]x", "bx", true },
	{ "[^a-c]x", "bx", false },
	{ "[^a-c]x", "dx", true },
	{ "[\\]]x", "]x", true },
	{ "\\*", "*", true },
	{ "\\*", "a", false },
	{ "**", "a/b/c", true },
	{ "**/c", "c", true },
	{ "**/c", "a/b/c", true },
	{ "**/c", "a/bc", false },
	{ "a/**", "a/b/c", true },
	{ "a/**/c", "a/c", true },
	{ "a/**/c", "a/x/y/c", true },
	{ "a/**/c", "ab/c", false },
	{ "*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	{ "", "", true },
};

START_TEST(pattern)
{
	const struct df_pattern *p = df_pattern(&pool, patterns[_i].pattern);

	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(df_pattern_matches(p, patterns[_i].path), patterns[_i].matches);
}
END_TEST

START_TEST(bad_patterns)
{
	static const char *const bad[] = { "[", "[a", "[]", "[a-", "a\\", "[^" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(df_pattern(&pool, bad[i]) == NULL, "%s", bad[i]);
}
END_TEST

static const struct {
	const char *rules, *path;
	bool ignored;
} ignores[] = {
	{ "a\n", "a", true },
	{ "a\n", "a/b", true },
	{ "a\n", "b/a", false },
	{ "**/a\n", "b/a/c", true },
	{ "/a/\n", "a", true },
	{ "./a\n", "a", true },
	{ "b/../a\n", "a", true },
	{ "# a\na b\n", "a", false },
	{ " a \r\n", "a", true },
	{ "*\n!a\n", "a", false },
	{ "*\n!a\n", "b", true },
	{ "*\n!a/b\n", "a/b", false },
	{ "*\n!a/b\n", "a/c", true },
	{ "!a\n*\n", "a", true },
	{ "*.md\n!README*.md\nREADME-secret.md\n", "README-secret.md", true },
	{ "*.md\n!README*.md\nREADME-secret.md\n", "README.md", false },
	{ "", "a", false },
};

START_TEST(ignore)
{
	struct df_ignore ig;

	ck_assert(df_ignore_parse(&pool, ignores[_i].rules, &ig));
	ck_assert_int_eq(df_ignored(&ig, ignores[_i].path), ignores[_i].ignored);
}
END_TEST

/* ---- translation ------------------------------------------------------------------------- */

static void make(const char *name, const char *text, mode_t mode)
{
	const char *path = df_printf(&pool, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void setup_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	setup();
	snprintf(dir, sizeof(dir), "%s/holos-df-XXXXXX", tmp != NULL ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(mkdir(df_printf(&pool, "%s/tree", dir), 0755), 0);
	ck_assert_int_eq(mkdir(df_printf(&pool, "%s/tree/sub", dir), 0711), 0);
	make("a.txt", "a", 0644);
	make("b.txt", "b", 0640);
	make("run.sh", "#!", 0755);
	make("tree/x", "x", 0600);
	make("tree/sub/y", "y", 04755);
	ck_assert_int_eq(symlink("../a.txt", df_printf(&pool, "%s/tree/link", dir)), 0);
	ck_assert_int_eq(symlink("/etc", df_printf(&pool, "%s/out", dir)), 0);
	ck_assert_int_eq(symlink("tree/x", df_printf(&pool, "%s/in", dir)), 0);
	ck_assert_int_eq(mkfifo(df_printf(&pool, "%s/pipe", dir), 0600), 0);
}

static void teardown_dir(void)
{
	ck_assert_int_eq(system(df_printf(&pool, "rm -rf '%s'", dir)), 0);
	teardown();
}

static struct json_object *translate(const char *text, bool service)
{
	const struct df_options options = { .service = service };
	struct json_object *steps = NULL;

	if (!df_translate(&pool, df_printf(&pool, "%s/Dockerfile", dir), text, strlen(text),
			  &options, &steps))
		return NULL;
	return steps;
}

/* The file of that name in the steps. */
static const char *file_of(struct json_object *steps, const char *name)
{
	struct json_object *files = json_object_object_get(steps, "files");

	for (size_t i = 0; i < json_object_array_length(files); i++) {
		struct json_object *o = json_object_array_get_idx(files, i);
		const char *path = json_object_get_string(json_object_object_get(o, "path"));

		if (strcmp(strrchr(path, '/') + 1, name) == 0)
			return json_object_get_string(json_object_object_get(o, "content"));
	}
	return "";
}

/* What the Dockerfile itself says: behind the functions. */
static const char *body_of(struct json_object *steps)
{
	const char *script = file_of(steps, "build.sh");
	const char *end = strstr(script, "OpenRC to run it as a service'\n\tfi\n}\n");

	ck_assert_ptr_nonnull(end);
	return strstr(end, "}\n") + 2;
}

static const struct {
	const char *text, *body;
} scripts[] = {
	{ "FROM a\nRUN echo 'hi'\n", "at\nrun 'exec '\\''/bin/sh'\\'' '\\''-c'\\'' '\\''echo "
				     "'\\''\\'\\'''\\''hi'\\''\\'\\'''\\'''\\'''\n" },
	{ "RUN [\"a\", \"$x\"]\n", "at\nrun 'exec '\\''a'\\'' '\\''$x'\\'''\n" },
	{ "SHELL [\"/bin/bash\", \"-ec\"]\nRUN a\n",
	  "at\nrun 'exec '\\''/bin/bash'\\'' '\\''-ec'\\'' '\\''a'\\'''\n" },
	{ "RUN <<EOF\na $b\nEOF\n",
	  "at\nrun 'exec '\\''/bin/sh'\\'' '\\''-c'\\'' '\\''a $b\n'\\'''\n" },
	{ "RUN <<EOF\n#!/bin/awk -f\nx\nEOF\n", "at\nrun_script '#!/bin/awk -f\nx\n'\n" },
	{ "RUN cat <<EOF >y\nx\nEOF\n",
	  "at\nrun 'exec '\\''/bin/sh'\\'' '\\''-c'\\'' '\\''cat <<EOF >y\nx\nEOF'\\'''\n" },
	{ "RUN --mount=type=cache,target=/var/cache/apt a\n",
	  "at\nrun 'exec '\\''/bin/sh'\\'' '\\''-c'\\'' '\\''a'\\'''\n" },
	{ "ENV A=1 B=$A\nENV B=$A\n", "export A='1'\nexport B=''\nexport B='1'\n" },
	{ "ENV PATH=/x:$PATH\n",
	  "export PATH='/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'\n" },
	{ "ARG V=1\nFROM a\nARG V\nARG W=$V$V\nENV X=$W\n",
	  "export V='1'\nexport W='11'\nexport X='11'\n" },
	{ "ARG V=1\nFROM a\nENV X=$V\n", "export X=''\n" },
	{ "ENV A=env\nARG A=arg\nENV B=$A\n", "export A='env'\nexport B='env'\n" },
	{ "WORKDIR /a\nWORKDIR b/../c\n", "at\nworkdir '/a'\nat\nworkdir '/a/c'\n" },
	{ "ENV D=/d\nWORKDIR $D/x\n", "export D='/d'\nat\nworkdir '/d/x'\n" },
	{ "USER me:us\nUSER root\nUSER 0\n", "user='me:us'\nuser=''\nuser=''\n" },
	{ "LABEL a=b\nMAINTAINER x\n", "" },
	{ "COPY a.txt /x/\n", "at\ncopy_into 0 '/x' ''\n" },
	{ "COPY a.txt /x\n", "at\ncopy_file 0 '/x' 'a.txt' ''\n" },
	{ "COPY --chown=me:us a.txt x\n", "at\ncopy_file 0 '/x' 'a.txt' 'me:us'\n" },
	{ "WORKDIR /w\nCOPY a.txt .\n", "at\nworkdir '/w'\nat\ncopy_into 0 '/w' ''\n" },
	{ "WORKDIR /w\nCOPY a.txt ./d\n", "at\nworkdir '/w'\nat\ncopy_file 0 '/w/d' 'a.txt' ''\n" },
	{ "COPY tree /x\n", "at\ncopy_into 0 '/x' ''\n" },
	{ "COPY *.txt /x/\nCOPY in /y\n",
	  "at\ncopy_into 0 '/x' ''\nat\ncopy_file 1 '/y' 'in' ''\n" },
	{ "COPY [\"a.txt\", \"/with blank\"]\n", "at\ncopy_file 0 '/with blank' 'a.txt' ''\n" },
	{ "FROM a AS one\nRUN x\nEXPOSE 1\nFROM b\nRUN [\"y\"]\n", "at\nrun 'exec '\\''y'\\'''\n" },
};

START_TEST(script)
{
	struct json_object *steps = translate(scripts[_i].text, false);

	ck_assert_msg(steps != NULL, "%u: %s", pool.line, pool.message);
	ck_assert_str_eq(body_of(steps), df_printf(&pool, "%ssay 'build ok'\n", scripts[_i].body));
	json_object_put(steps);
}
END_TEST

static const struct {
	const char *text, *error;
} refused[] = {
	{ "FROM a\nEXPOSE 80\n", "2: EXPOSE is not supported: the compose file forwards ports" },
	{ "VOLUME /x\n", "1: VOLUME is not supported: the compose file has the volumes" },
	{ "STOPSIGNAL 9\n", "1: STOPSIGNAL is not supported: a VM is powered down" },
	{ "ONBUILD RUN x\n", "1: ONBUILD is not supported: nothing is built on this image" },
	{ "CMD a\n", "1: CMD is not run by itself in a VM" },
	{ "ENTRYPOINT [\"a\"]\n", "1: ENTRYPOINT is not run by itself in a VM" },
	{ "FROM scratch\n", "1: FROM scratch: a VM needs an image that boots" },
	{ "FROM\n", "1: FROM needs an argument" },
	{ "FROM a b\n", "1: FROM a b: must be IMAGE or IMAGE AS NAME" },
	{ "FROM $X\n", "1: FROM $X: the image's name is empty" },
	{ "FROM a AS x\nFROM x\n",
	  "2: FROM x: the last stage needs another one, and only one is built" },
	{ "FROM a AS x\nFROM b\nCOPY --from=x /a /b\n",
	  "3: COPY --from=x: needs another stage or image, and only one is built" },
	{ "RUN --mount=type=secret,id=x a\n", "1: RUN --mount is there for type=cache alone" },
	{ "RUN --network=none a\n", "1: RUN --network is not supported" },
	{ "RUN []\n", "1: RUN []: a command is missing" },
	{ "SHELL bash\n", "1: SHELL bash: must be [\"shell\", \"option\"]" },
	{ "ENV A=it's\n", "1: it's: a ' is missing" },
	{ "USER a b\n", "1: USER a b: must be USER or USER:GROUP" },
	{ "WORKDIR $NO\n", "1: WORKDIR $NO: is empty" },
	{ "ADD https://example.org/x /x\n",
	  "1: ADD https://example.org/x: nothing is downloaded by the host" },
	{ "COPY a.txt\n", "1: COPY a.txt: needs a source and a target" },
	{ "COPY a.txt b.txt /x\n",
	  "1: COPY: 2 sources, so the target must be a directory and end with a /" },
	{ "COPY --chmod=u+x a.txt /x\n", "1: COPY --chmod=u+x: must be 3 or 4 octal digits" },
	{ "COPY --chown=a/b a.txt /x\n", "1: COPY --chown=a/b: must be USER or USER:GROUP" },
	{ "COPY --parents a.txt /x\n", "1: COPY --parents is not supported" },
	{ "COPY [z-a /x\n", "1: COPY [z-a: malformed pattern" },
	{ "COPY pipe /x\n", "1: COPY pipe: is no file and no directory" },
	{ "HEALTHCHECK x\n", "1: HEALTHCHECK x: must be NONE or CMD command" },
	{ "HEALTHCHECK --interval=5 CMD x\n",
	  "1: HEALTHCHECK --interval=5: must be a duration like 30s" },
	{ "HEALTHCHECK CMD\n", "1: HEALTHCHECK CMD needs a command" },
};

START_TEST(refuse)
{
	struct json_object *steps = translate(refused[_i].text, false);

	ck_assert_ptr_null(steps);
	ck_assert_str_eq(df_printf(&pool, "%u: %s", pool.line, pool.message), refused[_i].error);
}
END_TEST

/* Nothing outside the Dockerfile's directory is read. */
START_TEST(escapes)
{
	static const char *const sources[] = { "../x",      "tree/../../x", "out/passwd", "out",
					       "out/pass*", "./..",         "/../x" };
	const char *text = df_printf(&pool, "COPY %s /x/\n", sources[_i]);

	ck_assert_ptr_null(translate(text, false));
	ck_assert_msg(strstr(pool.message, "escapes the build context") != NULL, "%s",
		      pool.message);
}
END_TEST

/* A leading slash is the context's root. */
START_TEST(absolute_sources)
{
	struct json_object *with = translate("COPY /b.txt /x/\nCOPY //tree /y/\n", false);
	struct json_object *without = translate("COPY b.txt /x/\nCOPY tree /y/\n", false);

	ck_assert_ptr_nonnull(with);
	ck_assert_str_eq(json_object_to_json_string(json_object_object_get(with, "copies")),
			 json_object_to_json_string(json_object_object_get(without, "copies")));
	json_object_put(with);
	json_object_put(without);
	ck_assert_ptr_null(translate("COPY /etc/passwd /x\n", false));
	ck_assert_msg(strstr(pool.message, "no such file") != NULL, "%s", pool.message);
}
END_TEST

START_TEST(not_there)
{
	make(".dockerignore", "b.txt\ntree/sub\n", 0644);
	ck_assert_ptr_null(translate("COPY b.txt /x\n", false));
	ck_assert_msg(strstr(pool.message, "COPY b.txt: no such file in ") != NULL, "%s",
		      pool.message);
	ck_assert_str_eq(pool.hint, ".dockerignore leaves it out");
}
END_TEST

/* What a copy holds, as "type:path:from:mode:to". */
static const char *entries_of(struct json_object *steps, size_t tree)
{
	struct json_object *copies = json_object_object_get(steps, "copies");
	struct json_object *entries =
		json_object_object_get(json_object_array_get_idx(copies, tree), "entries");
	static const char *const keys[] = { "type", "path", "from", "mode", "to", "content" };
	struct df_text t = DF_TEXT(&pool);

	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		struct json_object *o = json_object_array_get_idx(entries, i), *v;

		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
			if (!json_object_object_get_ex(o, keys[k], &v))
				continue;
			if (strcmp(keys[k], "mode") == 0)
				df_addf(&t, "%o ", (unsigned)json_object_get_int(v));
			else
				df_addf(&t, "%s ", json_object_get_string(v));
		}
		df_addc(&t, '\n');
	}
	return df_str(&t);
}

static const struct {
	const char *text, *ignore, *entries;
} copies[] = {
	{ "COPY tree /x\n", "",
	  "link link ../a.txt \ndir sub 711 \nsub/y tree/sub/y 4755 \nx tree/x 600 \n" },
	{ "COPY tree /x\n", "**/y\ntree/x\n", "link link ../a.txt \ndir sub 711 \n" },
	{ "COPY tree /x\n", "tree/*\n!tree/sub/y\n", "sub/y tree/sub/y 4755 \n" },
	{ "COPY tree /x\n", "tree/sub\n", "link link ../a.txt \nx tree/x 600 \n" },
	{ "COPY tree/x /x\n", "", "x tree/x 600 \n" },
	{ "COPY --chmod=755 tree/x a.txt /x/\n", "", "x tree/x 755 \na.txt 755 \n" },
	{ "COPY ?.txt run.sh /x/\n", "", "a.txt 644 \nb.txt 640 \nrun.sh 755 \n" },
	{ "COPY t*/x /x\n", "", "x tree/x 600 \n" },
	{ "COPY in /x\n", "", "in tree/x 600 \n" },
	{ "COPY tree/link /x\n", "", "link a.txt 644 \n" }, /* a source is followed */
	{ "COPY <<A <<\"B\" /x/\n1 $PATH\nA\n$PATH\nB\n", "",
	  "A 644 1 /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n \nB 644 $PATH\n "
	  "\n" },
	{ "ARG N=a\nCOPY $N.txt /x\n", "", "a.txt 644 \n" },
};

START_TEST(copy)
{
	struct json_object *steps;

	make(".dockerignore", copies[_i].ignore, 0644);
	steps = translate(copies[_i].text, false);
	ck_assert_msg(steps != NULL, "%s", pool.message);
	ck_assert_str_eq(entries_of(steps, 0), copies[_i].entries);
	json_object_put(steps);
}
END_TEST

/* Dockerfile.dockerignore goes before .dockerignore. */
START_TEST(own_ignore)
{
	struct json_object *steps;

	make(".dockerignore", "a.txt\n", 0644);
	make("Dockerfile.dockerignore", "b.txt\n", 0644);
	steps = translate("COPY *.txt /x/\n", false);
	ck_assert_str_eq(entries_of(steps, 0), "a.txt 644 \n");
	json_object_put(steps);
}
END_TEST

static const struct {
	const char *text, *command; /* the script's last line; "": none */
} commands[] = {
	{ "CMD a b\n", "exec '/bin/sh' '-c' 'a b'\n" },
	{ "CMD [\"a\", \"b\"]\n", "exec 'a' 'b'\n" },
	{ "ENTRYPOINT [\"e\"]\nCMD [\"a\"]\n", "exec 'e' 'a'\n" },
	{ "ENTRYPOINT [\"e\"]\nCMD a b\n", "exec 'e' '/bin/sh' '-c' 'a b'\n" },
	{ "ENTRYPOINT e f\nCMD [\"a\"]\n", "exec '/bin/sh' '-c' 'e f'\n" },
	{ "CMD a\nCMD [\"b\"]\n", "exec 'b'\n" },
	{ "WORKDIR /w\nCMD [\"b\"]\n", "cd '/w' || exit 1\nexec 'b'\n" },
	{ "CMD []\n", "" },
	{ "RUN x\n", "" },
};

START_TEST(service)
{
	struct json_object *steps = translate(commands[_i].text, true);
	const char *command, *want = commands[_i].command;

	ck_assert_msg(steps != NULL, "%s", pool.message);
	command = file_of(steps, "cmd.sh");
	ck_assert_int_eq(strstr(body_of(steps), "at\nservice\n") != NULL, *want != '\0');
	ck_assert_msg(strlen(command) >= strlen(want) &&
			      strcmp(command + strlen(command) - strlen(want), want) == 0,
		      "%s", command);
	json_object_put(steps);
}
END_TEST

START_TEST(steps_of_it)
{
	struct json_object *steps = translate(
		"FROM --platform=linux/amd64 img:1\nENV A=1 B=\"x y\"\nENV A=2\n"
		"HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=4 CMD [\"t\", \"u\"]\n",
		false);
	static const char due[] =
		"{\"image\":\"img:1\","
		"\"environment\":[{\"name\":\"A\",\"value\":\"2\"},{\"name\":\"B\",\"value\":\"x "
		"y\"}],\"runcmd\":[[\"sh\",\"/var/lib/holos/build.sh\"]],"
		"\"healthcheck\":{\"interval_ns\":90000000000,\"timeout_ns\":1500000000,"
		"\"retries\":4,\"test\":[\"t\",\"u\"],\"shell\":false}}";

	ck_assert_msg(steps != NULL, "%s", pool.message);
	json_object_object_del(steps, "format");
	json_object_object_del(steps, "files");
	ck_assert_str_eq(json_object_to_json_string_ext(
				 steps, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
			 due);
	json_object_put(steps);
}
END_TEST

#define LOOP(c, test, table) tcase_add_loop_test(c, test, 0, sizeof(table) / sizeof(table[0]))

int main(void)
{
	Suite *s = suite_create("provision-dockerfile");
	TCase *language = tcase_create("language"), *tree = tcase_create("tree");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(language, setup, teardown);
	LOOP(language, parse, parses);
	LOOP(language, exec_form, forms);
	LOOP(language, expand, words);
	tcase_add_test(language, expansion_is_bounded);
	LOOP(language, name_values, pairs);
	LOOP(language, pattern, patterns);
	tcase_add_test(language, bad_patterns);
	LOOP(language, ignore, ignores);
	suite_add_tcase(s, language);
	tcase_add_checked_fixture(tree, setup_dir, teardown_dir);
	LOOP(tree, script, scripts);
	LOOP(tree, refuse, refused);
	tcase_add_loop_test(tree, escapes, 0, 7);
	tcase_add_test(tree, absolute_sources);
	tcase_add_test(tree, not_there);
	LOOP(tree, copy, copies);
	tcase_add_test(tree, own_ignore);
	LOOP(tree, service, commands);
	tcase_add_test(tree, steps_of_it);
	suite_add_tcase(s, tree);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
