/* SPDX-License-Identifier: Apache-2.0
 *
 * replay.c - main() for a fuzz target without libFuzzer: every regular file
 * named, or in a directory named, is one input.
 */
#include "fuzz.h"

#include <base/alloc.h>
#include <base/fs.h>
#include <base/strv.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void collect(const char *path, struct strv *files)
{
	_cleanup_(closedirp) DIR *dir = opendir(path);

	if (dir == NULL) {
		strv_add(files, path);
		return;
	}
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char *file = fs_join(path, e->d_name);
		struct stat st;

		if (e->d_name[0] != '.' && stat(file, &st) == 0 && S_ISREG(st.st_mode))
			strv_take(files, file);
		else
			free(file);
	}
}

int main(int argc, char **argv)
{
	_cleanup_(strv_finish) struct strv files = STRV_INIT;

	for (int i = 1; i < argc; i++)
		collect(argv[i], &files);
	strv_sort(&files);
	for (size_t i = 0; i < files.n; i++) {
		_cleanup_(strbuf_finish) struct strbuf text = STRBUF_INIT;

		if (fs_read(AT_FDCWD, files.v[i], 4u << 20, &text, NULL) < 0) {
			fprintf(stderr, "cannot read %s\n", files.v[i]);
			return 1;
		}
		/* The name is the last thing seen when an input crashes. */
		printf("%s\n", files.v[i]);
		fflush(stdout);
		LLVMFuzzerTestOneInput((const uint8_t *)(text.s != NULL ? text.s : ""), text.len);
	}
	printf("%zu inputs\n", files.n);
	return files.n > 0 ? 0 : 1;
}
