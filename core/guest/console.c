/* SPDX-License-Identifier: Apache-2.0
 *
 * console.c - see console.h.
 */
#include <base/cleanup.h>
#include <guest/console.h>
#include <guest/sink.h>
#include <guest/terminal.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Of input at once: a serial line is slow. */
#define INPUT_MAX 4096

struct console {
	int fd, signals;
	struct sink out, in; /* standard output; the socket */
	struct detach_keys *keys;
	bool tty, input;
};

int console_connect(const char *dir, struct holos_error **err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/serial.sock", dir);

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot make a socket");
	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return error_set(err, ERR_FAILED, "the path of socket %s/serial.sock is too long",
				 dir);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return steal_fd(&fd);
	if (errno != EAGAIN)
		return error_sys(err, ERR_FAILED, errno, "cannot connect to %s", sa.sun_path);
	error_set(err, ERR_BUSY, "%s is held by a program that is not holos", sa.sun_path);
	error_hint(err, "ss -xp shows which");
	return -ERR_BUSY;
}

static void read_output(struct console *c, bool *ret_ended)
{
	ssize_t n = recv(c->fd, c->out.buf, SINK_BUFFER, 0);

	if (n > 0)
		sink_put(&c->out, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		*ret_ended = true;
}

static void read_input(struct console *c, bool *ret_detached)
{
	char typed[INPUT_MAX];
	size_t left;
	ssize_t n = read(0, typed, sizeof(typed));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		c->input = false; /* a terminal that is gone sends SIGHUP as well */
		return;
	}
	if (c->tty) {
		*ret_detached = detach_filter(c->keys, typed, (size_t)n, c->in.buf, &left);
		sink_put(&c->in, left);
	} else {
		memcpy(c->in.buf, typed, (size_t)n);
		sink_put(&c->in, (size_t)n);
	}
}

static bool asked_to_end(const struct console *c)
{
	int signo;

	do {
		signo = terminal_signal(c->signals);
	} while (signo != 0 && !terminal_is_end(signo));
	return signo != 0;
}

enum { WAIT_VM, WAIT_STDIN, WAIT_STDOUT, WAIT_SIGNALS, WAIT_N };

static int pump(struct console *c, enum console_end *ret_end, struct holos_error **err)
{
	bool detached = false, ended = false;

	for (;;) {
		struct pollfd f[WAIT_N];
		int r = sink_flush(&c->out);

		(void)sink_flush(&c->in); /* a VM that is gone shows when it is read from */
		if (r < 0 && r != -EPIPE)
			return error_sys(err, ERR_FAILED, -r, "cannot write to standard output");
		if (detached || r < 0 || (ended && !sink_full(&c->out))) {
			*ret_end = ended ? CONSOLE_VM_ENDED : CONSOLE_DETACHED;
			return 0;
		}
		f[WAIT_VM] = (struct pollfd){ .fd = ended ? -1 : c->fd };
		if (!sink_full(&c->out))
			f[WAIT_VM].events |= POLLIN;
		if (sink_full(&c->in))
			f[WAIT_VM].events |= POLLOUT;
		f[WAIT_STDIN] = (struct pollfd){ .fd = c->input && !sink_full(&c->in) ? 0 : -1,
						 .events = POLLIN };
		f[WAIT_STDOUT] = (struct pollfd){ .fd = c->out.fd,
						  .events = sink_full(&c->out) ? POLLOUT : 0 };
		f[WAIT_SIGNALS] = (struct pollfd){ .fd = c->signals, .events = POLLIN };
		if (poll(f, WAIT_N, -1) < 0)
			continue; /* EINTR */
		if (f[WAIT_SIGNALS].revents != 0 && asked_to_end(c)) {
			*ret_end = CONSOLE_SIGNALLED;
			return 0;
		}
		if (f[WAIT_STDIN].revents != 0)
			read_input(c, &detached);
		if (f[WAIT_VM].revents != 0 && !sink_full(&c->out))
			read_output(c, &ended);
		/* Nobody reads: told by poll before anything is written. */
		if ((f[WAIT_STDOUT].revents & (POLLERR | POLLNVAL)) != 0)
			detached = true;
	}
}

int console_attach(int fd, bool input, struct detach_keys *keys, enum console_end *ret_end,
		   struct holos_error **err)
{
	_cleanup_(closep) int signals = -1;
	struct terminal terminal = { .raw = false };
	struct console c = { .fd = fd, .keys = keys, .input = input };
	sigset_t old;
	int r = terminal_signals(&old, &signals);

	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "cannot receive signals");
	c.signals = signals;
	sink_init(&c.out, STDOUT_FILENO, NULL);
	sink_init(&c.in, fd, NULL);
	if (input)
		terminal_raw(&terminal);
	c.tty = terminal.raw;
	if (c.tty) {
		c.in.buf[0] = '\r';
		sink_put(&c.in, 1);
	}
	r = pump(&c, ret_end, err);
	terminal_restore_reset(&terminal);
	sigprocmask(SIG_SETMASK, &old, NULL);
	sink_finish(&c.out);
	sink_finish(&c.in);
	return r;
}
