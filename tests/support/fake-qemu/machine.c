/* SPDX-License-Identifier: Apache-2.0
 *
 * machine.c - the life of the guest that is not there: run states, the power
 * button, signals, and the accidents that the test ordered.
 */
#include "fake.h"

#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

void machine_exit(struct fake *f, int status)
{
	log_event(f, "exit");
	chardev_remove_all(f);
	exit(status);
}

void machine_shutdown(struct fake *f, const char *reason, bool guest, int status)
{
	f->status = "shutdown";
	qmp_event(f, "SHUTDOWN", qmp_reason(reason, guest));
	machine_exit(f, status);
}

void machine_set_status(struct fake *f, const char *status, const char *event)
{
	f->status = status;
	qmp_event(f, event, NULL);
}

static void guest_off(void *data)
{
	struct fake *f = data;

	/* A paused guest feels the button when it goes on. */
	if (!strcmp(f->status, "running"))
		machine_shutdown(f, "guest-shutdown", true, 0);
}

void machine_powerdown(struct fake *f)
{
	log_event(f, "powerdown");
	qmp_event(f, "POWERDOWN", NULL);
	if (!f->behavior.ignore_powerdown && !f->powering_down) {
		f->powering_down = true;
		loop_timer(f->behavior.powerdown_delay_ms, guest_off, f);
	}
}

void machine_cont(struct fake *f)
{
	machine_set_status(f, "running", "RESUME");
	if (f->powering_down)
		loop_timer(f->behavior.powerdown_delay_ms, guest_off, f);
}

void machine_reset(struct fake *f, const char *reason, bool guest)
{
	if (args_get(f, "no-reboot") && guest)
		machine_shutdown(f, reason, guest, 0);
	qmp_event(f, "RESET", qmp_reason(reason, guest));
}

static void guest_reset(void *data)
{
	machine_reset(data, "guest-reset", true);
}

/* -action panic=none|pause|shutdown|exit-failure, as softmmu/runstate.c. */
static void guest_panic(void *data)
{
	struct fake *f = data;
	const char *actions = args_get(f, "action");
	char *action = actions ? opts_get(actions, "panic") : NULL;
	struct json_object *info = json_object_new_object();

	if (action && !strcmp(action, "none")) {
		json_object_object_add(info, "action", json_object_new_string("run"));
		qmp_event(f, "GUEST_PANICKED", info);
	} else if (action && !strcmp(action, "pause")) {
		json_object_object_add(info, "action", json_object_new_string("pause"));
		qmp_event(f, "GUEST_PANICKED", info);
		machine_set_status(f, "guest-panicked", "STOP");
	} else {
		json_object_object_add(info, "action", json_object_new_string("poweroff"));
		qmp_event(f, "GUEST_PANICKED", info);
		machine_set_status(f, "guest-panicked", "STOP");
		machine_shutdown(f, "guest-panic", true,
				 action && !strcmp(action, "exit-failure") ? 1 : 0);
	}
	free(action);
}

static void io_error(void *data)
{
	struct fake *f = data;
	struct json_object *info = json_object_new_object();

	json_object_object_add(info, "device", json_object_new_string("virtio0"));
	json_object_object_add(info, "node-name", json_object_new_string("#block100"));
	json_object_object_add(info, "nospace", json_object_new_boolean(true));
	json_object_object_add(info, "reason", json_object_new_string("No space left on device"));
	json_object_object_add(info, "operation", json_object_new_string("write"));
	json_object_object_add(info, "action", json_object_new_string("stop"));
	qmp_event(f, "BLOCK_IO_ERROR", info);
	machine_set_status(f, "io-error", "STOP");
}

/* As accel/kvm/kvm-all.c: words, registers, and a VM that stands still. */
static void internal_error(void *data)
{
	struct fake *f = data;

	complain("KVM internal error. Suberror: 1");
	complain("RAX=ffff888004840040 RBX=0000000000000000");
	machine_set_status(f, "internal-error", "STOP");
}

static void die(void *data)
{
	struct fake *f = data;

	if (*f->behavior.die_message)
		complain("%s", f->behavior.die_message);
	if (f->behavior.die_signal) {
		sigset_t none;

		signal(f->behavior.die_signal, SIG_DFL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		kill(getpid(), f->behavior.die_signal);
	}
	/* As an abort of QEMU: nothing is tidied up. */
	_exit(f->behavior.die_status);
}

static void on_signal(void *data, int fd, short revents)
{
	struct fake *f = data;
	struct signalfd_siginfo si;

	(void)revents;
	if (read(fd, &si, sizeof(si)) != sizeof(si))
		return;
	log_event(f, "signal");
	complain("terminating on signal %u from pid %u (fake)", si.ssi_signo, si.ssi_pid);
	if (!f->behavior.ignore_sigterm)
		machine_shutdown(f, "host-signal", false, 0);
}

static void watch_signals(struct fake *f)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		abort();
	loop_add(fd, POLLIN, on_signal, f);
}

static void order(int after_ms, loop_timer_fn *fn, struct fake *f)
{
	if (after_ms >= 0)
		loop_timer(after_ms, fn, f);
}

void machine_count(struct fake *f)
{
	const struct behavior *b = &f->behavior;

	if (f->counting)
		return;
	f->counting = true;
	order(b->die_after_ms, die, f);
	order(b->guest_poweroff_after_ms, guest_off, f);
	order(b->guest_panic_after_ms, guest_panic, f);
	order(b->guest_reset_after_ms, guest_reset, f);
	order(b->io_error_after_ms, io_error, f);
	order(b->internal_error_after_ms, internal_error, f);
}

void machine_start(struct fake *f)
{
	f->status = args_get(f, "S") ? "prelaunch" : "running";
	watch_signals(f);
	qmp_serve(f);
	serial_boot(f);
	if (!f->behavior.after_query)
		machine_count(f);
	log_event(f, "running");
}
