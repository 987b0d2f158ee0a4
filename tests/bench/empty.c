/* SPDX-License-Identifier: Apache-2.0
 *
 * empty.c - the program that does nothing: what any C program costs here.
 */
int main(void)
{
	return 0;
}
