/* SPDX-License-Identifier: Apache-2.0
 *
 * url.c - see url.h.  RFC 3986, 3.2: the authority ends at the first of "/?#", and
 * what stands before its last @ is the user's.
 */
#include <base/alloc.h>
#include <base/url.h>

#include <stddef.h>
#include <string.h>

/* Where the host begins, or NULL.  *ret_user: where the user's part does. */
static const char *host_of(const char *url, const char **ret_user)
{
	const char *user = strstr(url, "://");
	const char *host = NULL;

	if (user == NULL)
		return NULL;
	user += 3;
	for (const char *p = user; p < user + strcspn(user, "/?# "); p++) {
		if (*p == '@')
			host = p + 1;
	}
	*ret_user = user;
	return host;
}

bool url_has_password(const char *url)
{
	const char *user;

	return host_of(url, &user) != NULL;
}

char *url_masked(const char *url)
{
	const char *user;
	const char *host = host_of(url, &user);

	return host != NULL ? xasprintf("%.*s***@%s", (int)(user - url), url, host) : xstrdup(url);
}
