/* SPDX-License-Identifier: Apache-2.0
 *
 * enter.c - see enter.h.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/units.h>
#include <engine/keys.h>
#include <enter.h>
#include <guest/dial.h>
#include <guest/guest.h>
#include <guest/terminal.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

#define WAIT_DEFAULT (60 * NS_PER_S)
/* A server that answers within this time is not spoken of. */
#define QUIET_WAIT (2 * NS_PER_S)
/* One that has answered may take this long for the login when nobody waits. */
#define LOGIN_MIN (10 * NS_PER_S)

int enter_index(const char *text, unsigned *ret, struct holos_error **err)
{
	int64_t n;

	if (text == NULL)
		return 0;
	if (units_parse_int(text, 0, 1 << 20, &n) < 0)
		return error_set(err, ERR_USAGE, "--index %s: must be a number", text);
	*ret = (unsigned)n;
	return 0;
}

/* "web-9" where there is a service web: a wrong name rather than a command. */
static bool looks_like_one(const struct project_status *p, const char *word)
{
	char service[64];
	unsigned index;

	return word != NULL && state_split_instance(word, service, &index) &&
	       project_status_find(p, service, NULL) == 0;
}

/* "PROJECT [INSTANCE] ...": with one instance its name may be left out. */
static int in_project(const struct state *s, const char *verb, const char *name, char *const *rest,
		      unsigned index, struct enter_target *ret, struct holos_error **err)
{
	int r = project_status_read(s, name, &ret->project, err);

	if (r < 0)
		return r;
	if (rest[0] != NULL &&
	    cli_find_instance(ret->project, rest[0], index, &ret->vm, NULL) == 0) {
		ret->rest = rest + 1;
		return 0;
	}
	if (ret->project->n_vms == 1 && index == 0 && !looks_like_one(ret->project, rest[0])) {
		ret->vm = &ret->project->vms[0];
		ret->rest = rest;
		return 0;
	}
	if (rest[0] == NULL) {
		error_set(err, ERR_USAGE, "project \"%s\" has %zu instances: which one?", name,
			  ret->project->n_vms);
		error_hint(err, "holos %s %s INSTANCE; holos ps shows them", verb, name);
		return -ERR_USAGE;
	}
	return cli_find_instance(ret->project, rest[0], index, &ret->vm, err);
}

int enter_find(const struct common *c, const struct state *s, const char *verb,
	       char *const *operands, unsigned index, struct enter_target *ret,
	       struct holos_error **err)
{
	_cleanup_(freep) char *name = NULL;
	int r;

	if (operands == NULL || operands[0] == NULL)
		return error_set(err, ERR_USAGE, "%s needs the name of an instance", verb);
	if (c->project == NULL && c->files.n == 0 && cli_is_project(s, operands[0]))
		return in_project(s, verb, operands[0], operands + 1, index, ret, err);
	r = cli_project_name(c, s, &name, err);
	if (r < 0)
		return error_wrap(err, "\"%s\" is no known project", operands[0]);
	if (!cli_is_project(s, name))
		return error_set(err, ERR_FAILED, "project \"%s\" is not up: no instance \"%s\"",
				 name, operands[0]);
	r = project_status_read(s, name, &ret->project, err);
	if (r == 0)
		r = cli_find_instance(ret->project, operands[0], index, &ret->vm, err);
	ret->rest = operands + 1;
	return r;
}

void enter_finish(struct enter_target *t)
{
	project_status_destroy(t->project);
	t->project = NULL;
}

int enter_running(const struct enter_target *t, struct holos_error **err)
{
	const struct vm_status *v = t->vm;

	if (v->rec == NULL)
		return error_set(err, ERR_FAILED, "instance \"%s\": %s", v->name, v->problem);
	if (v->vm->state == VM_RUNNING || v->vm->state == VM_STARTING)
		return 0;
	error_set(err, ERR_FAILED, "instance \"%s\" is %s", v->name, vm_state_name(v->vm->state));
	error_hint(err, "holos start -p %s %s", t->project->name, v->service);
	return -ERR_FAILED;
}

/* ---- the wait ------------------------------------------------------------------- */

/* A connection is not given up to say that it takes long: a signal says it. */
static struct {
	char text[160]; /* "": it was said */
	struct sigaction before;
} notice;

static void notice_say(int sig)
{
	int saved = errno;

	(void)sig;
	(void)!write(STDERR_FILENO, notice.text, strlen(notice.text));
	notice.text[0] = '\0';
	errno = saved;
}

static void notice_set(const struct holos_guest *guest, uint64_t wait_ns)
{
	struct sigaction sa = { .sa_handler = notice_say, .sa_flags = SA_RESTART };
	struct itimerval timer = { .it_value.tv_sec = QUIET_WAIT / NS_PER_S };
	char text[32];

	snprintf(notice.text, sizeof(notice.text),
		 "waiting up to %s for sshd of %s on 127.0.0.1:%u ...\n",
		 units_duration_text(wait_ns, text), guest->vm, guest->ssh_port);
	sigaction(SIGALRM, &sa, &notice.before);
	if (wait_ns > QUIET_WAIT)
		setitimer(ITIMER_REAL, &timer, NULL);
}

static void notice_end(void)
{
	struct itimerval off = { { 0, 0 }, { 0, 0 } };

	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &notice.before, NULL);
}

/* What ends the wait with a word: a descriptor that poll(2) tells of. */
static int wait_signals(sigset_t *old)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction sa;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (sigaction(ends[i], NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
			sigaddset(&set, ends[i]);
	}
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd >= 0)
		sigprocmask(SIG_BLOCK, &set, old);
	return fd;
}

/* The first try: at once, when the guest is up.  1: worth another one. */
static int try_once(const struct holos_guest *guest, const struct holos_ssh_module *m,
		    uint64_t wait_ns, int cancel_fd, struct ssh_conn **ret,
		    struct holos_error **err)
{
	uint64_t now = clock_now_ns();
	uint64_t login = wait_ns > LOGIN_MIN ? wait_ns : LOGIN_MIN;
	const struct guest_limits limits = {
		now + (wait_ns != 0 && wait_ns < QUIET_WAIT ? wait_ns : QUIET_WAIT), cancel_fd
	};
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	holos_status st;
	int fd;

	st = guest_dial(guest, false, &limits, &fd, &why);
	if (st == HOLOS_OK)
		st = m->conn_open(guest, fd, now + login, cancel_fd, ret, &why);
	if (st == HOLOS_OK)
		return 0;
	if (st == HOLOS_E_UNREACHED && wait_ns != 0 && clock_now_ns() < now + wait_ns)
		return 1;
	return error_move(err, &why);
}

/* Until the guest lets us in, or somebody asks to end. */
static int connect_within(const struct holos_guest *guest, const struct holos_ssh_module *m,
			  uint64_t wait_ns, int cancel_fd, struct ssh_conn **ret,
			  struct holos_error **err)
{
	uint64_t begun = clock_now_ns();
	int r;

	if (wait_ns != 0)
		notice_set(guest, wait_ns);
	r = try_once(guest, m, wait_ns, cancel_fd, ret, err);
	if (r == 1) {
		if (notice.text[0] != '\0')
			notice_say(SIGALRM);
		r = guest_wait_ssh(guest, begun + wait_ns, cancel_fd, ret, err) == HOLOS_OK
			    ? 0
			    : -ERR_FAILED;
	}
	if (wait_ns != 0)
		notice_end();
	return r < 0 && err != NULL && *err != NULL ? -(*err)->code : r;
}

int enter_connect(const struct state *s, const struct enter_target *t, const char *user,
		  const char *wait, const struct holos_ssh_module **ret_module,
		  struct ssh_conn **ret, struct holos_error **err)
{
	_cleanup_(freep) char *key = keys_project_path(s, t->project->name);
	_cleanup_(freep) char *host_key = fs_join(t->vm->dir, KEYS_HOST_KEY_PUB);
	const struct instance_record *rec = t->vm->rec;
	const struct holos_guest guest = {
		.size = sizeof(guest),
		.vm = t->vm->name,
		.ssh_host = "127.0.0.1",
		.ssh_port = rec->ssh_port,
		.ssh_user = user != NULL        ? user
			    : rec->user != NULL ? rec->user
						: "root",
		.ssh_key = key,
		.ssh_known_hosts = host_key,
	};
	const struct holos_ssh_module *m;
	uint64_t wait_ns = WAIT_DEFAULT;
	_cleanup_(closep) int signals = -1;
	struct ssh_conn *conn = NULL;
	sigset_t old;
	int r = 0;

	/* What libssh refuses as well, without saying why. */
	if (user != NULL &&
	    (user[0] == '\0' || user[0] == '-' || strpbrk(user, " \t\n'`\";&<>|(){}\\") != NULL))
		return error_set(err, ERR_USAGE, "-u %s: must be the name of a user", user);
	if (rec->ssh_port == 0)
		return error_set(err, ERR_FAILED, "instance \"%s\" has no SSH port", t->vm->name);
	if (wait != NULL)
		r = option_duration("wait", wait, &wait_ns, err);
	if (r == 0)
		r = guest_ssh_module(&m, err);
	if (r < 0)
		return r;
	signals = wait_signals(&old);
	if (signals < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot receive signals");
	r = connect_within(&guest, m, wait_ns, signals, &conn, err);
	/* Taken here, or it would end us when it is let through. */
	if (terminal_signal(signals) != 0 && r == 0) {
		m->conn_close(conn);
		r = error_set(err, ERR_INTERRUPTED, "interrupted");
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		return r;
	*ret_module = m;
	*ret = conn;
	return 0;
}
