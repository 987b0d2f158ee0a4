/* SPDX-License-Identifier: Apache-2.0
 *
 * fake.h - a stand-in for qemu-system-x86_64 in tests: everything holos can
 * see of a QEMU from outside, and no guest.  Messages are those of QEMU 7.2.
 *
 * Environment:
 *   FAKE_QEMU_LOG       file that gets one JSON object per line:
 *                       {"time":SECONDS,"pid":N,"name":VM,"event":WHAT,...};
 *                       time is CLOCK_MONOTONIC; `start` carries argv, cwd and
 *                       the open descriptors above 2.
 *   FAKE_QEMU_BEHAVIOR  directory of NAME.conf (by VM name) or default.conf,
 *                       read at each start; its keys: behavior.c.
 *   FAKE_QEMU_VERSION   "5.2.0": what -qmp stdio says of itself (7.2.22)
 *   FAKE_QEMU_LACKS     "sandbox,vfio-pci": what it was built without
 *   FAKE_QEMU_PROBED    file that gets one line per run of -qmp stdio
 * The argument vector also goes to argv.json beside the QMP socket, one JSON
 * array per start.
 *
 * The process: arguments -> behaviour -> log -> chardevs -> drives -> shares ->
 * forwards -> loop.  Like QEMU it removes its sockets when it ends by itself.
 */
#ifndef FAKE_QEMU_H
#define FAKE_QEMU_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define PROGRAM      "qemu-system-x86_64"
#define LOOP_FDS_MAX 512
#define OPTIONS_MAX  512
#define CHARDEVS_MAX 8
#define FORWARDS_MAX 300

struct json_object;

struct option {
	const char *name;  /* without dashes */
	const char *value; /* NULL for a flag */
};

enum garbage { GARBAGE_NONE, GARBAGE_GREETING, GARBAGE_LATER, GARBAGE_FLOOD };
enum reply { REPLY_ANSWER, REPLY_SILENT, REPLY_CLOSE };

struct behavior {
	int fail_start; /* -1: no */
	int first_starts;
	int start_delay_ms;
	int refuse_port;
	int die_after_ms; /* -1: never; so are all *_after_ms */
	int die_status;
	int die_signal;
	int powerdown_delay_ms;
	int qmp_delay_ms;
	int guest_poweroff_after_ms;
	int guest_panic_after_ms;
	int guest_reset_after_ms;
	int io_error_after_ms;
	int internal_error_after_ms;
	int console_lines;
	bool no_qmp, hang_qmp, hang_commands, wrong_uuid;
	bool ignore_powerdown, ignore_quit, ignore_sigterm;
	bool after_query;
	enum garbage garbage_qmp;
	enum reply ssh; /* REPLY_ANSWER: a banner */
	enum reply ports;
	char ssh_run[512];
	char message[512];
	char die_message[512];
};

struct chardev {
	char *id;
	char *path;
	int listen_fd;
	int client_fd; /* QEMU serves one client; others wait in the backlog */
	int log_fd;
};

/* One -netdev hostfwd or HMP hostfwd_add. */
struct forward {
	struct fake *f;
	char *rule; /* "tcp:127.0.0.1:8080-:80" */
	int fd;
	int guest_port;
	bool udp;
};

struct fake {
	int argc;
	char **argv;
	struct option options[OPTIONS_MAX];
	unsigned n_options;
	char *name;
	const char *uuid;
	struct behavior behavior;
	struct chardev chardevs[CHARDEVS_MAX];
	unsigned n_chardevs;
	struct chardev *qmp;    /* NULL when there is none */
	struct chardev *serial; /* the same */
	struct forward *forwards[FORWARDS_MAX];
	unsigned n_forwards;
	const char *status; /* QMP's run state */
	bool powering_down; /* the guest felt the button */
	bool counting;      /* the *_after_ms of its orders */
};

/* probe.c: -qmp stdio without a VM: what can this QEMU do? */
bool probe_is_meant(int argc, char **argv);
int probe_answer(void);

/* args.c: the command line. */
int args_parse(struct fake *f); /* 0, or the exit status */
const char *args_get(const struct fake *f, const char *name);
/* Walk "a=b,c=d"; ",," is a comma.  *key and *value are the caller's to free;
 * a part without '=' has the key NULL.  False at the end. */
bool opts_next(const char **pos, char **key, char **value);
char *opts_get(const char *text, const char *key); /* NULL if absent; the caller frees */

/* behavior.c */
int behavior_load(struct behavior *b, const char *name); /* 0, or -1 after a message */

/* chardev.c: sockets of the monitor and the serial line. */
int chardev_open_all(struct fake *f);
void chardev_remove_all(struct fake *f);
void serial_boot(struct fake *f);
void serial_write(struct fake *f, const char *text, size_t len);

/* image.c: drives and shares, with QEMU's image locks. */
int image_open_all(struct fake *f);

/* net.c: forwarded ports. */
int net_open_all(struct fake *f);
bool net_add(struct fake *f, const char *rule);
bool net_remove(struct fake *f, const char *rule);

/* qmp.c */
void qmp_serve(struct fake *f);
/* data is taken over and may be NULL. */
void qmp_event(struct fake *f, const char *event, struct json_object *data);
/* The data of SHUTDOWN and RESET. */
struct json_object *qmp_reason(const char *reason, bool guest);

/* machine.c: what happens to the VM. */
void machine_start(struct fake *f);
void machine_count(struct fake *f); /* begin what comes after some time, once */
void machine_set_status(struct fake *f, const char *status, const char *event);
void machine_powerdown(struct fake *f);
void machine_reset(struct fake *f, const char *reason, bool guest);
void machine_cont(struct fake *f);
/* SHUTDOWN event, then the end of the process. */
_Noreturn void machine_shutdown(struct fake *f, const char *reason, bool guest, int status);
_Noreturn void machine_exit(struct fake *f, int status);

/* log.c */
void log_start(struct fake *f);
void log_event(const struct fake *f, const char *event);
/* Writes "qemu-system-x86_64: TEXT" to stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* loop.c */
typedef void loop_fd_fn(void *data, int fd, short revents);
typedef void loop_timer_fn(void *data);
void loop_add(int fd, short events, loop_fd_fn *fn, void *data);
void loop_remove(int fd);
void loop_timer(int after_ms, loop_timer_fn *fn, void *data);
_Noreturn void loop_run(void);

#endif
