/* SPDX-License-Identifier: Apache-2.0
 *
 * guestdata.c - what boot.sh works from: the files of holos/ on the seed.
 *
 * facts        variables for the scripts
 * hosts        lines of /etc/hosts
 * environment  lines of /etc/environment
 * profile.sh   a script of /etc/profile.d
 * mounts       a script: one call of volume() or share() for each mount
 */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

static void put_own_names(struct ci_steps *s, struct ci_buf *out)
{
	const char *hostname = ci_steps_need(s, "/hostname");
	size_t n = strcspn(hostname, ".");

	ci_buf_adds(out, "127.0.0.1 localhost\n127.0.1.1 ");
	ci_buf_adds(out, hostname);
	if (hostname[n] == '.' && n > 0) {
		ci_buf_addc(out, ' ');
		ci_buf_add(out, hostname, n);
	}
	ci_buf_adds(out, "\n::1 localhost ip6-localhost ip6-loopback\n"
			 "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n");
}

void ci_facts(struct ci_steps *s, struct ci_buf *out)
{
	static const char *const families[] = {
		[CI_SYSTEMD] = "systemd", [CI_OPENRC] = "openrc", [CI_MICRO] = "micro"
	};
	enum ci_init init = ci_steps_init(s);
	const char *user = ci_steps_need(s, "/user/name");
	bool sudo = strcmp(user, "root") != 0 && ci_steps_bool(s, init != CI_MICRO, "/user/sudo");

	ci_buf_adds(out, "instance=");
	ci_buf_add_quoted(out, ci_steps_need(s, "/instance_id"));
	ci_buf_addf(out, "\nmade_at=%lld\ninit=%s\npackages=%u\nroot_user=",
		    (long long)ci_steps_int(s, 0, "/made_at"), families[init],
		    ci_steps_count(s, CI_LIST_MAX, "/packages"));
	ci_buf_add_quoted(out, sudo ? user : "");
	ci_buf_addc(out, '\n');
}

void ci_hosts(struct ci_steps *s, struct ci_buf *out)
{
	unsigned n = ci_steps_count(s, CI_LIST_MAX, "/hosts");

	put_own_names(s, out);
	if (n > 0)
		ci_buf_addc(out, '\n');
	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++) {
		const char *address = ci_steps_need(s, "/hosts/%u/address", i);
		unsigned names = ci_steps_count(s, CI_LIST_MAX, "/hosts/%u/names", i);

		if (!ci_is_address(address))
			ci_steps_bad(s, address, "is no IP address", "/hosts/%u/address", i);
		if (names == 0)
			ci_steps_bad(s, NULL, "a name is missing here", "/hosts/%u/names", i);
		ci_buf_adds(out, address);
		for (unsigned k = 0; k < names && s->status == HOLOS_OK; k++) {
			const char *name = ci_steps_need(s, "/hosts/%u/names/%u", i, k);

			if (!ci_is_chars(name, 1, 253, "-._"))
				ci_steps_bad(s, name, "is no host name", "/hosts/%u/names/%u", i,
					     k);
			ci_buf_addc(out, ' ');
			ci_buf_adds(out, name);
		}
		ci_buf_addc(out, '\n');
	}
}

/* pam_env drops quotes at both ends and keeps what is between them; a comment
 * sign ends the line even inside quotes. */
static void put_variable(struct ci_buf *out, const char *name, const char *value)
{
	if (strpbrk(value, "\n#") != NULL)
		return;
	ci_buf_adds(out, name);
	ci_buf_addc(out, '=');
	if (ci_is_chars(value, 0, SIZE_MAX, "_./:,@%+=-")) {
		ci_buf_adds(out, value);
	} else {
		ci_buf_addc(out, '"');
		ci_buf_adds(out, value);
		ci_buf_addc(out, '"');
	}
	ci_buf_addc(out, '\n');
}

void ci_environment(struct ci_steps *s, struct ci_buf *out)
{
	unsigned n = ci_steps_count(s, CI_LIST_MAX, "/environment");

	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++) {
		const char *name = ci_steps_need(s, "/environment/%u/name", i);

		if (!ci_is_variable(name))
			ci_steps_bad(s, name, "must match [A-Za-z_][A-Za-z0-9_]*",
				     "/environment/%u/name", i);
		put_variable(out, name, ci_steps_str(s, "", "/environment/%u/value", i));
	}
}

void ci_profile(struct ci_steps *s, struct ci_buf *out)
{
	unsigned n = ci_steps_count(s, CI_LIST_MAX, "/environment");

	if (n > 0)
		ci_buf_adds(out, "# written by holos at every boot\n");
	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++) {
		ci_buf_adds(out, "export ");
		ci_buf_adds(out, ci_steps_need(s, "/environment/%u/name", i));
		ci_buf_addc(out, '=');
		ci_buf_add_quoted(out, ci_steps_str(s, "", "/environment/%u/value", i));
		ci_buf_addc(out, '\n');
	}
}

/* ---- mounts ------------------------------------------------------------- */

struct mount {
	const char *target;
	const char *list; /* "volumes" or "mounts" */
	unsigned i;
};

static int by_target(const void *a, const void *b)
{
	return strcmp(((const struct mount *)a)->target, ((const struct mount *)b)->target);
}

/* A target as fstab(5) and /proc/mounts spell it, quoted for sh. */
static void put_escaped(struct ci_buf *out, const char *target)
{
	struct ci_buf text = CI_BUF_INIT(4 * 4096);

	for (; *target != '\0'; target++) {
		if (*target == ' ' || *target == '\\')
			ci_buf_addf(&text, "\\%03o", (unsigned)*target);
		else
			ci_buf_addc(&text, *target);
	}
	ci_buf_add_quoted(out, text.s != NULL ? text.s : "");
	if (text.status != HOLOS_OK)
		out->status = text.status;
	ci_buf_finish(&text);
}

static void put_target(struct ci_steps *s, struct ci_buf *out, const struct mount *m)
{
	ci_buf_addc(out, ' ');
	ci_buf_add_quoted(out, m->target);
	ci_buf_addc(out, ' ');
	put_escaped(out, m->target);
	ci_buf_adds(out,
		    ci_steps_bool(s, false, "/%s/%u/read_only", m->list, m->i) ? " ro" : " rw");
}

/* volume NAME SERIAL TARGET ESCAPED ro|rw fresh|used ext4|auto */
static void put_volume(struct ci_steps *s, struct ci_buf *out, const struct mount *m)
{
	const char *name = ci_steps_need(s, "/volumes/%u/name", m->i);
	const char *serial = ci_steps_need(s, "/volumes/%u/serial", m->i);
	const char *fs = ci_steps_str(s, "ext4", "/volumes/%u/filesystem", m->i);

	if (!ci_is_chars(name, 1, 63, "-"))
		ci_steps_bad(s, name, "must be 1 to 63 of a-z 0-9 -", "/volumes/%u/name", m->i);
	if (!ci_is_chars(serial, 1, 20, "-._"))
		ci_steps_bad(s, serial, "must be 1 to 20 of A-Z a-z 0-9 . _ -",
			     "/volumes/%u/serial", m->i);
	if (strcmp(fs, "ext4") != 0 && strcmp(fs, "auto") != 0)
		ci_steps_bad(s, fs, "must be ext4 or auto", "/volumes/%u/filesystem", m->i);
	ci_buf_addf(out, "volume '%.63s' '%.20s'", name, serial);
	put_target(s, out, m);
	ci_buf_addf(out, " %s %.4s\n",
		    ci_steps_bool(s, false, "/volumes/%u/fresh", m->i) ? "fresh" : "used", fs);
}

/* share TYPE TAG TARGET ESCAPED ro|rw */
static void put_share(struct ci_steps *s, struct ci_buf *out, const struct mount *m)
{
	const char *type = ci_steps_need(s, "/mounts/%u/type", m->i);
	const char *tag = ci_steps_need(s, "/mounts/%u/tag", m->i);

	if (strcmp(type, "9p") != 0 && strcmp(type, "virtiofs") != 0)
		ci_steps_bad(s, type, "must be 9p or virtiofs", "/mounts/%u/type", m->i);
	if (!ci_is_chars(tag, 1, 31, "-._"))
		ci_steps_bad(s, tag, "must be 1 to 31 of A-Z a-z 0-9 . _ -", "/mounts/%u/tag",
			     m->i);
	ci_buf_addf(out, "share %.8s '%.31s'", type, tag);
	put_target(s, out, m);
	ci_buf_addc(out, '\n');
}

static unsigned collect(struct ci_steps *s, const char *list, struct mount *to)
{
	unsigned n = ci_steps_count(s, CI_MOUNTS_MAX, "/%s", list);

	for (unsigned i = 0; i < n; i++) {
		to[i] = (struct mount){ ci_steps_need(s, "/%s/%u/target", list, i), list, i };
		if (!ci_is_target(to[i].target))
			ci_steps_bad(s, to[i].target,
				     "must be absolute, not /, without empty, "
				     "\".\" or \"..\" parts",
				     "/%s/%u/target", list, i);
	}
	return n;
}

void ci_mounts(struct ci_steps *s, struct ci_buf *out)
{
	struct mount all[2 * CI_MOUNTS_MAX];
	unsigned n = collect(s, "volumes", all);

	n += collect(s, "mounts", all + n);
	/* Parents sort before what lies in them. */
	qsort(all, n, sizeof(all[0]), by_target);
	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++) {
		if (i > 0 && strcmp(all[i].target, all[i - 1].target) == 0)
			ci_steps_bad(s, all[i].target, "is there twice", "/%s/%u/target",
				     all[i].list, all[i].i);
		else if (strcmp(all[i].list, "volumes") == 0)
			put_volume(s, out, &all[i]);
		else
			put_share(s, out, &all[i]);
	}
}
