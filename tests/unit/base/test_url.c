/* SPDX-License-Identifier: Apache-2.0
 *
 * test_url.c - which URLs hold a password, and what is shown of them.
 */
#include "harness.h"

#include <base/url.h>

static const struct {
	const char *url, *masked; /* NULL: there is nothing to hide */
} urls[] = {
	{ "https://host/x", NULL },
	{ "https://host/a@b", NULL },
	{ "https://host?a@b", NULL },
	{ "https://host#a@b", NULL },
	{ "https://host", NULL },
	{ "debian:12", NULL },
	{ "a@b", NULL },
	{ "", NULL },
	{ "https://host/ https://u:w@host/", NULL }, /* a list is looked at piece by piece */
	{ "https://u:w@host/x", "https://***@host/x" },
	{ "https://u@host/x", "https://***@host/x" },
	{ "http://u:w@host", "http://***@host" },
	{ "HTTPS://u:w@host/x#y@z", "HTTPS://***@host/x#y@z" },
	{ "https://u:p@ss@host/x", "https://***@host/x" },
	{ "https://@host/x", "https://***@host/x" },
};

START_TEST(url)
{
	_cleanup_(freep) char *masked = url_masked(urls[_i].url);

	ck_assert_int_eq(url_has_password(urls[_i].url), urls[_i].masked != NULL);
	ck_assert_str_eq(masked, urls[_i].masked != NULL ? urls[_i].masked : urls[_i].url);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_loop_test(c, url, 0, N(urls));
}

int main(void)
{
	return run_suite("base-url", add_tests);
}
