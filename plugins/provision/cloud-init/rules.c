/* SPDX-License-Identifier: Apache-2.0
 *
 * rules.c - what single values of the steps document must look like.
 *
 * Nearly all of it was checked when the compose file was read; the plugin
 * checks again because these values become lines of system files and words of
 * a script that root runs.
 */
#include "steps.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool ci_is_chars(const char *s, size_t min, size_t max, const char *extra)
{
	size_t n;

	for (n = 0; s[n] != '\0'; n++) {
		if (n >= max || !(is_alpha(s[n]) || is_digit(s[n]) || strchr(extra, s[n]) != NULL))
			return false;
	}
	return n >= min;
}

bool ci_is_line(const char *s)
{
	for (; *s != '\0'; s++) {
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	}
	return true;
}

bool ci_is_path(const char *s)
{
	return *s == '/' && strlen(s) < 4096 && ci_is_line(s) && strchr(s, '\t') == NULL;
}

bool ci_is_target(const char *s)
{
	if (!ci_is_path(s) || s[1] == '\0')
		return false;
	while (*s == '/') {
		size_t n = strcspn(++s, "/");

		if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += n;
	}
	return true;
}

bool ci_is_address(const char *s)
{
	unsigned char bin[16];

	return inet_pton(AF_INET, s, bin) == 1 || inet_pton(AF_INET6, s, bin) == 1;
}

bool ci_is_network(const char *s)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	unsigned long prefix = 0;
	size_t n;

	if (slash == NULL || (size_t)(slash - s) >= sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - s), s);
	n = strlen(++slash);
	if (!ci_is_address(address) || n < 1 || n > 3)
		return false;
	for (; *slash != '\0'; slash++) {
		if (!is_digit(*slash))
			return false;
		prefix = prefix * 10 + (unsigned long)(*slash - '0');
	}
	return prefix <= (strchr(address, ':') != NULL ? 128 : 32);
}

bool ci_is_mac(const char *s)
{
	for (unsigned i = 0; i < 17; i++) {
		if (i % 3 == 2 ? s[i] != ':' : !is_hex(s[i]))
			return false;
	}
	return s[17] == '\0';
}

bool ci_is_user(const char *s)
{
	if (!((*s >= 'a' && *s <= 'z') || *s == '_'))
		return false;
	for (const char *p = s; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			return false;
	}
	return ci_is_chars(s, 1, 32, "_-");
}

bool ci_is_variable(const char *s)
{
	return !is_digit(*s) && ci_is_chars(s, 1, 255, "_");
}

bool ci_is_base64(const char *s)
{
	size_t n = strlen(s);
	size_t pad = 0;

	while (pad < 2 && pad < n && s[n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < n - pad; i++) {
		if (!(is_alpha(s[i]) || is_digit(s[i]) || s[i] == '+' || s[i] == '/'))
			return false;
	}
	return n % 4 == 0;
}
