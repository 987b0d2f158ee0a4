/* SPDX-License-Identifier: Apache-2.0
 *
 * lastword.c - see lastword.h.
 */
#include <base/alloc.h>
#include <base/jsonx.h>
#include <state/lastword.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WORD_AT   16   /* behind the lock bytes */
#define WORD_SIZE 2048 /* zeros behind the text, all zeros: none */

void last_word_clear(int alive_fd)
{
	static const char none[WORD_SIZE];
	char first;
	bool taken = pread(alive_fd, &first, 1, WORD_AT + WORD_SIZE - 1) == 1;

	if (taken && pread(alive_fd, &first, 1, WORD_AT) == 1 && first == '\0')
		return;
	(void)!pwrite(alive_fd, none, sizeof(none), WORD_AT);
	if (taken) /* an old word must not come back after a power cut */
		(void)fdatasync(alive_fd);
}

/* The members of r that matter, as a record of its own. */
static struct vm_record *extract(const struct vm_record *r)
{
	struct vm_record *w = vm_record_create();

	w->instance = xstrdup(r->instance);
	w->uuid = xstrdup(r->uuid);
	w->state = r->state;
	w->since = xstrdup_null(r->since);
	w->exit = r->exit;
	w->exit.message = xstrdup_null(r->exit.message);
	w->exit.at = xstrdup_null(r->exit.at);
	return w;
}

int last_word_write(int alive_fd, const struct vm_record *r)
{
	_cleanup_(vm_record_destroyp) struct vm_record *w = extract(r);
	_cleanup_(json_putp) struct json_object *obj = vm_record_encode(w);
	const char *text = jsonx_line(obj);
	char word[WORD_SIZE] = "";
	ssize_t n;

	if (strlen(text) >= sizeof(word)) { /* the message is the only long member */
		json_object_put(obj);
		free(w->exit.message);
		w->exit.message = xstrdup("");
		obj = vm_record_encode(w);
		text = jsonx_line(obj);
	}
	if (strlen(text) >= sizeof(word))
		return -EMSGSIZE;
	memcpy(word, text, strlen(text));
	n = pwrite(alive_fd, word, sizeof(word), WORD_AT);
	if (n != (ssize_t)sizeof(word))
		return n < 0 ? -errno : -ENOSPC;
	return fdatasync(alive_fd) < 0 ? -errno : 0;
}

static struct vm_record *read_word(int dirfd)
{
	_cleanup_(closep) int fd =
		openat(dirfd, ALIVE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_(json_putp) struct json_object *obj = NULL;
	struct vm_record *w = NULL;
	char word[WORD_SIZE + 1];
	ssize_t n = fd >= 0 ? pread(fd, word, WORD_SIZE, WORD_AT) : 0;

	if (n <= 0)
		return NULL;
	word[n] = '\0';
	if (jsonx_parse(word, strlen(word), ALIVE_FILE, &obj, NULL) < 0 ||
	    vm_record_decode(obj, ALIVE_FILE, &w, NULL) < 0)
		return NULL;
	return w;
}

void last_word_apply(int dirfd, const struct alive *alive, struct vm_record *r)
{
	_cleanup_(vm_record_destroyp) struct vm_record *w = NULL;
	struct vm_exit old = r->exit;
	char *since = r->since;

	if (alive->monitor || alive->qemu || !vm_state_is_up(r->state))
		return;
	w = read_word(dirfd);
	if (w == NULL || r->uuid == NULL || strcmp(w->uuid, r->uuid) != 0)
		return;
	r->state = w->state;
	r->since = w->since;
	r->exit = w->exit;
	w->since = since; /* destroyed with w */
	w->exit = old;
}
