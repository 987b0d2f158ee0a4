/*
 * sshd.c - the host key and dropbear.
 *
 * A host key of the seed (OpenSSH's PEM form) is kept as it is below /etc/ssh and converted
 * for dropbear; then dropbear offers that key only, so a client that pinned it never sees
 * another.  Without one dropbear makes its own at the first connection.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DB "/etc/dropbear"

static const char *const kinds[] = { "ed25519", "ecdsa", "rsa" };

static char *db_key(const char *kind)
{
	return fmt(DB "/dropbear_%s_host_key", kind);
}

static bool install_key(const char *kind, const char *priv, const char *pub)
{
	char *pem = fmt("/etc/ssh/ssh_host_%s_key", kind), *tmp = fmt("%s.new", db_key(kind));
	char *text = fmt("%s\n", priv);

	(void)mkdirs("/etc/ssh", 0755);
	(void)mkdirs(DB, 0700);
	(void)unlink(tmp); /* left by a boot that was cut short, or absent */
	if (!spew(pem, text, strlen(text), O_TRUNC, 0600) || chmod(pem, 0600) < 0)
		return false;
	if (pub) {
		char *p = fmt("%s\n", pub);

		(void)spew(fmt("%s.pub", pem), p, strlen(p), O_TRUNC, 0644);
	}
	return runl("dropbearconvert", "openssh", "dropbear", pem, tmp, (char *)NULL) == 0 &&
	       chmod(tmp, 0600) == 0 && rename(tmp, db_key(kind)) == 0;
}

void sshd_keys(const struct seed *s)
{
	struct ynode *keys = y_get(s->user, "ssh_keys");

	if (keys || y_true(y_get(s->user, "ssh_deletekeys"), true)) {
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			(void)unlink(db_key(kinds[i]));
		(void)unlink(DB "/seeded");
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *priv = y_text(keys, fmt("%s_private", kinds[i]));

		if (!priv)
			continue;
		if (!install_key(kinds[i], priv, y_text(keys, fmt("%s_public", kinds[i]))))
			complain("ssh_keys: cannot use %s_private", kinds[i]);
		else
			(void)spew(DB "/seeded", "", 0, O_TRUNC, 0600);
	}
}

/* sessions start with what /etc/environment says, as PAM would arrange it */
static void load_environment(void)
{
	char *text = slurp("/etc/environment", 65536, NULL), *save = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save)) {
		char *eq, *v;
		size_t n;

		l = chomp(l);
		if (starts(l, "export "))
			l += 7;
		eq = strchr(l, '=');
		if (*l == '#' || !eq || eq == l)
			continue;
		*eq = '\0';
		v = eq + 1;
		n = strlen(v);
		if (n >= 2 && (*v == '"' || *v == '\'') && v[n - 1] == *v) {
			v[n - 1] = '\0';
			v++;
		}
		setenv(l, v, 1);
	}
}

void sshd_start(const struct seed *s)
{
	const char *argv[16] = { "dropbear", "-e", "-p", "22" };
	size_t n = 4;
	pid_t pid;

	(void)mkdirs(DB, 0700);
	if (!y_true(y_get(s->user, "ssh_pwauth"), false))
		argv[n++] = "-s";
	if (access(DB "/seeded", F_OK) == 0) {
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
			if (access(db_key(kinds[i]), R_OK) != 0)
				continue;
			argv[n++] = "-r";
			argv[n++] = db_key(kinds[i]);
		}
	} else {
		argv[n++] = "-R";
	}
	argv[n] = NULL;
	pid = fork();
	if (pid == 0) { /* the environment is for dropbear's sessions alone */
		static const char *const drop[] = { "INSTANCE_ID", "INTERFACE", "BOOT_IMAGE" };
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		for (size_t i = 0; i < ARRAY_LEN(drop); i++)
			unsetenv(drop[i]);
		load_environment();
		for (int i = 0; i < 3; i++)
			dup2(fd, i);
		exec_args("/usr/sbin/dropbear", argv);
	}
	if (await(pid) != 0) /* dropbear itself goes to the background once it listens */
		complain("sshd did not start");
}
