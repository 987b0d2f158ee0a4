/* SPDX-License-Identifier: Apache-2.0
 *
 * files.c - which files make the project, and what it is called.
 */
#include <compose/load.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/strbuf.h>

#include <limits.h>
#include <string.h>

static const char *const main_names[] = { "holos.yaml", "holos.yml", NULL };
static const char *const override_names[] = { "holos.override.yaml", "holos.override.yml", NULL };

static const char *from_environment(const struct project_options *opts, const char *name)
{
	size_t len = strlen(name);

	for (char *const *e = opts->environ; e != NULL && *e != NULL; e++) {
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=' && (*e)[len + 1] != '\0')
			return *e + len + 1;
	}
	return NULL;
}

static const char *find_one(const char *dir, const char *const *names)
{
	for (; *names != NULL; names++) {
		_cleanup_(freep) char *path = fs_join(dir, *names);

		if (fs_exists(AT_FDCWD, path))
			return *names;
	}
	return NULL;
}

/* holos.yaml here or in a parent, shown as "../holos.yaml" there, and the
 * override beside it. */
static int discover(const char *cwd, struct strv *ret, struct holos_error **err)
{
	_cleanup_(freep) char *dir = xstrdup(cwd);
	_cleanup_(strbuf_finish) struct strbuf up = STRBUF_INIT;

	strbuf_adds(&up, "");
	for (;;) {
		const char *name = find_one(dir, main_names);
		const char *override = find_one(dir, override_names);
		char *slash = strrchr(dir, '/');

		if (name != NULL) {
			strv_addf(ret, "%s%s", up.s, name);
			if (override != NULL)
				strv_addf(ret, "%s%s", up.s, override);
			return 0;
		}
		if (slash == NULL || slash[1] == '\0')
			break;
		slash[slash == dir ? 1 : 0] = '\0';
		strbuf_adds(&up, "../");
	}
	error_set(err, ERR_INVALID, "no holos.yaml found in %s or its parents", cwd);
	error_hint(err, "go to the project's directory, or name the file with -f");
	return -ERR_INVALID;
}

int load_find_files(const struct project_options *opts, const char *cwd, struct strv *ret,
		    struct holos_error **err)
{
	const char *list = from_environment(opts, "HOLOS_FILE");

	if (opts->files != NULL && opts->files[0] != NULL) {
		for (const char *const *f = opts->files; *f != NULL; f++)
			strv_add(ret, *f);
		return 0;
	}
	if (list == NULL)
		return discover(cwd, ret, err);
	while (*list != '\0') {
		size_t n = strcspn(list, ":");

		if (n > 0)
			strv_addf(ret, "%.*s", n > INT_MAX ? INT_MAX : (int)n, list);
		list += n + (list[n] == ':');
	}
	if (ret->n > 0)
		return 0;
	return error_set(err, ERR_INVALID, "HOLOS_FILE names no file");
}

const char *load_name_from_dir(struct arena *a, const char *dir)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	const char *slash = strrchr(dir, '/');

	for (const char *s = slash != NULL ? slash + 1 : dir; *s != '\0' && b.len < 63; s++) {
		char c = *s >= 'A' && *s <= 'Z' ? (char)(*s | 0x20) : *s;
		bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (good)
			strbuf_addc(&b, c);
		else if (b.len > 0 && b.s[b.len - 1] != '-')
			strbuf_addc(&b, '-');
	}
	while (b.len > 0 && b.s[b.len - 1] == '-')
		b.len--;
	return b.len > 0 ? arena_strndup(a, b.s, b.len) : NULL;
}
