/* SPDX-License-Identifier: Apache-2.0
 *
 * vmbrief.c - see vmbrief.h.
 *
 * A head of fixed size, then the record's strings one after another, each with
 * a byte in front that says whether there is one.
 */
#include <base/alloc.h>
#include <base/cleanup.h>
#include <state/records.h>
#include <state/vmbrief.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC     0x3330766d6c6f4821u /* changes with the layout */
#define BRIEF_MAX 4096u
#define BRIEF_AT  4096 /* behind the last word, state/lastword.h */
#define PORTS_MAX 64u
#define PATH_ROOM 128 /* an instance's name has at most 63 + 8 bytes */

struct head {
	uint64_t magic, sum;
	struct file_id vm, made; /* vm.json, instance.json */
	uint64_t pid_start, monitor_start;
	int64_t pid, monitor_pid;
	uint32_t length; /* of the strings */
	uint32_t n_ports, health_failures, restarts;
	int32_t exit_status, exit_signal;
	uint16_t ssh_port;
	uint8_t state, health, exit_cause, reachable, provision, unused[7];
	struct {
		uint16_t host, guest;
	} ports[PORTS_MAX];
};

struct brief {
	struct head head;
	char text[BRIEF_MAX];
};

/* The strings in their order; next(NULL) ends. */
#define STRINGS 11
static void strings_of(struct vm_record *r, char **ret[STRINGS])
{
	char **all[STRINGS] = { &r->instance,      &r->uuid,          &r->since,
				&r->paused_cause,  &r->started_at,    &r->health_since,
				&r->health_detail, &r->exit.message,  &r->exit.at,
				&r->warning,       &r->provision_text };

	memcpy(ret, all, sizeof(all));
}

/* FNV-1a, by words: against a write that a reader saw half of. */
static uint64_t sum_of(const struct brief *b)
{
	const unsigned char *p = (const unsigned char *)b + offsetof(struct head, vm);
	size_t n = sizeof(b->head) - offsetof(struct head, vm) + b->head.length;
	uint64_t sum = 0xcbf29ce484222325u, word;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = (sum ^ word) * 0x100000001b3u;
	}
	for (; n > 0; n--, p++)
		sum = (sum ^ *p) * 0x100000001b3u;
	return sum;
}

static bool put(struct brief *b, const char *s)
{
	size_t n = s != NULL ? strlen(s) + 2 : 1;

	if (b->head.length + n > BRIEF_MAX)
		return false;
	b->text[b->head.length] = s != NULL;
	if (s != NULL)
		memcpy(b->text + b->head.length + 1, s, n - 1);
	b->head.length += (uint32_t)n;
	return true;
}

static bool fill(struct brief *b, const struct vm_record *r, const struct file_id *vm)
{
	struct vm_record copy = *r; /* strings_of() serves both ways */
	char **strings[STRINGS];
	bool fits = r->n_helpers == 0 && r->n_ports <= PORTS_MAX;

	memset(&b->head, 0, sizeof(b->head));
	b->head.magic = MAGIC;
	b->head.vm = *vm;
	b->head.made = r->made;
	b->head.pid = r->pid;
	b->head.pid_start = r->pid_start;
	b->head.monitor_pid = r->monitor_pid;
	b->head.monitor_start = r->monitor_start;
	b->head.health_failures = r->health_failures;
	b->head.restarts = r->restarts;
	b->head.exit_status = r->exit.status;
	b->head.exit_signal = r->exit.signal;
	b->head.ssh_port = r->ssh_port;
	b->head.state = (uint8_t)r->state;
	b->head.health = (uint8_t)r->health;
	b->head.exit_cause = (uint8_t)r->exit.cause;
	b->head.reachable = r->reachable;
	b->head.provision = (uint8_t)r->provision;
	strings_of(&copy, strings);
	for (size_t i = 0; i < STRINGS && fits; i++)
		fits = put(b, *strings[i]);
	for (size_t i = 0; fits && i < r->n_ports; i++) {
		b->head.ports[i].host = r->ports[i].host_port;
		b->head.ports[i].guest = r->ports[i].guest_port;
		fits = put(b, r->ports[i].name) && put(b, r->ports[i].host_ip) &&
		       put(b, r->ports[i].protocol);
	}
	b->head.n_ports = (uint32_t)r->n_ports;
	b->head.sum = sum_of(b);
	return fits;
}

struct file_id file_id_of(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct file_id){ 0 };
	return (struct file_id){ .ino = st.st_ino,
				 .size = (uint64_t)st.st_size,
				 .ctime_s = st.st_ctim.tv_sec,
				 .ctime_ns = st.st_ctim.tv_nsec };
}

static bool same_file(const struct file_id *a, const struct file_id *b)
{
	return a->ino == b->ino && a->size == b->size && a->ctime_s == b->ctime_s &&
	       a->ctime_ns == b->ctime_ns;
}

void vm_brief_write(int dirfd, const struct vm_record *r)
{
	_cleanup_(closep) int fd =
		openat(dirfd, ALIVE_FILE, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct file_id vm = file_id_of(dirfd, VM_RECORD_FILE);
	struct brief b;

	if (fd >= 0 && vm.ino != 0 && fill(&b, r, &vm))
		(void)!pwrite(fd, &b, sizeof(b.head) + b.head.length, BRIEF_AT);
}

/* The next string: *ret is a copy, or NULL where there was none. */
static bool take(const struct brief *b, size_t *at, char **ret)
{
	const char *end;

	if (*at >= b->head.length)
		return false;
	if (b->text[(*at)++] == 0)
		return true;
	end = memchr(b->text + *at, '\0', b->head.length - *at);
	if (end == NULL)
		return false;
	*ret = xmemdup(b->text + *at, (size_t)(end - (b->text + *at)) + 1);
	*at += strlen(*ret) + 1;
	return true;
}

static bool take_ports(const struct brief *b, size_t *at, struct vm_record *r)
{
	bool ok = true;

	r->ports = b->head.n_ports != 0 ? xcalloc(b->head.n_ports, sizeof(*r->ports)) : NULL;
	for (; ok && r->n_ports < b->head.n_ports; r->n_ports++) {
		struct vm_port *p = &r->ports[r->n_ports];

		p->host_port = b->head.ports[r->n_ports].host;
		p->guest_port = b->head.ports[r->n_ports].guest;
		ok = take(b, at, &p->name) && take(b, at, &p->host_ip) &&
		     take(b, at, &p->protocol) && p->name != NULL && p->host_ip != NULL &&
		     p->protocol != NULL;
	}
	return ok;
}

static struct vm_record *unfold(const struct brief *b)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = vm_record_create();
	char **strings[STRINGS];
	size_t at = 0;

	if (b->head.state > VM_FAILED || b->head.health > VM_HEALTH_UNKNOWN ||
	    b->head.provision > VM_PROVISION_FAILED || b->head.exit_cause > VM_EXIT_UNKNOWN ||
	    b->head.n_ports > PORTS_MAX)
		return NULL;
	r->pid = (pid_t)b->head.pid;
	r->pid_start = b->head.pid_start;
	r->monitor_pid = (pid_t)b->head.monitor_pid;
	r->monitor_start = b->head.monitor_start;
	r->health_failures = b->head.health_failures;
	r->restarts = b->head.restarts;
	r->exit.status = b->head.exit_status;
	r->exit.signal = b->head.exit_signal;
	r->ssh_port = b->head.ssh_port;
	r->state = (enum vm_state)b->head.state;
	r->health = (enum vm_health)b->head.health;
	r->exit.cause = (enum vm_exit_cause)b->head.exit_cause;
	r->reachable = b->head.reachable != 0;
	r->provision = (enum vm_provision)b->head.provision;
	strings_of(r, strings);
	for (size_t i = 0; i < STRINGS; i++) {
		if (!take(b, &at, strings[i]))
			return NULL;
	}
	return r->instance != NULL && r->uuid != NULL && take_ports(b, &at, r) ? steal_ptr(&r)
									       : NULL;
}

static bool counts(const struct brief *b, ssize_t n)
{
	const struct head *h = &b->head;

	return n >= (ssize_t)sizeof(*h) && h->magic == MAGIC && h->length <= BRIEF_MAX &&
	       (size_t)n >= sizeof(*h) + h->length && h->sum == sum_of(b);
}

/* Is the file `name` of this instance the one that the copy means? */
static bool is_beside(int parent, const char *instance, const char *name, const struct file_id *id)
{
	char path[PATH_ROOM];
	struct file_id now;

	(void)snprintf(path, sizeof(path), "%s/%s", instance, name);
	now = file_id_of(parent, path);
	return same_file(&now, id);
}

int vm_brief_read(int parent, const char *instance, struct alive *ret_alive, struct vm_record **ret)
{
	char path[PATH_ROOM];
	_cleanup_(closep) int fd = -1;
	struct alive alive;
	struct vm_record *r;
	struct brief b;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/%s", instance, ALIVE_FILE) >= (int)sizeof(path))
		return 0;
	fd = openat(parent, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	/* Who lives before the record: what ends writes it first. */
	if (fd < 0 || alive_query_fd(fd, &alive, NULL) < 0)
		return 0;
	n = pread(fd, &b, sizeof(b), BRIEF_AT);
	if (!counts(&b, n) || !is_beside(parent, instance, VM_RECORD_FILE, &b.head.vm) ||
	    !is_beside(parent, instance, INSTANCE_RECORD_FILE, &b.head.made))
		return 0;
	r = unfold(&b);
	if (r == NULL)
		return 0;
	*ret_alive = alive;
	*ret = r;
	return 1;
}
