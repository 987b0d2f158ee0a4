/* SPDX-License-Identifier: Apache-2.0
 *
 * manual.c - see manual.h.
 */
#include <base/alloc.h>
#include <base/cleanup.h>
#include <compose/fields.h>
#include <compose/manual.h>

#include <string.h>

static const char about[] =
	"# DESCRIPTION\n\n"
	"The file is YAML 1.2. Keys that begin with *x-* are yours and are ignored; any other\n"
	"unknown key is an error. Variables, *${NAME}* and *${NAME:-word}*, are replaced in "
	"values,\n"
	"from the environment and from _.env_ beside the file, but not in what runs in the "
	"guest.\n"
	"*holos validate* tells all mistakes of a file, *holos config* what it means.\n\n"
	"# EXAMPLE\n\n"
	"```\n"
	"services:\n"
	"  db:\n"
	"    image: debian:13\n"
	"    healthcheck:\n"
	"      test: [\"CMD\", \"pg_isready\"]\n"
	"  web:\n"
	"    image: alpine\n"
	"    replicas: 2\n"
	"    depends_on: [db]\n"
	"    ports: [\"8080:80\"]\n"
	"    volumes: [\"./site:/srv/site:ro\", \"data:/var/lib/data\"]\n"
	"volumes:\n"
	"  data: {size: 2G, per_replica: true}\n"
	"```\n\n";

/* The documentation's words: between backquotes bold, the rest as it is. */
static void put(FILE *to, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '`') {
			fputc('*', to);
			continue;
		}
		if (strchr("\\_*<>[]#|", *text) != NULL)
			fputc('\\', to);
		fputc(*text, to);
	}
}

static void put_type(FILE *to, const struct shape *sh)
{
	if (sh->name != NULL) {
		put(to, sh->name);
		return;
	}
	for (size_t i = 0; sh->words != NULL && sh->words[i] != NULL; i++) {
		fputs(i != 0 ? ", " : "", to);
		put(to, sh->words[i]);
	}
}

static void put_field(FILE *to, const struct field *f)
{
	const char *deflt = f->shown_default != NULL ? f->shown_default : f->deflt;

	fputc('*', to);
	put(to, f->key);
	fputs("*: ", to);
	put_type(to, f->shape);
	fputs(f->required ? ", required\n\t" : "\n\t", to);
	put(to, f->doc);
	if (deflt != NULL && *deflt != '\0') {
		fputs(" Default: ", to);
		put(to, deflt);
		fputc('.', to);
	}
	fputs(" Example: *", to);
	put(to, f->key);
	fputs(": ", to);
	put(to, f->example);
	fputs("*\n\n", to);
}

static void put_object(FILE *to, const char *title, const struct shape *sh)
{
	fprintf(to, "# %s\n\n", title);
	for (const struct field *f = sh->fields; f->key != NULL; f++)
		put_field(to, f);
	for (const struct field *f = sh->fields; f->key != NULL; f++) {
		const struct shape *inner = shape_object_in(f->shape);
		_cleanup_(freep) char *below = NULL;
		const char *item = f->shape->kind == SHAPE_LIST ? "[]" : "";

		if (inner == NULL)
			continue;
		if (f->shape->kind == SHAPE_MAP || (f->shape->flags & SHAPE_PAIRS) != 0)
			item = ".NAME";
		below = xasprintf("%s%s%s%s", sh == &shape_file ? "" : title,
				  sh == &shape_file ? "" : ".", f->key, item);
		put_object(to, below, inner);
	}
}

void compose_manual(FILE *to)
{
	fputs(about, to);
	put_object(to, "KEYS OF THE FILE", &shape_file);
}
