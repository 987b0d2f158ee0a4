/* SPDX-License-Identifier: Apache-2.0
 *
 * listing.c - the newest name in the listing of a directory.
 *
 * A publisher replaces "x-3.21.6-x86_64-r0.qcow2" by "x-3.21.7-x86_64-r0.qcow2":
 * the same name but for its numbers.  Numbers are compared as numbers, from left
 * to right.
 */
#include "internal.h"

#include <base/alloc.h>

#include <string.h>

#define NAME_MAX_BYTES 255

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Compare two runs of digits and step over them. */
static int compare_numbers(const char **a, const char **b)
{
	size_t n, m;
	int r;

	while (**a == '0')
		(*a)++;
	while (**b == '0')
		(*b)++;
	for (n = 0; is_digit((*a)[n]); n++)
		;
	for (m = 0; is_digit((*b)[m]); m++)
		;
	r = n != m ? (n < m ? -1 : 1) : strncmp(*a, *b, n);
	*a += n;
	*b += m;
	return r;
}

/* The same but for numbers?  *ret_order: is a older (< 0) or newer than b. */
static bool comparable(const char *a, const char *b, int *ret_order)
{
	int order = 0;

	while (*a != '\0' || *b != '\0') {
		if (is_digit(*a) && is_digit(*b)) {
			int r = compare_numbers(&a, &b);

			order = order != 0 ? order : r;
		} else if (*a++ != *b++) {
			return false;
		}
	}
	*ret_order = order;
	return true;
}

char *listing_newest(const char *html, size_t len, const char *file)
{
	static const char mark[] = "href=\"";
	char *best = NULL;
	int order;

	while (len > sizeof(mark)) {
		const char *at = memmem(html, len, mark, sizeof(mark) - 1);
		char name[NAME_MAX_BYTES + 1];
		const char *end, *slash;
		size_t n;

		if (at == NULL)
			break;
		at += sizeof(mark) - 1;
		len -= (size_t)(at - html);
		html = at;
		end = memchr(at, '"', len);
		if (end == NULL)
			break;
		slash = memrchr(at, '/', (size_t)(end - at));
		at = slash != NULL ? slash + 1 : at;
		n = (size_t)(end - at);
		if (n == 0 || n > NAME_MAX_BYTES)
			continue;
		memcpy(name, at, n);
		name[n] = '\0';
		if (strlen(name) != n || !comparable(file, name, &order))
			continue;
		if (best == NULL || (comparable(best, name, &order) && order < 0)) {
			free(best);
			best = xstrdup(name);
		}
	}
	return best;
}
