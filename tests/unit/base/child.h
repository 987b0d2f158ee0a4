/* SPDX-License-Identifier: Apache-2.0
 *
 * child.h - what the test of base/process.h starts: itself, as
 * `unit-base-process child MODE [ARGUMENT]`.
 */
#ifndef TESTS_BASE_CHILD_H
#define TESTS_BASE_CHILD_H

#include <stdio.h>

/* The whole of such a run; main()'s result. */
int child_main(int argc, char **argv);

/* A vector of up to four strings, good until the next one. */
char *const *vector(const char *a, const char *b, const char *c, const char *d);

/* "NUMBER:DEVICE:INODE" of each descriptor this process has, line by line. */
void show_fds(FILE *to);

#endif
