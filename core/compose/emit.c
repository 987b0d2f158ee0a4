/* SPDX-License-Identifier: Apache-2.0
 *
 * emit.c - see emit.h.
 */
#include <compose/decode.h>
#include <compose/emit.h>

#include <base/jsonx.h>
#include <base/units.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- by kind --------------------------------------------------------------------- */

/* In the largest unit that says it exactly. */
static struct json_object *emit_size(uint64_t bytes)
{
	static const char units[] = "TGMK";
	char text[32];

	if (bytes == 0)
		return NULL;
	for (unsigned i = 0; i < 4; i++) {
		unsigned shift = 10 * (4 - i);

		if (bytes % (UINT64_C(1) << shift) == 0) {
			snprintf(text, sizeof(text), "%llu%c", (unsigned long long)(bytes >> shift),
				 units[i]);
			return json_object_new_string(text);
		}
	}
	return json_object_new_int64((int64_t)bytes);
}

static struct json_object *emit_strings(const char *const *list)
{
	struct json_object *a;

	if (list == NULL || list[0] == NULL)
		return NULL;
	a = json_object_new_array();
	for (; *list != NULL; list++)
		json_object_array_add(a, json_object_new_string(*list));
	return a;
}

static struct json_object *emit_list(const struct emitter *e, const struct shape *sh,
				     const void *value)
{
	/* What is in a list counts as a whole. */
	const struct emitter all = { .defaults = e->defaults };
	const char *const *strings;
	struct model_list list;
	struct json_object *a;

	if (sh->item->kind != SHAPE_OBJECT) {
		memcpy(&strings, value, sizeof(strings));
		return emit_strings(strings);
	}
	memcpy(&list, value, sizeof(list));
	if (list.n == 0)
		return NULL;
	a = json_object_new_array();
	for (size_t i = 0; i < list.n; i++)
		json_object_array_add(
			a,
			emit_object(&all, sh->item, (const char *)list.items + i * sh->item->size));
	return a;
}

static struct json_object *emit_scalar(const struct shape *sh, const void *value)
{
	char text[32];
	union {
		const char *text;
		uint64_t wide;
		unsigned number;
		bool flag;
	} v;

	switch (sh->kind) {
	case SHAPE_STRING:
	case SHAPE_WORD:
		memcpy(&v.text, value, sizeof(v.text));
		return v.text != NULL ? json_object_new_string(v.text) : NULL;
	case SHAPE_INT:
		memcpy(&v.number, value, sizeof(v.number));
		return json_object_new_int64(v.number);
	case SHAPE_ENUM:
		memcpy(&v.number, value, sizeof(v.number));
		return json_object_new_string(sh->words[v.number]);
	case SHAPE_BOOL:
		memcpy(&v.flag, value, sizeof(v.flag));
		return json_object_new_boolean(v.flag);
	case SHAPE_SIZE:
		memcpy(&v.wide, value, sizeof(v.wide));
		return emit_size(v.wide);
	case SHAPE_DURATION:
		memcpy(&v.wide, value, sizeof(v.wide));
		return json_object_new_string(units_duration_text(v.wide, text));
	case SHAPE_LIST:
	case SHAPE_MAP:
	case SHAPE_OBJECT:
	case SHAPE_ANY:
	case SHAPE_ONE_OF:
		break;
	}
	abort(); /* always with an emitter of their own */
}

static struct json_object *emit_value(const struct emitter *e, const struct shape *sh,
				      const void *value)
{
	if (sh->emit != NULL)
		return sh->emit(e, sh, value);
	if (sh->kind == SHAPE_OBJECT)
		return emit_object(e, sh, value);
	if (sh->kind == SHAPE_LIST)
		return emit_list(e, sh, value);
	return emit_scalar(sh, value);
}

/* Is it what an absent key would have meant? */
static bool is_default(const struct field *f, struct json_object *o)
{
	const char *text = f->deflt;
	size_t len;

	if (json_object_is_type(o, json_type_boolean) && text == NULL)
		return !json_object_get_boolean(o);
	if (text == NULL)
		return false;
	len = strlen(text);
	if (text[0] == '"')
		return strlen(json_object_get_string(o)) == len - 2 &&
		       strncmp(json_object_get_string(o), text + 1, len - 2) == 0;
	return strcmp(json_object_get_string(o), text) == 0;
}

struct json_object *emit_object(const struct emitter *e, const struct shape *sh, const void *base)
{
	struct json_object *out = json_object_new_object();

	for (const struct field *f = sh->fields; f->key != NULL; f++) {
		bool object = f->shape->kind == SHAPE_OBJECT;
		struct json_object *o;

		if (f->hidden || f->offset == NO_OFFSET)
			continue;
		if (e->changes != 0 && !object && !(f->change & e->changes))
			continue;
		o = emit_value(e, f->shape, (const char *)base + f->offset);
		if (o == NULL)
			continue;
		if (!object && (!e->defaults || f->deflt == NULL) && is_default(f, o))
			json_object_put(o);
		else
			json_object_object_add(out, f->key, o);
	}
	if (json_object_object_length(out) > 0)
		return out;
	json_object_put(out);
	return NULL;
}

/* ---- values with a form of their own ------------------------------------------------ */

struct json_object *emit_image(const struct emitter *e, const struct shape *sh, const void *value)
{
	const struct service *s = value;

	(void)e, (void)sh;
	if (s->image == NULL)
		return NULL;
	return json_object_new_string(s->image_path != NULL ? s->image_path : s->image);
}

struct json_object *emit_ports(const struct emitter *e, const struct shape *sh, const void *value)
{
	struct json_object *a;
	struct model_list list;

	(void)e, (void)sh;
	memcpy(&list, value, sizeof(list));
	if (list.n == 0)
		return NULL;
	a = json_object_new_array();
	for (size_t i = 0; i < list.n; i++) {
		const struct port_map *m = (const struct port_map *)list.items + i;
		struct json_object *o = json_object_new_object();
		char published[16];

		jsonx_set_int(o, "target", m->guest);
		snprintf(published, sizeof(published), m->host_end > m->host ? "%u-%u" : "%u",
			 m->host, m->host_end);
		if (m->host != 0)
			jsonx_set_str(o, "published", published);
		jsonx_set_str(o, "host_ip", m->host_ip);
		jsonx_set_str(o, "protocol", m->udp ? "udp" : "tcp");
		json_object_array_add(a, o);
	}
	return a;
}

struct json_object *emit_mounts(const struct emitter *e, const struct shape *sh, const void *value)
{
	struct json_object *a;
	struct model_list list;

	(void)e, (void)sh;
	memcpy(&list, value, sizeof(list));
	if (list.n == 0)
		return NULL;
	a = json_object_new_array();
	for (size_t i = 0; i < list.n; i++) {
		const struct mount_spec *m = (const struct mount_spec *)list.items + i;
		struct json_object *o = json_object_new_object(), *bind;

		jsonx_set_str(o, "type", m->type == MOUNT_BIND ? "bind" : "volume");
		jsonx_set_str(o, "source", m->source);
		jsonx_set_str(o, "target", m->target);
		if (m->read_only)
			jsonx_set_bool(o, "read_only", true);
		if (m->type == MOUNT_BIND && !m->create_host_path) {
			bind = json_object_new_object();
			jsonx_set_bool(bind, "create_host_path", false);
			jsonx_set(o, "bind", bind);
		}
		json_object_array_add(a, o);
	}
	return a;
}

struct json_object *emit_service_networks(const struct emitter *e, const struct shape *sh,
					  const void *value)
{
	struct json_object *o = json_object_new_object();
	struct model_list list;

	(void)sh;
	memcpy(&list, value, sizeof(list));
	for (size_t i = 0; i < list.n; i++) {
		const struct service_network *n = (const struct service_network *)list.items + i;
		struct json_object *one = json_object_new_object();

		if (n->aliases[0] != NULL)
			jsonx_set(one, "aliases", emit_strings(n->aliases));
		jsonx_set(o, n->name, one);
		if (list.n == 1 && n->network == 0 && n->aliases[0] == NULL && !e->defaults) {
			json_object_put(o);
			return NULL;
		}
	}
	return o;
}

struct json_object *emit_extra_hosts(const struct emitter *e, const struct shape *sh,
				     const void *value)
{
	struct json_object *o;
	struct model_list list;

	(void)e, (void)sh;
	memcpy(&list, value, sizeof(list));
	if (list.n == 0)
		return NULL;
	o = json_object_new_object();
	for (size_t i = 0; i < list.n; i++) {
		const struct extra_host *h = (const struct extra_host *)list.items + i;

		jsonx_set_str(o, h->name, h->address);
	}
	return o;
}

struct json_object *emit_subnet(const struct emitter *e, const struct shape *sh, const void *value)
{
	const struct network *n = value;

	(void)e, (void)sh;
	return json_object_new_string(n->subnet);
}

struct json_object *emit_key_values(const struct emitter *e, const struct shape *sh,
				    const void *value)
{
	struct json_object *o;
	struct model_list list;

	(void)e, (void)sh;
	memcpy(&list, value, sizeof(list));
	if (list.n == 0)
		return NULL;
	o = json_object_new_object();
	for (size_t i = 0; i < list.n; i++) {
		const struct key_value *kv = (const struct key_value *)list.items + i;

		jsonx_set_str(o, kv->key, kv->value);
	}
	return o;
}

static struct json_object *emit_command(bool shell, const char *const *argv)
{
	return shell ? json_object_new_string(argv[0]) : emit_strings(argv);
}

struct json_object *emit_commands(const struct emitter *e, const struct shape *sh,
				  const void *value)
{
	struct json_object *a;
	struct model_list list;

	(void)e, (void)sh;
	memcpy(&list, value, sizeof(list));
	if (list.n == 0)
		return NULL;
	a = json_object_new_array();
	for (size_t i = 0; i < list.n; i++) {
		const struct guest_command *c = (const struct guest_command *)list.items + i;

		json_object_array_add(a, emit_command(c->shell, c->argv));
	}
	return a;
}

/* JSON text of the model, made by node_to_json(): it parses. */
static struct json_object *from_text(const char *text)
{
	struct json_object *o = NULL;

	if (jsonx_parse(text, strlen(text), "options", &o, NULL) < 0)
		return NULL;
	return o;
}

struct json_object *emit_user_data(const struct emitter *e, const struct shape *sh,
				   const void *value)
{
	const struct cloud_init *ci = value;

	(void)e, (void)sh;
	return ci->user_data != NULL ? from_text(ci->user_data) : NULL;
}

struct json_object *emit_options(const struct emitter *e, const struct shape *sh, const void *value)
{
	const char *text;

	(void)e, (void)sh;
	memcpy(&text, value, sizeof(text));
	return text != NULL && strcmp(text, "{}") != 0 ? from_text(text) : NULL;
}

struct json_object *emit_depends_on(const struct emitter *e, const struct shape *sh,
				    const void *value)
{
	const struct emitter own = { .defaults = e->defaults };
	struct json_object *o;
	struct model_list list;

	memcpy(&list, value, sizeof(list));
	if (list.n == 0)
		return NULL;
	o = json_object_new_object();
	for (size_t i = 0; i < list.n; i++) {
		const struct dependency *d = (const struct dependency *)list.items + i;
		struct json_object *one = emit_object(&own, sh->alts[0]->item, d);

		jsonx_set(o, d->name, one != NULL ? one : json_object_new_object());
	}
	return o;
}

struct json_object *emit_healthcheck(const struct emitter *e, const struct shape *sh,
				     const void *value)
{
	const struct healthcheck *h = value;
	struct json_object *o;

	if (h->set)
		return emit_object(e, sh, value);
	if (!h->disabled || (e->changes != 0 && !(e->changes & CHANGE_LIVE)))
		return NULL;
	o = json_object_new_object();
	jsonx_set_bool(o, "disable", true);
	return o;
}

/* Left out while it is as ever: it is of no interest then, and hashes made before
 * there was such a key stay what they are. */
struct json_object *emit_logging(const struct emitter *e, const struct shape *sh, const void *value)
{
	const struct logging *l = value;

	if (l->driver == 0 && l->options.max_size == LOGGING_MAX_SIZE &&
	    l->options.max_file != NULL && strcmp(l->options.max_file, LOGGING_MAX_FILE) == 0)
		return NULL;
	return emit_object(e, sh, value);
}

struct json_object *emit_test(const struct emitter *e, const struct shape *sh, const void *value)
{
	const struct healthcheck *h = value;
	struct json_object *a;

	(void)e, (void)sh;
	if (h->argv[0] == NULL)
		return NULL;
	if (h->shell)
		return json_object_new_string(h->argv[0]);
	/* The words themselves could look like CMD or NONE. */
	a = json_object_new_array();
	json_object_array_add(a, json_object_new_string("CMD"));
	for (const char *const *w = h->argv; *w != NULL; w++)
		json_object_array_add(a, json_object_new_string(*w));
	return a;
}

struct json_object *emit_restart(const struct emitter *e, const struct shape *sh, const void *value)
{
	static const char *const words[] = { "no", "always", "unless-stopped", "on-failure" };
	const struct service *s = value;
	char text[32];

	(void)e, (void)sh;
	if (s->restart != RESTART_ON_FAILURE || s->restart_max == 0)
		return json_object_new_string(words[s->restart]);
	snprintf(text, sizeof(text), "on-failure:%u", s->restart_max);
	return json_object_new_string(text);
}
