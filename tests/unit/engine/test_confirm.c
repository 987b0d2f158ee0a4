/* SPDX-License-Identifier: Apache-2.0
 *
 * test_confirm.c - when a volume's fresh mark is cleared: only by the report of
 * the instance that was told of it.
 */
#include "../base/harness.h"

#include <base/jsonx.h>
#include <engine/volumes.h>

#include <fcntl.h>

static struct state *s;

static void setup(void)
{
	make_test_dir();
	ck_assert_int_eq(state_open(in_dir("state"), true, &s, NULL), 0);
	close(state_open_dir(s, true, "instances/demo/web-0"));
	close(state_open_dir(s, true, "volumes/demo"));
}

static void teardown(void)
{
	state_close(s);
	remove_test_dir();
}

#define FRESH "{\"format\":1,\"size\":1073741824,\"fresh\":true,\"instance\":\"web-0\"}"

static void put_mark(const char *volume, const char *text)
{
	_cleanup_(freep) char *rel = xasprintf("volumes/demo/%s.json", volume);

	ck_assert_int_eq(fs_write_replace(s->fd, rel, text, strlen(text), 0600, NULL), 0);
}

static void put_console(const void *text, size_t len)
{
	ck_assert_int_eq(
		fs_write_replace(s->fd, "instances/demo/web-0/console.log", text, len, 0600, NULL),
		0);
}

static bool is_fresh(const char *volume)
{
	_cleanup_(freep) char *rel = xasprintf("volumes/demo/%s.json", volume);
	_cleanup_(json_putp) struct json_object *o = NULL;

	ck_assert_int_eq(jsonx_read_file(s->fd, rel, 1 << 20, &o, NULL), 0);
	return jsonx_bool(o, "fresh", false);
}

static const struct {
	const char *text;
	size_t len;
	bool cleared;
} consoles[] = {
#define C(text, cleared)                                                                           \
	{                                                                                          \
		text, sizeof(text) - 1, cleared                                                    \
	}
	C("holos: volume data mounted\n", true),
	C("holos: volume data mounted\r\n", true),
	C("holos: volume data mounted", true), /* the log ends here */
	C("boot\r\nholos: volume data mounted\r\nlogin: ", true),
	C("[   12.345678] holos: volume data mounted\r\n", true),
	C("50%\rholos: volume data mounted\rmore", true),
	C("\0\0\0holos: volume data mounted\n\0", true),
	C("holos: volume data mounted twice\nholos: volume data mounted\n", true),
	C("", false),
	C("holos: volume data formatted\n", false),
	C("holos: volume data mounted twice\n", false),
	C("holos: volume data mounted\0\n", false),
	C("holos: volume data2 mounted\n", false),
	C("holos: volume my-data mounted\n", false),
	C("holos: volume dat mounted\n", false),
	C("holos: volume data moun\nted\n", false),
	C("holos: volume  data mounted\n", false),
	C("Holos: volume data mounted\n", false),
	C("holos: share data mounted\n", false),
	C("holos: error: volume data mounted not\n", false),
	C("# echo \"holos: volume data mounted\"\n", false),
#undef C
};

START_TEST(report)
{
	put_mark("data", FRESH);
	put_mark("other", FRESH);
	put_console(consoles[_i].text, consoles[_i].len);
	volumes_confirm(s, "demo", "web-0");
	ck_assert_msg(is_fresh("data") != consoles[_i].cleared, "<%s>", consoles[_i].text);
	ck_assert(is_fresh("other"));
}
END_TEST

/* What an earlier boot said is not of the volume that was handed over since; a
 * console log that is shorter now was rotated, and is all new. */
static const struct {
	int console;
	bool cleared;
} handed[] = { { 0, true }, { 1, false }, { 27, false }, { 28, true }, { -1, true } };

START_TEST(earlier_boots)
{
	_cleanup_(freep) char *mark = xasprintf("{\"format\":1,\"size\":1,\"fresh\":true,"
						"\"instance\":\"web-0\",\"console\":%d}",
						handed[_i].console);

	put_mark("data", mark);
	put_console("holos: volume data mounted\n", 27);
	volumes_confirm(s, "demo", "web-0");
	ck_assert(is_fresh("data") != handed[_i].cleared);
}
END_TEST

/* The mark is as it was but for one member. */
START_TEST(rest_of_the_mark_stays)
{
	_cleanup_(json_putp) struct json_object *o = NULL;
	struct stat st;

	put_mark("data", FRESH);
	put_console("holos: volume data mounted\n", 27);
	volumes_confirm(s, "demo", "web-0");
	ck_assert_int_eq(jsonx_read_file(s->fd, "volumes/demo/data.json", 1 << 20, &o, NULL), 0);
	ck_assert_int_eq(jsonx_int(o, "size", 0), 1073741824);
	ck_assert_int_eq(jsonx_int(o, "format", 0), 1);
	ck_assert_str_eq(jsonx_str(o, "instance", ""), "web-0");
	ck_assert_int_eq(fstatat(s->fd, "volumes/demo/data.json", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

/* Marks that this instance's word does not concern. */
static const struct {
	const char *mark;
	bool fresh;
} marks[] = {
	{ "{\"format\":1,\"size\":1,\"fresh\":true,\"instance\":\"web-1\"}", true },
	{ "{\"format\":1,\"size\":1,\"fresh\":true,\"instance\":\"web\"}", true },
	{ "{\"format\":1,\"size\":1,\"fresh\":true,\"instance\":null}", true },
	{ "{\"format\":1,\"size\":1,\"fresh\":true}", true },
	{ "{\"format\":1,\"size\":1,\"fresh\":true,\"instance\":[\"web-0\"]}", true },
	{ "{\"format\":2,\"size\":1,\"fresh\":true,\"instance\":\"web-0\"}", true }, /* newer */
	{ "{\"format\":1,\"size\":1,\"fresh\":\"true\",\"instance\":\"web-0\"}", false },
	{ "{\"format\":1,\"size\":1,\"fresh\":false,\"instance\":\"web-0\"}", false },
};

START_TEST(mark_of_another)
{
	_cleanup_(freep) char *before = NULL;
	_cleanup_(freep) char *after = NULL;

	put_mark("data", marks[_i].mark);
	put_console("holos: volume data mounted\n", 27);
	before = read_text("state/volumes/demo/data.json");
	volumes_confirm(s, "demo", "web-0");
	after = read_text("state/volumes/demo/data.json");
	ck_assert_str_eq(before, after);
	ck_assert_int_eq(is_fresh("data"), marks[_i].fresh);
}
END_TEST

START_TEST(damaged_marks_do_no_harm)
{
	_cleanup_(freep) char *after = NULL;

	put_mark("broken", "{\"fresh\":");
	put_mark("data", FRESH);
	ck_assert_int_eq(mkdirat(s->fd, "volumes/demo/dir.json", 0700), 0);
	put_console("holos: volume data mounted\nholos: volume broken mounted\n", 56);
	volumes_confirm(s, "demo", "web-0");
	ck_assert(!is_fresh("data"));
	after = read_text("state/volumes/demo/broken.json");
	ck_assert_str_eq(after, "{\"fresh\":");
}
END_TEST

/* Each replica's own disk: NAME.INDEX here, NAME for the guest. */
START_TEST(replicas)
{
	put_mark("data.0", FRESH);
	put_mark("data.1", "{\"format\":1,\"size\":1,\"fresh\":true,\"instance\":\"web-1\"}");
	put_console("holos: volume data mounted\n", 27);
	volumes_confirm(s, "demo", "web-0");
	ck_assert(!is_fresh("data.0"));
	ck_assert(is_fresh("data.1"));
}
END_TEST

/* A log of any length: its end is looked at. */
START_TEST(long_console)
{
	static const char line[] = "\nholos: volume data mounted\n";
	size_t len = (6 << 20) + sizeof(line);
	_cleanup_(freep) char *text = xmalloc(len);

	put_mark("data", FRESH);
	memset(text, 'x', len);
	memcpy(text, line, sizeof(line) - 1);
	put_console(text, len); /* 6 MiB ago */
	volumes_confirm(s, "demo", "web-0");
	ck_assert(is_fresh("data"));
	memcpy(text + len - sizeof(line), line, sizeof(line) - 1);
	put_console(text, len - 1);
	volumes_confirm(s, "demo", "web-0");
	ck_assert(!is_fresh("data"));
}
END_TEST

START_TEST(no_console)
{
	put_mark("data", FRESH);
	volumes_confirm(s, "demo", "web-0"); /* none */
	write_text("elsewhere", "holos: volume data mounted\n");
	ck_assert_int_eq(
		symlink(in_dir("elsewhere"), in_dir("state/instances/demo/web-0/console.log")), 0);
	volumes_confirm(s, "demo", "web-0"); /* a link */
	ck_assert_int_eq(unlink(in_dir("state/instances/demo/web-0/console.log")), 0);
	ck_assert_int_eq(mkfifo(in_dir("state/instances/demo/web-0/console.log"), 0600), 0);
	volumes_confirm(s, "demo", "web-0"); /* and it does not wait */
	ck_assert(is_fresh("data"));
	volumes_confirm(s, "demo", "none-0");
	volumes_confirm(s, "none", "web-0");
}
END_TEST

START_TEST(removal)
{
	put_mark("data", FRESH);
	ck_assert_int_eq(volumes_remove(s, "demo", &(bool){ false }, NULL), 0);
	ck_assert(!fs_exists(s->fd, "volumes/demo"));
	ck_assert(fs_exists(s->fd, "volumes"));
	ck_assert_int_eq(volumes_remove(s, "demo", &(bool){ false }, NULL), 0);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, report, 0, N(consoles));
	tcase_add_loop_test(c, earlier_boots, 0, N(handed));
	tcase_add_test(c, rest_of_the_mark_stays);
	tcase_add_loop_test(c, mark_of_another, 0, N(marks));
	tcase_add_test(c, damaged_marks_do_no_harm);
	tcase_add_test(c, replicas);
	tcase_add_test(c, long_console);
	tcase_add_test(c, no_console);
	tcase_add_test(c, removal);
}

int main(void)
{
	return run_suite("engine-confirm", add_tests);
}
