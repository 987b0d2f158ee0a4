/* SPDX-License-Identifier: Apache-2.0
 *
 * gone.c - a library that a plugin needs and nobody finds.
 */
int holos_zoo_gone(void);

__attribute__((visibility("default"))) int holos_zoo_gone(void)
{
	return 0;
}
