/* SPDX-License-Identifier: Apache-2.0
 *
 * registry_image.c - which image plugin serves a reference.
 *
 * A path belongs to plugin "file", a URL to "url".  Of NAME[:TAG] the plugin
 * called NAME is asked first; a plugin may serve other names too, so the
 * manifests of all image plugins are read when that one does not have it.
 */
#include <plugin/registry_internal.h>

#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/names.h>
#include <base/url.h>

#include <string.h>

#define CANDIDATES_MAX 512
#define SHOWN_MAX      24

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

bool registry_ref_is_path(const char *ref)
{
	if (ref[0] == '/' || strncmp(ref, "./", 2) == 0 || strncmp(ref, "../", 3) == 0)
		return true;
	return strchr(ref, ':') == NULL &&
	       (ends_with(ref, ".qcow2") || ends_with(ref, ".raw") || ends_with(ref, ".img"));
}

static bool is_url(const char *ref)
{
	return strncmp(ref, "https://", 8) == 0 || strncmp(ref, "http://", 7) == 0;
}

/* Does a served reference answer this one?  "debian" takes the first
 * "debian:..."; anything else must be equal. */
static bool matches(const char *served, const char *ref)
{
	size_t n = strlen(ref);

	return strcmp(served, ref) == 0 ||
	       (strchr(ref, ':') == NULL && strncmp(served, ref, n) == 0 && served[n] == ':');
}

static const char *served_ref(const struct plugin_info *p, size_t i)
{
	return i < jsonx_len(p->serves)
		       ? jsonx_str(json_object_array_get_idx(p->serves, i), "ref", "")
		       : NULL;
}

static const char *serves(const struct plugin_info *p, const char *ref)
{
	const char *served;

	for (size_t i = 0; (served = served_ref(p, i)) != NULL; i++) {
		if (matches(served, ref))
			return served;
	}
	return NULL;
}

/* The nearest served reference, or served name when ref has no tag. */
static char *nearest_ref(struct registry *r, const char *ref)
{
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	bool tagged = strchr(ref, ':') != NULL;
	const char *served;

	for (size_t p = 0; p < r->n; p++) {
		for (size_t i = 0; names.n < CANDIDATES_MAX; i++) {
			served = served_ref(r->plugins[p], i);
			if (served == NULL)
				break;
			strv_take(&names,
				  xstrndup(served, tagged ? strlen(served) : strcspn(served, ":")));
		}
	}
	return xstrdup_null(names_nearest(ref, (const char *const *)names.v, names.n));
}

/* "there are debian:12, debian:13": what a source serves; NULL: it has no list. */
static char *list_served(const struct plugin_info *p)
{
	_cleanup_(strv_finish) struct strv refs = STRV_INIT;
	_cleanup_(freep) char *list = NULL;
	const char *served;

	for (size_t i = 0; p != NULL && i < SHOWN_MAX && (served = served_ref(p, i)) != NULL; i++)
		strv_add(&refs, served);
	if (refs.n == 0)
		return NULL;
	list = strv_join(refs.v, ", ");
	return xasprintf("there %s %s%s", refs.n == 1 ? "is" : "are", list,
			 served_ref(p, refs.n) != NULL ? ", ..." : "");
}

static int unknown_image(struct registry *r, const char *ref, const char *name,
			 struct holos_error **err)
{
	_cleanup_(freep) char *near = nearest_ref(r, ref);
	_cleanup_(freep) char *module = xasprintf("image-%s", name);
	_cleanup_(freep) char *package = registry_package(module);
	const struct plugin_info *p =
		names_is_plugin(name) ? registry_lookup(r, "image", name) : NULL;
	_cleanup_(freep) char *there = list_served(p);

	if (p != NULL && p->refused != NULL)
		return error_set(err, ERR_HOST, "image plugin \"%s\": %s", name, p->refused);
	error_set(err, ERR_INVALID, "unknown image \"%s\"", ref);
	if (p == NULL && registry_is_first_party(module))
		error_hint(err, "it is in package %s, not installed", package);
	else if (near != NULL)
		error_hint(err, "did you mean \"%s\"?%s%s", near, there != NULL ? " " : "",
			   there != NULL ? there : "");
	else if (there != NULL)
		error_hint(err, "%s", there);
	else
		error_hint(err, "'holos plugins' lists the image sources; a file needs a path that "
				"starts with ./ or /");
	return -ERR_INVALID;
}

static int found(const struct plugin_info *p, const char *canonical, const struct plugin_info **ret,
		 char **ret_ref)
{
	*ret = p;
	if (ret_ref != NULL)
		*ret_ref = xstrdup(canonical);
	return 0;
}

/* A password in a reference would be kept in records, lock files and messages. */
static int refuse_password(const char *url, struct holos_error **err)
{
	_cleanup_(freep) char *masked = url_masked(url);

	error_set(err, ERR_INVALID, "image \"%s\": a URL must not hold a user name or password",
		  masked);
	error_hint(err, "write them into ~/.netrc: machine HOST login NAME password WORD");
	return -ERR_INVALID;
}

int registry_image_source(struct registry *r, const char *ref, const struct plugin_info **ret,
			  char **ret_ref, struct holos_error **err)
{
	_cleanup_(freep) char *name = xstrndup(ref, strcspn(ref, ":"));
	const struct plugin_info *p = NULL;
	const char *served;

	if (ref[0] == '\0')
		return error_set(err, ERR_INVALID, "an image needs a name");
	if (!registry_ref_is_path(ref) && url_has_password(ref))
		return refuse_password(ref, err);
	if (registry_ref_is_path(ref) || is_url(ref)) {
		int e = registry_find(r, "image", is_url(ref) ? "url" : "file", &p, err);

		return e < 0 ? e : found(p, ref, ret, ret_ref);
	}
	if (names_is_plugin(name))
		p = registry_lookup(r, "image", name);
	served = p != NULL && p->refused == NULL ? serves(p, ref) : NULL;
	if (served != NULL)
		return found(p, served, ret, ret_ref);
	registry_scan(r);
	for (size_t i = 0; i < r->n; i++) {
		served = r->plugins[i]->refused == NULL ? serves(r->plugins[i], ref) : NULL;
		if (served != NULL)
			return found(r->plugins[i], served, ret, ret_ref);
	}
	return unknown_image(r, ref, name, err);
}
