/* accounts.c - /etc/passwd, group and shadow: look up, add, change. */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DB_CAP     ((size_t)1 << 20)
#define MAX_FIELDS 9

/* splits "a:b:c" in place; absent fields are "" */
static void split(char *line, char *field[MAX_FIELDS])
{
	static char none[1];

	for (size_t i = 0; i < MAX_FIELDS; i++) {
		char *c = line ? strchr(line, ':') : NULL;

		field[i] = line ? line : none;
		if (c)
			*c++ = '\0';
		line = c;
	}
}

static char *find_line(const char *file, const char *name)
{
	char *text = slurp(file, DB_CAP, NULL), *save = NULL;
	size_t n = strlen(name);

	if (!text)
		return NULL;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (strncmp(l, name, n) == 0 && l[n] == ':')
			return l;
	return NULL;
}

bool account_find(const char *name, struct account *ret)
{
	char *line = find_line("/etc/passwd", name), *f[MAX_FIELDS];

	if (!line)
		return false;
	split(line, f);
	ret->name = f[0];
	ret->uid = (unsigned)strtoul(f[2], NULL, 10);
	ret->gid = (unsigned)strtoul(f[3], NULL, 10);
	ret->home = f[5];
	ret->shell = f[6];
	return true;
}

bool group_find(const char *name, unsigned *ret_gid)
{
	char *line = find_line("/etc/group", name), *f[MAX_FIELDS];

	if (!line)
		return false;
	split(line, f);
	*ret_gid = (unsigned)strtoul(f[2], NULL, 10);
	return true;
}

/* the first number from `first` on that neither a user nor a group has */
unsigned account_next_uid(unsigned first)
{
	static const char *const files[] = { "/etc/passwd", "/etc/group" };
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < ARRAY_LEN(files); i++) {
			char *text = slurp(files[i], DB_CAP, NULL), *save = NULL, *f[MAX_FIELDS];

			for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
			     l = strtok_r(NULL, "\n", &save)) {
				split(l, f);
				if (strtoul(f[2], NULL, 10) == first && *f[2]) {
					first++;
					again = true;
				}
			}
			free(text);
		}
	}
	return first;
}

static bool append(const char *file, const char *line)
{
	return spew(file, line, strlen(line), O_APPEND, 0644);
}

/* replaces the line of NAME by NEW, by way of a second file so that no reader sees half */
static bool replace_line(const char *file, const char *name, const char *new_line, mode_t mode)
{
	char *text = slurp(file, DB_CAP, NULL), *save = NULL, *tmp = fmt("%s.new", file);
	size_t n = strlen(name);
	struct buf b = { 0 };

	if (!text)
		return false;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		buf_str(&b, strncmp(l, name, n) == 0 && l[n] == ':' ? new_line : l);
		buf_str(&b, "\n");
	}
	return b.p && spew(tmp, b.p, b.n, O_TRUNC, mode) && rename(tmp, file) == 0;
}

static bool group_create(const char *name, unsigned gid)
{
	return append("/etc/group", fmt("%s:x:%u:\n", name, gid));
}

static bool member_of(const char *members, const char *user)
{
	size_t n = strlen(user);

	for (const char *m = members; *m;) {
		size_t len = strcspn(m, ",");

		if (len == n && strncmp(m, user, n) == 0)
			return true;
		m += len + (m[len] == ',');
	}
	return false;
}

/* makes the group when there is none; user may be NULL */
bool group_join(const char *group, const char *user)
{
	char *f[MAX_FIELDS], *line = find_line("/etc/group", group);

	if (!line) {
		if (!group_create(group, account_next_uid(100)))
			return false;
		line = find_line("/etc/group", group);
	}
	if (!user || !line)
		return line != NULL;
	split(line, f);
	if (member_of(f[3], user))
		return true;
	return replace_line("/etc/group", group,
			    fmt("%s:x:%s:%s%s%s", f[0], f[2], f[3], *f[3] ? "," : "", user), 0644);
}

bool account_add(const struct account *a, const char *gecos)
{
	unsigned gid;

	if (!group_find(a->name, &gid) && a->uid == a->gid && !group_create(a->name, a->gid))
		return false;
	return append("/etc/passwd", fmt("%s:x:%u:%u:%s:%s:%s\n", a->name, a->uid, a->gid, gecos,
					 a->home, a->shell)) &&
	       append("/etc/shadow", fmt("%s:!:19000:0:99999:7:::\n", a->name));
}

bool account_hash(const char *name, const char *hash)
{
	return replace_line("/etc/shadow", name, fmt("%s:%s:19000:0:99999:7:::", name, hash), 0600);
}
