/* SPDX-License-Identifier: Apache-2.0
 *
 * names.c - see names.h.
 */
#include <base/names.h>

#include <string.h>

static bool lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

bool names_is_label(const char *s)
{
	size_t n = strlen(s);

	if (n < 1 || n > 63 || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!lower(s[i]) && !digit(s[i]) && s[i] != '-')
			return false;
	}
	return true;
}

bool names_is_user(const char *s)
{
	size_t n = strlen(s);

	if (n < 1 || n > 32 || (!lower(s[0]) && s[0] != '_'))
		return false;
	for (size_t i = 1; i < n; i++) {
		if (!lower(s[i]) && !digit(s[i]) && s[i] != '_' && s[i] != '-')
			return false;
	}
	return true;
}

bool names_is_plugin(const char *s)
{
	size_t n = strlen(s);

	if (n < 1 || n > 32 || !lower(s[0]))
		return false;
	for (size_t i = 1; i < n; i++) {
		if (!lower(s[i]) && !digit(s[i]) && s[i] != '-')
			return false;
	}
	return true;
}

#define NEAREST_MAX 64

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment distance of two words of at most NEAREST_MAX. */
static size_t distance(const char *a, size_t la, const char *b, size_t lb)
{
	size_t rows[3][NEAREST_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= lb; j++)
		last[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t change = a[i - 1] == b[j - 1] ? 0 : 1;

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + change);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[lb];
}

const char *names_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t lw = strlen(word);
	size_t best = 2 + lw / 4; /* one more than is near enough */
	const char *found = NULL;

	if (lw == 0 || lw > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t lc = strlen(candidates[i]);
		size_t d;

		/* The difference in length is the least distance there can be. */
		if (lc == 0 || lc > NEAREST_MAX || (lc > lw ? lc - lw : lw - lc) >= best)
			continue;
		d = distance(word, lw, candidates[i], lc);
		if (d < best && d < lw) {
			best = d;
			found = candidates[i];
		}
	}
	return found;
}
