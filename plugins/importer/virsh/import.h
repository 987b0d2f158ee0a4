/* SPDX-License-Identifier: Apache-2.0
 *
 * import.h - from the XML of a libvirt domain to a service: what the files of this
 * plugin share.
 *
 * The document is walked by tables of rules (walk.c): each element is carried over
 * by a function, told as lost with the reason, or listed as irrelevant.  One that no
 * table has is told as lost, so that nothing is ever dropped silently.
 */
#ifndef VIRSH_IMPORT_H
#define VIRSH_IMPORT_H

#include <holos/importer.h>

#include <json-c/json.h>
#include <libxml/tree.h>
#include <stdint.h>

#define IMPORT_BYTES_MAX (2u << 20) /* of one document */
#define IMPORT_TEXT_MAX  160        /* of a value inside a message */
#define IMPORT_DISKS_MAX 128

/* A disk of the domain, as its element was read. */
struct disk {
	uint32_t line;
	int is_block;
	int read_only, shared;
	unsigned long boot_order; /* 0: none */
	char *path;               /* NULL: none that can be carried over */
	char *format, *target, *bus;
};

struct import {
	holos_importer_sink *out;
	const struct holos_importer_sink_api *sink;
	unsigned n_lost;    /* told */
	unsigned long more; /* not told any more: there are too many */

	char name[64];               /* of the service */
	struct json_object *service; /* the parts below are put into it at the end */
	struct json_object *vm, *extra_args, *devices, *ports, *mounts, *volumes;
	char *title, *description;
	const char *restart; /* NULL: not said */

	uint64_t memory, current_memory; /* bytes; 0: not said */
	unsigned long vcpu, vcpu_now;
	int uefi, has_usb;
	char *cpu_model;
	struct json_object *cpu_flags;

	struct disk disks[IMPORT_DISKS_MAX], *disk; /* disk: the one that is read now */
	unsigned n_disks, n_shares;
};

struct rule {
	const char *name; /* NULL ends the table */
	const char *why;  /* not NULL: it is lost, for this reason */
	void (*take)(struct import *im, xmlNode *n);
	const struct rule *inside; /* of its children; NULL: they are take's, or irrelevant */
	void (*done)(struct import *im, xmlNode *n); /* after them */
};

/* walk.c */
void walk(struct import *im, xmlNode *parent, const struct rule *rules);
/* An attribute as it stands, or NULL; free with xmlFree (see attr_is). */
char *attr(xmlNode *n, const char *name);
int attr_is(xmlNode *n, const char *name, const char *value);
/* The attribute of the first child of that name, or NULL; xmlFree. */
char *child_attr(xmlNode *n, const char *name, const char *attribute);
xmlNode *child(xmlNode *n, const char *name);
/* The text in it without blanks around, or NULL when there is none; xmlFree. */
char *text_of(xmlNode *n);
/* Decimal, or hexadecimal with 0x, at most max.  0 or -1. */
int to_number(const char *text, unsigned long max, unsigned long *ret);
/* "abc" or "abc..." for messages: short, and without quotes that would end it. */
const char *shown(const char *text, char buf[IMPORT_TEXT_MAX + 4]);
void lost(struct import *im, xmlNode *n, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void lost_at(struct import *im, uint32_t line, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void set_str(struct json_object *o, const char *key, const char *value);
void add_str(struct json_object *list, const char *value);
void add_arg(struct import *im, const char *option, const char *value);
/* Letters, digits and dashes of text, lower case, at most max bytes. */
void to_label(const char *text, size_t max, char *ret);

/* document.c: parse the text; NULL with an error.  Refused: a document type (and
 * with it all entities), another root than <domain>. */
xmlDoc *document_parse(const struct holos_host *host, const char *text, size_t len,
		       const char *name, holos_error *err);

/* domain.c, system.c, disks.c, devices.c, hostdevs.c */
extern const struct rule domain_rules[], os_rules[], features_rules[], cpu_rules[], clock_rules[];
extern const struct rule disk_rules[], device_rules[], interface_rules[], hostdev_rules[];
void take_disk(struct import *im, xmlNode *n);
void take_interface(struct import *im, xmlNode *n);
void take_hostdev(struct import *im, xmlNode *n);
/* domain:bus:slot.function of an <address>; 0 or -1. */
int pci_address(xmlNode *address, char ret[16]);
void take_os(struct import *im, xmlNode *n);
void take_clock(struct import *im, xmlNode *n);
void take_cpu(struct import *im, xmlNode *n);
void done_cpu(struct import *im, xmlNode *n);
/* The first disk becomes the root disk, the others volumes. */
void place_disks(struct import *im);
/* What was gathered along the way. */
void finish_system(struct import *im);

#endif
