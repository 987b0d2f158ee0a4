/* SPDX-License-Identifier: Apache-2.0
 *
 * image "dir" - serves the qcow2 files of a directory: "dir:NAME" is NAME.qcow2 in
 * $HOLOS_IMAGE_DIR, or in /srv/holos/images.  They are used in place.
 */
#include <holos/image.h>
#include <holos/util.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_DIR "/srv/holos/images"
#define LIST_MAX    1000

static const struct holos_host *host;

static const char *directory(void)
{
	const char *dir = getenv("HOLOS_IMAGE_DIR");

	return dir != NULL && dir[0] == '/' ? dir : DEFAULT_DIR;
}

/* "NAME.qcow2" -> the length of NAME, 0: no image of ours. */
static size_t stem(const char *file)
{
	size_t n = strlen(file);

	return n > 6 && n < 200 && file[0] != '.' && strcmp(file + n - 6, ".qcow2") == 0 ? n - 6
											 : 0;
}

/* First bytes of every qcow2 file. */
static int is_qcow2(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char magic[4];
	int yes = fd >= 0 && read(fd, magic, 4) == 4 && memcmp(magic, "QFI\xfb", 4) == 0;

	if (fd >= 0)
		close(fd);
	return yes;
}

static holos_status tell(holos_self *self, holos_image_sink *out, const char *name, size_t len)
{
	const struct holos_image_sink_api *sink = host->query(self, HOLOS_IMAGE_SINK_ID);
	char ref[256], path[4096];
	struct holos_image image = {
		.size = sizeof(image), .ref = ref, .path = path, .format = "qcow2"
	};

	snprintf(ref, sizeof(ref), "dir:%.*s", (int)len, name);
	snprintf(path, sizeof(path), "%s/%.*s.qcow2", directory(), (int)len, name);
	return sink->image(out, &image);
}

static holos_status list(void *inst, holos_call *call, holos_image_sink *out, holos_error *err)
{
	DIR *d = opendir(directory());
	holos_status status = HOLOS_OK;
	struct dirent *e;
	int n = 0;

	(void)call;
	if (d == NULL && errno == ENOENT)
		return HOLOS_OK; /* nothing is served */
	if (d == NULL)
		return holos_failf(host, err, HOLOS_E_IO, errno, "cannot read %s", directory());
	while (status == HOLOS_OK && n < LIST_MAX && (e = readdir(d)) != NULL) {
		if (stem(e->d_name) == 0)
			continue;
		status = tell(inst, out, e->d_name, stem(e->d_name));
		n++;
	}
	closedir(d);
	return status;
}

static holos_status resolve(void *inst, const char *ref, holos_call *call, holos_image_sink *out,
			    holos_error *err)
{
	const char *name = strchr(ref, ':');
	char path[4096];

	(void)call;
	if (name == NULL || strncmp(ref, "dir:", 4) != 0 || strchr(name, '/') != NULL ||
	    strlen(++name) > 200 || name[0] == '.' || name[0] == '\0')
		return holos_failf(host, err, HOLOS_E_NOTFOUND, 0,
				   "\"%.100s\" is no image: say dir:NAME", ref);
	snprintf(path, sizeof(path), "%s/%s.qcow2", directory(), name);
	if (access(path, R_OK) < 0)
		return holos_failf(host, err, HOLOS_E_NOTFOUND, errno, "%s", path);
	if (!is_qcow2(path))
		return holos_failf(host, err, HOLOS_E_INTEGRITY, 0, "%s is no qcow2 file", path);
	return tell(inst, out, name, strlen(name));
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)err;
	host = h;
	*state = self; /* without open(), it is the instance */
	return HOLOS_OK;
}

static const struct holos_image_ops ops = {
	.head = { .size = sizeof(ops) },
	.list = list,
	.resolve = resolve,
};

static const struct holos_iface dir = {
	.size = sizeof(dir),
	.id = HOLOS_IMAGE_ID,
	.name = "dir",
	.ops = &ops.head,
	.summary = "the qcow2 files of a directory: dir:NAME",
};

static const struct holos_iface *const ifaces[] = { &dir, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "image-dir", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,    .init = init,
};
HOLOS_PLUGIN(holos_image_dir, plugin);
