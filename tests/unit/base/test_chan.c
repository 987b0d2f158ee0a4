/* SPDX-License-Identifier: Apache-2.0
 *
 * test_chan.c - JSON lines over a socket: cut anywhere, bounded, with descriptors.
 */
#include "harness.h"

#include <base/chan.h>
#include <base/clock.h>
#include <base/jsonx.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define MAX_LINE 1024

/* What a channel got: "MSG;" per message, "[inode inode]" of its descriptors. */
struct seen {
	struct strbuf story;
	unsigned messages, ends;
	char *end_text; /* of the error; NULL: the peer closed */
	struct chan *chan;
	bool destroy_in_msg, destroy_in_end;
};

static struct loop *loop;
static struct seen seen;
static int peer; /* the other end, as a plain descriptor */

static void on_msg(void *data, struct json_object *msg, int *fds, unsigned n_fds)
{
	struct seen *s = data;

	ck_assert_uint_eq(s->ends, 0);
	s->messages++;
	strbuf_addf(&s->story, "%s", jsonx_line(msg));
	for (unsigned i = 0; i < n_fds; i++) {
		struct stat st;

		ck_assert_int_eq(fstat(fds[i], &st), 0);
		ck_assert_int_ne(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, 0);
		strbuf_addf(&s->story, "[%llu]", (unsigned long long)st.st_ino);
	}
	strbuf_addc(&s->story, ';');
	if (s->destroy_in_msg)
		chan_destroy(steal_ptr(&s->chan));
}

static void on_end(void *data, struct holos_error *err)
{
	struct seen *s = data;

	s->ends++;
	s->end_text = err != NULL ? xstrdup(err->message) : NULL;
	if (s->destroy_in_end)
		chan_destroy(steal_ptr(&s->chan));
}

static void make_chan(struct loop *l)
{
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	peer = sv[1];
	seen.chan = chan_create(l, sv[0], "the peer", MAX_LINE, on_msg, on_end, &seen);
}

static void setup(void)
{
	make_test_dir();
	loop = loop_create();
	memset(&seen, 0, sizeof(seen));
	make_chan(loop);
}

static void teardown(void)
{
	chan_destroy(seen.chan);
	loop_destroy(loop);
	strbuf_finish(&seen.story);
	free(seen.end_text);
	if (peer >= 0)
		close(peer);
	remove_test_dir();
}

static void tell_n(const char *text, size_t len)
{
	ck_assert_int_eq(fs_write_all(peer, text, len), 0);
}

static void tell(const char *text)
{
	tell_n(text, strlen(text));
}

/* Handle all that has arrived. */
static void spin(void)
{
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(loop_run_once(loop, 0), 0);
}

static void assert_story(const char *want)
{
	ck_assert_str_eq(seen.story.s != NULL ? seen.story.s : "", want);
	strbuf_clear(&seen.story);
}

/* ---- lines -------------------------------------------------------------------- */

START_TEST(cut_at_every_byte)
{
	static const char text[] = "{\"a\":1}\n\n{\"b\":[2,\"\\n\"]}\r\n  \r\n{\"c\":{}}\n";

	for (size_t at = 0; at < sizeof(text); at++) {
		tell_n(text, at);
		spin();
		tell_n(text + at, sizeof(text) - 1 - at);
		spin();
		assert_story("{\"a\":1};{\"b\":[2,\"\\n\"]};{\"c\":{}};");
	}
	ck_assert_uint_eq(seen.ends, 0);
}
END_TEST

START_TEST(byte_by_byte)
{
	static const char text[] = "{\"a\":1}\n{\"b\":2}\n";

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		tell_n(text + i, 1);
		spin();
		ck_assert_uint_eq(seen.messages, i < 7 ? 0 : i < 15 ? 1 : 2);
	}
	assert_story("{\"a\":1};{\"b\":2};");
}
END_TEST

START_TEST(many_lines_in_one_read)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;

	for (unsigned i = 0; i < 2000; i++)
		strbuf_addf(&text, "{\"n\":%u}\n", i);
	tell_n(text.s, text.len);
	spin();
	ck_assert_uint_eq(seen.messages, 2000);
	assert_has(seen.story.s, "{\"n\":1998};{\"n\":1999};");
}
END_TEST

/* A line of n bytes in all, the newline not counted. */
static char *line_of(size_t n)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "{\"a\":\"");
	while (b.len < n - 2)
		strbuf_addc(&b, 'x');
	strbuf_adds(&b, "\"}");
	return strbuf_steal(&b);
}

static const struct {
	size_t len;
	bool newline, good;
} long_lines[] = {
	{ MAX_LINE, true, true },       { MAX_LINE + 1, true, false },
	{ MAX_LINE, false, true }, /* may still end here */
	{ MAX_LINE + 1, false, false }, { 100000, false, false },
};

START_TEST(line_length_is_bounded)
{
	_cleanup_(freep) char *line = line_of(long_lines[_i].len);

	tell(line);
	if (long_lines[_i].newline)
		tell("\n");
	spin();
	ck_assert_uint_eq(seen.ends, long_lines[_i].good ? 0 : 1);
	ck_assert_uint_eq(seen.messages, long_lines[_i].good && long_lines[_i].newline);
	if (!long_lines[_i].good)
		ck_assert_str_eq(seen.end_text, "the peer sent a line of more than 1024 bytes");
}
END_TEST

/* Shorter ones may be asked for; what goes out keeps its bound. */
START_TEST(shorter_lines_only)
{
	_cleanup_(freep) char *fits = line_of(100);
	_cleanup_(freep) char *line = line_of(101);
	_cleanup_(json_putp) struct json_object *out = json_object_new_object();
	char text[400];

	chan_limit_line(seen.chan, 100);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	jsonx_set_str(out, "text", text);
	ck_assert_int_eq(chan_send(seen.chan, out, NULL, 0, NULL), 0);
	tell(fits);
	tell("\n");
	spin();
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.ends, 0);
	tell(line);
	spin();
	ck_assert_uint_eq(seen.ends, 1);
	ck_assert_str_eq(seen.end_text, "the peer sent a line of more than 100 bytes");
}
END_TEST

static const struct {
	const char *line;
	size_t len;
	const char *says;
} wrong[] = {
#define W(text, says)                                                                              \
	{                                                                                          \
		text "\n", sizeof(text), says                                                      \
	}
	W("[1]", "no JSON object"),
	W("null", "no JSON object"),
	W("1", "no JSON object"),
	W("\"a\"", "no JSON object"),
	W("{", "the peer: no valid JSON"),
	W("{} {}", "the peer: "),
	W("hello", "the peer: no valid JSON"),
	W("{\"a\":\"\\u0000\"}", "the peer: no valid JSON"),
	W("{\"a\":\0}", "the peer: no valid JSON"),
	W("\0", "the peer: no valid JSON"),
	W("{'a':1}", "the peer: no valid JSON"),
#undef W
};

START_TEST(wrong_lines_end_it)
{
	tell("{\"before\":1}\n");
	tell_n(wrong[_i].line, wrong[_i].len);
	tell("{\"after\":1}\n");
	spin();
	assert_story("{\"before\":1};");
	ck_assert_uint_eq(seen.ends, 1);
	assert_has(seen.end_text, wrong[_i].says);
	tell("{\"later\":1}\n");
	spin();
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.ends, 1);
}
END_TEST

/* ---- the end --------------------------------------------------------------------- */

START_TEST(end_of_file)
{
	tell("{\"a\":1}\n{\"b\":2}\n{\"lost\":");
	close(peer);
	peer = -1;
	spin();
	assert_story("{\"a\":1};{\"b\":2};");
	ck_assert_uint_eq(seen.ends, 1);
	ck_assert_ptr_null(seen.end_text);
}
END_TEST

START_TEST(end_of_file_after_much)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;

	for (unsigned i = 0; i < 5000; i++)
		strbuf_adds(&text, "{\"n\":1}\n");
	tell_n(text.s, text.len); /* more than one read takes */
	close(peer);
	peer = -1;
	while (seen.ends == 0)
		ck_assert_int_eq(loop_run_once(loop, clock_now_ns() + NS_PER_S), 0);
	ck_assert_uint_eq(seen.messages, 5000);
	ck_assert_ptr_null(seen.end_text);
}
END_TEST

START_TEST(destroyed_in_its_callbacks)
{
	seen.destroy_in_msg = _i == 0;
	seen.destroy_in_end = _i != 0;
	tell("{\"a\":1}\n{\"b\":2}\n");
	if (_i == 2)
		tell("wrong\n");
	close(peer);
	peer = -1;
	spin();
	ck_assert_ptr_null(seen.chan);
	ck_assert_uint_eq(seen.messages, _i == 0 ? 1 : 2);
	ck_assert_uint_eq(seen.ends, _i == 0 ? 0 : 1);
}
END_TEST

START_TEST(closes_its_descriptor)
{
	int fd = chan_fd(seen.chan);
	char c;

	ck_assert_int_ge(fd, 0);
	chan_destroy(steal_ptr(&seen.chan));
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert_int_eq(read(peer, &c, 1), 0);
	chan_destroy(NULL);
}
END_TEST

/* ---- sending ---------------------------------------------------------------------- */

static struct json_object *message(const char *key, size_t size)
{
	struct json_object *o = json_object_new_object();
	_cleanup_(freep) char *text = xmalloc(size + 1);

	memset(text, 'y', size);
	text[size] = '\0';
	jsonx_set_str(o, key, text);
	return o;
}

START_TEST(sends_one_line)
{
	_cleanup_(json_putp) struct json_object *o = message("k", 3);
	char buf[64];

	ck_assert_int_eq(chan_send(seen.chan, o, NULL, 0, NULL), 0);
	ck_assert_uint_eq(chan_pending(seen.chan), 0);
	ck_assert_int_eq(read(peer, buf, sizeof(buf)), 12);
	ck_assert_mem_eq(buf, "{\"k\":\"yyy\"}\n", 12);
}
END_TEST

START_TEST(send_is_bounded_by_the_line)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(json_putp) struct json_object *fits = message("k", MAX_LINE - 9);
	_cleanup_(json_putp) struct json_object *more = message("k", MAX_LINE - 8);

	ck_assert_int_eq(chan_send(seen.chan, fits, NULL, 0, NULL), 0);
	ck_assert_int_lt(chan_send(seen.chan, more, NULL, 0, &err), 0);
	assert_has(err->message, "the peer");
}
END_TEST

/* Nobody reads: the queue fills up to its bound and stays whole. */
START_TEST(queue_is_bounded)
{
	_cleanup_(json_putp) struct json_object *o = message("k", 1000);
	_cleanup_(strbuf_finish) struct strbuf got = STRBUF_INIT;
	unsigned sent = 0;
	size_t one = 0;
	const char *line;

	while (chan_send(seen.chan, o, NULL, 0, NULL) == 0) {
		sent++;
		ck_assert_uint_lt(sent, 100000);
		ck_assert_uint_le(chan_pending(seen.chan), 4 * MAX_LINE);
	}
	ck_assert_uint_gt(chan_pending(seen.chan), 2 * MAX_LINE);
	/* Now the peer reads; the loop writes the rest. */
	fcntl(peer, F_SETFL, O_NONBLOCK);
	line = jsonx_line(o);
	one = strlen(line) + 1;
	for (unsigned i = 0; i < 10000 && got.len < sent * one; i++) {
		char buf[4096];
		ssize_t n = read(peer, buf, sizeof(buf));

		if (n > 0)
			strbuf_add(&got, buf, (size_t)n);
		ck_assert_int_eq(loop_run_once(loop, 0), 0);
	}
	ck_assert_uint_eq(chan_pending(seen.chan), 0);
	ck_assert_uint_eq(got.len, sent * one);
	for (unsigned i = 0; i < sent; i++) {
		ck_assert_mem_eq(got.s + i * one, line, one - 1);
		ck_assert_int_eq(got.s[(i + 1) * one - 1], '\n');
	}
	/* And it takes more. */
	ck_assert_int_eq(chan_send(seen.chan, o, NULL, 0, NULL), 0);
}
END_TEST

START_TEST(send_to_nobody)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(json_putp) struct json_object *o = message("k", 3);

	close(peer);
	peer = -1;
	ck_assert_int_lt(chan_send(seen.chan, o, NULL, 0, &err), 0); /* and no SIGPIPE */
	assert_has(err->message, "cannot write to the peer");
	spin();
	ck_assert_uint_eq(seen.ends, 1);
	ck_assert_int_lt(chan_send(seen.chan, o, NULL, 0, &err), 0);
	ck_assert_str_eq(err->message, "the peer is gone");
}
END_TEST

/* ---- descriptors ------------------------------------------------------------------- */

static int file(const char *name, char **ret_story)
{
	int fd = open(in_dir(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	*ret_story = xasprintf("[%llu]", (unsigned long long)st.st_ino);
	return fd;
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Another channel at the peer's end, to send through. */
static struct chan *sender(size_t max_line)
{
	return chan_create(loop, steal_fd(&peer), "the sender", max_line, on_msg, on_end, &seen);
}

static void send_line(struct chan *c, const char *key, size_t size, const int *fds, unsigned n)
{
	_cleanup_(json_putp) struct json_object *o = message(key, size);

	ck_assert_int_eq(chan_send(c, o, fds, n, NULL), 0);
}

/* All is sent before anything is read: each line has its own all the same. */
START_TEST(descriptors_go_with_their_line)
{
	struct chan *from = sender(MAX_LINE);
	_cleanup_(freep) char *a = NULL;
	_cleanup_(freep) char *b = NULL;
	_cleanup_(freep) char *want = NULL;
	unsigned before = open_descriptors();
	int fds[2] = { file("a", &a), file("b", &b) };

	send_line(from, "none", 1, NULL, 0);
	send_line(from, "one", 1, fds, 1);
	send_line(from, "none", 2, NULL, 0);
	send_line(from, "two", 1, fds, 2);
	send_line(from, "other", 1, fds + 1, 1);
	send_line(from, "none", 3, NULL, 0);
	send_line(from, "none", 4, NULL, 0);
	close(fds[0]); /* they were duplicated */
	close(fds[1]);
	spin();
	want = xasprintf("{\"none\":\"y\"};{\"one\":\"y\"}%s;{\"none\":\"yy\"};{\"two\":\"y\"}%s%s;"
			 "{\"other\":\"y\"}%s;{\"none\":\"yyy\"};{\"none\":\"yyyy\"};",
			 a, a, b, b);
	assert_story(want);
	ck_assert_uint_eq(open_descriptors(), before); /* those not taken were closed */
	chan_destroy(from);
}
END_TEST

/* The receiver reads in pieces: a line of its own piece, then the next one's
 * start, and so on. */
START_TEST(descriptors_of_lines_longer_than_a_read)
{
	static const size_t sizes[] = { 100, 8192, 20000, 8191, 1, 8193, 30000, 5 };
	struct chan *from, *to;
	_cleanup_(strbuf_finish) struct strbuf want = STRBUF_INIT;
	char *texts[8];
	int fds[8];

	chan_destroy(steal_ptr(&seen.chan));
	close(peer);
	{
		int sv[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
		to = chan_create(loop, sv[0], "to", 65536, on_msg, on_end, &seen);
		from = chan_create(loop, sv[1], "from", 65536, on_msg, on_end, &seen);
		peer = -1;
	}
	for (int i = 0; i < N(sizes); i++) {
		_cleanup_(freep) char *name = xasprintf("f%d", i);
		_cleanup_(json_putp) struct json_object *o = message("k", sizes[i]);
		bool with = i % 3 != 0;

		fds[i] = file(name, &texts[i]);
		ck_assert_int_eq(chan_send(from, o, with ? &fds[i] : NULL, with, NULL), 0);
		strbuf_addf(&want, "%s%s;", jsonx_line(o), with ? texts[i] : "");
	}
	while (seen.messages < (unsigned)N(sizes))
		ck_assert_int_eq(loop_run_once(loop, clock_now_ns() + NS_PER_S), 0);
	/* ck_assert_str_eq() would print both: more than libcheck takes. */
	ck_assert_msg(strcmp(seen.story.s, want.s) == 0, "a descriptor went to another line");
	for (int i = 0; i < N(sizes); i++) {
		close(fds[i]);
		free(texts[i]);
	}
	chan_destroy(from);
	chan_destroy(to);
}
END_TEST

START_TEST(as_many_descriptors_as_fit)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	_cleanup_(json_putp) struct json_object *o = message("k", 1);
	struct chan *from = sender(MAX_LINE);
	unsigned before = open_descriptors();
	int fds[CHAN_FDS_MAX + 1];

	for (unsigned i = 0; i < CHAN_FDS_MAX + 1; i++)
		fds[i] = 2;
	ck_assert_int_eq(chan_send(from, o, fds, CHAN_FDS_MAX, NULL), 0);
	ck_assert_int_eq(chan_send(from, o, fds, CHAN_FDS_MAX, NULL), 0);
	ck_assert_int_lt(chan_send(from, o, fds, CHAN_FDS_MAX + 1, &err), 0);
	fds[3] = -1;
	ck_assert_int_lt(chan_send(from, o, fds, CHAN_FDS_MAX, &err), 0);
	ck_assert_int_eq(err->sys_errno, EBADF);
	spin();
	ck_assert_uint_eq(seen.messages, 2);
	ck_assert_uint_eq(open_descriptors(), before);
	for (unsigned i = 0, n = 0; i < seen.story.len; i++) {
		n += seen.story.s[i] == '[';
		if (i + 1 == seen.story.len)
			ck_assert_uint_eq(n, 2 * CHAN_FDS_MAX);
	}
	chan_destroy(from);
}
END_TEST

/* Descriptors of a line that never ends, or of an end: nobody gets them. */
START_TEST(descriptors_of_nothing_are_closed)
{
	struct iovec iov = { xstrdup("{\"a\":"), 5 };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
	unsigned before = open_descriptors();
	int two = 2;

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &two, sizeof(int));
	ck_assert_int_eq(sendmsg(peer, &m, 0), 5);
	spin();
	ck_assert_uint_eq(open_descriptors(), before + 1);
	close(steal_fd(&peer));
	spin();
	ck_assert_uint_eq(seen.ends, 1);
	chan_destroy(steal_ptr(&seen.chan));
	ck_assert_uint_eq(open_descriptors(), before - 2);
	free(iov.iov_base);
}
END_TEST

/* ---- without a loop ------------------------------------------------------------------ */

static void use_no_loop(void)
{
	chan_destroy(seen.chan);
	close(peer);
	make_chan(NULL);
}

START_TEST(read_wait)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	uint64_t began = clock_now_ns();
	struct json_object *o = NULL;

	use_no_loop();
	ck_assert_int_eq(chan_read_wait(seen.chan, began + 50 * NS_PER_MS, &o, NULL, NULL, &err),
			 -ERR_TIMEOUT);
	ck_assert_uint_ge(clock_now_ns() - began, 50 * NS_PER_MS);
	ck_assert_str_eq(err->message, "the peer does not answer");
	ck_assert_ptr_null(o);
	tell("{\"a\":1}\n{\"b\":");
	ck_assert_int_eq(chan_read_wait(seen.chan, UINT64_MAX, &o, NULL, NULL, NULL), 0);
	ck_assert_int_eq(jsonx_int(o, "a", 0), 1);
	json_object_put(steal_ptr(&o));
	/* Half a line is no message. */
	ck_assert_int_lt(chan_read_wait(seen.chan, 0, &o, NULL, NULL, NULL), 0);
	tell("2}\n{\"c\":3}\n");
	ck_assert_int_eq(chan_read_wait(seen.chan, UINT64_MAX, &o, NULL, NULL, NULL), 0);
	ck_assert_int_eq(jsonx_int(o, "b", 0), 2);
	json_object_put(steal_ptr(&o));
	close(steal_fd(&peer));
	/* What came before the end is still there, also past the deadline. */
	ck_assert_int_eq(chan_read_wait(seen.chan, 0, &o, NULL, NULL, NULL), 0);
	ck_assert_int_eq(jsonx_int(o, "c", 0), 3);
	json_object_put(steal_ptr(&o));
	ck_assert_int_eq(chan_read_wait(seen.chan, UINT64_MAX, &o, NULL, NULL, &err), -ERR_FAILED);
	ck_assert_str_eq(err->message, "the peer closed the connection");
}
END_TEST

START_TEST(read_wait_for_wrong_lines)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct json_object *o = NULL;

	use_no_loop();
	tell_n(wrong[_i].line, wrong[_i].len);
	ck_assert_int_lt(chan_read_wait(seen.chan, UINT64_MAX, &o, NULL, NULL, &err), 0);
	assert_has(err->message, wrong[_i].says);
	ck_assert_ptr_null(o);
}
END_TEST

START_TEST(read_wait_takes_descriptors)
{
	struct chan *from;
	struct json_object *o = NULL;
	int fds[2] = { 2, 2 }, got[2];
	unsigned before, n = 1;

	use_no_loop();
	from = chan_create(NULL, steal_fd(&peer), "from", MAX_LINE, on_msg, on_end, &seen);
	before = open_descriptors();
	send_line(from, "none", 1, NULL, 0);
	send_line(from, "two", 1, fds, 2);
	send_line(from, "more", 1, fds, 2);
	ck_assert_int_eq(chan_read_wait(seen.chan, UINT64_MAX, &o, got, &n, NULL), 0);
	ck_assert_uint_eq(n, 0);
	json_object_put(steal_ptr(&o));
	n = 1; /* room for one: the other is closed */
	ck_assert_int_eq(chan_read_wait(seen.chan, UINT64_MAX, &o, got, &n, NULL), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_ptr_nonnull(jsonx_str(o, "two", NULL));
	json_object_put(steal_ptr(&o));
	close(got[0]);
	/* Nobody wants them. */
	ck_assert_int_eq(chan_read_wait(seen.chan, UINT64_MAX, &o, NULL, NULL, NULL), 0);
	json_object_put(steal_ptr(&o));
	ck_assert_uint_eq(open_descriptors(), before);
	chan_destroy(from);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, cut_at_every_byte);
	tcase_add_test(c, byte_by_byte);
	tcase_add_test(c, many_lines_in_one_read);
	tcase_add_loop_test(c, line_length_is_bounded, 0, N(long_lines));
	tcase_add_test(c, shorter_lines_only);
	tcase_add_loop_test(c, wrong_lines_end_it, 0, N(wrong));
	tcase_add_test(c, end_of_file);
	tcase_add_test(c, end_of_file_after_much);
	tcase_add_loop_test(c, destroyed_in_its_callbacks, 0, 3);
	tcase_add_test(c, closes_its_descriptor);
	tcase_add_test(c, sends_one_line);
	tcase_add_test(c, send_is_bounded_by_the_line);
	tcase_add_test(c, queue_is_bounded);
	tcase_add_test(c, send_to_nobody);
	tcase_add_test(c, descriptors_go_with_their_line);
	tcase_add_test(c, descriptors_of_lines_longer_than_a_read);
	tcase_add_test(c, as_many_descriptors_as_fit);
	tcase_add_test(c, descriptors_of_nothing_are_closed);
	tcase_add_test(c, read_wait);
	tcase_add_loop_test(c, read_wait_for_wrong_lines, 0, N(wrong));
	tcase_add_test(c, read_wait_takes_descriptors);
}

int main(void)
{
	return run_suite("base-chan", add_tests);
}
