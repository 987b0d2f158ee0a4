/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_sshconfig.c - holos ssh-config: what ssh(1) needs to know of the VMs, for
 * ~/.ssh/config, so that scp, rsync, Ansible and editors reach them.
 *
 * The guest's host key is in it, as the output of a command (OpenSSH 8.5): nothing
 * has to be believed at the first connection, and no file to be kept.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/strbuf.h>
#include <cli.h>
#include <engine/keys.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define KEY_MAX 4096

struct ssh_config {
	struct common c;
	const struct state *s;
	const struct project_status *p;
	struct json_object *list; /* NULL: print blocks */
};

/* "ssh-ed25519 AAAA...": without its comment; NULL: it cannot be read. */
static char *host_key(const struct vm_status *v)
{
	_cleanup_(freep) char *path = fs_join(v->dir, KEYS_HOST_KEY_PUB);
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	size_t type, key;

	if (fs_read(AT_FDCWD, path, KEY_MAX, &b, NULL) < 0 || b.len == 0)
		return NULL;
	type = strcspn(b.s, " \n");
	key = b.s[type] == ' ' ? strcspn(b.s + type + 1, " \n") : 0;
	return key != 0 ? xstrndup(b.s, type + 1 + key) : NULL;
}

/* In double quotes; ssh expands %. */
static void put_path(const char *path)
{
	putchar('"');
	for (; *path != '\0'; path++) {
		if (*path == '%')
			putchar('%');
		else if (*path == '"' || *path == '\\')
			putchar('\\');
		putchar(*path);
	}
	putchar('"');
}

static void show(const struct ssh_config *q, const struct vm_status *v)
{
	_cleanup_(freep) char *identity = keys_project_path(q->s, q->p->name);
	_cleanup_(freep) char *key = host_key(v);
	const char *user = v->rec->user != NULL ? v->rec->user : "root";

	if (q->list != NULL) {
		struct json_object *o = json_object_new_object();

		jsonx_set_str(o, "project", q->p->name);
		jsonx_set_str(o, "instance", v->name);
		jsonx_set_str(o, "host", "127.0.0.1");
		jsonx_set_int(o, "port", v->rec->ssh_port);
		jsonx_set_str(o, "user", user);
		jsonx_set_str(o, "identity_file", identity);
		jsonx_set_str(o, "host_key", key);
		json_object_array_add(q->list, o);
		return;
	}
	printf("Host %s %s.%s\n  HostName 127.0.0.1\n  Port %u\n  User %s\n  IdentityFile ",
	       v->name, v->name, q->p->name, v->rec->ssh_port, user);
	put_path(identity);
	printf("\n  IdentitiesOnly yes\n  PasswordAuthentication no\n  HostKeyAlias %s.%s.holos\n",
	       v->name, q->p->name);
	if (key != NULL)
		printf("  KnownHostsCommand /bin/echo %s.%s.holos %s\n", v->name, q->p->name, key);
	fputs("  UserKnownHostsFile none\n  GlobalKnownHostsFile none\n"
	      "  StrictHostKeyChecking yes\n\n",
	      stdout);
}

static int ssh_config(struct ssh_config *q, const struct strv *operands, struct holos_error **err)
{
	_cleanup_(state_closep) struct state *s = NULL;
	_cleanup_(project_status_destroyp) struct project_status *p = NULL;
	char *const *names = NULL;
	int r = cli_read_members(&q->c, operands, &s, &p, &names, err);

	if (r < 0)
		return r;
	q->s = s;
	q->p = p;
	q->list = q->c.json ? json_object_new_array() : NULL;
	for (size_t i = 0; i < p->n_vms; i++) {
		const struct vm_status *v = &p->vms[i];

		if (!cli_is_named(v, names))
			continue;
		if (v->rec == NULL)
			print_warning("instance \"%s\": %s", v->name, v->problem);
		else if (v->rec->ssh_port == 0)
			print_warning("instance \"%s\" has no SSH port", v->name);
		else
			show(q, v);
	}
	if (q->list != NULL)
		print_json(q->list);
	return 0;
}

int verb_sshconfig(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct ssh_config q = { .c = COMMON_INIT };
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	const struct option_def defs[] = {
		OPTIONS_FILE(q.c), OPTIONS_PROJECT(q.c), OPTIONS_STATE(q.c),
		OPTIONS_JSON(q.c), OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r == 0)
		r = ssh_config(&q, &operands, err);
	common_finish(&q.c);
	return r;
}

const struct verb entry_sshconfig = {
	.name = "ssh-config",
	.operands = "[PROJECT] [SERVICE|INSTANCE...]",
	.summary = "print what ssh needs to reach VMs",
	.run = verb_sshconfig,
	.group = GROUP_ENTER,
	.more = "A block for each VM, for ~/.ssh/config: address, port, user, key, and the "
		"guest's host key. Scp, rsync, Ansible and editors work with it. Ports may "
		"change when a VM starts: print it again then.",
	.examples = {
		{ "holos ssh-config > ssh.conf", "then: ssh -F ssh.conf web-0" },
		{ "holos ssh-config demo >> ~/.ssh/config", "for good: web-0.demo is a host" },
	},
};
