/* SPDX-License-Identifier: Apache-2.0
 *
 * imagelist.c - see imagelist.h: the list.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <engine/context.h>
#include <engine/imagelist.h>
#include <engine/imagepull.h>
#include <engine/imagestore.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct listing {
	struct engine *e;
	struct json_object *index;
	struct image_user *users;
	size_t n_users;
	struct image_row *rows;
	struct image_info *infos; /* parallel to rows; ref NULL: of the store alone */
	size_t n, cap, infos_cap;
};

void image_rows_free(struct image_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct image_row *r = &rows[i];

		free(r->ref);
		free(r->format);
		free(r->os);
		free(r->user);
		free(r->arch);
		free(r->url);
		free(r->disk);
		free(r->path);
		free(r->since);
		free(r->users);
		free(r->renamed);
		free(r->problem);
	}
	free(rows);
}

static struct image_row *add_row(struct listing *l)
{
	struct image_row *row = ARRAY_PUSH(l->rows, l->n, l->cap);
	size_t n = l->n - 1;

	*row = (struct image_row){ 0 };
	array_reserve((void **)&l->infos, n, &l->infos_cap, sizeof(*l->infos));
	l->infos[n] = (struct image_info){ 0 };
	return row;
}

/* The hash that a download is compared with. */
static const char *verify_of(const struct image_info *i)
{
	if (i->digest != NULL)
		return strncmp(i->digest, "sha512:", 7) == 0 ? "sha512" : "sha256";
	if (i->digest_url == NULL)
		return NULL;
	return strstr(i->digest_url, "512") != NULL ? "sha512" : "sha256";
}

static void fill_stored(struct listing *l, struct image_row *row, struct image_entry *i)
{
	row->path = store_path(l->e, i->disk, i->format);
	row->users = store_users_text(l->users, l->n_users, row->path, NULL);
	row->disk = steal_ptr(&i->disk);
	row->size = i->size;
	row->since = steal_ptr(&i->resolved_at);
	free(row->format);
	row->format = steal_ptr(&i->format);
}

static void add_served(struct listing *l, const struct plugin_info *p, size_t at)
{
	struct image_info info = { 0 };
	struct image_entry entry = { 0 };
	struct image_row *row;

	if (image_info_parse(json_object_array_get_idx(p->serves, at), &info, NULL) < 0)
		return;
	row = add_row(l);
	row->ref = xstrdup(info.ref);
	row->first = at == 0;
	row->format = xstrdup_null(info.format);
	row->os = xstrdup_null(info.init);
	row->user = xstrdup_null(info.user);
	row->arch = xstrdup_null(info.arch);
	row->url = info.url != NULL ? xstrndup(info.url, strcspn(info.url, " ")) : NULL;
	row->verify = verify_of(&info);
	if (store_find(l->e, l->index, info.ref, &entry))
		fill_stored(l, row, &entry);
	image_entry_finish(&entry);
	l->infos[l->n - 1] = info;
}

static bool has_ref(const struct listing *l, const char *ref)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->rows[i].ref != NULL && strcmp(l->rows[i].ref, ref) == 0)
			return true;
	}
	return false;
}

/* What no source lists: URLs, and references of plugins that are gone. */
static void add_stored(struct listing *l)
{
	struct image_entry *entries;
	size_t n = store_entries(l->e, l->index, &entries);

	for (size_t i = 0; i < n; i++) {
		if (!has_ref(l, entries[i].ref)) {
			struct image_row *row = add_row(l);

			row->ref = xstrdup(entries[i].ref);
			row->os = xstrdup_null(entries[i].init);
			row->user = xstrdup_null(entries[i].user);
			row->url = xstrdup_null(entries[i].url);
			if (entries[i].digest != NULL)
				row->verify = strncmp(entries[i].digest, "sha512:", 7) == 0
						      ? "sha512"
						      : "sha256";
			fill_stored(l, row, &entries[i]);
		}
		image_entry_finish(&entries[i]);
	}
	free(entries);
}

static bool has_disk(const struct listing *l, const char *disk)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->rows[i].disk != NULL && strcmp(l->rows[i].disk, disk) == 0)
			return true;
	}
	return false;
}

/* Bases that no reference leads to any more: a newer one took their place. */
static int add_bases(struct listing *l, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	int r = store_bases(l->e, &names, err);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		const char *format;
		struct image_row *row;
		struct stat st;
		char hex[65];

		if (!store_parse_base(names.v[i], hex, &format) || has_disk(l, hex))
			continue;
		row = add_row(l);
		row->disk = xstrdup(hex);
		row->format = xstrdup(format);
		row->path = store_path(l->e, hex, format);
		row->users = store_users_text(l->users, l->n_users, row->path, NULL);
		row->size = stat(row->path, &st) == 0 ? (uint64_t)st.st_size : 0;
	}
	return r;
}

/* The manifest knows the publisher; the source itself knows the mirrors that the
 * environment names. */
static void use_mirrors(struct listing *l, struct image_info *info)
{
	const struct plugin_info *plugin;
	struct image_info now = { 0 };

	if (registry_image_source(engine_registry(l->e), info->ref, &plugin, NULL, NULL) < 0 ||
	    image_resolve(engine_worker(l->e), plugin->name, info->ref, &now, NULL) < 0)
		return;
	if (now.url == NULL || now.digest_url == NULL) {
		image_info_finish(&now);
		return;
	}
	image_info_finish(info);
	*info = now;
}

/* Ask the publishers of everything that is downloaded. */
static int refresh(struct listing *l, struct holos_error **err)
{
	struct pull_news *news = xcalloc(l->n + 1, sizeof(*news));
	size_t *of = xcalloc(l->n + 1, sizeof(*of));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct image_info *info = &l->infos[i];

		if (info->url == NULL || info->digest_url == NULL)
			continue;
		use_mirrors(l, info);
		of[n] = i;
		news[n++] = (struct pull_news){ .ref = info->ref, .info = info };
	}
	if (n != 0)
		r = pull_ask(l->e, news, n, err);
	for (size_t i = 0; i < n; i++) {
		struct image_row *row = &l->rows[of[i]];
		struct image_entry entry = { 0 };

		if (row->disk != NULL && store_find(l->e, l->index, row->ref, &entry))
			row->outdated = news[i].renamed != NULL ||
					(news[i].digest != NULL && entry.digest != NULL &&
					 strcmp(news[i].digest, entry.digest) != 0);
		image_entry_finish(&entry);
		row->renamed = steal_ptr(&news[i].renamed);
		row->problem = news[i].err != NULL ? xstrdup(news[i].err->message) : NULL;
		error_destroy(news[i].err);
		free(news[i].digest);
	}
	free(of);
	free(news);
	return r;
}

int images_list(struct engine *e, bool ask, struct image_row **ret, size_t *ret_n,
		struct holos_error **err)
{
	struct listing l = { .e = e };
	const struct plugin_info *const *plugins;
	size_t n_plugins;
	int r = store_read(e, &l.index, err);

	if (r == 0)
		r = store_users(e, &l.users, &l.n_users, err);
	if (r == 0) {
		registry_list(engine_registry(e), &plugins, &n_plugins);
		for (size_t i = 0; i < n_plugins; i++) {
			if (strcmp(plugins[i]->kind, "image") != 0 || plugins[i]->refused != NULL)
				continue;
			for (size_t k = 0; k < jsonx_len(plugins[i]->serves); k++)
				add_served(&l, plugins[i], k);
		}
		add_stored(&l);
		r = add_bases(&l, err);
	}
	if (r == 0 && ask)
		r = refresh(&l, err);
	for (size_t i = 0; i < l.n; i++)
		image_info_finish(&l.infos[i]);
	free(l.infos);
	image_users_free(l.users, l.n_users);
	json_object_put(l.index);
	if (r < 0) {
		image_rows_free(l.rows, l.n);
		return r;
	}
	*ret = l.rows;
	*ret_n = l.n;
	return 0;
}
