/* SPDX-License-Identifier: Apache-2.0
 *
 * health.c - HEALTHCHECK [--interval=D ...] NONE | CMD command.
 */
#include "translate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NS_PER_S    1000000000.0
#define SECONDS_MAX 1e9

/* Go's durations: 1h30m, 1.5s, 300ms. */
static bool duration(const char *s, int64_t *ret)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = { { "ns", 1e-9 }, { "us", 1e-6 }, { "ms", 1e-3 },
		      { "s", 1 },     { "m", 60 },    { "h", 3600 } };
	double total = 0;

	if (strcmp(s, "0") == 0) {
		*ret = 0;
		return true;
	}
	if (*s == '\0')
		return false;
	while (*s != '\0') {
		size_t n = strspn(s, "0123456789."), u = 0;
		char *end;
		double value;

		if (n == 0 || n > 20)
			return false;
		value = strtod(s, &end);
		if (end != s + n)
			return false;
		n = strspn(end, "nsumh");
		for (u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
			if (strlen(units[u].name) == n && strncmp(units[u].name, end, n) == 0)
				break;
		}
		if (u == sizeof(units) / sizeof(units[0]))
			return false;
		total += value * units[u].seconds;
		s = end + n;
	}
	if (total > SECONDS_MAX)
		return false;
	*ret = (int64_t)(total * NS_PER_S);
	return true;
}

static bool add_option(struct df_build *b, const struct df_instr *in, const struct df_flag *f,
		       struct json_object *o)
{
	static const struct {
		const char *flag, *member;
	} times[] = { { "interval", "interval_ns" },
		      { "timeout", "timeout_ns" },
		      { "start-period", "start_period_ns" },
		      { "start-interval", "start_interval_ns" } };
	const char *value = f->value != NULL ? f->value : "";
	int64_t ns = 0;
	long retries;
	char *end;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (strcmp(f->name, times[i].flag) != 0)
			continue;
		if (!duration(value, &ns))
			return df_fail(b->pool, in->line,
				       "HEALTHCHECK --%s=%.40s: must be a duration like 30s",
				       f->name, value);
		json_object_object_add(o, times[i].member, json_object_new_int64(ns));
		return true;
	}
	if (strcmp(f->name, "retries") != 0)
		return df_fail(b->pool, in->line, "HEALTHCHECK takes no option --%.60s", f->name);
	retries = strtol(value, &end, 10);
	if (*value == '\0' || *end != '\0' || retries < 1 || retries > 1000000)
		return df_fail(b->pool, in->line,
			       "HEALTHCHECK --retries=%.40s: must be a number from 1", value);
	json_object_object_add(o, "retries", json_object_new_int64(retries));
	return true;
}

static bool add_test(struct df_build *b, const struct df_instr *in, const char *text,
		     struct json_object *o)
{
	/* The rest as an instruction of its own says which form it has. */
	struct json_object *test = json_object_new_array();
	const char *line = df_printf(b->pool, "CMD %s", text);
	struct df_file one;

	json_object_object_add(o, "test", test);
	if (!df_parse(b->pool, line, strlen(line), &one))
		return false;
	if (one.n != 1 || one.instrs[0].text[0] == '\0' ||
	    (one.instrs[0].words != NULL && one.instrs[0].n_words == 0))
		return df_fail(b->pool, in->line, "HEALTHCHECK CMD needs a command");
	json_object_object_add(o, "shell", json_object_new_boolean(one.instrs[0].words == NULL));
	if (one.instrs[0].words == NULL)
		json_object_array_add(test, json_object_new_string(one.instrs[0].text));
	for (size_t i = 0; i < one.instrs[0].n_words; i++)
		json_object_array_add(test, json_object_new_string(one.instrs[0].words[i]));
	return true;
}

bool df_do_healthcheck(struct df_build *b, const struct df_instr *in)
{
	struct json_object *o = json_object_new_object();
	size_t n = strcspn(in->text, " \t");

	json_object_put(b->healthcheck);
	b->healthcheck = o;
	if (n == 4 && strncasecmp(in->text, "NONE", 4) == 0 && in->text[4] == '\0') {
		json_object_object_add(o, "none", json_object_new_boolean(true));
		return true;
	}
	if (n != 3 || strncasecmp(in->text, "CMD", 3) != 0)
		return df_fail(b->pool, in->line, "HEALTHCHECK %.60s: must be NONE or CMD command",
			       in->text);
	for (size_t i = 0; i < in->n_flags; i++) {
		if (!add_option(b, in, &in->flags[i], o))
			return false;
	}
	return add_test(b, in, in->text + n + strspn(in->text + n, " \t"), o);
}
