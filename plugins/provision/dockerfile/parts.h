/* SPDX-License-Identifier: Apache-2.0
 *
 * parts.h - the script's beginning, as bytes (build.sh).
 */
#ifndef DF_PARTS_H
#define DF_PARTS_H

#include <stddef.h>

extern const unsigned char df_build_sh[]; /* ends with a NUL */
extern const size_t df_build_sh_len;

#endif
