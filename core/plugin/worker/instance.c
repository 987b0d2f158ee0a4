/* SPDX-License-Identifier: Apache-2.0
 *
 * instance.c - one instance per interface and options, kept between calls: a
 * health probe that comes every few seconds keeps what it has open.  The one
 * least recently used is closed when there are too many.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>
#include <base/jsonx.h>
#include <plugin/schema.h>

#include <stdlib.h>
#include <string.h>

#define INSTANCES_MAX 64

struct instance {
	struct instance *next; /* most recently used first */
	struct worker_iface *iface;
	char *key; /* the options as JSON */
	struct holos_cfg cfg;
	void *inst;
};

static struct instance *instances;
static size_t n_instances;

static void instance_close(struct instance *i)
{
	if (i->iface->ops.head.close != NULL)
		i->iface->ops.head.close(i->inst);
	json_object_put(i->cfg.root);
	free(i->key);
	free(i);
	n_instances--;
}

static void close_last(void)
{
	struct instance **at = &instances;
	struct instance *last;

	while ((*at)->next != NULL)
		at = &(*at)->next;
	last = *at;
	*at = NULL;
	instance_close(last);
}

void instances_finish(void)
{
	while (instances != NULL)
		close_last();
}

/* Take out of the list; NULL: not there. */
static struct instance *take(const struct worker_iface *iface, const char *key)
{
	for (struct instance **at = &instances; *at != NULL; at = &(*at)->next) {
		struct instance *i = *at;

		if (i->iface == iface && strcmp(i->key, key) == 0) {
			*at = i->next;
			return i;
		}
	}
	return NULL;
}

static void first_fault(void *data, const char *pointer, const char *message)
{
	char **at = data;

	(void)message;
	if (*at == NULL)
		*at = xstrdup(pointer);
}

static holos_status instance_open(struct holos_call *c, struct instance *i)
{
	_cleanup_(error_destroyp) struct holos_error *err = NULL;
	const struct holos_ops *ops = &c->iface->ops.head;

	if (schema_check(c->iface->schema, i->cfg.root, "options", first_fault, &c->err.at, &err) <
	    0)
		return call_fail_error(c, HOLOS_E_CONFIG, &err);
	if (ops->open == NULL) {
		i->inst = c->iface->plugin->state;
		return HOLOS_OK;
	}
	worker_send_phase(c, "open");
	return ops->open(c->iface->plugin->state, &i->cfg, c, &i->inst, call_error_of(c));
}

holos_status instance_get(struct holos_call *c, struct json_object *options)
{
	const char *key = jsonx_line(options);
	struct instance *i = take(c->iface, key);
	holos_status status = HOLOS_OK;

	if (i == NULL) {
		i = xnew(struct instance);
		i->iface = c->iface;
		i->key = xstrdup(key);
		i->cfg.root = json_object_get(options);
		status = instance_open(c, i);
		if (status != HOLOS_OK) {
			json_object_put(i->cfg.root);
			free(i->key);
			free(i);
			return status;
		}
		if (n_instances == INSTANCES_MAX)
			close_last();
		n_instances++;
	}
	i->next = instances;
	instances = i;
	c->inst = i->inst;
	return HOLOS_OK;
}
