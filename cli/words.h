/* SPDX-License-Identifier: Apache-2.0
 *
 * words.h - what may stand in a place of the command line.
 *
 * Operands and values of options are described in the way that help shows them:
 * names in capitals (SERVICE), words that are meant as they stand (rm), "|"
 * between what may stand in one place, " | " between whole forms ("ls | rm
 * VOLUME..."), "[" and "]" around what may be left out.
 */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <base/strv.h>

#include <stdbool.h>

/* What to complete; flags. */
#define WORDS_VERB     0x001u
#define WORDS_PROJECT  0x002u
#define WORDS_SERVICE  0x004u
#define WORDS_INSTANCE 0x008u
#define WORDS_IMAGE    0x010u
#define WORDS_VOLUME   0x020u
#define WORDS_PLUGIN   0x040u
#define WORDS_FILE     0x080u
#define WORDS_DIR      0x100u
#define WORDS_PROFILE  0x200u

/* What can stand for a description without spaces ("SERVICE|PROJECT",
 * "SERVICE=N"): flags; fixed words are added to `fixed`.  False: a name in it is
 * not known here, which is a mistake of whoever wrote it. */
bool words_of(const char *place, unsigned *ret_kinds, struct strv *fixed);

/* The same for the operand that follows n given ones. */
bool words_of_operand(const char *operands, char *const *given, size_t n, unsigned *ret_kinds,
		      struct strv *fixed);

#endif
