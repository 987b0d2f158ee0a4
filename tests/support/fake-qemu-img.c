/* SPDX-License-Identifier: Apache-2.0
 *
 * fake-qemu-img.c - a fast stand-in for qemu-img in tests.
 *
 * create, info, resize, check and convert (by copy).  The qcow2 files it makes
 * are valid, empty ones (QEMU's docs/interop/qcow2.txt, version 3): header,
 * refcount table, one refcount block and an L1 table, a cluster each.
 *
 * Environment:
 *   FAKE_QEMU_IMG_LOG       gets one JSON array (the arguments) per call
 *   FAKE_QEMU_IMG_FAIL      TEXT: a call with TEXT in an argument fails
 *   FAKE_QEMU_IMG_DELAY_MS  each call but --version takes so long
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLUSTER            65536u
#define L1_COVERS          ((uint64_t)CLUSTER * (CLUSTER / 8))
#define SIZE_MAX_FAKE      (L1_COVERS * (CLUSTER / 8))
#define MAGIC              0x514649fbu
#define EXT_BACKING_FORMAT 0xe2792acau

struct header {
	uint32_t magic, version;
	uint64_t backing_offset;
	uint32_t backing_len, cluster_bits;
	uint64_t size;
	uint32_t crypt, l1_entries;
	uint64_t l1_offset, refcount_offset;
	uint32_t refcount_clusters, n_snapshots;
	uint64_t snapshots_offset, incompatible, compatible, autoclear;
	uint32_t refcount_order, header_len;
	uint8_t compression, pad[7];
};

_Static_assert(sizeof(struct header) == 112, "the header of version 3 with compression type");

struct image {
	char format[8]; /* raw or qcow2 */
	uint64_t size;
	char backing[1024];
	char backing_format[16];
};

struct options {
	const char *format, *out_format, *backing, *backing_format, *o;
	bool shrink, chain;
};

static _Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void fail(const char *fmt, ...)
{
	va_list ap;

	fputs("qemu-img: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t parse_size(const char *text)
{
	char *end;
	double n = strtod(text, &end);
	const char *units = "BKMGT", *unit = *end ? strchr(units, *end) : units;

	if (end == text || n < 0 || !unit || (*end && end[1]))
		fail("Invalid image size specified! You can use k, M, G, T, P or E suffixes for");
	for (long i = unit - units; i > 0; i--)
		n *= 1024;
	return ((uint64_t)n + 511) & ~(uint64_t)511;
}

static void write_at(int fd, const char *path, const void *data, size_t len, off_t at)
{
	if (pwrite(fd, data, len, at) != (ssize_t)len)
		fail("%s: Could not write: %s", path, strerror(errno));
}

static uint32_t l1_entries(uint64_t size)
{
	if (size > SIZE_MAX_FAKE)
		fail("The image size is too large for the fake");
	return (uint32_t)((size + L1_COVERS - 1) / L1_COVERS);
}

static void write_qcow2(int fd, const char *path, const struct image *im)
{
	static uint8_t first[4096];
	size_t at = sizeof(struct header), format_len = strlen(im->backing_format);
	struct header h = {
		.magic = htobe32(MAGIC),
		.version = htobe32(3),
		.cluster_bits = htobe32(16),
		.size = htobe64(im->size),
		.l1_entries = htobe32(l1_entries(im->size)),
		.l1_offset = htobe64(3 * CLUSTER),
		.refcount_offset = htobe64(CLUSTER),
		.refcount_clusters = htobe32(1),
		.refcount_order = htobe32(4),
		.header_len = htobe32(sizeof(struct header)),
	};
	uint64_t block = htobe64(2 * CLUSTER);
	uint16_t used[4];

	if (*im->backing) {
		uint32_t ext[2] = { htobe32(EXT_BACKING_FORMAT), htobe32((uint32_t)format_len) };

		memcpy(first + at, ext, sizeof(ext));
		memcpy(first + at + 8, im->backing_format, format_len);
		at += 8 + ((format_len + 7) & ~(size_t)7) + 8; /* and the end mark */
		h.backing_offset = htobe64(at);
		h.backing_len = htobe32((uint32_t)strlen(im->backing));
		memcpy(first + at, im->backing, strlen(im->backing));
	}
	memcpy(first, &h, sizeof(h));
	for (int i = 0; i < 4; i++)
		used[i] = htobe16(1);
	if (ftruncate(fd, 4 * CLUSTER))
		fail("%s: Could not resize: %s", path, strerror(errno));
	write_at(fd, path, first, sizeof(first), 0);
	write_at(fd, path, &block, sizeof(block), CLUSTER);
	write_at(fd, path, used, sizeof(used), 2 * CLUSTER);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		fail("Could not open '%s': Could not open '%s': %s", path, path, strerror(errno));
	return fd;
}

static void read_extensions(const uint8_t *first, size_t len, struct image *im)
{
	for (size_t at = sizeof(struct header); at + 8 <= len;) {
		uint32_t ext[2];

		memcpy(ext, first + at, sizeof(ext));
		at += 8;
		if (!ext[0] || be32toh(ext[1]) > len - at)
			return;
		if (be32toh(ext[0]) == EXT_BACKING_FORMAT) {
			snprintf(im->backing_format, sizeof(im->backing_format), "%.*s",
				 (int)be32toh(ext[1]), (const char *)first + at);
		}
		at += (be32toh(ext[1]) + 7) & ~(size_t)7;
	}
}

static void read_image(const char *path, const char *format, struct image *im)
{
	static uint8_t first[4096];
	int fd = open_file(path, O_RDONLY);
	ssize_t n = read(fd, first, sizeof(first));
	struct header h = { 0 };
	struct stat st;

	if (n < 0 || fstat(fd, &st))
		fail("Could not open '%s': %s", path, strerror(errno));
	close(fd);
	*im = (struct image){ .format = "raw", .size = (uint64_t)st.st_size };
	if ((size_t)n >= sizeof(h))
		memcpy(&h, first, sizeof(h));
	if (format && !strcmp(format, "qcow2") && be32toh(h.magic) != MAGIC)
		fail("Could not open '%s': Image is not in qcow2 format", path);
	if (be32toh(h.magic) != MAGIC || (format && !strcmp(format, "raw")))
		return;
	strcpy(im->format, "qcow2");
	im->size = be64toh(h.size);
	if (h.backing_offset) {
		uint64_t at = be64toh(h.backing_offset), len = be32toh(h.backing_len);

		if (at > (uint64_t)n || len > (uint64_t)n - at || len >= sizeof(im->backing)) {
			fail("Could not open '%s': backing file name is not in the first 4 KiB",
			     path);
		}
		memcpy(im->backing, first + at, len);
		read_extensions(first, (size_t)n, im);
	}
}

/* A relative backing name counts from the image's directory. */
static void full_name(const char *path, const char *backing, char *ret, size_t size)
{
	const char *slash = strrchr(path, '/');

	if (*backing == '/' || !slash)
		snprintf(ret, size, "%s", backing);
	else
		snprintf(ret, size, "%.*s/%s", (int)(slash - path), path, backing);
}

static int cmd_create(const struct options *o, char **args, int n)
{
	struct image im = { .format = "raw" }, base;
	char full[PATH_MAX];
	int fd;

	if (n < 1 || n > 2)
		fail("create: Expecting image file name and at most a size");
	if (o->format)
		snprintf(im.format, sizeof(im.format), "%s", o->format);
	if (n == 2)
		im.size = parse_size(args[1]);
	if (o->backing) {
		full_name(args[0], o->backing, full, sizeof(full));
		if (access(full, R_OK)) {
			fail("%s: Could not open '%s': %s\nCould not open backing image.", args[0],
			     full, strerror(errno));
		}
		if (!o->backing_format)
			fail("%s: Backing file specified without backing format", args[0]);
		read_image(full, o->backing_format, &base);
		snprintf(im.backing, sizeof(im.backing), "%s", o->backing);
		snprintf(im.backing_format, sizeof(im.backing_format), "%s", o->backing_format);
		im.size = n == 2 ? im.size : base.size;
	} else if (n < 2) {
		fail("%s: Image creation needs a size parameter", args[0]);
	}
	fd = open(args[0], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		fail("%s: Could not create '%s': %s", args[0], args[0], strerror(errno));
	if (!strcmp(im.format, "qcow2"))
		write_qcow2(fd, args[0], &im);
	else if (strcmp(im.format, "raw"))
		fail("%s: Unknown file format '%s'", args[0], im.format);
	else if (ftruncate(fd, (off_t)im.size))
		fail("%s: Could not resize: %s", args[0], strerror(errno));
	return close(fd) ? 1 : 0;
}

static void put_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static struct json_object *describe(const char *path, const struct image *im)
{
	struct json_object *o = json_object_new_object(), *data, *specific;
	char full[PATH_MAX];
	struct stat st = { 0 };

	(void)stat(path, &st);
	json_object_object_add(o, "virtual-size", json_object_new_int64((int64_t)im->size));
	put_string(o, "filename", path);
	put_string(o, "format", im->format);
	json_object_object_add(o, "actual-size", json_object_new_int64(st.st_blocks * 512));
	if (!strcmp(im->format, "qcow2")) {
		json_object_object_add(o, "cluster-size", json_object_new_int(CLUSTER));
		specific = json_object_new_object();
		data = json_object_new_object();
		put_string(specific, "type", "qcow2");
		put_string(data, "compat", "1.1");
		json_object_object_add(data, "corrupt", json_object_new_boolean(false));
		json_object_object_add(specific, "data", data);
		json_object_object_add(o, "format-specific", specific);
	}
	if (*im->backing) {
		full_name(path, im->backing, full, sizeof(full));
		put_string(o, "backing-filename", im->backing);
		put_string(o, "full-backing-filename", full);
		put_string(o, "backing-filename-format", im->backing_format);
	}
	json_object_object_add(o, "dirty-flag", json_object_new_boolean(false));
	return o;
}

static int cmd_info(const struct options *o, char **args, int n)
{
	struct json_object *list = json_object_new_array();
	char path[PATH_MAX], next[PATH_MAX];
	struct image im;

	if (n != 1)
		fail("info: Expecting one image file name");
	snprintf(path, sizeof(path), "%s", args[0]);
	for (int depth = 0; depth < 200; depth++) {
		read_image(path, depth ? NULL : o->format, &im);
		json_object_array_add(list, describe(path, &im));
		if (!*im.backing || !o->chain)
			break;
		full_name(path, im.backing, next, sizeof(next));
		snprintf(path, sizeof(path), "%s", next);
	}
	puts(json_object_to_json_string_ext(o->chain ? list : json_object_array_get_idx(list, 0),
					    JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(list);
	return 0;
}

static int cmd_resize(const struct options *o, char **args, int n)
{
	struct image im;
	uint64_t size, be_size;
	uint32_t be_entries;
	int fd;

	if (n != 2)
		fail("resize: Expecting image file name and size");
	read_image(args[0], o->format, &im);
	size = *args[1] == '+' ? im.size + parse_size(args[1] + 1) : parse_size(args[1]);
	if (size < im.size && !o->shrink)
		fail("Use the --shrink option to perform a shrink operation.");
	fd = open_file(args[0], O_RDWR);
	if (!strcmp(im.format, "raw")) {
		if (ftruncate(fd, (off_t)size))
			fail("%s: Could not resize: %s", args[0], strerror(errno));
	} else {
		be_size = htobe64(size);
		be_entries = htobe32(l1_entries(size));
		write_at(fd, args[0], &be_size, 8, offsetof(struct header, size));
		write_at(fd, args[0], &be_entries, 4, offsetof(struct header, l1_entries));
	}
	puts("Image resized.");
	return close(fd) ? 1 : 0;
}

static int cmd_check(const struct options *o, char **args, int n)
{
	struct json_object *result = json_object_new_object();
	struct image im;

	if (n != 1)
		fail("check: Expecting one image file name");
	read_image(args[0], o->format, &im);
	put_string(result, "filename", args[0]);
	put_string(result, "format", im.format);
	json_object_object_add(result, "check-errors", json_object_new_int(0));
	puts(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PRETTY));
	json_object_put(result);
	return 0;
}

static int cmd_convert(const struct options *o, char **args, int n)
{
	struct image im;
	int from, to;
	ssize_t got;

	if (n != 2)
		fail("convert: the fake knows one source and one target");
	read_image(args[0], o->format, &im);
	if (o->out_format && strcmp(o->out_format, im.format))
		fail("convert: the fake copies and does not change the format");
	from = open_file(args[0], O_RDONLY);
	to = open(args[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (to < 0)
		fail("%s: error while converting: %s", args[1], strerror(errno));
	do {
		got = sendfile(to, from, NULL, 1 << 20);
	} while (got > 0);
	if (got < 0 || close(to))
		fail("%s: error while writing: %s", args[1], strerror(errno));
	close(from);
	return 0;
}

static void log_call(int argc, char **argv)
{
	const char *path = getenv("FAKE_QEMU_IMG_LOG");
	struct json_object *list = json_object_new_array();
	FILE *file = path ? fopen(path, "ae") : NULL;

	for (int i = 0; i < argc; i++)
		json_object_array_add(list, json_object_new_string(argv[i]));
	if (file) {
		fprintf(file, "%s\n",
			json_object_to_json_string_ext(
				list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		fclose(file);
	}
	json_object_put(list);
}

static void obey_orders(int argc, char **argv)
{
	const char *text = getenv("FAKE_QEMU_IMG_FAIL");
	const char *delay = getenv("FAKE_QEMU_IMG_DELAY_MS");

	if (delay)
		poll(NULL, 0, atoi(delay));
	for (int i = 1; text && *text && i < argc; i++)
		if (strstr(argv[i], text))
			fail("%s: failed as the test ordered", argv[i]);
}

/* -o backing_file=X,backing_fmt=Y; other creation options change nothing here. */
static void parse_creation(struct options *o)
{
	static char copy[4096];
	char *part, *rest = copy;

	snprintf(copy, sizeof(copy), "%s", o->o ? o->o : "");
	while ((part = strsep(&rest, ",")))
		if (!strncmp(part, "backing_file=", 13))
			o->backing = part + 13;
		else if (!strncmp(part, "backing_fmt=", 12))
			o->backing_format = part + 12;
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'j' },
		{ "shrink", no_argument, NULL, 's' },
		{ "backing-chain", no_argument, NULL, 'c' },
		{ "force-share", no_argument, NULL, 'U' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "f:F:b:o:O:t:T:S:W:m:quUp", longs, NULL)) != -1) {
		if (c == '?')
			exit(1);
		if (c == 'j' && strcmp(optarg, "json"))
			fail("the fake writes JSON alone");
		o->format = c == 'f' ? optarg : o->format;
		o->out_format = c == 'O' ? optarg : o->out_format;
		o->backing_format = c == 'F' ? optarg : o->backing_format;
		o->backing = c == 'b' ? optarg : o->backing;
		o->o = c == 'o' ? optarg : o->o;
		o->shrink |= c == 's';
		o->chain |= c == 'c';
	}
	parse_creation(o);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *o, char **args, int n);
	} commands[] = {
		{ "create", cmd_create }, { "info", cmd_info },       { "resize", cmd_resize },
		{ "check", cmd_check },   { "convert", cmd_convert },
	};
	struct options o = { 0 };

	if (argc == 2 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
		puts("qemu-img version 7.2.22 (fake)");
		return 0;
	}
	log_call(argc, argv);
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++) {
		if (!strcmp(commands[i].name, argv[1])) {
			obey_orders(argc, argv);
			parse_options(argc - 1, argv + 1, &o);
			return commands[i].run(&o, argv + 1 + optind, argc - 1 - optind);
		}
	}
	fail("Command not found: %s", argc > 1 ? argv[1] : "");
}
