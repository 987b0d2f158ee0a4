/* SPDX-License-Identifier: Apache-2.0
 *
 * unit.c - see unit.h.
 *
 * KillMode=process: the VMs live in the unit's control group, and a start that fails
 * or is given up must not take those that run with it; a stop is `holos stop`, which
 * keeps disks.
 */
#include <engine/unit.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/strbuf.h>

#include <string.h>

#define START_NS    (300 * NS_PER_S)
#define STOP_NS     (60 * NS_PER_S)
#define AT_A_TIME   4 /* VMs that any host starts or stops at once */
#define TIMEOUT_MAX (24 * 3600 * NS_PER_S)

/* As one word of a setting.  % begins a specifier everywhere, $ a variable only in
 * command lines (dollar: "$$"). */
static void add_word(struct strbuf *b, const char *text, const char *dollar)
{
	strbuf_addc(b, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			strbuf_addc(b, '\\');
		if (*text == '%')
			strbuf_addc(b, '%');
		if (*text == '$')
			strbuf_adds(b, dollar);
		else
			strbuf_addc(b, *text);
	}
	strbuf_addc(b, '"');
}

static bool is_plain(const char *text)
{
	return text[0] != '\0' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "/._-+:@,=") == strlen(text);
}

static void add_arg(struct strbuf *b, const char *text)
{
	strbuf_addc(b, ' ');
	if (is_plain(text))
		strbuf_adds(b, text);
	else
		add_word(b, text, "$$");
}

static void add_option(struct strbuf *b, const char *option, const char *const *values)
{
	for (; values != NULL && *values != NULL; values++) {
		strbuf_addf(b, " %s", option);
		add_arg(b, *values);
	}
}

/* systemd looks for no variables in the path of the program. */
static void add_program(struct strbuf *b, const char *setting, const char *program)
{
	strbuf_addf(b, "%s=", setting);
	if (is_plain(program))
		strbuf_adds(b, program);
	else
		add_word(b, program, "$");
}

static void add_commands(struct strbuf *b, const struct unit *u)
{
	add_program(b, "ExecStart", u->program);
	strbuf_adds(b, " up --no-recreate --state-dir");
	add_arg(b, u->state_dir);
	add_option(b, "-f", u->files);
	strbuf_adds(b, " -p");
	add_arg(b, u->project);
	add_option(b, "--env-file", u->env_files);
	add_option(b, "--profile", u->profiles);
	strbuf_addc(b, '\n');
	add_program(b, "ExecStop", u->program);
	strbuf_adds(b, " stop --state-dir");
	add_arg(b, u->state_dir);
	strbuf_adds(b, " -p");
	add_arg(b, u->project);
	strbuf_addc(b, '\n');
}

/* The file systems that hold them are there before the unit starts. */
static void add_mounts(struct strbuf *b, const struct unit *u)
{
	strbuf_adds(b, "RequiresMountsFor=");
	add_word(b, u->state_dir, "$");
	for (const char *const *f = u->files; *f != NULL; f++) {
		strbuf_addc(b, ' ');
		add_word(b, *f, "$");
	}
	strbuf_addc(b, '\n');
}

char *unit_text(const struct unit *u)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b,
		    UNIT_MARK "; holos uninstall -p %s%s takes it away.\n"
			      "# Do not edit it: run holos install again, or systemctl edit.\n"
			      "[Unit]\n"
			      "Description=holos project %s\n",
		    u->project, u->system ? " --system" : "", u->project);
	if (u->system)
		strbuf_adds(&b, "After=network-online.target\nWants=network-online.target\n");
	add_mounts(&b, u);
	strbuf_adds(&b, "\n[Service]\nType=oneshot\nRemainAfterExit=yes\n");
	if (u->system && u->user != NULL)
		strbuf_addf(&b, "User=%s\n", u->user);
	for (const char *const *e = u->env; *e != NULL; e++) {
		strbuf_adds(&b, "Environment=");
		add_word(&b, *e, "$");
		strbuf_addc(&b, '\n');
	}
	add_commands(&b, u);
	strbuf_addf(&b,
		    "TimeoutStartSec=%llu\n"
		    "TimeoutStopSec=%llu\n"
		    "KillMode=process\n"
		    "Restart=no\n"
		    "\n"
		    "[Install]\n"
		    "WantedBy=%s.target\n",
		    (unsigned long long)(u->start_ns / NS_PER_S),
		    (unsigned long long)(u->stop_ns / NS_PER_S),
		    u->system ? "multi-user" : "default");
	return strbuf_steal(&b);
}

static uint64_t at_most(uint64_t ns)
{
	return ns < TIMEOUT_MAX ? ns : TIMEOUT_MAX;
}

uint64_t unit_start_ns(const struct project *p)
{
	uint64_t ns = START_NS;

	for (size_t i = 0; i < p->n_services && ns < TIMEOUT_MAX; i++) {
		const struct healthcheck *h = &p->services[i].healthcheck;

		if (h->set)
			ns += at_most(h->start_period_ns) +
			      h->retries * (at_most(h->interval_ns) + at_most(h->timeout_ns));
	}
	return at_most(ns);
}

uint64_t unit_stop_ns(const struct project *p)
{
	uint64_t ns = STOP_NS;

	for (size_t i = 0; i < p->n_services && ns < TIMEOUT_MAX; i++) {
		unsigned waves = (p->services[i].replicas + AT_A_TIME - 1) / AT_A_TIME;

		ns += waves * at_most(p->services[i].stop_grace_period_ns);
	}
	return at_most(ns);
}
