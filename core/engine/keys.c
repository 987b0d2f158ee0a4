/* SPDX-License-Identifier: Apache-2.0
 *
 * keys.c - see keys.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/strbuf.h>
#include <engine/keys.h>
#include <guest/guest.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 16384

static int read_line(int dirfd, const char *name, char **ret, struct holos_error **err)
{
	_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;
	int r = fs_read(dirfd, name, KEY_MAX, &text, err);

	if (r < 0)
		return r;
	text.s[strcspn(text.s, "\n")] = '\0';
	if (strncmp(text.s, "ssh-", 4) != 0)
		return error_set(err, ERR_FAILED, "%s is no public key", name);
	*ret = strbuf_steal(&text);
	return 0;
}

/* The public half is written first: a private key that exists has it. */
static int generate(int dirfd, const char *name, const char *comment, bool durable, char **ret,
		    struct holos_error **err)
{
	const struct holos_ssh_module *ssh;
	_cleanup_(freep) char *pub_name = xasprintf("%s.pub", name);
	_cleanup_(freep) char *line = NULL;
	_cleanup_(freep) char *with_newline = NULL;
	struct ssh_keypair pair = { 0 };
	int r = guest_ssh_module(&ssh, err);

	if (r == 0)
		r = ssh->keygen(&pair, err);
	if (r < 0)
		return r;
	line = xasprintf("%s%s%s", pair.public_line, comment != NULL ? " " : "",
			 comment != NULL ? comment : "");
	with_newline = xasprintf("%s\n", line);
	r = fs_write_replace(dirfd, pub_name, with_newline, strlen(with_newline), 0644, err);
	if (r == 0)
		r = (durable ? fs_write_atomic : fs_write_replace)(
			dirfd, name, pair.private_text, strlen(pair.private_text), 0600, err);
	explicit_bzero(pair.private_text, strlen(pair.private_text));
	free(pair.private_text);
	free(pair.public_line);
	if (r == 0)
		*ret = steal_ptr(&line);
	return r;
}

static int obtain(int dirfd, const char *name, const char *comment, bool durable, char **ret,
		  struct holos_error **err)
{
	_cleanup_(freep) char *pub = xasprintf("%s.pub", name);

	if (fs_absent(dirfd, name))
		return generate(dirfd, name, comment, durable, ret, err);
	return read_line(dirfd, pub, ret, err);
}

int keys_project(const struct state *s, const char *project, char **ret_public,
		 struct holos_error **err)
{
	_cleanup_(freep) char *comment = xasprintf("holos-%s", project);
	_cleanup_(closep) int dir = state_open_dir(s, true, "ssh/%s", project);
	int r;

	if (dir < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s/ssh/%s", s->dir, project);
	r = obtain(dir, "id_ed25519", comment, true, ret_public, err);
	return r < 0 ? error_wrap(err, "SSH key of project \"%s\"", project) : 0;
}

char *keys_project_path(const struct state *s, const char *project)
{
	return state_path(s, "ssh/%s/id_ed25519", project);
}

int keys_host(int dirfd, bool durable, char **ret_public, struct holos_error **err)
{
	int r = obtain(dirfd, KEYS_HOST_KEY, NULL, durable, ret_public, err);

	return r < 0 ? error_wrap(err, "SSH host key") : 0;
}
