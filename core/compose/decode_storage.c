/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_storage.c - images, volumes and bind mounts, devices, memory.
 */
#include <compose/decode.h>
#include <compose/scalar.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/names.h>
#include <base/units.h>

#include <string.h>

/* vm.memory as a size: memory_mb in whole MiB, rounded up. */
void decode_memory(struct decoder *d, const struct shape *sh, const struct node *n,
		   const struct path *p, void *out)
{
	struct shape plain = *sh;
	uint64_t bytes = 0;
	unsigned mb;

	plain.decode = NULL;
	decode_value(d, &plain, n, p, &bytes);
	if (bytes == 0)
		return;
	if (bytes > UINT64_C(1) << 46) {
		diag_error(d->diag, n, p, "%s: must be at most 64T", node_show(d->arena, n));
		return;
	}
	mb = (unsigned)((bytes + (1 << 20) - 1) >> 20);
	memcpy(out, &mb, sizeof(mb));
}

/* A path in the guest, absolute and without "." and "..". */
void decode_guest_path(struct decoder *d, const struct shape *sh, const struct node *n,
		       const struct path *p, void *out)
{
	const char *text = decode_text(d, sh, n, p);

	if (text != NULL) {
		_cleanup_(freep) char *normal = fs_normalize("/", text);

		text = arena_strdup(d->arena, normal);
	}
	memcpy(out, &text, sizeof(text));
}

/* ---- images ------------------------------------------------------------------ */

static bool ends_with(const char *s, const char *end)
{
	size_t a = strlen(s), b = strlen(end);

	return a > b && strcmp(s + a - b, end) == 0;
}

/* A local file or the name of an image: contract.md section 10. */
bool image_is_path(const char *s)
{
	if (s[0] == '/' || strncmp(s, "./", 2) == 0 || strncmp(s, "../", 3) == 0 ||
	    strncmp(s, "~/", 2) == 0)
		return true;
	return strchr(s, ':') == NULL &&
	       (ends_with(s, ".qcow2") || ends_with(s, ".raw") || ends_with(s, ".img"));
}

void decode_image(struct decoder *d, const struct shape *sh, const struct node *n,
		  const struct path *p, void *out)
{
	struct service *s = out;

	s->image = decode_text(d, sh, n, p);
	if (s->image != NULL && image_is_path(s->image))
		s->image_path = decode_path(d, n, p, s->image);
}

/* ---- volumes of a service ------------------------------------------------------ */

/* SOURCE:TARGET[:OPTIONS]; the parts in the arena.  NULL, or what is wrong. */
static const char *split_mount(struct arena *a, const char *text, const char **source,
			       const char **target, bool *read_only)
{
	const char *first = strchr(text, ':'), *second;
	const char *option;

	if (first == NULL || first == text)
		return "must be SOURCE:TARGET[:ro|rw]";
	second = strchr(first + 1, ':');
	*source = arena_strndup(a, text, (size_t)(first - text));
	*target = second == NULL ? arena_strdup(a, first + 1)
				 : arena_strndup(a, first + 1, (size_t)(second - first - 1));
	*read_only = false;
	for (option = second; option != NULL; option = strchr(option, ',')) {
		size_t len = strcspn(++option, ",");

		if (len == 2 && strncmp(option, "ro", 2) == 0)
			*read_only = true;
		/* z and Z relabel for SELinux containers: nothing to do for a VM. */
		else if (!(len == 2 && strncmp(option, "rw", 2) == 0) &&
			 !(len == 1 && (option[0] == 'z' || option[0] == 'Z')))
			return arena_printf(a, "unknown mode %s: it is ro or rw",
					    text_show(a, arena_strndup(a, option, len)));
	}
	return NULL;
}

static bool looks_like_path(const char *source)
{
	return source[0] == '.' || source[0] == '~' || strchr(source, '/') != NULL;
}

static void undeclared(struct decoder *d, const struct node *n, const struct path *p,
		       const char *source)
{
	size_t count = d->volumes != NULL && d->volumes->kind == NODE_MAP ? d->volumes->n : 0;
	_cleanup_(freep) const char **names = xcalloc(count + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < count; i++)
		names[i] = d->volumes->pairs[i].key->text;
	diag_error(d->diag, n, p, "%s: no volume of this name is declared under \"volumes\"",
		   text_show(d->arena, source));
	near = names_nearest(source, names, count);
	if (near != NULL)
		diag_hint(d->diag, "did you mean \"%s\"?", near);
	else
		diag_hint(d->diag, "declare it, or write ./%s for a directory", source);
}

/* Named volume or host path; type NULL: by the look of the source. */
static bool set_source(struct decoder *d, const struct node *n, const struct path *p,
		       const char *source, const char *type, struct mount_spec *m)
{
	bool declared = node_get(d->volumes, source) != NULL || node_pair(d->volumes, source);
	bool volume =
		type != NULL ? strcmp(type, "volume") == 0 : declared || !looks_like_path(source);

	if (!volume) {
		m->type = MOUNT_BIND;
		m->source = decode_path(d, n, p, source);
		return m->source != NULL;
	}
	m->type = MOUNT_VOLUME;
	m->source = source;
	if (!declared)
		undeclared(d, n, p, source);
	return declared;
}

static bool set_target(struct decoder *d, const struct node *n, const struct path *p,
		       const char *target, struct mount_spec *m)
{
	_cleanup_(freep) char *normal = NULL;

	if (target[0] != '/') {
		diag_error(d->diag, n, p, "%s: the target must be an absolute path in the guest",
			   text_show(d->arena, target));
		return false;
	}
	normal = fs_normalize("/", target);
	if (strcmp(normal, "/") == 0) {
		diag_error(d->diag, n, p, "the target must not be the guest's root directory");
		return false;
	}
	m->target = arena_strdup(d->arena, normal);
	return true;
}

static bool mount_from_text(struct decoder *d, const struct shape *sh, const struct node *n,
			    const struct path *p, struct mount_spec *m)
{
	const char *text = decode_text(d, sh, n, p), *source, *target, *wrong;

	if (text == NULL)
		return false;
	wrong = split_mount(d->arena, text, &source, &target, &m->read_only);
	if (wrong != NULL) {
		diag_error(d->diag, n, p, "%s: %s", node_show(d->arena, n), wrong);
		return false;
	}
	m->create_host_path = true;
	return set_target(d, n, p, target, m) && set_source(d, n, p, source, NULL, m);
}

static bool mount_from_map(struct decoder *d, const struct shape *sh, const struct node *n,
			   const struct path *p, struct mount_spec *m)
{
	const struct node *source = node_get(n, "source"), *target = node_get(n, "target");
	const struct node *create = node_get(node_get(n, "bind"), "create_host_path");
	const struct node *read_only = node_get(n, "read_only");
	size_t before = d->diag->n_errors + d->diag->dropped;
	const struct path source_path = { p, "source", 0 }, target_path = { p, "target", 0 };
	const struct path bind_path = { p, "bind", 0 };

	decode_object(d, sh, n, p, NULL);
	if (d->diag->n_errors + d->diag->dropped > before)
		return false;
	m->create_host_path = true;
	/* Their forms were checked just now; null is as if they were not there. */
	if (!node_is_null(create))
		scalar_bool(create, &m->create_host_path);
	if (!node_is_null(read_only))
		scalar_bool(read_only, &m->read_only);
	if (!set_target(d, target, &target_path, target->text, m) ||
	    !set_source(d, source, &source_path, source->text, node_text(node_get(n, "type")), m))
		return false;
	if (m->type == MOUNT_VOLUME && !node_is_null(node_get(n, "bind"))) {
		diag_error(d->diag, node_get(n, "bind"), &bind_path,
			   "options of a bind mount on a volume");
		return false;
	}
	return true;
}

void decode_mounts(struct decoder *d, const struct shape *sh, const struct node *n,
		   const struct path *p, void *out)
{
	struct model_list list = { NULL, 0 };
	struct mount_spec *mounts;

	if (!decode_is(d, sh, n, p, NODE_LIST))
		return;
	mounts = arena_array(d->arena, n->n + 1, struct mount_spec);
	for (size_t i = 0; i < n->n; i++) {
		const struct path here = { p, NULL, i };
		const struct node *item = n->items[i];
		const struct shape *fit = shape_for_node(sh->item, item);
		struct mount_spec m = { .mark = node_mark(item) };
		bool good;

		if (fit == NULL || node_is_null(item))
			good = decode_expected(d, sh->item->alts[0], item, &here);
		else if (item->kind == NODE_MAP)
			good = mount_from_map(d, fit, item, &here, &m);
		else
			good = mount_from_text(d, fit, item, &here, &m);
		if (good)
			mounts[list.n++] = m;
	}
	list.items = mounts;
	memcpy(out, &list, sizeof(list));
}

const char *mount_merge_key(struct arena *a, const struct node *item)
{
	const char *text, *source, *target;
	bool read_only;

	if (item->kind == NODE_MAP)
		return node_text(node_get(item, "target"));
	text = node_text(item);
	if (text == NULL || split_mount(a, text, &source, &target, &read_only) != NULL)
		return NULL;
	return target;
}

/* ---- devices ------------------------------------------------------------------- */

void decode_devices(struct decoder *d, const struct shape *sh, const struct node *n,
		    const struct path *p, void *out)
{
	struct shape plain = *sh;
	struct model_list list = { NULL, 0 };
	struct device_spec *devices;

	plain.decode = NULL;
	decode_value(d, &plain, n, p, &list);
	devices = arena_memdup(d->arena, list.items, list.n * sizeof(*devices));
	for (size_t i = 0; i < list.n; i++) {
		char *pci;

		if (devices[i].pci == NULL)
			continue;
		/* The short form leaves out PCI domain 0. */
		pci = xasprintf("%s%s", strlen(devices[i].pci) == 7 ? "0000:" : "", devices[i].pci);
		for (char *c = pci; *c != '\0'; c++)
			*c = (char)(*c >= 'A' && *c <= 'F' ? *c | 0x20 : *c);
		devices[i].pci = arena_strdup(d->arena, pci);
		free(pci);
	}
	list.items = devices;
	memcpy(out, &list, sizeof(list));
}
