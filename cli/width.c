/* SPDX-License-Identifier: Apache-2.0
 *
 * width.c - see width.h.  Ranges are those of Unicode 15: EastAsianWidth.txt W and F,
 * and the blocks of combining marks.
 */
#include <width.h>

#include <stdbool.h>
#include <stdint.h>

struct range {
	uint32_t first, last;
};

static const struct range none[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd },   { 0x0610, 0x061a },
	{ 0x064b, 0x065f }, { 0x06d6, 0x06dc }, { 0x0900, 0x0902 },   { 0x0941, 0x0948 },
	{ 0x0e31, 0x0e31 }, { 0x0e34, 0x0e3a }, { 0x0e47, 0x0e4e },   { 0x1ab0, 0x1aff },
	{ 0x1dc0, 0x1dff }, { 0x200b, 0x200f }, { 0x202a, 0x202e },   { 0x2060, 0x2064 },
	{ 0x20d0, 0x20ff }, { 0x302a, 0x302d }, { 0x3099, 0x309a },   { 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0x1f3fb, 0x1f3ff }, { 0xe0100, 0xe01ef },
};

static const struct range wide[] = {
	{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2329, 0x232a },   { 0x23e9, 0x23ec },
	{ 0x25fd, 0x25fe },   { 0x2614, 0x2615 },   { 0x2648, 0x2653 },   { 0x26a1, 0x26a1 },
	{ 0x2705, 0x2705 },   { 0x274c, 0x274c },   { 0x2795, 0x2797 },   { 0x2b1b, 0x2b1c },
	{ 0x2e80, 0x303e },   { 0x3041, 0x33ff },   { 0x3400, 0x4dbf },   { 0x4e00, 0xa4cf },
	{ 0xa960, 0xa97c },   { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe10, 0xfe19 },
	{ 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x16fe0, 0x18aff },
	{ 0x1b000, 0x1b2ff }, { 0x1f18e, 0x1f18e }, { 0x1f191, 0x1f19a }, { 0x1f200, 0x1f320 },
	{ 0x1f32d, 0x1f64f }, { 0x1f680, 0x1f6c5 }, { 0x1f6d0, 0x1f6ff }, { 0x1f7e0, 0x1f7eb },
	{ 0x1f90c, 0x1f9ff }, { 0x1fa70, 0x1faff }, { 0x20000, 0x3fffd },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

static bool is_in(const struct range *r, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n && r[i].first <= c; i++) {
		if (c <= r[i].last)
			return true;
	}
	return false;
}

/* One character; bytes that are none count as one each. */
static uint32_t decode(const char *s, size_t *ret_len)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t len = u[0] < 0xc2 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 1;
	uint32_t c = len == 1 ? u[0] : u[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80) {
			*ret_len = 1;
			return u[0];
		}
		c = c << 6 | (u[i] & 0x3f);
	}
	*ret_len = len;
	return c;
}

static size_t columns_of(uint32_t c)
{
	return is_in(none, N(none), c) ? 0 : is_in(wide, N(wide), c) ? 2 : 1;
}

size_t text_width(const char *s)
{
	size_t width = 0, len;

	for (; *s != '\0'; s += len)
		width += columns_of(decode(s, &len));
	return width;
}

size_t text_cut(const char *s, size_t most)
{
	size_t at = 0, width = 0;

	while (s[at] != '\0') {
		size_t len;

		width += columns_of(decode(s + at, &len));
		if (width > most)
			break;
		at += len;
	}
	return at;
}
