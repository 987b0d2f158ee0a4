/* SPDX-License-Identifier: Apache-2.0
 *
 * printable.c - see printable.h.
 */
#include <base/alloc.h>
#include <base/printable.h>

#include <string.h>

size_t printable_char(const char *text, size_t len)
{
	const unsigned char *u = (const unsigned char *)text;
	size_t n = u[0] < 0x80                   ? 1
		   : u[0] >= 0xc2 && u[0] < 0xe0 ? 2
		   : u[0] >= 0xe0 && u[0] < 0xf0 ? 3
		   : u[0] >= 0xf0 && u[0] < 0xf5 ? 4
						 : 0;

	if (n == 1)
		return u[0] >= 0x20 && u[0] != 0x7f ? 1 : 0;
	if (n == 0 || n > len || (u[0] == 0xc2 && u[1] < 0xa0)) /* C1 controls: U+0080 to U+009F */
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

char *printable(const char *text)
{
	char *copy = xstrdup(text);
	size_t len = strlen(copy);

	for (size_t i = 0; i < len;) {
		size_t n = printable_char(copy + i, len - i);

		if (n == 0 && copy[i] != '\t')
			copy[i] = '?';
		i += n != 0 ? n : 1;
	}
	return copy;
}
