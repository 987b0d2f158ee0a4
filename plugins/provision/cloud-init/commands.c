/* SPDX-License-Identifier: Apache-2.0
 *
 * commands.c - runcmd and bootcmd: as words for sh, and as a person is told of
 * them.
 */
#include "parts.h"

#include <string.h>

#define COMMAND_MAX (1u << 20)
#define SHOWN_MAX   100 /* bytes */

/* The first line of text; false when something is left out, and the end is marked. */
static bool add_shown(struct ci_buf *shown, const char *text)
{
	size_t n;
	bool cut;

	text += strspn(text, " \t\n");
	n = strcspn(text, "\n");
	cut = text[n + strspn(text + n, " \t\n")] != '\0';
	if (n > SHOWN_MAX - shown->len) {
		n = SHOWN_MAX - shown->len;
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
		cut = true;
	}
	for (size_t i = 0; i < n; i++)
		ci_buf_addc(shown,
			    (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i]);
	if (cut)
		ci_buf_fill(shown, '.', 3);
	return !cut;
}

void ci_command(struct ci_steps *s, const char *list, unsigned i, struct ci_buf *text,
		struct ci_buf *shown)
{
	const char *line = ci_steps_str(s, NULL, "/%s/%u", list, i);
	bool whole = true;
	unsigned n;

	if (line != NULL) {
		ci_buf_adds(text, line);
		(void)add_shown(shown, line);
		return;
	}
	n = ci_steps_count(s, CI_LIST_MAX, "/%s/%u", list, i);
	if (n == 0)
		ci_steps_bad(s, NULL, "must be a string or a list of strings", "/%s/%u", list, i);
	for (unsigned k = 0; k < n; k++) {
		const char *word = ci_steps_str(s, NULL, "/%s/%u/%u", list, i, k);

		if (word == NULL) {
			ci_steps_bad(s, NULL, "must be a string", "/%s/%u/%u", list, i, k);
			return;
		}
		if (k > 0)
			ci_buf_addc(text, ' ');
		ci_buf_add_quoted(text, word);
		if (whole && k > 0 && shown->len < SHOWN_MAX)
			ci_buf_addc(shown, ' ');
		whole = whole && add_shown(shown, word);
	}
}

/* entry required|free SHOWN TEXT */
static void put_entry(struct ci_buf *out, bool required, const char *shown, const char *text)
{
	ci_buf_adds(out, required ? "entry required " : "entry free ");
	ci_buf_add_quoted(out, shown);
	ci_buf_addc(out, ' ');
	ci_buf_add_quoted(out, text);
	ci_buf_addc(out, '\n');
}

void ci_runcmd(struct ci_steps *s, struct ci_buf *out)
{
	unsigned n = ci_steps_count(s, CI_LIST_MAX, "/runcmd");
	int64_t required = ci_steps_int(s, 0, "/required");

	for (unsigned i = 0; i < n && s->status == HOLOS_OK; i++) {
		struct ci_buf text = CI_BUF_INIT(COMMAND_MAX);
		struct ci_buf shown = CI_BUF_INIT(4 * SHOWN_MAX);

		ci_command(s, "runcmd", i, &text, &shown);
		put_entry(out, i < required, shown.s != NULL ? shown.s : "",
			  text.s != NULL ? text.s : "");
		if (text.status != HOLOS_OK)
			out->status = text.status;
		ci_buf_finish(&text);
		ci_buf_finish(&shown);
	}
	if (ci_steps_init(s) == CI_SYSTEMD && ci_steps_bool(s, false, "/serial_console"))
		put_entry(out, false, "serial console", (const char *)ci_serial_sh);
}
