/* SPDX-License-Identifier: Apache-2.0
 *
 * netjournal.c - see netjournal.h.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <state/netjournal.h>
#include <state/records.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FORMAT   1
#define FILE_MAX (1u << 20)

int net_journal_read(int dirfd, struct json_object **ret, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = NULL;
	struct json_object *entries;

	*ret = NULL;
	if (fs_absent(dirfd, NET_JOURNAL_FILE))
		return 0;
	if (jsonx_read_file(dirfd, NET_JOURNAL_FILE, FILE_MAX, &obj, err) < 0)
		return -ERR_FAILED;
	entries = jsonx_arr(obj, "applied");
	if (jsonx_int(obj, "format", 0) != FORMAT || jsonx_len(entries) > RECORD_NICS_MAX)
		return error_set(err, ERR_HOST, "%s is of a newer holos", NET_JOURNAL_FILE);
	*ret = json_object_get(entries);
	return 0;
}

int net_journal_write(int dirfd, struct json_object *entries, struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *obj = json_object_new_object();
	_cleanup_(freep) char *text = NULL;

	if (jsonx_len(entries) == 0) {
		if (unlinkat(dirfd, NET_JOURNAL_FILE, 0) < 0 && errno != ENOENT)
			return error_sys(err, ERR_FAILED, errno, "cannot remove %s",
					 NET_JOURNAL_FILE);
		return 0;
	}
	jsonx_set_int(obj, "format", FORMAT);
	jsonx_set(obj, "applied", json_object_get(entries));
	text = jsonx_pretty(obj);
	return fs_write_atomic(dirfd, NET_JOURNAL_FILE, text, strlen(text), 0600, err);
}

int net_journal_keep(int dirfd, struct json_object *entries, const bool *undone,
		     struct holos_error **err)
{
	_cleanup_(json_putp) struct json_object *left = json_object_new_array();

	for (size_t i = 0; i < jsonx_len(entries); i++) {
		if (!undone[i])
			json_object_array_add(
				left, json_object_get(json_object_array_get_idx(entries, i)));
	}
	return net_journal_write(dirfd, left, err);
}
