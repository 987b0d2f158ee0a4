/* SPDX-License-Identifier: Apache-2.0
 *
 * test_checksums.c - publishers' checksum files, and the newest name of a listing.
 */
#include "../base/harness.h"

#include <fetch/internal.h>

#define A64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define A128 A64 A64
#define MD5  "0123456789abcdef0123456789abcdef"

static const struct {
	const char *text, *file;
	const char *digest, *name; /* digest NULL: there is none */
} cases[] = {
	{ A64 "  x.img\n", "x.img", "sha256:" A64, "x.img" },
	{ B64 " *a.img\n" A64 " *x.img\n", "x.img", "sha256:" A64, "x.img" },
	{ B64 "  ./d/a.img\r\n" A64 "  ./d/x.img\r\n", "x.img", "sha256:" A64, "x.img" },
	{ "SHA256 (a) = " B64 "\nSHA256 (x.img) = " A64 "\n", "x.img", "sha256:" A64, "x.img" },
	{ "SHA512(x (1).img)= " A128, "x (1).img", "sha512:" A128, "x (1).img" },
	{ A128 "  x.img", "x.img", "sha512:" A128, "x.img" },
	{ A64 "\n", "x.img", "sha256:" A64, "" },
	{ A64, "x.img", "sha256:" A64, "" },
	/* one hash: whatever its name is, and it is the dated one */
	{ A64 "  x-Build16.2.img\n", "x.img", "sha256:" A64, "x-Build16.2.img" },
	/* upper case */
	{ "SHA256 (x.img) = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
	  "x.img", "sha256:" A64, "x.img" },
	/* Fedora: signed, with comments */
	{ "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# x.img: 5 bytes\n"
	  "SHA256 (x.img) = " A64 "\n# y: 6 bytes\nSHA256 (y) = " B64 "\n"
	  "-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCAAdFiEE\n=abcd\n"
	  "-----END PGP SIGNATURE-----\n",
	  "x.img", "sha256:" A64, "x.img" },
	{ "- " A64 "  x.img\n" B64 "  y\n", "x.img", "sha256:" A64, "x.img" },
	/* MD5 beside SHA-256 */
	{ MD5 "  x.img\n" A64 "  x.img\n", "x.img", "sha256:" A64, "x.img" },
	/* two, and neither is ours */
	{ A64 "  a\n" B64 "  b\n", "x.img", NULL, NULL },
	{ A64 "  x.img.old\n" B64 "  ax.img\n", "x.img", NULL, NULL },
	{ "", "x.img", NULL, NULL },
	{ "<html>no\n", "x.img", NULL, NULL },
	{ MD5 "  x.img\n", "x.img", NULL, NULL },
	{ A64 "x  x.img\n", "x.img", NULL, NULL },
	{ "SHA256 (x.img = " A64 "\n", "x.img", NULL, NULL },
	{ "SHA256 (x.img) = " A64 " trailing\n", "x.img", NULL, NULL },
	{ "SHA256", "x.img", NULL, NULL },
	{ "SHA256 ()", "x.img", NULL, NULL },
};

START_TEST(dialects)
{
	struct checksum c;
	int r = checksums_find(cases[_i].text, strlen(cases[_i].text), cases[_i].file, &c);

	ck_assert_int_eq(r, cases[_i].digest != NULL ? 0 : -1);
	if (cases[_i].digest == NULL)
		return;
	ck_assert_str_eq(c.digest, cases[_i].digest);
	ck_assert_str_eq(c.name, cases[_i].name);
}
END_TEST

/* A name that does not fit is no name, and nothing is written past it. */
START_TEST(long_names)
{
	char text[1024] = A64 "  ";
	struct checksum c;

	memset(text + 66, 'n', 600);
	ck_assert_int_eq(checksums_find(text, strlen(text), "x", &c), 0);
	ck_assert_str_eq(c.name, "");
}
END_TEST

static const struct {
	const char *html, *file, *newest; /* NULL: none */
} listings[] = {
	{ "<a href=\"x-3.21.7.img\">", "x-3.21.6.img", "x-3.21.7.img" },
	{ "<a href=\"x-9.img\"><a href=\"x-10.img\"><a href=\"x-8.img\">", "x-1.img", "x-10.img" },
	{ "<a href=\"x-1-2.img\"><a href=\"x-2-1.img\">", "x-1-1.img", "x-2-1.img" },
	{ "<a href=\"/a/b/x-2.img\">", "x-1.img", "x-2.img" },
	{ "<a href=\"x-2.img.sha512\"><a href=\"y-2.img\">", "x-1.img", NULL },
	{ "<a href=\"x-2-aarch64.img\">", "x-1-x86_64.img", NULL },
	{ "<a href=\"x-00000000000000000000000000000000000000000000002.img\">"
	  "<a href=\"x-99999999999999999999999999999999999999999999999.img\">",
	  "x-1.img", "x-99999999999999999999999999999999999999999999999.img" },
	{ "<a href=\"x-2.img", "x-1.img", NULL },
	{ "href=\"\"href=\"", "x-1.img", NULL },
	{ "", "x-1.img", NULL },
};

START_TEST(newest)
{
	const char *html = listings[_i].html;
	_cleanup_(freep) char *name = listing_newest(html, strlen(html), listings[_i].file);

	if (listings[_i].newest == NULL)
		ck_assert_ptr_null(name);
	else
		ck_assert_str_eq(name, listings[_i].newest);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_loop_test(c, dialects, 0, N(cases));
	tcase_add_test(c, long_names);
	tcase_add_loop_test(c, newest, 0, N(listings));
}

int main(void)
{
	return run_suite("fetch-checksums", add_tests);
}
