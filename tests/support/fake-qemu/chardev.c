/* SPDX-License-Identifier: Apache-2.0
 *
 * chardev.c - listening sockets (-chardev socket, -qmp unix:...) and the serial
 * line behind one of them: a boot banner, then an echo.
 */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_at(const char *option, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		complain("%s: UNIX socket path '%s' is too long\n"
			 "Path must be less than 108 bytes",
			 option, path);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
		complain("%s: Failed to bind socket to %s: %s", option, path, strerror(errno));
		return -1;
	}
	return fd;
}

static int open_log(const char *option, const char *text, int *ret_fd)
{
	char *path = opts_get(text, "logfile");
	char *append = opts_get(text, "logappend");
	int how = append && !strcmp(append, "on") ? O_APPEND : O_TRUNC;
	int result = 0;

	if (path) {
		*ret_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0666);
		if (*ret_fd < 0) {
			complain("%s: Unable to open logfile %s: %s", option, path,
				 strerror(errno));
			result = -1;
		}
	}
	free(path);
	free(append);
	return result;
}

static int add_chardev(struct fake *f, const char *name, const char *text, char *id, char *path)
{
	struct chardev *c = &f->chardevs[f->n_chardevs];
	char option[4096];

	snprintf(option, sizeof(option), "-%s %s", name, text);
	if (f->n_chardevs == CHARDEVS_MAX) {
		complain("%s: too many character devices", option);
		free(id);
		free(path);
		return -1;
	}
	*c = (struct chardev){
		.id = id, .path = path, .listen_fd = -1, .client_fd = -1, .log_fd = -1
	};
	f->n_chardevs++;
	if (open_log(option, text, &c->log_fd))
		return -1;
	if (f->behavior.no_qmp && !strcmp(id, "qmp")) {
		free(c->path);
		c->path = NULL;
		return 0;
	}
	c->listen_fd = listen_at(option, path);
	return c->listen_fd < 0 ? -1 : 0;
}

static struct chardev *find_chardev(struct fake *f, const char *id)
{
	for (unsigned i = 0; id && i < f->n_chardevs; i++)
		if (!strcmp(f->chardevs[i].id, id))
			return &f->chardevs[i];
	return NULL;
}

/* -chardev pipe,path=P: two FIFOs, P.in and P.out, held open for reading and
 * writing; what a guest would say the tests write into P.out themselves. */
static int open_pipe(const char *option, const char *path)
{
	static const char *const ends[] = { "in", "out" };

	for (unsigned i = 0; i < 2; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s.%s", path, ends[i]);
		if (open(name, O_RDWR | O_CLOEXEC | O_NONBLOCK) < 0) {
			complain("-chardev %s: Could not open '%s': %s", option, name,
				 strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* -chardev socket,id=X,path=P,server=on or -qmp unix:P,server=on. */
static int open_option(struct fake *f, const struct option *o)
{
	char *id = NULL, *path = NULL;

	if (!strcmp(o->name, "qmp") && !strncmp(o->value, "unix:", 5)) {
		path = strndup(o->value + 5, strcspn(o->value + 5, ","));
		return add_chardev(f, o->name, o->value, strdup("qmp"), path);
	}
	if (strcmp(o->name, "chardev"))
		return 0;
	id = opts_get(o->value, "id");
	path = opts_get(o->value, "path");
	if (!strncmp(o->value, "pipe,", 5) && id && path) {
		int r = open_pipe(o->value, path);

		free(id);
		free(path);
		return r;
	}
	if (strncmp(o->value, "socket,", 7) || !id || !path) {
		complain("-chardev %s: the fake knows pipes, and server sockets with id= and path=",
			 o->value);
		free(id);
		free(path);
		return -1;
	}
	return add_chardev(f, o->name, o->value, id, path);
}

int chardev_open_all(struct fake *f)
{
	for (unsigned i = 0; i < f->n_options; i++)
		if (open_option(f, &f->options[i]))
			return -1;
	for (unsigned i = 0; i < f->n_options; i++) {
		const struct option *o = &f->options[i];
		char *id = o->value ? opts_get(o->value, "chardev") : NULL;

		if (!strcmp(o->name, "mon"))
			f->qmp = find_chardev(f, id);
		else if (!strcmp(o->name, "serial") && !strncmp(o->value, "chardev:", 8))
			f->serial = find_chardev(f, o->value + 8);
		else if (!strcmp(o->name, "device") && !strncmp(o->value, "isa-serial", 10))
			f->serial = find_chardev(f, id);
		else if (!strcmp(o->name, "qmp"))
			f->qmp = find_chardev(f, "qmp");
		free(id);
	}
	return 0;
}

void chardev_remove_all(struct fake *f)
{
	for (unsigned i = 0; i < f->n_chardevs; i++)
		if (f->chardevs[i].path && f->chardevs[i].listen_fd >= 0)
			unlink(f->chardevs[i].path);
}

void serial_write(struct fake *f, const char *text, size_t len)
{
	struct chardev *c = f->serial;

	if (!c)
		return;
	/* A full disk or a gone client costs the text, as with QEMU. */
	if (c->log_fd >= 0 && write(c->log_fd, text, len) < 0)
		complain("console log: %s", strerror(errno));
	if (c->client_fd >= 0)
		send(c->client_fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void serial_accept(void *data, int fd, short revents);

static void prompt(struct fake *f)
{
	char text[300];
	int n = snprintf(text, sizeof(text), "\r\n%s login: ", f->name);

	serial_write(f, text, (size_t)n);
}

static void serial_read(void *data, int fd, short revents)
{
	struct fake *f = data;
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	(void)revents;
	if (n <= 0) {
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		loop_remove(fd);
		close(fd);
		f->serial->client_fd = -1;
		loop_add(f->serial->listen_fd, POLLIN, serial_accept, f);
		return;
	}
	serial_write(f, buf, (size_t)n);
	if (memchr(buf, '\r', (size_t)n) || memchr(buf, '\n', (size_t)n))
		prompt(f);
}

static void serial_accept(void *data, int fd, short revents)
{
	struct fake *f = data;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (client < 0)
		return;
	f->serial->client_fd = client;
	loop_remove(fd);
	loop_add(client, POLLIN, serial_read, f);
}

void serial_boot(struct fake *f)
{
	char text[300];
	int n = snprintf(text, sizeof(text), "SeaBIOS (fake)\r\nBooting %s\r\n", f->name);

	if (!f->serial)
		return;
	loop_add(f->serial->listen_fd, POLLIN, serial_accept, f);
	serial_write(f, text, (size_t)n);
	for (int i = 3; i <= f->behavior.console_lines; i++) {
		n = snprintf(text, sizeof(text), "[%5d.000000] line %d\r\n", i, i);
		serial_write(f, text, (size_t)n);
	}
	prompt(f);
}
