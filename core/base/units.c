/* SPDX-License-Identifier: Apache-2.0
 *
 * units.c - see units.h.
 */
#include <base/clock.h>
#include <base/units.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Decimal number "12", "1.5", ".5" as whole and fraction (in 1e-9); the end
 * of it in *end.  False when there is no digit or it does not fit. */
static bool number(const char *s, uint64_t *whole, uint64_t *frac, const char **end)
{
	uint64_t w = 0, f = 0, scale = 100000000;
	bool any = false;

	for (; *s >= '0' && *s <= '9'; s++, any = true) {
		if (w > (UINT64_MAX - 9) / 10)
			return false;
		w = w * 10 + (uint64_t)(*s - '0');
	}
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++, any = true) {
			f += (uint64_t)(*s - '0') * scale;
			scale /= 10;
		}
	}
	*whole = w;
	*frac = f;
	*end = s;
	return any;
}

/* whole.frac times unit, bounded to 63 bits. */
static bool multiply(uint64_t whole, uint64_t frac, uint64_t unit, uint64_t *ret)
{
	__extension__ typedef unsigned __int128 wide;
	wide v = (wide)whole * unit + (wide)frac * unit / NS_PER_S;

	if (v > INT64_MAX)
		return false;
	*ret = (uint64_t)v;
	return true;
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char letters[] = "kmgt";
	uint64_t whole, frac, unit = 1;
	const char *p;

	if (!number(text, &whole, &frac, &p))
		return -1;
	if (*p != '\0' && *p != 'b' && *p != 'B') {
		char lower = (char)(*p | 0x20);
		const char *at = strchr(letters, lower);

		if (at == NULL)
			return -1;
		unit = UINT64_C(1) << (10 * (at - letters + 1));
		p++;
		if (*p == 'i' && (p[1] == 'b' || p[1] == 'B'))
			p++;
	}
	if (*p == 'b' || *p == 'B')
		p++;
	if (*p != '\0')
		return -1;
	return multiply(whole, frac, unit, ret_bytes) ? 0 : -1;
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "ns", 1 },
		{ "us", 1000 },
		{ "\xc2\xb5s", 1000 }, /* U+00B5, the micro sign */
		{ "\xce\xbcs", 1000 }, /* U+03BC, the letter mu: Go takes both */
		{ "ms", NS_PER_MS },
		{ "s", NS_PER_S },
		{ "m", 60 * NS_PER_S },
		{ "h", 3600 * NS_PER_S },
	};
	uint64_t total = 0;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (*text == '\0')
		return -1;
	while (*text != '\0') {
		uint64_t whole, frac, part;
		size_t len, i;

		if (!number(text, &whole, &frac, &text))
			return -1;
		len = strcspn(text, "0123456789.");
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (strlen(units[i].name) == len && strncmp(units[i].name, text, len) == 0)
				break;
		}
		if (i == sizeof(units) / sizeof(units[0]))
			return -1;
		if (!multiply(whole, frac, units[i].ns, &part) || part > INT64_MAX - total)
			return -1;
		total += part;
		text += len;
	}
	*ret_ns = total;
	return 0;
}

const char *units_format_size(uint64_t bytes, char *buf)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	unsigned i = 0;

	for (; v >= 1024 && i < 4; i++)
		v /= 1024;
	if (i == 0 || v >= 100 || v - (double)(uint64_t)v < 0.05)
		snprintf(buf, 32, "%.0f %s", v, names[i]);
	else
		snprintf(buf, 32, "%.1f %s", v, names[i]);
	return buf;
}

const char *units_format_duration(uint64_t ns, char *buf)
{
	unsigned long long s = ns / NS_PER_S;

	if (ns < NS_PER_S)
		snprintf(buf, 32, "%llums", (unsigned long long)(ns / NS_PER_MS));
	else if (s < 60)
		snprintf(buf, 32, "%llu.%llus", s, (unsigned long long)(ns % NS_PER_S / 100000000));
	else if (s < 3600)
		snprintf(buf, 32, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, 32, "%lluh%02llum", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, 32, "%llud%02lluh", s / 86400, s % 86400 / 3600);
	return buf;
}

const char *units_duration_text(uint64_t ns, char *buf)
{
	unsigned long long s = ns / NS_PER_S;

	if (s < 60)
		snprintf(buf, 32, "%llus", s);
	else if (s < 3600)
		snprintf(buf, 32, "%llum%llus", s / 60, s % 60);
	else
		snprintf(buf, 32, "%lluh%llum%llus", s / 3600, s % 3600 / 60, s % 60);
	return buf;
}

int units_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	const char *digits = *text == '-' ? text + 1 : text;
	long long v;
	char *end;

	if (*digits < '0' || *digits > '9')
		return -1;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || v < min || v > max)
		return -1;
	*ret = v;
	return 0;
}
