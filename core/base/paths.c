/* SPDX-License-Identifier: Apache-2.0
 *
 * paths.c - see paths.h.  The build system gives the directories below the
 * prefix: HOLOS_BINDIR, HOLOS_LIBEXECDIR, HOLOS_LIBDIR, HOLOS_DATADIR ("bin",
 * "libexec/holos", "lib/holos", "share/holos") and HOLOS_PREFIX.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/paths.h>

#include <limits.h>
#include <string.h>

const char *paths_self(void)
{
	static char self[PATH_MAX];

	if (self[0] == '\0') {
		ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

		self[n > 0 ? n : 0] = '\0';
	}
	return self;
}

/* The directory above `below` when the program lies in PREFIX/below. */
static char *prefix_of(const char *below)
{
	const char *slash = strrchr(paths_self(), '/');
	size_t dir = slash != NULL ? (size_t)(slash - paths_self()) : 0;
	size_t n = strlen(below);

	if (dir <= n || strncmp(slash - n, below, n) != 0 || slash[-(ptrdiff_t)n - 1] != '/')
		return NULL;
	return xstrndup(paths_self(), dir - n - 1);
}

static const char *prefix(void)
{
	static char *found;

	if (found == NULL)
		found = prefix_of(HOLOS_LIBEXECDIR);
	if (found == NULL)
		found = prefix_of(HOLOS_BINDIR);
	if (found == NULL)
		found = xstrdup(HOLOS_PREFIX);
	return found;
}

const char *paths_libexec(void)
{
	static char *dir;

	return dir != NULL ? dir : (dir = fs_join(prefix(), HOLOS_LIBEXECDIR));
}

const char *paths_plugins(void)
{
	static char *dir;

	return dir != NULL ? dir : (dir = fs_join(prefix(), HOLOS_LIBDIR "/plugins/1"));
}

const char *paths_modules(void)
{
	static char *dir;

	return dir != NULL ? dir : (dir = fs_join(prefix(), HOLOS_LIBDIR "/modules"));
}

const char *paths_share(void)
{
	static char *dir;

	return dir != NULL ? dir : (dir = fs_join(prefix(), HOLOS_DATADIR));
}
