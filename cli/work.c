/* SPDX-License-Identifier: Apache-2.0
 *
 * work.c - the engine of a verb, its events on stderr, and Ctrl-C.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/interrupt.h>
#include <base/jsonx.h>
#include <base/units.h>
#include <cli.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCK_WAIT_DEFAULT (300 * NS_PER_S)

/* ---- Ctrl-C ------------------------------------------------------------------- */

#define RESIZED 'w' /* in the pipe: SIGWINCH */

static int signal_pipe[2] = { -1, -1 };
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	int saved = errno;

	(void)sig;
	if (++signals > 1)
		_exit(ERR_INTERRUPTED);
	(void)!write(signal_pipe[1], "", 1);
	interrupt_wake();
	errno = saved;
}

static void on_signal_pipe(void *data, int fd, short revents)
{
	char byte;

	(void)revents;
	if (read(fd, &byte, 1) != 1)
		return;
	if (byte == RESIZED)
		live_draw();
	else
		engine_interrupt(data);
}

static void on_resize(int sig)
{
	static const char byte = RESIZED;
	int saved = errno;

	(void)sig;
	(void)!write(signal_pipe[1], &byte, 1);
	errno = saved;
}

static bool asked(void)
{
	return signals > 0;
}

/* No SA_RESTART: a blocked lock must notice. */
void cli_signals_catch(void)
{
	static const int watched[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };

	interrupt_set_hook(asked);
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
		struct sigaction old;

		/* What is ignored (nohup) stays so. */
		if (sigaction(watched[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(watched[i], &sa, NULL);
	}
}

static int watch_signals(struct engine *e, struct holos_error **err)
{
	struct sigaction resize = { .sa_handler = on_resize, .sa_flags = SA_RESTART };

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot watch for signals");
	(void)loop_add_fd(engine_loop(e), signal_pipe[0], POLLIN, on_signal_pipe, e);
	sigaction(SIGWINCH, &resize, NULL);
	cli_signals_catch();
	return 0;
}

void cli_signals_default(void)
{
	static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH };

	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
		struct sigaction old;

		if (sigaction(watched[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			signal(watched[i], SIG_DFL);
	}
	signals = 0;
}

/* ---- events ---------------------------------------------------------------------- */

static char last_progress[1024];
static bool coloured; /* phases, on a terminal */

static void put_phase(const char *phase)
{
	static const char *const bad[] = { "failed", "not started", "damaged" };
	const char *colour = "32";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (strcmp(phase, bad[i]) == 0)
			colour = "31";
	}
	if (coloured)
		fprintf(stderr, "\033[%sm%s\033[0m", colour, phase);
	else
		fputs(phase, stderr);
}

void plain_show(void *data, const struct engine_event *ev)
{
	_cleanup_(freep) char *text = ev->text != NULL ? printable(ev->text) : NULL;
	_cleanup_(freep) char *subject = ev->subject != NULL ? printable(ev->subject) : NULL;
	char time[32];

	(void)data;
	switch (ev->kind) {
	case ENGINE_WARNING:
		fprintf(stderr, "warning: %s\n", text);
		break;
	case ENGINE_NOTE:
		fprintf(stderr, "%s\n", text);
		break;
	case ENGINE_PHASE:
		units_format_duration(ev->elapsed_ns, time);
		fprintf(stderr, "%s: ", subject);
		put_phase(ev->phase);
		if (ev->elapsed_ns >= 10 * NS_PER_MS)
			fprintf(stderr, " (%s)", time);
		fprintf(stderr, "%s%s\n", text != NULL ? ": " : "", text != NULL ? text : "");
		break;
	case ENGINE_PROGRESS: {
		char line[sizeof(last_progress)];
		unsigned percent = ev->total != 0 ? (unsigned)(ev->done * 100 / ev->total) : 0;

		/* One line per step, not per number. */
		snprintf(line, sizeof(line), "%s: %s", subject, text != NULL ? text : "");
		if (strcmp(line, last_progress) == 0)
			break;
		memcpy(last_progress, line, sizeof(line));
		if (ev->total != 0)
			fprintf(stderr, "%s (%u%%)\n", line, percent);
		else
			fprintf(stderr, "%s\n", line);
		break;
	}
	}
}

static void show_json(void *data, const struct engine_event *ev)
{
	static const char *const kinds[] = { "phase", "progress", "warning", "note" };
	_cleanup_(json_putp) struct json_object *o = json_object_new_object();

	(void)data;
	jsonx_set_str(o, "event", kinds[ev->kind]);
	if (ev->subject != NULL)
		jsonx_set_str(o, "id", ev->subject);
	if (ev->phase != NULL)
		jsonx_set_str(o, "status", ev->phase);
	if (ev->text != NULL)
		jsonx_set_str(o, "text", ev->text);
	if (ev->kind == ENGINE_PROGRESS) {
		jsonx_set_int(o, "current", (int64_t)ev->done);
		jsonx_set_int(o, "total", (int64_t)ev->total);
	}
	if (ev->kind == ENGINE_PHASE)
		jsonx_set_int(o, "elapsed_ms", (int64_t)(ev->elapsed_ns / NS_PER_MS));
	fprintf(stderr, "%s\n", jsonx_line(o));
}

static void show_warnings(void *data, const struct engine_event *ev)
{
	if (ev->kind == ENGINE_WARNING)
		plain_show(data, ev);
}

static int choose_progress(const char *how, engine_event_fn **ret, struct holos_error **err)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	bool dumb = term == NULL || strcmp(term, "dumb") == 0 || !isatty(STDERR_FILENO);

	if (how == NULL || strcmp(how, "auto") == 0)
		*ret = dumb ? plain_show : live_show;
	else if (strcmp(how, "plain") == 0)
		*ret = plain_show;
	else if (strcmp(how, "tty") == 0)
		*ret = live_show;
	else if (strcmp(how, "json") == 0)
		*ret = show_json;
	else if (strcmp(how, "quiet") == 0)
		*ret = show_warnings;
	else
		return error_set(err, ERR_USAGE,
				 "--progress %s: must be auto, tty, plain, json or quiet", how);
	coloured = *ret == live_show && (no_color == NULL || *no_color == '\0');
	return 0;
}

/* ---- the engine --------------------------------------------------------------------- */

int cli_engine(const struct common *c, const char *verb, bool writing, struct engine **ret,
	       struct holos_error **err)
{
	struct engine_options o = { .state_dir = c->state_dir,
				    .verb = verb,
				    .writing = writing,
				    .lock_wait_ns = LOCK_WAIT_DEFAULT };
	int64_t parallel;
	int r = choose_progress(c->progress, &o.on_event, err);

	if (r == 0 && c->lock_timeout != NULL)
		r = option_duration("lock-timeout", c->lock_timeout, &o.lock_wait_ns, err);
	if (r < 0)
		return r;
	if (c->no_wait)
		o.lock_wait_ns = 0;
	if (c->parallel != NULL) {
		if (units_parse_int(c->parallel, 1, 4096, &parallel) < 0)
			return error_set(err, ERR_USAGE,
					 "--parallel %s: must be a number from 1 to 4096",
					 c->parallel);
		o.parallel = (unsigned)parallel;
	}
	r = engine_create(&o, ret, err);
	if (r == 0)
		live_begin(engine_loop(*ret));
	if (r == 0 && writing)
		r = watch_signals(*ret, err);
	return r;
}

static void print_warnings(struct holos_error **list)
{
	for (const struct holos_error *w = *list; w != NULL; w = w->next) {
		_cleanup_(freep) char *text = error_format(w);

		print_warning("%s", text);
	}
	error_destroy(*list);
	*list = NULL;
}

static const char *const *list_of(const struct strv *v)
{
	return v != NULL && v->n != 0 ? (const char *const *)v->v : NULL;
}

static struct project_options project_options(const struct common *c)
{
	return (struct project_options){ .files = list_of(&c->files),
					 .name = c->project,
					 .env_files = list_of(&c->env_files),
					 .profiles = list_of(&c->profiles),
					 .scale = c->scale,
					 .n_scale = c->n_scale,
					 .environ = environ };
}

int cli_project_merged(const struct common *c, char **ret, struct holos_error **err)
{
	struct holos_error *warnings = NULL;
	struct project_options o = project_options(c);
	int r;

	o.warnings = &warnings;
	r = project_merge(&o, ret, err);
	print_warnings(&warnings);
	return r;
}

int cli_project(const struct common *c, const struct strv *services, struct project **ret,
		struct holos_error **err)
{
	_cleanup_(freep) char *state_dir = state_default_dir(c->state_dir);
	struct holos_error *warnings = NULL;
	struct project_options o = project_options(c);
	int r;

	o.services = list_of(services);
	o.state_dir = state_dir;
	o.warnings = &warnings;
	r = project_load(&o, ret, err);

	print_warnings(&warnings);
	return r;
}

int cli_build(const struct common *c, const char *verb, struct project *p, struct holos_error **err)
{
	_cleanup_(engine_destroyp) struct engine *e = NULL;
	bool any = false;
	int r;

	for (size_t i = 0; i < p->n_services; i++)
		any = any || p->services[i].dockerfile != NULL;
	if (!any)
		return 0;
	r = cli_engine(c, verb, false, &e, err);
	return r == 0 ? engine_build(e, p, err) : r;
}

int cli_project_recorded(const struct common *c, const struct state *s, const char *name,
			 struct project **ret, struct holos_error **err)
{
	_cleanup_(project_record_destroyp) struct project_record *rec = NULL;
	struct common mine = *c;
	int r = project_record_read(s, name, &rec, err);

	if (r < 0)
		return r;
	if (rec->file == NULL) {
		error_set(err, ERR_FAILED, "project \"%s\" came from standard input", name);
		error_hint(err, "give its file: -f FILE");
		return -ERR_FAILED;
	}
	mine.files = (struct strv)STRV_INIT;
	strv_add(&mine.files, rec->file);
	mine.project = name;
	r = cli_project(&mine, NULL, ret, err);
	strv_finish(&mine.files);
	return r < 0 ? error_wrap(err, "project \"%s\"", name) : 0;
}
