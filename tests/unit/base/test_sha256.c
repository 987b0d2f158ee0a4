/* SPDX-License-Identifier: Apache-2.0
 *
 * test_sha256.c - the examples of FIPS 180-4, every padding, every split.
 */
#include "harness.h"
#include "sha256_vectors.h"

#include <base/sha256.h>

static const struct {
	const char *text, *hex;
} fips[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
	  "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
	  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
};

static void check_hash(const void *data, size_t len, const char *hex)
{
	uint8_t d[32];
	char got[65];

	sha256(data, len, d);
	sha256_hex(d, got);
	ck_assert_msg(strcmp(got, hex) == 0, "%zu bytes: %s, not %s", len, got, hex);
}

START_TEST(example)
{
	check_hash(fips[_i].text, strlen(fips[_i].text), fips[_i].hex);
}
END_TEST

START_TEST(a_million_letters)
{
	_cleanup_(freep) char *a = xmalloc(1000000);

	memset(a, 'a', 1000000);
	check_hash(a, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

static void message(uint8_t *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		m[i] = (uint8_t)(i * 7);
}

START_TEST(every_length)
{
	uint8_t m[131];

	message(m, sizeof(m));
	ck_assert_int_eq(N(by_length), 131);
	for (size_t n = 0; n < 131; n++)
		check_hash(m, n, by_length[n]);
}
END_TEST

START_TEST(every_split)
{
	uint8_t m[130], d[32];
	char got[65];

	message(m, sizeof(m));
	for (size_t a = 0; a <= sizeof(m); a++) {
		for (size_t b = a; b <= sizeof(m); b += 13) {
			struct sha256 h;

			sha256_init(&h);
			sha256_add(&h, m, a);
			sha256_add(&h, m + a, b - a);
			sha256_add(&h, NULL, 0);
			sha256_add(&h, m + b, sizeof(m) - b);
			sha256_end(&h, d);
			sha256_hex(d, got);
			ck_assert_str_eq(got, by_length[130]);
		}
	}
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_loop_test(c, example, 0, N(fips));
	tcase_add_test(c, a_million_letters);
	tcase_add_test(c, every_length);
	tcase_add_test(c, every_split);
}

int main(void)
{
	return run_suite("base-sha256", add_tests);
}
