/* SPDX-License-Identifier: Apache-2.0
 *
 * digests.c - see digests.h.  One line a file: KEY HEX.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/sha256.h>
#include <base/strbuf.h>
#include <compose/strmap.h>
#include <engine/digests.h>

#include <errno.h>
#include <fcntl.h>
#include <holos/beneath.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX    (32u << 20)
#define CHUNK       (256u << 10)
#define SETTLED_SEC 2
#define KEY_LEN     512

struct digests {
	const struct state *state;
	char *path;         /* below the state directory */
	struct strbuf text; /* as it was read, cut into strings */
	struct strmap known;
	struct strbuf kept; /* as it shall be */
	bool changed;
	char *chunk;
};

/* "KEY HEX\n" lines; the map borrows the keys, values are offsets of digests. */
static void read_known(struct digests *d)
{
	char *s = d->text.s;

	while (s != NULL && *s != '\0') {
		char *end = s + strcspn(s, "\n");
		char *space = memchr(s, ' ', (size_t)(end - s));
		bool last = *end == '\0';

		*end = '\0';
		if (space != NULL && strlen(space + 1) == 64 &&
		    strspn(space + 1, "0123456789abcdef") == 64) {
			*space = '\0';
			strmap_set(&d->known, s, (size_t)(space + 1 - d->text.s));
		}
		s = last ? NULL : end + 1;
	}
}

struct digests *digests_open(const struct state *s, const char *name)
{
	struct digests *d = xnew(struct digests);

	d->state = s;
	d->path = xasprintf("digests/%s", name);
	d->chunk = xmalloc(CHUNK);
	if (s->fd >= 0 && fs_read(s->fd, d->path, FILE_MAX, &d->text, NULL) == 0)
		read_known(d);
	return d;
}

static int hash(struct digests *d, int fd, const char *path, char hex[65], struct holos_error **err)
{
	struct sha256 h;
	uint8_t raw[32];
	ssize_t n;

	sha256_init(&h);
	while ((n = read(fd, d->chunk, CHUNK)) != 0) {
		if (n < 0 && errno != EINTR)
			return error_sys(err, ERR_FAILED, errno, "cannot read %s", path);
		if (n > 0)
			sha256_add(&h, d->chunk, (size_t)n);
	}
	sha256_end(&h, raw);
	sha256_hex(raw, hex);
	return 0;
}

static bool is_settled(const struct stat *st)
{
	time_t now = time(NULL);

	return st->st_mtim.tv_sec + SETTLED_SEC < now && st->st_ctim.tv_sec + SETTLED_SEC < now;
}

int digests_get(struct digests *d, int root, const char *path, char hex[65],
		struct holos_error **err)
{
	_cleanup_(closep) int fd =
		holos_open_beneath(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	char key[KEY_LEN];
	struct stat st;
	size_t at;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_FAILED, "cannot read %s: no longer a file", path);
	snprintf(key, sizeof(key), "%llu:%llu:%lld:%lld.%ld:%lld.%ld",
		 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		 (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		 (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	at = strmap_get(&d->known, key);
	if (at != STRMAP_NONE) {
		memcpy(hex, d->text.s + at, 65);
	} else {
		r = hash(d, fd, path, hex, err);
		if (r < 0)
			return r;
		d->changed = d->changed || is_settled(&st);
	}
	if (at != STRMAP_NONE || is_settled(&st))
		strbuf_addf(&d->kept, "%s %s\n", key, hex);
	return 0;
}

void digests_close(struct digests *d)
{
	if (d == NULL)
		return;
	if (d->changed && d->state->fd >= 0 && d->kept.len <= FILE_MAX) {
		_cleanup_(closep) int dir = state_open_dir(d->state, true, "digests");

		/* Without it the next command reads the files again. */
		if (dir >= 0)
			(void)fs_write_replace(d->state->fd, d->path, d->kept.s, d->kept.len, 0600,
					       NULL);
	}
	strmap_finish(&d->known);
	strbuf_finish(&d->text);
	strbuf_finish(&d->kept);
	free(d->path);
	free(d->chunk);
	free(d);
}
