/* SPDX-License-Identifier: Apache-2.0
 *
 * install.c - see install.h.
 */
#include <engine/install.h>
#include <engine/unit.h>

#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/process.h>
#include <base/strbuf.h>
#include <base/strv.h>

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_DIR "/etc/systemd/system"
#define LINGER_DIR "/var/lib/systemd/linger"
/* Starting and stopping VMs takes its time, and systemd has its own limit. */
#define SYSTEMCTL_NS (26ull * 3600 * NS_PER_S)
#define UNIT_MAX     (2u << 20) /* systemd reads no line beyond 1 MiB */
#define QUESTION_NS  (10 * NS_PER_S)

char *install_path(bool system, const char *project, struct holos_error **err)
{
	const char *test = getenv("HOLOS_TEST_UNIT_DIR");
	const char *config = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	_cleanup_(freep) char *dir = NULL;

	if (test != NULL && test[0] == '/')
		dir = xstrdup(test);
	else if (system)
		dir = xstrdup(SYSTEM_DIR);
	else if (config != NULL && config[0] == '/')
		dir = xasprintf("%s/systemd/user", config);
	else if (home != NULL && home[0] == '/')
		dir = xasprintf("%s/.config/systemd/user", home);
	if (dir == NULL) {
		error_set(err, ERR_HOST, "HOME names no directory for a user's units");
		return NULL;
	}
	return xasprintf("%s/holos-%s.service", dir, project);
}

/* One line of what it complained of. */
static void one_line(struct strbuf *text)
{
	for (size_t i = 0; i < text->len; i++) {
		if ((unsigned char)text->s[i] < 0x20)
			text->s[i] = ' ';
	}
	while (text->len > 0 && text->s[text->len - 1] == ' ')
		text->s[--text->len] = '\0';
}

static int run(const char *name, char *const *argv, uint64_t time_ns, struct strbuf *out,
	       struct holos_error **err)
{
	_cleanup_(freep) char *program = fs_find_program(name);
	_cleanup_(strbuf_finish) struct strbuf complaint = STRBUF_INIT;
	_cleanup_(freep) char *command = strv_join(argv, " ");
	char text[64];
	int status, r;

	if (program == NULL)
		return error_set(err, ERR_HOST, "%s is not installed", name);
	r = process_run(program, argv, clock_now_ns() + time_ns, out, &complaint, &status, err);
	if (r < 0)
		return error_wrap(err, "%s", command);
	if (status == 0)
		return 0;
	one_line(&complaint);
	return error_set(err, ERR_FAILED, "%s %s%s%.600s", command,
			 process_describe_status(status, text), complaint.len != 0 ? ": " : "",
			 complaint.len != 0 ? complaint.s : "");
}

/* systemctl [--user] WORDS... */
static int systemctl(bool system, struct holos_error **err, const char *const *words)
{
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;

	strv_add(&argv, "systemctl");
	if (!system)
		strv_add(&argv, "--user");
	for (; *words != NULL; words++)
		strv_add(&argv, *words);
	return run("systemctl", argv.v, SYSTEMCTL_NS, &out, err);
}

static int reload(bool system, struct holos_error **err)
{
	return systemctl(system, err, (const char *const[]){ "daemon-reload", NULL });
}

/* Is the file there ours to replace?  `removing`: to stop and remove as well, which is
 * for what install_write() wrote alone: the predecessor's units stop by `holos down`,
 * which removes root disks. */
static int check_ours(const char *path, bool removing, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	bool old;
	int r = fs_read(AT_FDCWD, path, UNIT_MAX, &text, err);

	if (r < 0)
		return error_wrap(err, "cannot tell whether the unit is one of holos");
	if (text.len != 0 && strncmp(text.s, UNIT_MARK, strlen(UNIT_MARK)) == 0)
		return 0;
	old = text.len != 0 && strstr(text.s, "\nExecStart=") != NULL &&
	      strstr(text.s, " up --state-dir ") != NULL;
	if (old && !removing)
		return 0;
	if (old) {
		error_set(err, ERR_FAILED,
			  "%s is an older holos's: its stop would remove root disks", path);
		error_hint(err, "run holos install first, which writes a unit that keeps them");
	} else {
		error_set(err, ERR_FAILED, "%s is there, and not of holos's making", path);
		error_hint(err, "move it away, or give the project another name: -p NAME");
	}
	return -ERR_FAILED;
}

int install_write(bool system, const char *path, const char *text, bool *ret_written,
		  struct holos_error **err)
{
	_cleanup_(freep) char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	int r = 0;

	*ret_written = false;
	if (!fs_absent(AT_FDCWD, path))
		r = check_ours(path, false, err);
	if (r == 0)
		r = fs_mkdir_p(dir, 0755, err);
	if (r == 0)
		r = fs_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, err);
	if (r < 0)
		return error_wrap(err, "cannot install the unit");
	*ret_written = true;
	return reload(system, err);
}

int install_enable(bool system, const char *path, struct holos_error **err)
{
	return systemctl(system, err, (const char *const[]){ "enable", "--now", path, NULL });
}

int install_remove(bool system, const char *path, bool *ret_found, struct holos_error **err)
{
	const char *unit = strrchr(path, '/') + 1;
	int r = 0, removed;

	*ret_found = !fs_absent(AT_FDCWD, path);
	if (!*ret_found)
		return 0;
	r = check_ours(path, true, err);
	if (r < 0)
		return r;
	r = systemctl(system, err, (const char *const[]){ "disable", "--now", unit, NULL });
	removed = unlink(path);
	if (removed < 0 && errno != ENOENT) {
		/* This is what the user has to know first. */
		if (r < 0 && err != NULL) {
			error_destroy(*err);
			*err = NULL;
		}
		return error_sys(err, ERR_FAILED, errno, "cannot remove %s", path);
	}
	if (r < 0)
		return r;
	return reload(system, err);
}

bool install_lingers(void)
{
	const struct passwd *pw = getpwuid(getuid());
	_cleanup_(strbuf_finish) struct strbuf out = STRBUF_INIT;
	_cleanup_(freep) char *file = NULL;
	char show[] = "show-user", property[] = "--property=Linger", value[] = "--value";
	char program[] = "loginctl", name[256];
	char *argv[] = { program, show, name, property, value, NULL };

	if (pw == NULL)
		return false;
	snprintf(name, sizeof(name), "%s", pw->pw_name);
	/* logind knows only who is logged in, or lingers. */
	if (run("loginctl", argv, QUESTION_NS, &out, NULL) == 0 && out.len != 0)
		return strncmp(out.s, "yes", 3) == 0;
	file = xasprintf(LINGER_DIR "/%s", name);
	return fs_exists(AT_FDCWD, file);
}
