/* SPDX-License-Identifier: Apache-2.0
 *
 * units.h - sizes and durations as users write them (contract.md section 0).
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdint.h>

/* "10G", "1.5GiB", "512m", "1048576": binary multipliers, optional B / iB,
 * any case.  0, or -1 when it is none or does not fit 63 bits. */
int units_parse_size(const char *text, uint64_t *ret_bytes);
/* Go's time.ParseDuration without a sign: "300ms", "1h30m", "1.5s", "0".
 * 0, or -1. */
int units_parse_duration(const char *text, uint64_t *ret_ns);
/* "10 GiB", "512 MiB", "1.5 KiB": at most 4 significant digits; buf >= 32. */
const char *units_format_size(uint64_t bytes, char *buf);
/* "340ms", "8.1s", "2m30s", "3h05m", "4d02h": for people; buf >= 32. */
const char *units_format_duration(uint64_t ns, char *buf);
/* Go's time.Duration.String() of a whole number of seconds ("30s", "1m30s",
 * "1h0m0s"), which units_parse_duration() reads back; buf >= 32. */
const char *units_duration_text(uint64_t ns, char *buf);
/* Decimal integer within [min, max], nothing else around it.  0 or -1. */
int units_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret);

#endif
