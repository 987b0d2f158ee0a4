/* SPDX-License-Identifier: Apache-2.0
 *
 * provision.c - what the guest tells of its own making, over a virtio-serial port:
 * lines that docs/steps.md describes ("What the guest reports").
 *
 * QEMU writes them to a FIFO.  Both ends of it hold it open, so nothing is lost
 * while no monitor reads: the guest waits when it is full.  Nothing a guest says is
 * believed beyond this VM's own state, and it is read no faster than RATE: a guest
 * that talks without end costs next to nothing.
 *
 * What is read leaves the FIFO when the record says it: a monitor may be killed at any
 * instruction, and a lost "provisioned" would be waited for without end.  The next one
 * may read the same again, which changes nothing.
 *
 * All of it goes to provision.log, with the time in front.  In the record:
 *
 *   "boot", "first boot"   running; the end of the boot, or of the first boot's
 *                          work ("provisioned"), is the end of it
 *   "step: X", "build: X"  X is being done
 *   "error: X"             something failed; "output: X" lines that follow belong to it
 *   "PART failed..."       the end of that: failed, by the first error
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/printable.h>
#include <base/strbuf.h>
#include <monitor/monitor.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* QEMU's pipe chardev wants two; nothing is ever said to the guest. */
#define TO_GUEST   "provision.in"
#define FROM_GUEST "provision.out"
#define LOG_FILE   "provision.log"
#define LOG_MAX    (1 << 20) /* bytes, then it becomes provision.log.1 */
#define LINE_LEN   1024
#define OUTPUT_MAX 20 /* lines */
#define CHUNK      4096
#define RATE_NS    (50 * NS_PER_MS) /* for a chunk */
#define REST_MAX   (64u << 10)      /* what a FIFO holds */

struct provision {
	int fd, log;
	int copy[2]; /* a pipe: what lies in the FIFO, to be read without taking it out */
	struct loop_watch *watch;
	struct loop_timer *timer;
	char line[LINE_LEN];
	size_t len;
	bool cut;   /* the line at hand is longer: its rest is left out */
	bool first; /* boot: more follows its end */
	bool collecting;
	struct strbuf output;
	unsigned n_output;
	bool changed;
};

static void watch(struct monitor *m);

static void open_log(struct monitor *m)
{
	struct provision *p = m->provision;
	struct stat st;

	if (p->log >= 0 && fstat(p->log, &st) == 0 && st.st_size <= LOG_MAX)
		return;
	if (p->log >= 0) {
		close(p->log);
		(void)renameat(m->dirfd, LOG_FILE, m->dirfd, LOG_FILE ".1");
	}
	p->log = fs_open_log(m->dirfd, LOG_FILE);
}

/* A full disk costs the log its line, and nothing else. */
static void log_line(struct monitor *m, const char *text)
{
	char now[40];

	open_log(m);
	if (m->provision->log >= 0)
		(void)!dprintf(m->provision->log, "%s %s\n", clock_rfc3339_now(now), text);
}

static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

static void set(struct monitor *m, enum vm_provision state, const char *text)
{
	m->vm->provision = state;
	record_set(&m->vm->provision_text, text);
	m->provision->changed = true;
}

static void boots(struct monitor *m, bool first)
{
	struct provision *p = m->provision;

	p->first = first;
	p->collecting = false;
	p->n_output = 0;
	strbuf_finish(&p->output);
	record_set(&m->vm->provision_output, NULL);
	set(m, VM_PROVISION_RUNNING, first ? "first boot" : "boot");
}

/* The first one is what failed; others follow from it, or are in the log. */
static void has_error(struct monitor *m, const char *text)
{
	struct provision *p = m->provision;

	p->collecting = false;
	if (m->vm->provision_output != NULL || m->vm->provision == VM_PROVISION_FAILED)
		return;
	record_set(&m->vm->provision_output, "");
	record_set(&m->vm->provision_text, text);
	p->collecting = true;
}

static void has_output(struct monitor *m, const char *text)
{
	struct provision *p = m->provision;

	if (!p->collecting || p->n_output == OUTPUT_MAX)
		return;
	strbuf_addf(&p->output, "%s%s", p->n_output++ > 0 ? "\n" : "", text);
	record_set(&m->vm->provision_output, p->output.s);
}

static void has_failed(struct monitor *m, const char *line)
{
	_cleanup_(freep) char *text = xstrdup_null(m->vm->provision_text);

	m->provision->collecting = false;
	if (m->vm->provision != VM_PROVISION_FAILED)
		set(m, VM_PROVISION_FAILED, m->vm->provision_output != NULL ? text : line);
}

/* An error that was told and did not end anything yet keeps its text. */
static void has_step(struct monitor *m, const char *text)
{
	if (m->vm->provision == VM_PROVISION_RUNNING && m->vm->provision_output == NULL)
		set(m, VM_PROVISION_RUNNING, text);
}

static void is_done(struct monitor *m)
{
	if (m->vm->provision != VM_PROVISION_RUNNING)
		return;
	record_set(&m->vm->provision_output, NULL);
	set(m, VM_PROVISION_DONE, NULL);
}

static void on_line(struct monitor *m, const char *raw)
{
	static const char *const parts[] = { "boot",  "bootcmd", "first boot",
					     "files", "build",   "runcmd" };
	_cleanup_(freep) char *line = printable(raw);
	const char *text = after(line, "holos: ");

	log_line(m, text != NULL ? text : line);
	if (text == NULL)
		return;
	if (strcmp(text, "boot") == 0 || strcmp(text, "first boot") == 0)
		boots(m, *text == 'f');
	else if (after(text, "step: ") != NULL)
		has_step(m, after(text, "step: "));
	else if (after(text, "build: ") != NULL)
		has_step(m, after(text, "build: "));
	else if (after(text, "error: ") != NULL)
		has_error(m, after(text, "error: "));
	else if (after(text, "output: ") != NULL)
		has_output(m, after(text, "output: "));
	else if (strcmp(text, "provisioned") == 0 ||
		 (strcmp(text, "boot ok") == 0 && !m->provision->first))
		is_done(m);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *rest = after(text, parts[i]);

		if (rest != NULL && after(rest, " failed") != NULL)
			has_failed(m, text);
	}
}

static void take(struct monitor *m, const char *data, size_t n)
{
	struct provision *p = m->provision;

	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n') {
			p->line[p->len] = '\0';
			if (p->len > 0)
				on_line(m, p->line);
			p->len = 0;
			p->cut = false;
		} else if (p->len == LINE_LEN - 1) {
			p->cut = true;
		} else if (!p->cut && data[i] != '\r') {
			p->line[p->len++] = data[i] != '\0' ? data[i] : '?';
		}
	}
}

static void tell(struct monitor *m)
{
	if (m->provision->changed)
		record_details(m);
	m->provision->changed = false;
}

/* False: there is nothing more now.  now: the record says it at once. */
static bool read_some(struct monitor *m, bool now)
{
	struct provision *p = m->provision;
	ssize_t n = tee(p->fd, p->copy[1], CHUNK, SPLICE_F_NONBLOCK);
	char buf[CHUNK];

	if (n > 0)
		n = read(p->copy[0], buf, (size_t)n);
	if (n <= 0)
		return false;
	take(m, buf, (size_t)n);
	if (now)
		tell(m);
	(void)!read(p->fd, buf, (size_t)n);
	return true;
}

static void on_rested(void *data)
{
	struct monitor *m = data;

	m->provision->timer = NULL;
	watch(m);
}

static void on_readable(void *data, int fd, short revents)
{
	struct monitor *m = data;
	struct provision *p = m->provision;

	(void)fd;
	(void)revents;
	(void)read_some(m, true);
	loop_remove_fd(p->watch);
	p->watch = NULL;
	p->timer = loop_add_timer(m->loop, clock_now_ns() + RATE_NS, on_rested, m);
}

static void watch(struct monitor *m)
{
	m->provision->watch = loop_add_fd(m->loop, m->provision->fd, POLLIN, on_readable, m);
}

/* O_RDWR: without a writer it would be readable all the time, at its end. */
static int open_pipe(struct monitor *m)
{
	_cleanup_(closep) int fd =
		openat(m->dirfd, FROM_GUEST, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	int copy[2];

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)))
		return -EINVAL;
	if (fd < 0 || pipe2(copy, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	m->provision = xnew(struct provision);
	m->provision->fd = steal_fd(&fd);
	memcpy(m->provision->copy, copy, sizeof(copy));
	(void)fcntl(copy[1], F_SETPIPE_SZ, CHUNK); /* a user's pipes share a limit */
	m->provision->log = -1;
	watch(m);
	return 0;
}

static int make_one(struct monitor *m, const char *name, struct holos_error **err)
{
	if ((unlinkat(m->dirfd, name, 0) < 0 && errno != ENOENT) ||
	    mkfifoat(m->dirfd, name, 0600) < 0)
		return error_sys(err, ERR_START, errno, "cannot make the pipe %s", name);
	return 0;
}

int provision_make(struct monitor *m, struct holos_error **err)
{
	int r = make_one(m, TO_GUEST, err);

	provision_finish(m);
	if (r == 0)
		r = make_one(m, FROM_GUEST, err);
	if (r < 0)
		return r;
	r = open_pipe(m);
	return r < 0 ? error_sys(err, ERR_START, -r, "cannot open the pipe %s", FROM_GUEST) : 0;
}

void provision_adopt(struct monitor *m)
{
	const char *output = m->vm->provision_output;
	struct provision *p;

	if (open_pipe(m) < 0)
		return; /* a QEMU of an older holos has none */
	p = m->provision;
	if (m->vm->provision != VM_PROVISION_RUNNING)
		return;
	p->first = m->vm->provision_text != NULL && strcmp(m->vm->provision_text, "boot") != 0;
	p->collecting = output != NULL;
	for (const char *s = output; s != NULL && *s != '\0'; s = strchr(s, '\n')) {
		s += *s == '\n' ? 1 : 0;
		p->n_output++;
	}
	strbuf_adds(&p->output, output != NULL ? output : "");
}

void provision_over(struct monitor *m)
{
	for (unsigned i = 0; m->provision != NULL && i < REST_MAX / CHUNK && read_some(m, false);
	     i++)
		;
	provision_finish(m);
}

void provision_finish(struct monitor *m)
{
	struct provision *p = m->provision;

	if (p == NULL)
		return;
	loop_remove_fd(p->watch);
	loop_remove_timer(p->timer);
	strbuf_finish(&p->output);
	close(p->fd);
	close(p->copy[0]);
	close(p->copy[1]);
	if (p->log >= 0)
		close(p->log);
	free(p);
	m->provision = NULL;
}
