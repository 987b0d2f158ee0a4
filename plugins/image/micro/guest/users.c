/*
 * users.c - users, groups and authorized keys of the seed, once per instance.
 *
 * Without `users` the default user is made, as on any cloud image; top-level keys go to
 * the default user if it exists, else to the first one.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_USER "micro"
#define NOSUDO       "/etc/micro/nosudo"
#define FIRST_UID    1000

/* names end up in colon-separated files and paths */
static bool good_name(const char *s)
{
	size_t n = strlen(s);

	return n && n <= 32 && s[0] != '-' && s[0] != '.' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n;
}

static bool good_field(const char *s)
{
	return !strpbrk(s, ":\n");
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *l = text; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL)
		if (strncmp(l, line, n) == 0 && (l[n] == '\n' || l[n] == '\0'))
			return true;
	return false;
}

/* adds the keys that are not there yet */
static void add_keys(const struct account *a, struct ynode *keys)
{
	char *dir = fmt("%s/.ssh", a->home), *file = fmt("%s/authorized_keys", dir), *old;
	struct buf b = { 0 };

	if (!y_len(keys))
		return;
	old = slurp(file, SEED_CAP, NULL);
	if (old)
		buf_str(&b, old);
	if (b.n && b.p[b.n - 1] != '\n')
		buf_str(&b, "\n");
	for (size_t i = 0; i < y_len(keys); i++) {
		const char *k = y_str(y_at(keys, i));

		if (!k || has_line(b.n ? b.p : "", k))
			continue;
		buf_str(&b, k);
		if (k[strlen(k) - 1] != '\n')
			buf_str(&b, "\n");
	}
	if (!b.n)
		return;
	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) || !spew(file, b.p, b.n, O_TRUNC, 0600) ||
	    chmod(dir, 0700) < 0 || chmod(file, 0600) < 0 || chown(dir, a->uid, a->gid) < 0 ||
	    chown(file, a->uid, a->gid) < 0)
		complain("users: keys of %s: %s", a->name, strerror(errno));
}

static void join_groups(struct ynode *groups, const char *user)
{
	for (size_t i = 0; i < y_len(groups); i++) {
		const char *s = y_str(y_at(groups, i));
		char *list = xdup(s ? s : ""), *save = NULL;

		for (char *g = strtok_r(list, ", ", &save); g; g = strtok_r(NULL, ", ", &save))
			if (!good_name(g) || !group_join(g, user))
				complain("users: %s cannot join group %s", user, g);
	}
}

/* every user may use sudo, unless the seed says no in so many words */
static void sudo_right(const char *name, struct ynode *sudo)
{
	const char *s = y_str(sudo);
	char *line = fmt("%s\n", name);

	if (!s || strcasecmp(s, "false") != 0)
		return;
	(void)mkparents(NOSUDO);
	if (!spew(NOSUDO, line, strlen(line), O_APPEND, 0644))
		complain("users: %s: %s", NOSUDO, strerror(errno));
}

static char *hash_of(const char *plain)
{
	static const char file[] = "/run/micro/hash";
	const char *const argv[] = { "mkpasswd", "-m", "sha512", "-P", "0", NULL };
	char *hash = NULL;
	int in, out;

	if (!spew("/run/micro/plain", plain, strlen(plain), O_TRUNC, 0600))
		return NULL;
	in = open("/run/micro/plain", O_RDONLY | O_CLOEXEC);
	out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (in >= 0 && out >= 0 && run(in, out, argv) == 0)
		hash = slurp(file, 4096, NULL);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	(void)unlink("/run/micro/plain");
	(void)unlink(file);
	return hash ? chomp(hash) : NULL;
}

/* a locked password is a hash behind "!", as passwd -l leaves it */
static void password(const char *name, struct ynode *u)
{
	const char *hash = y_text(u, "hashed_passwd"), *plain = y_text(u, "plain_text_passwd");

	if (!hash)
		hash = y_text(u, "passwd");
	if (!hash && plain)
		hash = hash_of(plain);
	if (!hash && !plain)
		return;
	if (!hash || !good_field(hash) ||
	    !account_hash(name,
			  fmt("%s%s", y_true(y_get(u, "lock_passwd"), true) ? "!" : "", hash)))
		complain("users: cannot set the password of %s", name);
}

static bool create(const char *name, struct ynode *u, struct account *a)
{
	const char *shell = y_text(u, "shell"), *home = y_text(u, "homedir"),
		   *gecos = y_text(u, "gecos");
	const char *group = y_text(u, "primary_group"), *uid = y_text(u, "uid");
	bool system = y_true(y_get(u, "system"), false);

	if (shell && access(shell, X_OK) != 0) {
		say("users: %s: no %s here, /bin/sh instead", name, shell);
		shell = NULL;
	}
	a->name = xdup(name);
	a->home = xdup(home && home[0] == '/' && good_field(home) ? home : fmt("/home/%s", name));
	a->shell = xdup(shell && good_field(shell) ? shell : "/bin/sh");
	a->uid =
		uid ? (unsigned)strtoul(uid, NULL, 10) : account_next_uid(system ? 200 : FIRST_UID);
	a->gid = a->uid;
	if (group && good_name(group) && group_join(group, NULL))
		(void)group_find(group, &a->gid);
	if (!account_add(a, gecos && good_field(gecos) ? gecos : "")) {
		complain("users: cannot add %s: %s", name, strerror(errno));
		return false;
	}
	return true;
}

/* an existing home, on a volume perhaps, keeps its owner and content */
static void make_home(const struct account *a)
{
	struct stat st;

	if (stat(a->home, &st) == 0 && st.st_uid == a->uid)
		return;
	if (!mkdirs(a->home, 0755) || chown(a->home, a->uid, a->gid) < 0)
		complain("users: %s: %s", a->home, strerror(errno));
}

static bool apply_user(const char *name, struct ynode *u)
{
	struct account a;

	if (!name || !good_name(name)) {
		complain("users: %s is no user name", name ? name : "an entry without name");
		return false;
	}
	if (!account_find(name, &a) && !create(name, u, &a))
		return false;
	if (!y_true(y_get(u, "no_create_home"), false))
		make_home(&a);
	join_groups(y_get(u, "groups"), a.name);
	password(a.name, u);
	sudo_right(a.name, y_get(u, "sudo"));
	add_keys(&a, y_get(u, "ssh_authorized_keys"));
	if (y_get(u, "ssh_import_id"))
		say("users: %s: ssh_import_id is not supported, ignored", a.name);
	return true;
}

/* groups: [a, {b: [user, user]}] */
static void apply_groups(struct ynode *groups)
{
	for (size_t i = 0; i < y_len(groups); i++) {
		struct ynode *g = y_at(groups, i);
		const char *name = y_str(g);

		if (name && (!good_name(name) || !group_join(name, NULL)))
			complain("groups: cannot make %s", name);
		for (size_t k = 0; g->kind == Y_MAP && k < g->n; k++) {
			name = y_str(g->key[k]);
			if (!name || !good_name(name) || !group_join(name, NULL))
				continue;
			for (size_t m = 0; m < y_len(g->item[k]); m++) {
				const char *user = y_str(y_at(g->item[k], m));

				if (user && good_name(user))
					(void)group_join(name, user);
			}
		}
	}
}

static const char *default_name(const struct seed *s, struct ynode **ret_conf)
{
	struct ynode *u = y_get(s->user, "user");

	*ret_conf = u && u->kind == Y_MAP ? u : NULL;
	if (y_str(u))
		return y_str(u);
	return y_text(u, "name") ? y_text(u, "name") : DEFAULT_USER;
}

void users_apply(const struct seed *s)
{
	struct ynode *users = y_get(s->user, "users"), *conf;
	const char *def = default_name(s, &conf), *keys_to = NULL;
	struct account a;

	apply_groups(y_get(s->user, "groups"));
	if (!users && apply_user(def, conf))
		keys_to = def;
	for (size_t i = 0; i < y_len(users); i++) {
		struct ynode *u = y_at(users, i);
		const char *name = y_str(u) ? y_str(u) : y_text(u, "name");
		bool is_default = name && y_str(u) && strcmp(name, "default") == 0;

		if (!apply_user(is_default ? def : name, is_default ? conf : u))
			continue;
		if (is_default)
			keys_to = def;
		else if (!keys_to)
			keys_to = name;
	}
	if (keys_to && account_find(keys_to, &a))
		add_keys(&a, y_get(s->user, "ssh_authorized_keys"));
}
