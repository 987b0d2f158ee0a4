/* SPDX-License-Identifier: Apache-2.0
 *
 * strmap.c - see strmap.h.
 */
#include <compose/strmap.h>

#include <base/alloc.h>

#include <string.h>

/* FNV-1a.  An attacker who collides keys slows down his own command only, and
 * files are bounded. */
static size_t hash(const char *s)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return (size_t)(h ^ (h >> 32));
}

static struct strmap_slot *find(const struct strmap *m, const char *key)
{
	size_t i = hash(key) & (m->cap - 1);

	while (m->slots[i].key != NULL && strcmp(m->slots[i].key, key) != 0)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

size_t strmap_get(const struct strmap *m, const char *key)
{
	const struct strmap_slot *slot;

	if (m->n == 0)
		return STRMAP_NONE;
	slot = find(m, key);
	return slot->key != NULL ? slot->value : STRMAP_NONE;
}

static void grow(struct strmap *m)
{
	struct strmap bigger = { NULL, m->n, m->cap == 0 ? 16 : m->cap * 2 };

	bigger.slots = xcalloc(bigger.cap, sizeof(*bigger.slots));
	for (size_t i = 0; i < m->cap; i++) {
		if (m->slots[i].key != NULL)
			*find(&bigger, m->slots[i].key) = m->slots[i];
	}
	free(m->slots);
	*m = bigger;
}

void strmap_set(struct strmap *m, const char *key, size_t value)
{
	struct strmap_slot *slot;

	if (m->n >= m->cap / 2)
		grow(m);
	slot = find(m, key);
	if (slot->key == NULL)
		m->n++;
	slot->key = key;
	slot->value = value;
}

void strmap_finish(struct strmap *m)
{
	free(m->slots);
	*m = (struct strmap)STRMAP_INIT;
}
