/* SPDX-License-Identifier: Apache-2.0
 *
 * lock.c - see lock.h.
 *
 * Waiting is a blocking F_OFD_SETLKW that a timer's signal interrupts: the
 * kernel wakes us the moment the holder is gone.  The timer repeats, so that a
 * signal that arrives just before the call is not lost.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/strbuf.h>
#include <state/lock.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

struct state_lock {
	int fd;
};

static void on_alarm(int sig)
{
	(void)sig;
}

static int busy(int fd, const char *name, bool waited, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf who = STRBUF_INIT;

	if (lseek(fd, 0, SEEK_SET) < 0 || fs_read_fd(fd, "lock file", 512, &who, NULL) < 0 ||
	    who.len == 0)
		strbuf_adds(&who, "holder unknown");
	who.s[strcspn(who.s, "\n")] = '\0';
	error_set(err, ERR_BUSY, "%s is busy (%s)%s", name, who.s,
		  waited ? ": gave up waiting" : "");
	error_hint(err, "wait for it to end, or try again with --lock-timeout");
	return -ERR_BUSY;
}

/* 0: taken, 1: not in time, negative: -errno (-EINTR: interrupted). */
static int take(int fd, uint64_t deadline_ns, bool (*interrupted)(void))
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct sigaction sa = { .sa_handler = on_alarm }, old_sa;
	struct itimerval timer = { { 0, 100000 }, { 0, 1 } }, off = { { 0, 0 }, { 0, 0 } };
	uint64_t now = clock_now_ns();
	int r = 1;

	if (fcntl(fd, F_OFD_SETLK, &lk) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return -errno;
	if (deadline_ns <= now)
		return 1;
	timer.it_value.tv_sec = (time_t)((deadline_ns - now) / NS_PER_S);
	timer.it_value.tv_usec = (suseconds_t)((deadline_ns - now) % NS_PER_S / 1000 + 1);
	if (timer.it_value.tv_usec > 999999)
		timer.it_value.tv_usec = 999999;
	sigaction(SIGALRM, &sa, &old_sa);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (;;) {
		if (fcntl(fd, F_OFD_SETLKW, &lk) == 0) {
			r = 0;
			break;
		}
		if (errno != EINTR) {
			r = -errno;
			break;
		}
		if (interrupted != NULL && interrupted()) {
			r = -EINTR;
			break;
		}
		if (clock_now_ns() >= deadline_ns)
			break;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old_sa, NULL);
	return r;
}

int state_lock_file(const struct state *s, const char *rel, const char *name, const char *verb,
		    uint64_t deadline_ns, bool (*interrupted)(void), struct state_lock **ret,
		    struct holos_error **err)
{
	_cleanup_(freep) char *owner = NULL;
	_cleanup_(closep) int fd = -1;
	char now[40];
	int r;

	fd = openat(s->fd, rel, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open lock file %s/%s", s->dir,
				 rel);
	r = take(fd, deadline_ns, interrupted);
	if (r == -EINTR)
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	if (r == 1)
		return busy(fd, name, deadline_ns != 0, err);
	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "cannot lock %s/%s", s->dir, rel);
	owner = xasprintf("pid=%ld verb=%s started_at=%s\n", (long)getpid(), verb,
			  clock_rfc3339_now(now));
	if (ftruncate(fd, 0) == 0) /* advisory text: a full disk does not stop us here */
		(void)!pwrite(fd, owner, strlen(owner), 0);
	*ret = xnew(struct state_lock);
	(*ret)->fd = steal_fd(&fd);
	return 0;
}

int state_lock(const struct state *s, const char *project, const char *verb, uint64_t deadline_ns,
	       bool (*interrupted)(void), struct state_lock **ret, struct holos_error **err)
{
	_cleanup_(freep) char *rel = xasprintf("locks/%s.lock", project);
	_cleanup_(freep) char *name = xasprintf("project \"%s\"", project);

	return state_lock_file(s, rel, name, verb, deadline_ns, interrupted, ret, err);
}

void state_unlock(struct state_lock *l)
{
	if (l == NULL)
		return;
	(void)!ftruncate(l->fd, 0); /* the text of a lock that nobody holds misleads */
	close(l->fd);
	free(l);
}
