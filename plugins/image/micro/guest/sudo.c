/*
 * sudo.c - sudo of the small guest: users may become root, no questions asked.
 *
 * It is a copy of the program with the set-user-ID bit; main() sends every set-user-ID
 * start here, whatever name it was called by, except for ping.  Users the seed gave `sudo: false`
 * are listed in /etc/micro/nosudo and refused.
 */
#include "micro.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_GROUPS 32

struct sudo {
	const char *user, *dir;
	bool login, shell, keep_env;
};

/* the name of a user id, from passwd itself: USER of the environment proves nothing */
static char *name_of(unsigned uid)
{
	char *text = slurp("/etc/passwd", 1 << 20, NULL), *save = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save)) {
		char *c = strchr(l, ':');
		char *id = c ? strchr(c + 1, ':') : NULL;

		if (id && strtoul(id + 1, NULL, 10) == uid && id[1] >= '0' && id[1] <= '9') {
			*c = '\0';
			return l;
		}
	}
	return NULL;
}

static bool refused(const char *name)
{
	char *text = slurp("/etc/micro/nosudo", 1 << 20, NULL), *save = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save))
		if (name && strcmp(l, name) == 0)
			return true;
	return !name && text;
}

/* -u NAME and -uNAME style options; answers the index of the first operand */
static int options(struct sudo *s, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+u:g:p:C:r:t:U:h:D:isnEHSkKvlbPAeV")) != -1) {
		switch (c) {
		case 'u':
			s->user = optarg;
			break;
		case 'i':
			s->login = true;
			break;
		case 's':
			s->shell = true;
			break;
		case 'E':
			s->keep_env = true;
			break;
		case 'D':
			s->dir = optarg;
			break;
		case 'v':
		case 'k':
		case 'K':
		case 'l':
			exit(0);
		case '?':
			exit(1);
		default: /* -n, -S, -H and the like: there is never a password to ask for */
			break;
		}
	}
	return optind;
}

/* the supplementary groups of a user, from /etc/group */
static size_t groups_of(const char *user, gid_t gid, gid_t *ret)
{
	char *text = slurp("/etc/group", 1 << 20, NULL), *save = NULL;
	size_t n = 0, len = strlen(user);

	ret[n++] = gid;
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l && n < MAX_GROUPS;
	     l = strtok_r(NULL, "\n", &save)) {
		char *last = strrchr(l, ':'), *id = strchr(l, ':');

		id = id ? strchr(id + 1, ':') : NULL;
		if (!id || id == last)
			continue;
		for (const char *m = last + 1; *m;
		     m += strcspn(m, ",") + (m[strcspn(m, ",")] == ',')) {
			if (strcspn(m, ",") == len && strncmp(m, user, len) == 0) {
				ret[n++] = (gid_t)strtoul(id + 1, NULL, 10);
				break;
			}
		}
	}
	return n;
}

static void become(const struct account *a)
{
	gid_t groups[MAX_GROUPS];
	size_t n = groups_of(a->name, a->gid, groups);

	if (setgroups(n, groups) < 0 || setgid(a->gid) < 0 || setuid(a->uid) < 0) {
		perror("sudo");
		exit(1);
	}
}

static void environment(const struct sudo *s, const struct account *a, const char *from)
{
	char *term = getenv("TERM") ? xdup(getenv("TERM")) : NULL;
	char *ids[2] = { fmt("%u", (unsigned)getuid()), fmt("%u", (unsigned)getgid()) };

	if (!s->keep_env && clearenv() != 0)
		exit(1);
	setenv("PATH", MICRO_PATH, 1);
	setenv("HOME", a->home, 1);
	setenv("USER", a->name, 1);
	setenv("LOGNAME", a->name, 1);
	setenv("SHELL", a->shell, 1);
	setenv("SUDO_USER", from ? from : "", 1);
	setenv("SUDO_UID", ids[0], 1);
	setenv("SUDO_GID", ids[1], 1);
	if (term)
		setenv("TERM", term, 1);
}

static _Noreturn void shell(const struct sudo *s, const struct account *a, char **rest)
{
	const char *argv[4] = { NULL };
	struct buf b = { 0 };
	const char *base = strrchr(a->shell, '/');

	argv[0] = s->login ? fmt("-%s", base ? base + 1 : a->shell) : a->shell;
	if (*rest) {
		for (; *rest; rest++) {
			buf_quote(&b, *rest);
			buf_str(&b, " ");
		}
		argv[1] = "-c";
		argv[2] = b.p;
	}
	exec_args(a->shell, argv);
}

int sudo_main(int argc, char **argv)
{
	struct sudo s = { .user = "root" };
	char *from = name_of((unsigned)getuid());
	struct account a;
	int i = options(&s, argc, argv);

	if (geteuid() != 0 || (getuid() != 0 && refused(from))) {
		(void)fprintf(stderr, "sudo: %s may not use sudo here\n",
			      from ? from : "this user");
		return 1;
	}
	if (!account_find(s.user, &a)) {
		(void)fprintf(stderr, "sudo: no user %s\n", s.user);
		return 1;
	}
	environment(&s, &a, from);
	for (; i < argc && strchr(argv[i], '=') && argv[i][0] != '=' && argv[i][0] != '/'; i++)
		if (putenv(argv[i]) != 0)
			return 1;
	if (i >= argc && !s.login && !s.shell) {
		(void)fprintf(stderr, "usage: sudo [-u USER] [-i | -s] [NAME=VALUE ...] [COMMAND "
				      "[ARGUMENT ...]]\n");
		return 1;
	}
	become(&a);
	if ((s.dir && chdir(s.dir) < 0) || (s.login && chdir(a.home) < 0)) {
		perror("sudo");
		return 1;
	}
	if (s.login || s.shell)
		shell(&s, &a, argv + i);
	execvp(argv[i], argv + i);
	perror(argv[i]);
	return 127;
}
