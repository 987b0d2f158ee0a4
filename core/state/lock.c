/* SPDX-License-Identifier: Apache-2.0
 *
 * lock.c - see lock.h.
 *
 * Waiting is a blocking F_OFD_SETLKW: the kernel wakes us the moment the holder
 * is gone.  Signals interrupt it (base/interrupt.h), the deadline's as well.
 *
 * The file's text says who holds the lock.  It is advice: one that was killed
 * leaves its own behind, so a process is named only when it still is the one
 * that wrote it.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/interrupt.h>
#include <base/process.h>
#include <base/strbuf.h>
#include <base/units.h>
#include <state/lock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct state_lock {
	int fd;
};

/* "pid=N verb=V started_at=T pid_start=S" -> the text before pid_start, when that
 * process lives; NULL: whoever holds the lock has not said so yet.  The caller
 * frees. */
static char *holder(int fd)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	char *start;
	int64_t pid, began;

	if (lseek(fd, 0, SEEK_SET) < 0 || fs_read_fd(fd, "lock file", 512, &text, NULL) < 0 ||
	    text.len == 0 || strncmp(text.s, "pid=", 4) != 0)
		return NULL;
	text.s[strcspn(text.s, "\n")] = '\0';
	start = strstr(text.s, " pid_start=");
	if (start == NULL)
		return NULL;
	*start = '\0';
	if (units_parse_int(start + strlen(" pid_start="), 1, INT64_MAX, &began) < 0)
		return NULL;
	start = xstrdup(text.s);
	text.s[strcspn(text.s, " ")] = '\0';
	if (units_parse_int(text.s + 4, 1, INT32_MAX, &pid) < 0 ||
	    process_start_time((pid_t)pid) != (uint64_t)began) {
		free(start);
		return NULL;
	}
	return start;
}

static int busy(int fd, const char *name, const char *path, bool waited, struct holos_error **err)
{
	_cleanup_(freep) char *who = holder(fd);

	error_set(err, ERR_BUSY, "%s is busy (%s)%s", name, who != NULL ? who : "holder unknown",
		  waited ? ": gave up waiting" : "");
	error_hint(err, "wait for it to end, or try again with --lock-timeout; lock file: %s",
		   path);
	return -ERR_BUSY;
}

/* 0: taken, 1: not in time, negative: -errno (-EINTR: interrupted). */
static int take(int fd, uint64_t deadline_ns, bool (*interrupted)(void))
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int r;

	if (fcntl(fd, F_OFD_SETLK, &lk) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return -errno;
	if (deadline_ns <= clock_now_ns())
		return 1;
	interrupt_guard_begin(deadline_ns);
	for (;;) {
		if (interrupted != NULL && interrupted())
			r = -EINTR;
		else if (clock_now_ns() >= deadline_ns)
			r = 1;
		else if (fcntl(fd, F_OFD_SETLKW, &lk) == 0)
			r = 0;
		else if (errno == EINTR)
			continue;
		else
			r = -errno;
		break;
	}
	interrupt_guard_end();
	return r;
}

int state_lock_file(const struct state *s, const char *rel, const char *name, const char *verb,
		    uint64_t deadline_ns, bool (*interrupted)(void), struct state_lock **ret,
		    struct holos_error **err)
{
	_cleanup_(freep) char *owner = NULL;
	_cleanup_(freep) char *path = fs_join(s->dir, rel);
	_cleanup_(closep) int fd = -1;
	struct stat st;
	char now[40];
	int r;

	fd = openat(s->fd, rel, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open lock file %s", path);
	/* Its text is written over: never another's file. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1) {
		error_set(err, ERR_FAILED, "lock file %s is no plain file of its own", path);
		error_hint(err, "move it away");
		return -ERR_FAILED;
	}
	r = take(fd, deadline_ns, interrupted);
	if (r == -EINTR)
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	if (r == 1)
		return busy(fd, name, path, deadline_ns != 0, err);
	if (r < 0)
		return error_sys(err, ERR_FAILED, -r, "cannot lock %s", path);
	owner = xasprintf("pid=%ld verb=%s started_at=%s pid_start=%llu\n", (long)getpid(), verb,
			  clock_rfc3339_now(now), (unsigned long long)process_start_time(getpid()));
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
