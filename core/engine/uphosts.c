/* SPDX-License-Identifier: Apache-2.0
 *
 * uphosts.c - /etc/hosts of guests that run on follows the project.
 *
 * What a guest was told last lies beside its seed (HOSTS_FILE): only those that must
 * hear something new are asked to, over SSH.  In the guest boot.sh does it and keeps
 * it for its next boots, as its seed is older (docs/steps.md).
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/interrupt.h>
#include <base/jsonx.h>
#include <base/strbuf.h>
#include <engine/keys.h>
#include <engine/up.h>
#include <guest/guest.h>
#include <plan/steps.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_FILE "hosts"
#define HOSTS_MAX  (1u << 20)
#define ARG_BYTES  (100u << 10) /* Linux takes 128 KiB for one argument */
/* A guest that is known to answer may be slow; one that never was asked may have no
 * SSH server, and all of these together may not hold `up` up. */
#define TIME_KNOWN   (10 * NS_PER_S)
#define TIME_UNKNOWN (1 * NS_PER_S)
#define TIME_ALL     (30 * NS_PER_S)
#define TRIES        4

/* Root's work, by what the guest has for that. */
static const char script[] = "set -- sh /run/holos/boot.sh hosts \"$1\" \"$2\"\n"
			     "[ \"$(id -u)\" != 0 ] || exec \"$@\"\n"
			     "if command -v sudo >/dev/null; then exec sudo -n \"$@\"; fi\n"
			     "exec doas -n \"$@\"\n";

/* As boot.sh takes them: ADDRESS NAME... */
static char *lines_of(struct json_object *hosts)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < jsonx_len(hosts); i++) {
		struct json_object *o = json_object_array_get_idx(hosts, i);
		struct json_object *names = jsonx_arr(o, "names");

		strbuf_adds(&b, jsonx_str(o, "address", ""));
		for (size_t k = 0; k < jsonx_len(names); k++)
			strbuf_addf(&b, " %s", jsonx_str_at(names, k));
		strbuf_addc(&b, '\n');
	}
	return strbuf_steal(&b);
}

enum told { TOLD, TELLABLE, UNTOLD };

static enum told is_known(int dir, const char *text)
{
	_cleanup_(strbuf_finish) struct strbuf was = STRBUF_INIT;

	if (fs_read(dir, HOSTS_FILE, HOSTS_MAX, &was, NULL) < 0)
		return UNTOLD; /* a guest of an older holos cannot be told */
	return was.s != NULL && strcmp(was.s, text) == 0 ? TOLD : TELLABLE;
}

static int send(struct up_vm *v, const char *dir, const char *lines, uint64_t deadline_ns,
		struct holos_error **err)
{
	_cleanup_(freep) char *key = keys_project_path(v->up->e->state, v->up->project->name);
	_cleanup_(freep) char *host_key = fs_join(dir, KEYS_HOST_KEY_PUB);
	_cleanup_(freep) char *made_at = xasprintf("%lld", (long long)prepare_made_at());
	const char *const argv[] = { "sh", "-c", script, "sh", made_at, lines, NULL };
	char said[512] = "";
	struct holos_exec exec = { .size = sizeof(exec), .argv = argv };
	struct holos_exec_result res = { .size = sizeof(res),
					 .errout = said,
					 .errout_cap = sizeof(said) };
	const struct holos_guest guest = { .size = sizeof(guest),
					   .vm = v->plan->name,
					   .ssh_host = "127.0.0.1",
					   .ssh_port = v->status->vm->ssh_port,
					   .ssh_user = v->status->rec->user,
					   .ssh_key = key,
					   .ssh_known_hosts = host_key };
	const struct holos_ssh_module *ssh;
	int r = guest_ssh_module(&ssh, err);

	if (r < 0)
		return r;
	if (strlen(lines) > ARG_BYTES)
		return error_set(err, ERR_FAILED, "there are too many");
	if (ssh->guest_exec(&guest, &exec, deadline_ns, interrupt_fd(), &res, err) != HOLOS_OK)
		return -ERR_FAILED;
	said[strcspn(said, "\n")] = '\0';
	return res.status == 0 ? 0
			       : error_set(err, ERR_FAILED, "%s",
					   said[0] != '\0' ? said : "its user cannot become root");
}

/* It runs on, and may not know who its neighbours are. */
static bool is_due(const struct up_vm *v)
{
	return !v->started && v->phase != UP_FAILED && v->status != NULL &&
	       v->status->rec != NULL && v->status->alive.qemu &&
	       v->status->vm->state == VM_RUNNING && v->status->vm->ssh_port != 0;
}

static bool answers(const struct up_vm *v)
{
	return v->status->vm->reachable || v->status->vm->health == VM_HEALTH_HEALTHY;
}

/* TOLD: or it knew.  TELLABLE: it was tried, and the user knows that it failed.
 * UNTOLD: not tried, or interrupted. */
static enum told tell_one(struct up_vm *v, uint64_t end_ns)
{
	struct up *u = v->up;
	_cleanup_(json_putp) struct json_object *all = plan_steps_hosts(u->plan, v->plan);
	_cleanup_(error_destroyp) struct holos_error *why = NULL;
	_cleanup_(freep) char *lines = lines_of(jsonx_arr(all, "hosts"));
	_cleanup_(freep) char *dir =
		state_path(u->e->state, "instances/%s/%s", u->project->name, v->plan->name);
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t deadline_ns = clock_now_ns() + (answers(v) ? TIME_KNOWN : TIME_UNKNOWN);
	enum told told = fd >= 0 ? is_known(fd, lines) : UNTOLD;

	if (told != TELLABLE)
		return told;
	if (send(v, dir, lines, deadline_ns < end_ns ? deadline_ns : end_ns, &why) < 0) {
		if (engine_check_interrupt(u->e, NULL) < 0)
			return UNTOLD;
		engine_warn(u->e, "%s learns of its new neighbours when it starts next: %s",
			    v->plan->name, why->message);
		return TELLABLE;
	}
	(void)fs_write_replace(fd, HOSTS_FILE, lines, strlen(lines), 0600, NULL);
	return TOLD;
}

static bool neighbours_changed(const struct up *u)
{
	for (size_t i = 0; i < u->n; i++) {
		if (u->vms[i].action == UP_CREATE)
			return true;
	}
	for (size_t i = 0; i < u->n_surplus; i++) {
		if (u->surplus[i].allowed)
			return true;
	}
	return false;
}

void up_tell_hosts(struct up *u)
{
	uint64_t end_ns = clock_now_ns() + TIME_ALL;
	unsigned tried = 0;
	size_t untold = 0;

	if (!neighbours_changed(u))
		return;
	for (size_t i = 0; i < u->n; i++) {
		struct up_vm *v = &u->vms[i];
		enum told told = UNTOLD;

		if (v->status == NULL) /* of a service that was not asked for */
			v->status =
				project_status_vm(u->now != NULL ? u->now : u->was, v->plan->name);
		if (!is_due(v))
			continue;
		if ((tried < TRIES || answers(v)) && clock_now_ns() < end_ns &&
		    engine_check_interrupt(u->e, NULL) == 0)
			told = tell_one(v, end_ns);
		tried += told == TELLABLE;
		untold += told == UNTOLD;
	}
	if (untold != 0)
		engine_warn(u->e,
			    "%zu%s VM%s learn%s of new neighbours when started next: holos restart",
			    untold, tried != 0 ? " more" : "", untold == 1 ? "" : "s",
			    untold == 1 ? "s" : "");
	if (u->result == 0)
		u->result = engine_check_interrupt(u->e, u->err);
}

void up_keep_hosts(int dir, struct json_object *all)
{
	_cleanup_(freep) char *lines = lines_of(jsonx_arr(all, "hosts"));

	(void)fs_write_replace(dir, HOSTS_FILE, lines, strlen(lines), 0600, NULL);
}
