/* SPDX-License-Identifier: Apache-2.0
 *
 * test_loop.c - descriptors and timers that call back, and what a callback may do.
 */
#include "harness.h"

#include <base/clock.h>
#include <base/loop.h>

#include <poll.h>

/* What happened, in order. */
static struct strbuf story;
static struct loop *loop;

struct end {
	int fd, other; /* a pipe's reading and writing end */
	const char *name;
	struct loop_watch *watch;
	struct end *victim; /* whom the callback removes */
};

static void setup(void)
{
	loop = loop_create();
}

static void teardown(void)
{
	loop_destroy(loop);
	strbuf_finish(&story);
}

static void make_end(struct end *e, const char *name)
{
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	*e = (struct end){ .fd = p[0], .other = p[1], .name = name };
}

static void close_end(struct end *e)
{
	close(e->fd);
	close(e->other);
}

static void on_ready(void *data, int fd, short revents)
{
	struct end *e = data;
	char c;

	ck_assert_int_eq(fd, e->fd);
	ck_assert_int_ne(revents & (POLLIN | POLLHUP), 0);
	ck_assert_int_eq(read(fd, &c, 1), 1);
	strbuf_addf(&story, "%s ", e->name);
	if (e->victim != NULL) {
		loop_remove_fd(e->victim->watch);
		e->victim->watch = NULL;
		e->victim = NULL;
	}
}

static void watch(struct end *e)
{
	e->watch = loop_add_fd(loop, e->fd, POLLIN, on_ready, e);
}

static void poke(struct end *e)
{
	ck_assert_int_eq(write(e->other, "x", 1), 1);
}

/* Handle what is ready, and wait for nothing. */
static void once(void)
{
	ck_assert_int_eq(loop_run_once(loop, 0), 0);
}

static void assert_story(const char *want)
{
	ck_assert_str_eq(story.s != NULL ? story.s : "", want);
	strbuf_clear(&story);
}

START_TEST(calls_who_is_ready)
{
	struct end a, b;

	make_end(&a, "a");
	make_end(&b, "b");
	watch(&a);
	watch(&b);
	once();
	assert_story("");
	poke(&b);
	once();
	assert_story("b ");
	poke(&a);
	poke(&b);
	once();
	assert_story("a b ");
	once();
	assert_story("");
	close_end(&a);
	close_end(&b);
}
END_TEST

START_TEST(removal_of_oneself)
{
	struct end a, b;

	make_end(&a, "a");
	make_end(&b, "b");
	watch(&a);
	watch(&b);
	a.victim = &a;
	poke(&a);
	poke(&a);
	poke(&b);
	once();
	assert_story("a b ");
	poke(&b);
	once();
	assert_story("b "); /* a has something to read, and is not watched */
	ck_assert_ptr_null(a.watch);
	close_end(&a);
	close_end(&b);
}
END_TEST

/* Both are ready: who is removed by the first is not called any more. */
START_TEST(removal_of_a_later_one)
{
	struct end a, b, c;

	make_end(&a, "a");
	make_end(&b, "b");
	make_end(&c, "c");
	watch(&a);
	watch(&b);
	watch(&c);
	a.victim = &b;
	poke(&a);
	poke(&b);
	poke(&c);
	once();
	assert_story("a c ");
	/* The gap is closed: c is still itself. */
	poke(&c);
	c.victim = &a; /* an earlier one */
	once();
	assert_story("c ");
	poke(&a);
	once();
	assert_story("");
	close_end(&a);
	close_end(&b);
	close_end(&c);
}
END_TEST

static struct end added[20];

static void on_add_many(void *data, int fd, short revents)
{
	struct end *e = data;
	char c;

	(void)revents;
	ck_assert_int_eq(read(fd, &c, 1), 1);
	loop_remove_fd(e->watch);
	strbuf_adds(&story, "add ");
	for (int i = 0; i < N(added); i++) {
		make_end(&added[i], "new");
		watch(&added[i]);
		poke(&added[i]);
	}
}

/* More than the arrays had room for, while they are walked. */
START_TEST(additions_in_a_callback)
{
	struct end a;

	make_end(&a, "a");
	a.watch = loop_add_fd(loop, a.fd, POLLIN, on_add_many, &a);
	poke(&a);
	once();
	assert_story("add ");
	once();
	ck_assert_uint_eq(story.len, 4 * (size_t)N(added));
	for (int i = 0; i < N(added); i++)
		close_end(&added[i]);
	close_end(&a);
}
END_TEST

static void on_writable(void *data, int fd, short revents)
{
	(void)data;
	(void)fd;
	ck_assert_int_eq(revents, POLLOUT);
	strbuf_adds(&story, "out ");
}

START_TEST(events_are_set)
{
	struct end a;
	struct loop_watch *w;

	make_end(&a, "a");
	w = loop_add_fd(loop, a.other, 0, on_writable, NULL);
	once();
	assert_story("");
	loop_set_events(w, POLLOUT);
	once();
	assert_story("out ");
	loop_set_events(w, 0);
	once();
	assert_story("");
	loop_remove_fd(w);
	loop_remove_fd(NULL);
	close_end(&a);
}
END_TEST

/* ---- timers -------------------------------------------------------------------- */

static void on_timer(void *data)
{
	strbuf_addf(&story, "%s ", (const char *)data);
}

static char t1[] = "1", t2[] = "2", t3[] = "3", t4[] = "4";

START_TEST(timers_fire_in_order)
{
	uint64_t now = clock_now_ns();

	loop_add_timer(loop, now - 10, on_timer, t2);
	loop_add_timer(loop, now - 5, on_timer, t3);
	loop_add_timer(loop, now - 20, on_timer, t1);
	loop_add_timer(loop, now - 5, on_timer, t4); /* as late as 3, and added after it */
	loop_add_timer(loop, now + 3600 * NS_PER_S, on_timer, t1);
	once();
	assert_story("1 2 3 4 ");
	once();
	assert_story("");
}
END_TEST

START_TEST(removed_timers_do_not_fire)
{
	uint64_t now = clock_now_ns();
	struct loop_timer *a = loop_add_timer(loop, now, on_timer, t1);
	struct loop_timer *b;

	loop_add_timer(loop, now, on_timer, t2);
	b = loop_add_timer(loop, now, on_timer, t3);
	loop_remove_timer(a);
	loop_remove_timer(b);
	loop_remove_timer(NULL);
	once();
	assert_story("2 ");
}
END_TEST

static struct loop_timer *second;

static void on_timer_removes(void *data)
{
	on_timer(data);
	loop_remove_timer(second);
	second = NULL;
}

static void on_timer_adds(void *data)
{
	on_timer(data);
	loop_add_timer(loop, clock_now_ns() - 1000 * NS_PER_S, on_timer, t4);
}

START_TEST(timers_change_timers)
{
	uint64_t now = clock_now_ns();

	loop_add_timer(loop, now - 2, on_timer_removes, t1);
	second = loop_add_timer(loop, now - 1, on_timer, t2);
	loop_add_timer(loop, now - 1, on_timer_adds, t3);
	once();
	assert_story("1 3 4 ");
}
END_TEST

START_TEST(run_once_waits_for_the_first)
{
	uint64_t began = clock_now_ns();

	loop_add_timer(loop, began + 60 * NS_PER_MS, on_timer, t1);
	ck_assert_int_eq(loop_run_once(loop, began + 20 * NS_PER_MS), 0);
	assert_story("");
	ck_assert_uint_ge(clock_now_ns() - began, 20 * NS_PER_MS);
	ck_assert_int_eq(loop_run_once(loop, UINT64_MAX), 0);
	assert_story("1 ");
	ck_assert_uint_ge(clock_now_ns() - began, 60 * NS_PER_MS);
}
END_TEST

/* ---- quitting ------------------------------------------------------------------------ */

static void on_quit(void *data, int fd, short revents)
{
	on_ready(data, fd, revents);
	loop_quit(loop);
}

static void on_timer_quits(void *data)
{
	on_timer(data);
	loop_quit(loop);
}

START_TEST(quit_ends_the_round)
{
	struct end a, b;

	make_end(&a, "a");
	make_end(&b, "b");
	loop_add_fd(loop, a.fd, POLLIN, on_quit, &a);
	watch(&b);
	loop_add_timer(loop, 1, on_timer, t1);
	poke(&a);
	poke(&b);
	loop_run(loop);
	assert_story("a ");
	/* Nothing is lost: the next run goes on. */
	poke(&a);
	loop_remove_fd(b.watch);
	watch(&b);
	loop_resume(loop);
	once();
	assert_story("a ");
	loop_resume(loop);
	once();
	assert_story("b 1 ");
	close_end(&a);
	close_end(&b);
}
END_TEST

START_TEST(quit_from_a_timer)
{
	loop_add_timer(loop, 1, on_timer_quits, t1);
	loop_add_timer(loop, 2, on_timer, t2);
	loop_run(loop);
	assert_story("1 ");
	loop_resume(loop);
	once();
	assert_story("2 ");
}
END_TEST

START_TEST(hang_up_is_an_event)
{
	struct end a;
	char c;

	make_end(&a, "a");
	watch(&a);
	poke(&a);
	close(a.other);
	once();
	assert_story("a ");
	ck_assert_int_eq(read(a.fd, &c, 1), 0);
	close(a.fd);
}
END_TEST

/* With everything still in it: ASan tells whether it is freed. */
START_TEST(destroy_frees_all)
{
	struct end a;

	make_end(&a, "a");
	watch(&a);
	watch(&a);
	loop_add_timer(loop, 1, on_timer, t1);
	loop_add_timer(loop, UINT64_MAX, on_timer, t1);
	loop_destroy(NULL);
	close_end(&a);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, calls_who_is_ready);
	tcase_add_test(c, removal_of_oneself);
	tcase_add_test(c, removal_of_a_later_one);
	tcase_add_test(c, additions_in_a_callback);
	tcase_add_test(c, events_are_set);
	tcase_add_test(c, timers_fire_in_order);
	tcase_add_test(c, removed_timers_do_not_fire);
	tcase_add_test(c, timers_change_timers);
	tcase_add_test(c, run_once_waits_for_the_first);
	tcase_add_test(c, quit_ends_the_round);
	tcase_add_test(c, quit_from_a_timer);
	tcase_add_test(c, hang_up_is_an_event);
	tcase_add_test(c, destroy_frees_all);
}

int main(void)
{
	return run_suite("base-loop", add_tests);
}
