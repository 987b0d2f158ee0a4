/* SPDX-License-Identifier: Apache-2.0
 *
 * image "file" - a disk image that is on this machine already, used in place.
 *
 * The format is read from the file, never guessed from its name: a raw disk that
 * is taken for qcow2, or the reverse, would let a guest name files of the host.
 */
#include <holos/image.h>
#include <holos/util.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A qcow2 header up to the field `crypt_method` (QEMU docs/interop/qcow2.txt). */
#define QCOW2_MAGIC                      "QFI\xfb"
#define QCOW2_VERSION                    4
#define QCOW2_BACKING_FILE_OFFSET        8
#define QCOW2_CRYPT_METHOD               32
#define QCOW2_HEAD                       36
#define QCOW2_INCOMPATIBLE               72
#define QCOW2_V3_HEAD                    80
#define QCOW2_INCOMPATIBLE_EXTERNAL_DATA 0x4u

static const struct holos_host *host;

static uint64_t be(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

static holos_status check_qcow2(const unsigned char *head, size_t len, const char *path,
				holos_error *err)
{
	uint64_t version = len >= QCOW2_HEAD ? be(head + QCOW2_VERSION, 4) : 0;

	if (version != 2 && (version != 3 || len < QCOW2_V3_HEAD)) {
		return holos_failf(host, err, HOLOS_E_INTEGRITY, 0,
				   "%s: damaged qcow2 header, or a version newer than 3", path);
	}
	if (be(head + QCOW2_BACKING_FILE_OFFSET, 8) != 0) {
		host->fail_hint(err, "flatten it: qemu-img convert -O qcow2 OLD NEW");
		return holos_failf(host, err, HOLOS_E_CONFIG, 0,
				   "%s: is an overlay on another file, and cannot be a base image",
				   path);
	}
	if (version == 3 &&
	    (be(head + QCOW2_INCOMPATIBLE, 8) & QCOW2_INCOMPATIBLE_EXTERNAL_DATA) != 0) {
		host->fail_hint(err, "flatten it: qemu-img convert -O qcow2 OLD NEW");
		return holos_failf(host, err, HOLOS_E_CONFIG, 0,
				   "%s: keeps its data in another file, and cannot be a base image",
				   path);
	}
	if (be(head + QCOW2_CRYPT_METHOD, 4) != 0) {
		return holos_failf(host, err, HOLOS_E_CONFIG, 0,
				   "%s: is encrypted, which is not supported", path);
	}
	return HOLOS_OK;
}

/* Find the format of an open file; *format is a constant. */
static holos_status detect(int fd, const char *path, const char **format, holos_error *err)
{
	unsigned char head[QCOW2_V3_HEAD];
	holos_status status;
	ssize_t n;

	n = pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return holos_failf(host, err, HOLOS_E_IO, errno, "cannot read %s", path);
	if (n < 4 || memcmp(head, QCOW2_MAGIC, 4) != 0) {
		*format = "raw";
		return HOLOS_OK;
	}
	status = check_qcow2(head, (size_t)n, path, err);
	if (status == HOLOS_OK)
		*format = "qcow2";
	return status;
}

static holos_status inspect(int fd, const char *path, const char **format, holos_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return holos_failf(host, err, HOLOS_E_IO, errno, "cannot read %s", path);
	if (S_ISDIR(st.st_mode))
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%s: is a directory", path);
	if (!S_ISREG(st.st_mode))
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%s: is not a regular file", path);
	if (st.st_size == 0)
		return holos_failf(host, err, HOLOS_E_INTEGRITY, 0, "%s: is empty", path);
	return detect(fd, path, format, err);
}

static holos_status resolve(void *self, const char *ref, holos_call *call, holos_image_sink *out,
			    holos_error *err)
{
	const struct holos_image_sink_api *sink = host->query(self, HOLOS_IMAGE_SINK_ID);
	struct holos_image image = { .size = sizeof(image), .ref = ref, .path = ref };
	holos_status status;
	int fd;

	(void)call;
	if (sink == NULL)
		return host->fail(err, HOLOS_E_UNAVAIL, 0, "this holos takes no images");
	if (ref[0] != '/')
		return holos_failf(host, err, HOLOS_E_NOTFOUND, 0, "\"%s\" is no absolute path",
				   ref);
	/* O_NONBLOCK: a FIFO of that name must not hold us up. */
	fd = open(ref, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		status = errno == ENOENT || errno == ENOTDIR ? HOLOS_E_NOTFOUND
			 : errno == EACCES || errno == EPERM ? HOLOS_E_DENIED
							     : HOLOS_E_IO;
		return holos_failf(host, err, status, errno, "cannot open %s", ref);
	}
	status = inspect(fd, ref, &image.format, err);
	close(fd);
	return status == HOLOS_OK ? sink->image(out, &image) : status;
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)err;
	host = h;
	*state = self;
	return HOLOS_OK;
}

static const struct holos_image_ops ops = {
	.head = { .size = sizeof(ops) },
	.resolve = resolve,
};

static const struct holos_iface file = {
	.size = sizeof(file),
	.id = HOLOS_IMAGE_ID,
	.name = "file",
	.ops = &ops.head,
	.summary = "a disk image on this machine: /path/to/disk.qcow2",
};

static const struct holos_iface *const ifaces[] = { &file, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "image-file", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,     .init = init,
};
HOLOS_PLUGIN(holos_image_file, plugin);
