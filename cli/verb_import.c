/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_import.c - holos import: VMs of libvirt, or of another tool whose importer is
 * installed, as a compose file.
 */
#include <base/alloc.h>
#include <base/fs.h>
#include <base/names.h>
#include <cli.h>
#include <engine/import.h>
#include <engine/importsource.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct import_options {
	const char *output, *project, *xml, *connect, *from;
	bool all;
	struct strv operands;
};

static void on_lost(void *data, const char *service, const char *text)
{
	(void)data;
	print_warning("%s: %s", service, text);
}

static void on_warning(void *data, const char *text)
{
	(void)data;
	print_warning("%s", text);
}

static bool is_libvirt(const struct import_options *o)
{
	return o->from == NULL || strcmp(o->from, "virsh") == 0;
}

static int check(const struct import_options *o, struct holos_error **err)
{
	if (o->xml != NULL && (o->operands.n != 0 || o->all))
		return error_set(err, ERR_USAGE, "--xml: takes no names and no --all beside it");
	if (o->xml != NULL && o->connect != NULL)
		return error_set(err, ERR_USAGE, "--xml: asks no libvirt, so --connect is no use");
	if (o->all && o->operands.n != 0)
		return error_set(err, ERR_USAGE, "--all: takes no names beside it");
	if (!is_libvirt(o) && (o->xml != NULL || o->all || o->connect != NULL))
		return error_set(err, ERR_USAGE,
				 "--from %s: takes files; --xml, --all and --connect are for virsh",
				 o->from);
	if (o->project != NULL && !names_is_label(o->project))
		return error_set(err, ERR_USAGE, "--project %s: must be " NAMES_LABEL_RULE,
				 o->project);
	if (o->xml != NULL || o->all || o->operands.n != 0)
		return 0;
	error_set(err, ERR_USAGE, "import needs names of domains, --all, --xml FILE, or files");
	error_hint(err, "virsh list --all shows the domains");
	return -ERR_USAGE;
}

/* A name with a slash in it can be no domain's; importers but virsh know files alone.  With a
 * dot in it a file that is there is meant, and libvirt asked for what is none. */
static bool is_file(const struct import_options *o, const char *operand)
{
	struct stat st;

	return !is_libvirt(o) || strchr(operand, '/') != NULL ||
	       (o->connect == NULL && strchr(operand, '.') != NULL && stat(operand, &st) == 0 &&
		S_ISREG(st.st_mode));
}

static int gather(struct import *im, const struct import_options *o, struct holos_error **err)
{
	_cleanup_(strv_finish) struct strv names = STRV_INIT;
	int r = o->xml != NULL ? import_path(im, o->xml, err) : 0;

	for (size_t i = 0; i < o->operands.n && r == 0; i++) {
		if (is_file(o, o->operands.v[i]))
			r = import_path(im, o->operands.v[i], err);
		else
			strv_add(&names, o->operands.v[i]);
	}
	if (r == 0 && (o->all || names.n != 0))
		r = import_virsh(im, o->connect, (const char *const *)names.v, o->all, on_warning,
				 NULL, err);
	return r;
}

/* The directory that relative paths in the file will count from. */
static char *directory_of(const char *output)
{
	_cleanup_(freep) char *cwd = getcwd(NULL, 0);
	char *path = fs_normalize(cwd != NULL ? cwd : "/", output != NULL ? output : "x");
	char *slash = strrchr(path, '/');

	slash[slash == path ? 1 : 0] = '\0';
	return path;
}

static void warn_of_mistakes(const char *yaml, const char *output)
{
	_cleanup_(error_destroyp) struct holos_error *wrong = NULL;
	_cleanup_(freep) char *dir = directory_of(output);

	if (import_check(yaml, dir, &wrong) == 0)
		return;
	for (const struct holos_error *e = wrong; e != NULL; e = e->next)
		print_warning("to be mended in the file: %s%s%s%s", e->message,
			      e->hint != NULL ? " (" : "", e->hint != NULL ? e->hint : "",
			      e->hint != NULL ? ")" : "");
}

/* Whole or not at all; but a link stays one, and a device or FIFO is written to: root
 * must not get a file in the place of /dev/null. */
static int write_output(const char *path, const char *yaml, struct holos_error **err)
{
	_cleanup_(freep) char *real = realpath(path, NULL);
	_cleanup_(closep) int fd = -1;
	struct stat st;
	int r;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return fs_write_atomic(AT_FDCWD, real != NULL ? real : path, yaml, strlen(yaml),
				       0644, err);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	r = fd >= 0 ? fs_write_all(fd, yaml, strlen(yaml)) : -errno;
	return r < 0 ? error_sys(err, ERR_FAILED, -r, "cannot write %s", path) : 0;
}

static int import(const struct import_options *o, struct holos_error **err)
{
	bool to_file = o->output != NULL && o->output[0] != '\0' && strcmp(o->output, "-") != 0;
	/* XML is libvirt's, whoever else may know it. */
	_cleanup_(import_destroyp) struct import *im =
		import_create(o->from != NULL || o->xml == NULL ? o->from : "virsh", on_lost, NULL);
	_cleanup_(freep) char *yaml = NULL;
	int r = gather(im, o, err);

	if (r == 0)
		r = import_write(im, o->project, &yaml, err);
	if (r == 0 && to_file)
		r = write_output(o->output, yaml, err);
	if (r < 0)
		return r;
	warn_of_mistakes(yaml, to_file ? o->output : NULL);
	if (to_file)
		fprintf(stderr, "wrote %s (%zu service(s))\n", o->output, import_services(im));
	else
		fputs(yaml, stdout);
	return 0;
}

int verb_import(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	struct import_options o = { .operands = STRV_INIT };
	const struct option_def defs[] = {
		{ "output", 'o', OPTION_VALUE, &o.output, "FILE",
		  "write there instead of to standard output" },
		{ "project", 'p', OPTION_VALUE, &o.project, "NAME",
		  "name of the project (default: the first VM's)" },
		{ "xml", 0, OPTION_VALUE, &o.xml, "FILE",
		  "libvirt's XML: a file, - or a directory with *.xml" },
		{ "all", 0, OPTION_FLAG, &o.all, NULL, "all domains of libvirt" },
		{ "connect", 'c', OPTION_VALUE, &o.connect, "URI", "which libvirt (virsh -c)" },
		{ "from", 0, OPTION_VALUE, &o.from, "PLUGIN",
		  "another importer than virsh, for the files that are named" },
		OPTIONS_END,
	};
	int r = options_parse(v, defs, false, argc, argv, &o.operands, err);

	if (r == 0)
		r = check(&o, err);
	if (r == 0)
		r = import(&o, err);
	strv_finish(&o.operands);
	return r;
}

const struct verb entry_import = {
	.name = "import",
	.operands = "DOMAIN...|FILE...",
	.summary = "make a compose file of libvirt's VMs",
	.run = verb_import,
	.group = GROUP_FILE,
	.more = "What cannot be taken over is told on standard error, and in comments of "
		"the file.",
	.examples = {
		{ "holos import --all -o holos.yaml", "all VMs of libvirt" },
		{ "holos import --connect qemu:///system db", "one of the system's" },
		{ "holos import --xml db.xml", "from a file of `virsh dumpxml`" },
	},
};
