/* SPDX-License-Identifier: Apache-2.0
 *
 * output.c - the model as JSON, and its hashes.  See output.h.
 */
#include <compose/emit.h>
#include <compose/output.h>
#include <compose/place.h>
#include <compose/yamlout.h>

#include <base/alloc.h>
#include <base/jsonx.h>
#include <base/sha256.h>
#include <base/strbuf.h>

#include <stdlib.h>
#include <string.h>

/* ---- JSON ------------------------------------------------------------------------- */

static const struct shape *shape_for_json(const struct shape *sh, struct json_object *o)
{
	struct node n = { .kind = NODE_SCALAR };

	if (json_object_is_type(o, json_type_object))
		n.kind = NODE_MAP;
	else if (json_object_is_type(o, json_type_array))
		n.kind = NODE_LIST;
	return shape_for_node(sh, &n);
}

static struct json_object *with_dollars(const char *text)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;

	for (; *text != '\0'; text++) {
		if (*text == '$')
			strbuf_addc(&b, '$');
		strbuf_addc(&b, *text);
	}
	return json_object_new_string(b.s);
}

/* A dollar sign that is meant is written $$ where files are interpolated.
 * Changes o in place, or returns what to put in its place. */
static struct json_object *escape_dollars(struct json_object *o, const struct shape *sh)
{
	const struct shape *fit = shape_for_json(sh, o);
	struct json_object *other;

	if ((sh != NULL && (sh->flags & SHAPE_GUEST)) ||
	    (fit != NULL && (fit->flags & SHAPE_GUEST)))
		return NULL;
	if (json_object_is_type(o, json_type_string)) {
		const char *text = json_object_get_string(o);

		return strchr(text, '$') != NULL ? with_dollars(text) : NULL;
	}
	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			other = escape_dollars(json_object_array_get_idx(o, i),
					       fit != NULL && fit->kind == SHAPE_LIST ? fit->item
										      : NULL);
			if (other != NULL)
				json_object_array_put_idx(o, i, other);
		}
	}
	if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach (o, key, value) {
			other = escape_dollars(value, shape_of_key(fit, key));
			if (other != NULL)
				json_object_object_add(o, key, other);
		}
	}
	return NULL;
}

void project_json_escape(struct json_object *root)
{
	escape_dollars(root, &shape_file);
}

static void add(struct json_object *to, const char *key, struct json_object *value)
{
	jsonx_set(to, key, value != NULL ? value : json_object_new_object());
}

struct json_object *project_to_json(const struct project *p)
{
	static const struct emitter e = { .defaults = true };
	struct json_object *root = json_object_new_object();
	struct json_object *services = json_object_new_object();
	struct json_object *volumes = json_object_new_object();
	struct json_object *networks = json_object_new_object();

	for (size_t i = 0; i < p->n_services; i++)
		add(services, p->services[i].name,
		    emit_object(&e, &shape_service, &p->services[i]));
	for (size_t i = 0; i < p->n_volumes; i++)
		add(volumes, p->volumes[i].name, emit_object(&e, &shape_volume, &p->volumes[i]));
	for (size_t i = 0; i < p->n_networks; i++)
		add(networks, p->networks[i].name,
		    emit_object(&e, &shape_network, &p->networks[i]));
	jsonx_set_str(root, "name", p->name);
	jsonx_set(root, "services", services);
	if (p->n_volumes > 0)
		jsonx_set(root, "volumes", volumes);
	else
		json_object_put(volumes);
	jsonx_set(root, "networks", networks);
	project_json_escape(root);
	return root;
}

char *project_to_yaml(const struct project *p)
{
	_cleanup_(json_putp) struct json_object *root = project_to_json(p);

	return json_to_yaml(root);
}

/* ---- hashes ------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void canonical(struct json_object *o, struct strbuf *out)
{
	_cleanup_(freep) const char **keys = NULL;
	struct json_object *text;
	size_t n = 0;

	if (json_object_is_type(o, json_type_array)) {
		strbuf_addc(out, '[');
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			if (i > 0)
				strbuf_addc(out, ',');
			canonical(json_object_array_get_idx(o, i), out);
		}
		strbuf_addc(out, ']');
		return;
	}
	if (!json_object_is_type(o, json_type_object)) {
		strbuf_adds(out,
			    json_object_to_json_string_ext(
				    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		return;
	}
	keys = xcalloc((size_t)json_object_object_length(o) + 1, sizeof(*keys));
	json_object_object_foreach (o, key, unused) {
		(void)unused;
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), by_text);
	strbuf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		text = json_object_new_string(keys[i]);
		strbuf_addf(out, "%s%s:", i > 0 ? "," : "",
			    json_object_to_json_string_ext(
				    text, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(text);
		canonical(json_object_object_get(o, keys[i]), out);
	}
	strbuf_addc(out, '}');
}

char *json_canonical(struct json_object *o)
{
	struct strbuf out = STRBUF_INIT;

	canonical(o, &out);
	return strbuf_steal(&out);
}

/* What a service's volumes and networks are is part of what it means. */
static void add_surroundings(const struct project *p, const struct service *s,
			     struct json_object *o)
{
	static const struct emitter e = { .defaults = false };
	struct json_object *volumes = json_object_new_object();
	struct json_object *networks = json_object_new_object();

	for (size_t i = 0; i < s->n_mounts; i++) {
		if (s->mounts[i].type == MOUNT_VOLUME)
			add(volumes, s->mounts[i].source,
			    emit_object(&e, &shape_volume, &p->volumes[s->mounts[i].volume]));
	}
	for (size_t i = 0; i < s->n_networks; i++)
		add(networks, s->networks[i].name,
		    emit_object(&e, &shape_network, &p->networks[s->networks[i].network]));
	jsonx_set(o, PLACE_VOLUMES, volumes);
	jsonx_set(o, PLACE_NETWORKS, networks);
}

static struct json_object *meaning(const struct project *p, const struct service *s,
				   unsigned changes)
{
	const struct emitter e = { .changes = changes };
	struct json_object *o = emit_object(&e, &shape_service, s);

	if (o == NULL)
		o = json_object_new_object();
	if (changes & CHANGE_RESTART)
		add_surroundings(p, s, o);
	/* Where a Dockerfile is says nothing, what it says does. */
	if (json_object_object_get(o, "dockerfile") != NULL)
		jsonx_set_str(o, "dockerfile", s->dockerfile_sha256);
	return o;
}

struct json_object *service_meaning(const struct project *p, const struct service *s,
				    enum service_change change)
{
	static const unsigned classes[] = { CHANGE_LIVE, CHANGE_RESTART, CHANGE_RECREATE };

	return meaning(p, s, classes[change]);
}

static void hash_class(const struct project *p, const struct service *s, unsigned changes,
		       char hex[65])
{
	_cleanup_(json_putp) struct json_object *o = meaning(p, s, changes);
	_cleanup_(freep) char *text = json_canonical(o);
	uint8_t digest[32];

	sha256(text, strlen(text), digest);
	sha256_hex(digest, hex);
}

void service_hash_all(const struct project *p, const struct service *s, char hex[65])
{
	hash_class(p, s, CHANGE_LIVE | CHANGE_RESTART | CHANGE_RECREATE, hex);
}

void service_hash(const struct project *p, const struct service *s, struct service_hashes *ret)
{
	service_hash_all(p, s, ret->all);
	hash_class(p, s, CHANGE_LIVE, ret->live);
	hash_class(p, s, CHANGE_RESTART, ret->restart);
	hash_class(p, s, CHANGE_RECREATE, ret->recreate);
}
