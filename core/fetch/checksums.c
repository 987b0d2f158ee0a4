/* SPDX-License-Identifier: Apache-2.0
 *
 * checksums.c - publishers' checksum files, in all their dialects.
 *
 *   <hex>  NAME            sha256sum(1); NAME may have a path or a star before it
 *   SHA256 (NAME) = <hex>  BSD; also in Fedora's and Rocky's signed files
 *   <hex>                  alone
 *
 * The length of the hash tells what it is; shorter ones (MD5, SHA-1) do not count.
 * Everything that is no such line (comments, a signature's armour) is passed over.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

static const char *algorithm(size_t hex)
{
	return hex == 64 ? "sha256" : hex == 128 ? "sha512" : NULL;
}

static size_t hex_length(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && ((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f') ||
			 (s[i] >= 'A' && s[i] <= 'F')))
		i++;
	return i;
}

/* The last part of a path; one that does not fit is no name. */
static void set_name(struct checksum *c, const char *s, size_t n)
{
	for (size_t i = n; i > 0; i--) {
		if (s[i - 1] == '/') {
			s += i;
			n -= i;
			break;
		}
	}
	if (n >= sizeof(c->name))
		n = 0;
	memcpy(c->name, s, n);
	c->name[n] = '\0';
}

static bool set_digest(struct checksum *c, const char *hex, size_t n)
{
	const char *algo = algorithm(n);

	if (algo == NULL)
		return false;
	snprintf(c->digest, sizeof(c->digest), "%s:%.*s", algo, (int)n, hex);
	for (char *p = c->digest; *p != '\0'; p++)
		*p = (char)(*p >= 'A' && *p <= 'F' ? *p - 'A' + 'a' : *p);
	return true;
}

/* "SHA256 (NAME) = hex", also without its spaces */
static bool parse_bsd(const char *s, size_t n, struct checksum *c)
{
	const char *open = memchr(s, '(', n);
	const char *close = NULL;
	size_t at;

	if (n < 6 || strncmp(s, "SHA", 3) != 0 || open == NULL)
		return false;
	for (size_t i = n; i > (size_t)(open - s); i--) {
		if (s[i - 1] == ')') {
			close = s + i - 1;
			break;
		}
	}
	if (close == NULL)
		return false;
	at = (size_t)(close - s) + 1;
	while (at < n && (s[at] == ' ' || s[at] == '='))
		at++;
	if (hex_length(s + at, n - at) != n - at || !set_digest(c, s + at, n - at))
		return false;
	set_name(c, open + 1, (size_t)(close - open) - 1);
	return true;
}

static bool parse_line(const char *s, size_t n, struct checksum *c)
{
	size_t hex;

	while (n != 0 && (s[n - 1] == '\r' || s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (n > 2 && s[0] == '-' && s[1] == ' ') { /* dash-escaped: RFC 4880, 7.1 */
		s += 2;
		n -= 2;
	}
	hex = hex_length(s, n);
	if (hex == 0)
		return parse_bsd(s, n, c);
	if (!set_digest(c, s, hex))
		return parse_bsd(s, n, c);
	if (hex == n) {
		c->name[0] = '\0';
		return true;
	}
	if (s[hex] != ' ' && s[hex] != '\t')
		return false;
	while (hex < n && (s[hex] == ' ' || s[hex] == '\t' || s[hex] == '*'))
		hex++;
	set_name(c, s + hex, n - hex);
	return true;
}

int checksums_find(const char *text, size_t len, const char *file, struct checksum *ret)
{
	struct checksum one, last = { 0 };
	size_t found = 0;

	while (len != 0) {
		const char *newline = memchr(text, '\n', len);
		size_t n = newline != NULL ? (size_t)(newline - text) : len;

		if (parse_line(text, n, &one)) {
			if (strcmp(one.name, file) == 0) {
				*ret = one;
				return 0;
			}
			last = one;
			found++;
		}
		n += newline != NULL;
		text += n;
		len -= n;
	}
	if (found != 1)
		return -1;
	*ret = last;
	return 0;
}
