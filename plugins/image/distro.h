/* SPDX-License-Identifier: Apache-2.0
 *
 * distro.h - what the image plugins of Linux distributions share; each is a table
 * and an include of this.
 *
 * A URL is a base (the publisher, or a mirror that HOLOS_MIRROR_<SOURCE> names) and
 * a path.  In paths {tag}, {a} and {b} stand for the release, {arch} and {boot} for
 * the machine.  The code lies in a header so that each plugin has its own copy of
 * it, also where all are linked into one program.
 */
#ifndef PLUGINS_IMAGE_DISTRO_H
#define PLUGINS_IMAGE_DISTRO_H

#include <holos/image.h>
#include <holos/util.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DISTRO_URL_MAX   512
#define DISTRO_BASES_MAX 4

#ifndef DISTRO_ARCH
#ifdef __aarch64__
#define DISTRO_ARCH "aarch64"
#else
#define DISTRO_ARCH "x86_64"
#endif
#endif

struct distro_arch {
	const char *name; /* "x86_64" */
	const char *arch; /* what the publisher calls it: {arch} */
	const char *boot; /* {boot}, or NULL */
};

struct distro_release {
	const char *tags; /* "12 bookworm": the first is {tag} */
	const char *a, *b;
	const char *path; /* NULL: the distribution's */
	const char *only; /* the one architecture that has it; NULL: all */
};

struct distro {
	const char *name, *user, *init;
	const char *shares;                  /* NULL: unknown */
	const char *bases[DISTRO_BASES_MAX]; /* the publisher's, tried in turn */
	const char *digest_base;             /* where the checksums are; NULL: bases */
	const char *path;
	const char *digest; /* "+X": X behind the image's URL; else a file beside it */
	const struct distro_arch *arches;      /* ends with a NULL name */
	const struct distro_release *releases; /* the default first; ends with NULL tags */
};

/* The plugin's own table. */
static const struct distro distro;
static const struct holos_host *distro_host;

static const struct distro_arch *distro_arch_here(void)
{
	for (const struct distro_arch *a = distro.arches; a->name != NULL; a++) {
		if (strcmp(a->name, DISTRO_ARCH) == 0)
			return a;
	}
	return NULL;
}

static bool distro_offers(const struct distro_release *r)
{
	return distro_arch_here() != NULL && (r->only == NULL || strcmp(r->only, DISTRO_ARCH) == 0);
}

/* ---- URLs -------------------------------------------------------------------- */

struct distro_text {
	char s[DISTRO_URL_MAX * (DISTRO_BASES_MAX + 4)];
	size_t n;
	bool full;
};

static void distro_add(struct distro_text *t, const char *s, size_t n)
{
	if (n >= sizeof(t->s) - t->n) {
		t->full = true;
		return;
	}
	memcpy(t->s + t->n, s, n);
	t->n += n;
	t->s[t->n] = '\0';
}

static void distro_expand(struct distro_text *t, const char *path, const struct distro_release *r)
{
	const struct distro_arch *arch = distro_arch_here();
	const struct {
		const char *name, *value;
		size_t n;
	} vars[] = {
		{ "{tag}", r->tags, strcspn(r->tags, " ") },
		{ "{a}", r->a, r->a != NULL ? strlen(r->a) : 0 },
		{ "{b}", r->b, r->b != NULL ? strlen(r->b) : 0 },
		{ "{arch}", arch->arch, strlen(arch->arch) },
		{ "{boot}", arch->boot, arch->boot != NULL ? strlen(arch->boot) : 0 },
	};

	while (*path != '\0') {
		size_t i, n = strcspn(path, "{");

		distro_add(t, path, n);
		path += n;
		for (i = 0; i < sizeof(vars) / sizeof(vars[0]); i++) {
			if (strncmp(path, vars[i].name, strlen(vars[i].name)) == 0)
				break;
		}
		if (i == sizeof(vars) / sizeof(vars[0]))
			continue;
		distro_add(t, vars[i].value, vars[i].n);
		path += strlen(vars[i].name);
	}
}

/* One more URL of the list: base + path, or the checksum file of that. */
static void distro_add_url(struct distro_text *t, const char *base, size_t n, bool digest,
			   const struct distro_release *r)
{
	const char *path = r->path != NULL ? r->path : distro.path;
	const char *slash = strrchr(path, '/');

	if (t->n != 0)
		distro_add(t, " ", 1);
	while (n != 0 && base[n - 1] == '/')
		n--;
	distro_add(t, base, n);
	if (digest && distro.digest[0] != '+') {
		char dir[DISTRO_URL_MAX];

		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
		distro_expand(t, dir, r);
		distro_expand(t, distro.digest, r);
		return;
	}
	distro_expand(t, path, r);
	if (digest)
		distro_expand(t, distro.digest + 1, r);
}

/* HOLOS_MIRROR_<SOURCE>, or NULL. */
static const char *distro_mirrors(char name[64])
{
	const char *value;

	snprintf(name, 64, "HOLOS_MIRROR_%s", distro.name);
	for (char *p = name; *p != '\0'; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p == '-' ? '_' : *p);
	value = getenv(name);
	return value != NULL && value[strspn(value, " ,")] != '\0' ? value : NULL;
}

/* The mirrors of the environment: a list separated by spaces or commas. */
static holos_status distro_add_mirrors(struct distro_text *t, const char *list, bool digest,
				       const struct distro_release *r, const char *variable,
				       holos_error *err)
{
	size_t count = 0;

	while (*(list += strspn(list, " ,")) != '\0') {
		size_t n = strcspn(list, " ,");

		if (strncmp(list, "https://", 8) != 0 || n < 9)
			return holos_failf(distro_host, err, HOLOS_E_CONFIG, 0,
					   "%s: \"%.*s\" is no https URL", variable, (int)n, list);
		if (memchr(list + 8, '@', strcspn(list + 8, "/?# ,")) != NULL) {
			distro_host->fail_hint(err, "write them into ~/.netrc: machine HOST "
						    "login NAME password WORD");
			return holos_failf(
				distro_host, err, HOLOS_E_CONFIG, 0,
				"%s: a mirror's URL must not hold a user name or password",
				variable);
		}
		if (++count <= DISTRO_BASES_MAX)
			distro_add_url(t, list, n, digest, r);
		list += n;
	}
	if (t->full)
		return holos_failf(distro_host, err, HOLOS_E_CONFIG, 0, "%s is too long", variable);
	return HOLOS_OK;
}

static void distro_add_bases(struct distro_text *t, bool digest, const struct distro_release *r)
{
	if (digest && distro.digest_base != NULL) {
		distro_add_url(t, distro.digest_base, strlen(distro.digest_base), true, r);
		return;
	}
	for (size_t i = 0; i < DISTRO_BASES_MAX && distro.bases[i] != NULL; i++)
		distro_add_url(t, distro.bases[i], strlen(distro.bases[i]), digest, r);
}

/* ---- the operations ------------------------------------------------------------ */

/* Report "NAME:TAG".  mirrors: as the environment says; list() is part of the
 * manifest and knows the publisher alone. */
static holos_status distro_report(void *self, const struct distro_release *r, const char *tag,
				  size_t n, bool mirrors, holos_image_sink *out, holos_error *err)
{
	const struct holos_image_sink_api *sink = distro_host->query(self, HOLOS_IMAGE_SINK_ID);
	struct distro_text url = { .n = 0 }, digest = { .n = 0 };
	char ref[128], variable[64];
	const char *list = mirrors ? distro_mirrors(variable) : NULL;
	struct holos_image image = { .size = sizeof(image),
				     .ref = ref,
				     .url = url.s,
				     .digest_url = digest.s,
				     .arch = DISTRO_ARCH,
				     .format = "qcow2",
				     .user = distro.user,
				     .init = distro.init,
				     .shares = distro.shares };
	holos_status st = HOLOS_OK;

	if (list != NULL) {
		st = distro_add_mirrors(&url, list, false, r, variable, err);
		if (st == HOLOS_OK)
			st = distro_add_mirrors(&digest, list, true, r, variable, err);
	} else {
		distro_add_bases(&url, false, r);
		distro_add_bases(&digest, true, r);
	}
	snprintf(ref, sizeof(ref), "%s:%.*s", distro.name, (int)n, tag);
	return st == HOLOS_OK ? sink->image(out, &image) : st;
}

static holos_status distro_list(void *self, holos_call *call, holos_image_sink *out,
				holos_error *err)
{
	holos_status st = HOLOS_OK;

	(void)call;
	for (const struct distro_release *r = distro.releases; r->tags != NULL; r++) {
		const char *tag = r->tags;

		while (distro_offers(r) && *tag != '\0' && st == HOLOS_OK) {
			size_t n = strcspn(tag, " ");

			st = distro_report(self, r, tag, n, false, out, err);
			tag += n + (tag[n] == ' ');
		}
	}
	return st;
}

static holos_status distro_resolve(void *self, const char *ref, holos_call *call,
				   holos_image_sink *out, holos_error *err)
{
	size_t name = strlen(distro.name);
	const char *want = strncmp(ref, distro.name, name) != 0 ? NULL
			   : ref[name] == ':'                   ? ref + name + 1
			   : ref[name] == '\0'                  ? ""
								: NULL;

	(void)call;
	for (const struct distro_release *r = distro.releases; want != NULL && r->tags != NULL;
	     r++) {
		const char *tag = r->tags;

		while (distro_offers(r) && *tag != '\0') {
			size_t n = strcspn(tag, " ");

			if (want[0] == '\0' || (strlen(want) == n && strncmp(want, tag, n) == 0))
				return distro_report(self, r, tag, n, true, out, err);
			tag += n + (tag[n] == ' ');
		}
	}
	return holos_failf(distro_host, err, HOLOS_E_NOTFOUND, 0, "no image \"%s\" for %s", ref,
			   DISTRO_ARCH);
}

static holos_status distro_init(const struct holos_host *h, holos_self *self, void **state,
				holos_error *err)
{
	(void)err;
	distro_host = h;
	*state = self;
	return HOLOS_OK;
}

static const struct holos_image_ops distro_ops = {
	.head = { .size = sizeof(distro_ops) },
	.list = distro_list,
	.resolve = distro_resolve,
};

/* The descriptor of image plugin NAME; module: holos_image_NAME. */
#define DISTRO_PLUGIN(module, plugin_name, text)                                                   \
	static const struct holos_iface distro_iface = {                                           \
		.size = sizeof(distro_iface),                                                      \
		.id = HOLOS_IMAGE_ID,                                                              \
		.name = plugin_name,                                                               \
		.ops = &distro_ops.head,                                                           \
		.summary = text,                                                                   \
	};                                                                                         \
	static const struct holos_iface *const distro_ifaces[] = { &distro_iface, NULL };          \
	static const struct holos_plugin distro_plugin = {                                         \
		HOLOS_PLUGIN_HEAD,       .name = "image-" plugin_name, .version = "1.0",           \
		.license = "Apache-2.0", .ifaces = distro_ifaces,      .init = distro_init,        \
	};                                                                                         \
	HOLOS_PLUGIN(module, distro_plugin)

#endif
