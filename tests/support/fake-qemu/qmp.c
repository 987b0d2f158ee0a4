/* SPDX-License-Identifier: Apache-2.0
 *
 * qmp.c - the monitor socket: one client at a time, greeting, negotiation,
 * then commands; events go to a client that has negotiated.
 */
#include "fake.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static bool negotiated;
static struct json_tokener *parser;

static void accept_client(void *data, int fd, short revents);

/* One line of JSON and CR LF, as QEMU; the object is taken over. */
static void send_object(struct fake *f, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
	int fd = f->qmp ? f->qmp->client_fd : -1;

	if (fd >= 0) {
		send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_MORE);
		send(fd, "\r\n", 2, MSG_NOSIGNAL);
	}
	json_object_put(o);
}

static struct json_object *wrap(const char *key, struct json_object *value)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, key, value);
	return o;
}

static struct json_object *fail(const char *class, const char *desc)
{
	struct json_object *e = wrap("class", json_object_new_string(class));

	json_object_object_add(e, "desc", json_object_new_string(desc));
	return wrap("error", e);
}

struct json_object *qmp_reason(const char *reason, bool guest)
{
	struct json_object *o = wrap("guest", json_object_new_boolean(guest));

	json_object_object_add(o, "reason", json_object_new_string(reason));
	return o;
}

void qmp_event(struct fake *f, const char *event, struct json_object *data)
{
	struct json_object *o, *stamp;
	struct timespec t;

	if (!negotiated) {
		json_object_put(data);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &t);
	stamp = wrap("seconds", json_object_new_int64(t.tv_sec));
	json_object_object_add(stamp, "microseconds", json_object_new_int64(t.tv_nsec / 1000));
	o = wrap("timestamp", stamp);
	json_object_object_add(o, "event", json_object_new_string(event));
	if (data)
		json_object_object_add(o, "data", data);
	send_object(f, o);
}

static struct json_object *version(void)
{
	struct json_object *q = wrap("micro", json_object_new_int(22));
	struct json_object *v;

	json_object_object_add(q, "minor", json_object_new_int(2));
	json_object_object_add(q, "major", json_object_new_int(7));
	v = wrap("qemu", q);
	json_object_object_add(v, "package", json_object_new_string("fake"));
	return v;
}

static struct json_object *hmp(struct fake *f, const char *line)
{
	char rule[128], text[256] = "";

	if (sscanf(line, "hostfwd_add %*s %127s", rule) == 1 ||
	    sscanf(line, "hostfwd_add %127s", rule) == 1) {
		if (!net_add(f, rule)) {
			snprintf(text, sizeof(text),
				 "Could not set up host forwarding rule '%s'\r\n", rule);
		}
	} else if (sscanf(line, "hostfwd_remove %*s %127s", rule) == 1 ||
		   sscanf(line, "hostfwd_remove %127s", rule) == 1) {
		snprintf(text, sizeof(text), "host forwarding rule for %s %s\r\n", rule,
			 net_remove(f, rule) ? "removed" : "not found");
	} else if (!strcmp(line, "info status")) {
		snprintf(text, sizeof(text), "VM status: %s\r\n", f->status);
	} else {
		snprintf(text, sizeof(text), "unknown command: '%.*s'\r\n", (int)strcspn(line, " "),
			 line);
	}
	return json_object_new_string(text);
}

static struct json_object *query(struct fake *f, const char *name)
{
	struct json_object *o;
	bool running = !strcmp(f->status, "running");

	if (!strcmp(name, "query-status")) {
		machine_count(f);
		o = wrap("status", json_object_new_string(f->status));
		json_object_object_add(o, "singlestep", json_object_new_boolean(false));
		json_object_object_add(o, "running", json_object_new_boolean(running));
		return o;
	}
	if (!strcmp(name, "query-uuid")) {
		const char *uuid = f->uuid && !f->behavior.wrong_uuid
					   ? f->uuid
					   : "00000000-0000-0000-0000-000000000000";
		return wrap("UUID", json_object_new_string(uuid));
	}
	if (!strcmp(name, "query-name"))
		return wrap("name", json_object_new_string(f->name));
	if (!strcmp(name, "query-version"))
		return version();
	if (!strcmp(name, "query-kvm")) {
		o = wrap("enabled", json_object_new_boolean(args_get(f, "enable-kvm") != NULL));
		json_object_object_add(o, "present", json_object_new_boolean(true));
		return o;
	}
	return NULL;
}

/* The members "return" or "error" of the answer; NULL: none is sent. */
static struct json_object *execute(struct fake *f, const char *name, struct json_object *args)
{
	struct json_object *result;
	char desc[300];

	if (!strcmp(name, "qmp_capabilities")) {
		if (negotiated) {
			return fail(
				"CommandNotFound",
				"Capabilities negotiation is already complete, command ignored");
		}
		negotiated = true;
		return wrap("return", json_object_new_object());
	}
	if (!negotiated) {
		return fail("CommandNotFound",
			    "Expecting capabilities negotiation with 'qmp_capabilities'");
	}
	if (f->behavior.hang_commands)
		return NULL;
	result = query(f, name);
	if (result)
		return wrap("return", result);
	if (!strcmp(name, "human-monitor-command")) {
		struct json_object *line = json_object_object_get(args, "command-line");

		if (!json_object_is_type(line, json_type_string))
			return fail("GenericError", "Parameter 'command-line' is missing");
		return wrap("return", hmp(f, json_object_get_string(line)));
	}
	if (!strcmp(name, "stop")) {
		machine_set_status(f, "paused", "STOP");
	} else if (!strcmp(name, "cont")) {
		machine_cont(f);
	} else if (!strcmp(name, "system_powerdown")) {
		machine_powerdown(f);
	} else if (!strcmp(name, "system_reset")) {
		machine_reset(f, "host-qmp-system-reset", false);
	} else if (!strcmp(name, "quit")) {
		log_event(f, "quit");
		if (!f->behavior.ignore_quit)
			qmp_event(f, "SHUTDOWN", qmp_reason("host-qmp-quit", false));
	} else {
		snprintf(desc, sizeof(desc), "The command %.200s has not been found", name);
		return fail("CommandNotFound", desc);
	}
	return wrap("return", json_object_new_object());
}

static void send_garbage(struct fake *f)
{
	static const char junk[] = "\0\xff{{{[[[ \"half an event\r\n}}}\x1b[2J\r\n";

	send(f->qmp->client_fd, junk, sizeof(junk) - 1, MSG_NOSIGNAL);
}

static void handle_message(struct fake *f, struct json_object *msg)
{
	struct json_object *command, *id, *answer;
	const char *name;

	if (!json_object_is_type(msg, json_type_object)) {
		send_object(f, fail("GenericError", "QMP input must be a JSON object"));
		return;
	}
	command = json_object_object_get(msg, "execute");
	if (!json_object_is_type(command, json_type_string)) {
		send_object(f, fail("GenericError", "QMP input lacks member 'execute'"));
		return;
	}
	name = json_object_get_string(command);
	answer = execute(f, name, json_object_object_get(msg, "arguments"));
	id = json_object_object_get(msg, "id");
	if (answer && id)
		json_object_object_add(answer, "id", json_object_get(id));
	if (answer)
		send_object(f, answer);
	if (!strcmp(name, "quit") && negotiated && answer && !f->behavior.ignore_quit)
		machine_exit(f, 0);
	if (negotiated && f->behavior.garbage_qmp == GARBAGE_LATER)
		send_garbage(f);
}

static void hang_up(struct fake *f)
{
	loop_remove(f->qmp->client_fd);
	close(f->qmp->client_fd);
	f->qmp->client_fd = -1;
	negotiated = false;
	json_tokener_reset(parser);
	loop_add(f->qmp->listen_fd, POLLIN, accept_client, f);
}

/* Messages need no line ends between them, as with QEMU. */
static void read_client(void *data, int fd, short revents)
{
	struct fake *f = data;
	char buf[16384];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	size_t at = 0;

	(void)revents;
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			hang_up(f);
		return;
	}
	while (at < (size_t)n && !f->behavior.hang_qmp) {
		struct json_object *msg =
			json_tokener_parse_ex(parser, buf + at, (int)((size_t)n - at));
		enum json_tokener_error e = json_tokener_get_error(parser);

		if (e == json_tokener_continue)
			return;
		if (e != json_tokener_success) {
			json_tokener_reset(parser);
			send_object(f, fail("GenericError", "JSON parse error"));
			return;
		}
		at += json_tokener_get_parse_end(parser);
		handle_message(f, msg);
		json_object_put(msg);
	}
}

static void flood(void *data, int fd, short revents)
{
	static char text[65536];

	(void)revents;
	memset(text, 'x', sizeof(text));
	if (send(fd, text, sizeof(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
		hang_up(data);
}

static void greet(void *data)
{
	struct fake *f = data;
	struct json_object *q = wrap("version", version());

	json_object_object_add(q, "capabilities", json_object_new_array());
	send_object(f, wrap("QMP", q));
}

static void accept_client(void *data, int fd, short revents)
{
	struct fake *f = data;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)revents;
	if (client < 0)
		return;
	f->qmp->client_fd = client;
	loop_remove(fd);
	if (f->behavior.garbage_qmp == GARBAGE_FLOOD) {
		loop_add(client, POLLOUT, flood, f);
		return;
	}
	loop_add(client, POLLIN, read_client, f);
	if (f->behavior.hang_qmp)
		return;
	if (f->behavior.garbage_qmp == GARBAGE_GREETING)
		send_garbage(f);
	else if (f->behavior.qmp_delay_ms)
		loop_timer(f->behavior.qmp_delay_ms, greet, f);
	else
		greet(f);
}

void qmp_serve(struct fake *f)
{
	parser = json_tokener_new_ex(64);
	if (f->qmp && f->qmp->listen_fd >= 0)
		loop_add(f->qmp->listen_fd, POLLIN, accept_client, f);
}
