/* SPDX-License-Identifier: Apache-2.0
 *
 * words.c - see words.h.
 */
#include <base/alloc.h>
#include <base/cleanup.h>
#include <words.h>

#include <stdint.h>
#include <string.h>

#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"

/* What the names in capitals mean; `fixed`: the words themselves, with spaces
 * between. */
static const struct {
	const char *name;
	unsigned kinds;
	const char *fixed;
} names[] = {
	{ "COMMAND", 0, NULL },
	{ "DETACH_KEYS", 0, NULL },
	{ "DIR", WORDS_DIR, NULL },
	{ "DOMAIN", 0, NULL },
	{ "DST", WORDS_FILE, NULL },
	{ "FILE", WORDS_FILE, NULL },
	{ "GUEST", 0, NULL },
	{ "HOST", 0, NULL },
	{ "HOW", 0, "auto tty plain json quiet" },
	{ "IMAGE", WORDS_IMAGE, NULL },
	{ "INSTANCE", WORDS_INSTANCE, NULL },
	{ "K", 0, NULL },
	{ "KEYS", 0, NULL },
	{ "MOMENT", 0, NULL },
	{ "N", 0, NULL },
	{ "NAME", 0, NULL },
	{ "OS", 0, "systemd openrc" },
	{ "PATH", WORDS_FILE, NULL },
	{ "PCI", 0, NULL },
	{ "PLUGIN", WORDS_PLUGIN, NULL },
	{ "PORT", 0, NULL },
	{ "PROFILE", WORDS_PROFILE, NULL },
	{ "PROJECT", WORDS_PROJECT, NULL },
	{ "PROTOCOL", 0, "tcp udp" },
	{ "SERVICE", WORDS_SERVICE, NULL },
	{ "SHELL", 0, "bash zsh fish" },
	{ "SIGNAL", 0, "KILL" },
	{ "SIZE", 0, NULL },
	{ "SRC", WORDS_FILE, NULL },
	{ "STATE", 0, "created starting running paused stopping stopped failed" },
	{ "TARGET", 0, NULL },
	{ "TIME", 0, NULL },
	{ "URI", 0, NULL },
	{ "USER", 0, NULL },
	{ "VERB", WORDS_VERB, NULL },
	{ "VOLUME", WORDS_VOLUME, NULL },
	{ "WHAT", 0, "status= health=" },
	{ "WHEN", 0, "always missing never" },
};

static void add_fixed(const char *list, struct strv *fixed)
{
	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, " ");

		strv_take(fixed, xstrndup(list, n));
		list += n + (list[n] != '\0');
	}
}

static bool add_name(const char *name, size_t len, unsigned *kinds, struct strv *fixed)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) != len || strncmp(names[i].name, name, len) != 0)
			continue;
		*kinds |= names[i].kinds;
		add_fixed(names[i].fixed, fixed);
		return true;
	}
	return false;
}

bool words_of(const char *place, unsigned *ret_kinds, struct strv *fixed)
{
	bool known = true;

	*ret_kinds = 0;
	while (*place != '\0') {
		size_t len = strcspn(place, "|"), at = strcspn(place, CAPITALS);
		size_t name = at < len ? strspn(place + at, CAPITALS) : 0;
		size_t word = strcspn(place, "|.]");

		if (name != 0)
			known = add_name(place + at, name, ret_kinds, fixed) && known;
		else if (word != 0 && place[0] != '[')
			strv_take(fixed, xstrndup(place, word));
		place += len + (place[len] == '|');
	}
	return known;
}

/* ---- operands ----------------------------------------------------------------------- */

#define PLACES_MAX 16

/* One form: its places in order. */
struct form {
	char *place[PLACES_MAX];
	bool optional[PLACES_MAX], repeats[PLACES_MAX];
	size_t n;
};

/* "[PROJECT] SERVICE|INSTANCE..." */
static void read_form(char *text, struct form *f)
{
	int depth = 0;
	char *word;

	while ((word = strsep(&text, " ")) != NULL && f->n < PLACES_MAX) {
		size_t n = strlen(word);

		depth += *word == '[';
		if (strcmp(word, "--") == 0 || strcmp(word, "[--") == 0)
			break; /* what follows is the guest's */
		f->optional[f->n] = depth > 0;
		f->repeats[f->n] = strstr(word, "...") != NULL;
		f->place[f->n] = word + (*word == '[');
		depth -= n != 0 && word[n - 1] == ']';
		f->place[f->n][strcspn(f->place[f->n], "]")] = '\0';
		f->n++;
	}
}

/* Places that can be left out are passed as well. */
static uint32_t skip_optional(const struct form *f, uint32_t at)
{
	for (size_t i = 0; i < f->n; i++) {
		if ((at & 1u << i) != 0 && f->optional[i])
			at |= 1u << (i + 1);
	}
	return at;
}

/* In which places may the operand after n others stand? */
static uint32_t places_after(const struct form *f, size_t n)
{
	uint32_t at = skip_optional(f, 1);

	for (; n > 0 && at != 0; n--) {
		uint32_t next = 0;

		for (size_t i = 0; i < f->n; i++) {
			if ((at & 1u << i) != 0)
				next |= 1u << (i + 1) | (f->repeats[i] ? 1u << i : 0);
		}
		at = skip_optional(f, next);
	}
	return at;
}

static bool of_form(char *text, char *const *given, size_t n, unsigned *kinds, struct strv *fixed)
{
	struct form f = { .n = 0 };
	uint32_t at;
	bool known = true;

	read_form(text, &f);
	/* Another form's first word was said. */
	if (n > 0 && f.n > 0 && f.place[0][0] >= 'a' && f.place[0][0] <= 'z' &&
	    strchr(f.place[0], '|') == NULL && strcmp(f.place[0], given[0]) != 0)
		return true;
	at = places_after(&f, n);
	for (size_t i = 0; i < f.n; i++) {
		unsigned more = 0;

		if ((at & 1u << i) != 0)
			known = words_of(f.place[i], &more, fixed) && known;
		*kinds |= more;
	}
	return known;
}

bool words_of_operand(const char *operands, char *const *given, size_t n, unsigned *ret_kinds,
		      struct strv *fixed)
{
	size_t len = strlen(operands);
	const char *bar = strstr(operands, " | ");
	_cleanup_(freep) char *copy =
		bar != NULL && operands[0] == '[' && operands[len - 1] == ']'
			? xstrndup(operands + 1, len - 2) /* all forms may be left out */
			: xstrdup(operands);
	char *form = copy;
	bool known = true;

	*ret_kinds = 0;
	while (form != NULL) {
		char *end = strstr(form, " | ");

		if (end != NULL)
			*end = '\0';
		known = of_form(form, given, n, ret_kinds, fixed) && known;
		form = end != NULL ? end + 3 : NULL;
	}
	return known;
}
