/* SPDX-License-Identifier: Apache-2.0
 *
 * server.c - see server.h.
 *
 * sshd runs in inetd mode: the acceptor forks and executes it with the
 * connection as standard input and output.  So the port is known without a
 * race, and what a connection meets is decided one by one.
 */
#include "server.h"

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/process.h>
#include <base/strv.h>

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DROPBEAR        "/usr/sbin/dropbear"
#define DROPBEARCONVERT "/usr/bin/dropbearconvert"
#define OPENSSH         "/usr/sbin/sshd"

/* gcc 12's leak checker crashes now and then ("Tracer caught signal 11") over
 * thread-local storage of libraries that were loaded late, as libcrypto is here.
 * Read by AddressSanitizer, if there is one. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
	return "intercept_tls_get_addr=0";
}

const struct holos_ssh_module *module(void)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	const struct holos_ssh_module *m = NULL;

	if (guest_ssh_module(&m, &err) < 0)
		ck_abort_msg("%s", err->message);
	return m;
}

uint64_t in_ms(unsigned ms)
{
	return clock_now_ns() + ms * NS_PER_MS;
}

const char *server_missing(enum server_kind kind)
{
	if (kind == SERVER_OPENSSH && access(OPENSSH, X_OK) != 0)
		return "no " OPENSSH;
	/* sshd as root wants a directory of the system's; leave that alone. */
	if (kind == SERVER_OPENSSH && geteuid() == 0 && access("/run/sshd", F_OK) != 0)
		return "running as root without /run/sshd";
	if (kind != SERVER_OPENSSH &&
	    (access(DROPBEAR, X_OK) != 0 || access(DROPBEARCONVERT, X_OK) != 0))
		return "no " DROPBEAR;
	return "";
}

char *server_file(const struct server *s, const char *name, const char *text)
{
	char *path = fs_join(s->dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_write_all(fd, text, strlen(text)), 0);
	close(fd);
	return path;
}

static void run_sshd(const struct server *s, int conn)
{
	char hostkey[96], config[96], preload[256], home[96];
	char path[] = "PATH=/usr/bin:/bin";
	char *const env[] = { preload, home, path, NULL };
	char log[96];
	int fd;

	snprintf(hostkey, sizeof(hostkey), "%s/host.dropbear", s->dir);
	snprintf(config, sizeof(config), "%s/sshd_config", s->dir);
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", FAKE_PASSWD);
	snprintf(home, sizeof(home), "FAKE_HOME=%s", s->dir);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(conn, 0);
	dup2(conn, 1);
	dup2(fd, 2);
	closefrom(3);
	if (s->kind == SERVER_OPENSSH)
		execle(OPENSSH, "sshd", "-i", "-e", "-f", config, NULL, env + 2);
	else
		execle(DROPBEAR, "dropbear", "-i", "-r", hostkey, NULL, env);
	_exit(127);
}

/* What connection number n (from 0) meets; the acceptor's descriptor table is
 * where silent ones stay open. */
static void serve(const struct server *s, int conn, unsigned n)
{
	static int first;

	if (s->kind == SERVER_BUSY && n == 0) {
		first = conn;
		return;
	}
	if (s->kind == SERVER_BUSY && n == 1) {
		(void)!write(conn, "Exceeded MaxStartups\r\n", 22);
		close(conn);
		conn = first;
	}
	if (s->kind == SERVER_CLOSE || (s->kind == SERVER_LATE && n < 3)) {
		close(conn);
	} else if (s->kind == SERVER_GARBAGE) {
		(void)!write(conn, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
		close(conn);
	} else if (s->kind == SERVER_SILENT || (s->kind == SERVER_DEAF && n == 0)) {
		return;
	} else if (fork() == 0) {
		signal(SIGCHLD, SIG_DFL);
		run_sshd(s, conn);
	} else {
		close(conn);
	}
}

static _Noreturn void acceptor(const struct server *s)
{
	unsigned n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (n = 0;; n++) {
		int conn = accept(s->fd, NULL, NULL);
		int one = 1;

		if (conn < 0)
			_exit(1);
		/* As a server of its own does it; in inetd mode it is our task. */
		(void)setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		serve(s, conn, n);
	}
}

void server_revive(struct server *s)
{
	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	if (s->pid == 0)
		acceptor(s);
}

/* Children of the acceptor, as the kernel lists them; at most max are stored. */
static unsigned children(const struct server *s, pid_t *list, unsigned max)
{
	char path[64];
	unsigned n = 0;
	int pid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)s->pid, (int)s->pid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fscanf(f, "%d", &pid) == 1) {
		if (n < max)
			list[n] = pid;
		n++;
	}
	fclose(f);
	return n;
}

unsigned server_connections(const struct server *s)
{
	return children(s, NULL, 0);
}

void server_kill(struct server *s)
{
	pid_t list[64];
	unsigned n;

	kill(s->pid, SIGSTOP); /* no more children */
	/* Each sshd is a session of its own, out of reach of a group's signal. */
	for (n = children(s, list, 64); n > 0; n--)
		kill(list[n - 1], SIGKILL);
	kill(s->pid, SIGKILL);
	ck_assert_int_eq(waitpid(s->pid, NULL, 0), s->pid);
}

static void make_keys(struct server *s)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	struct ssh_keypair host, user;
	char in[96], out[96], ssh_dir[96];
	char *text;
	_cleanup_(strv_finish) struct strv convert = STRV_INIT;
	int status = -1;

	ck_assert_int_eq(module()->keygen(&host, NULL), 0);
	ck_assert_int_eq(module()->keygen(&user, NULL), 0);
	s->key = server_file(s, "id", user.private_text);
	text = xasprintf("# the VM's own\n* %s\n", host.public_line);
	s->known_hosts = server_file(s, "known_hosts", text);
	free(text);
	free(server_file(s, "host", host.private_text));
	snprintf(ssh_dir, sizeof(ssh_dir), "%s/.ssh", s->dir);
	ck_assert_int_eq(mkdir(ssh_dir, 0700), 0);
	text = xasprintf("%s test\n", user.public_line);
	free(server_file(s, ".ssh/authorized_keys", text));
	free(text);
	free(host.private_text);
	free(host.public_line);
	free(user.private_text);
	free(user.public_line);
	snprintf(in, sizeof(in), "%s/host", s->dir);
	snprintf(out, sizeof(out), "%s/host.dropbear", s->dir);
	strv_add(&convert, "dropbearconvert");
	strv_add(&convert, "openssh");
	strv_add(&convert, "dropbear");
	strv_add(&convert, in);
	strv_add(&convert, out);
	if (access(DROPBEARCONVERT, X_OK) == 0 &&
	    process_run(DROPBEARCONVERT, convert.v, in_ms(20000), NULL, NULL, &status, &err) < 0)
		ck_abort_msg("%s", err->message);
	text = xasprintf("HostKey %s\nAuthorizedKeysFile %s/authorized_keys\nStrictModes no\n"
			 "UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
			 "AcceptEnv NOTHING\nPidFile none\nLogLevel VERBOSE\n",
			 in, ssh_dir);
	free(server_file(s, "sshd_config", text));
	free(text);
}

void server_start(struct server *s, enum server_kind kind)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	const struct passwd *pw;

	*s = (struct server){ .kind = kind };
	snprintf(s->dir, sizeof(s->dir), "/tmp/holos-test-ssh-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	make_keys(s);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(listen(s->fd, 64), 0);
	ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
	server_revive(s);
	/* OpenSSH is not fooled: it lets the caller log in as itself. */
	pw = kind == SERVER_OPENSSH ? getpwuid(geteuid()) : NULL;
	snprintf(s->user, sizeof(s->user), "%s", pw != NULL ? pw->pw_name : "tester");
	s->guest = (struct holos_guest){
		.size = sizeof(s->guest),
		.ssh_port = ntohs(a.sin_port),
		.vm = "web-0",
		.ssh_host = "127.0.0.1",
		.ssh_user = s->user,
		.ssh_key = s->key,
		.ssh_known_hosts = s->known_hosts,
	};
}

void server_stop(struct server *s)
{
	module()->guest_forget();
	server_kill(s);
	close(s->fd);
	(void)fs_remove_tree(AT_FDCWD, s->dir, NULL); /* only litter */
	free(s->key);
	free(s->known_hosts);
}
