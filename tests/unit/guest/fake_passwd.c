/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_passwd.c - preloaded into dropbear by the tests: every user name is the
 * caller, with home FAKE_HOME, so that no test needs root or touches ~/.ssh, and
 * shell FAKE_SHELL, where that is set.
 */
#include <pwd.h>
#include <shadow.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct passwd *entry(const char *name)
{
	static struct passwd pw;
	static char user[64];
	static char text[][16] = { "!", "", "/bin/sh" };

	strncpy(user, name, sizeof(user) - 1);
	pw = (struct passwd){
		.pw_name = user,
		.pw_passwd = text[0],
		.pw_uid = getuid(),
		.pw_gid = getgid(),
		.pw_gecos = text[1],
		.pw_dir = getenv("FAKE_HOME"),
		.pw_shell = getenv("FAKE_SHELL"),
	};
	if (pw.pw_shell == NULL)
		pw.pw_shell = text[2];
	return pw.pw_dir != NULL ? &pw : NULL;
}

__attribute__((visibility("default"))) struct passwd *getpwnam(const char *name)
{
	return strcmp(name, "nobody-here") != 0 ? entry(name) : NULL;
}

__attribute__((visibility("default"))) struct passwd *getpwuid(uid_t uid)
{
	return uid == getuid() ? entry("tester") : NULL;
}

__attribute__((visibility("default"))) struct spwd *getspnam(const char *name)
{
	(void)name;
	return NULL;
}

/* The shells that one may log in with: ours, once each time around. */
__attribute__((visibility("default"))) char *getusershell(void)
{
	static bool told;

	told = !told;
	return told ? entry("tester")->pw_shell : NULL;
}
