/* SPDX-License-Identifier: Apache-2.0
 *
 * shapes.h - shapes that several tables use (shapes.c), and tables that are
 * parts of another (fields_*.c).
 */
#ifndef COMPOSE_SHAPES_H
#define COMPOSE_SHAPES_H

#include <compose/fields.h>

#define HOST_NAME_REGEX                                                                            \
	"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"                                              \
	"(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
#define HOST_NAME_PATTERN "^" HOST_NAME_REGEX "$"
/* One line; one that is not empty. */
#define LINE_PATTERN     "^[^\\u0000-\\u0008\\u000a-\\u001f\\u007f]*$"
#define NONEMPTY_PATTERN "^[^\\u0000-\\u0008\\u000a-\\u001f\\u007f]+$"
#define LABEL_PATTERN    "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

extern const struct shape shape_text;          /* one line */
extern const struct shape shape_required_text; /* not empty */
extern const struct shape shape_boolean;
extern const struct shape shape_label; /* DNS label */
extern const struct shape shape_user_name;
extern const struct shape shape_plugin_name;
extern const struct shape shape_host_name;
extern const struct shape shape_host_path;
extern const struct shape shape_guest_path;
extern const struct shape shape_text_list;
extern const struct shape shape_required_text_list;
extern const struct shape shape_any_object; /* options for a plugin, as JSON text */
extern const struct shape shape_disk_size;
extern const struct shape shape_duration;
extern const struct shape shape_positive_duration; /* at least a second */
extern const struct shape shape_environment;
extern const struct shape shape_labels;

/* fields_vm.c */
extern const struct shape shape_vm, shape_healthcheck;
/* fields_guest.c */
extern const struct shape shape_command_text, shape_command_argv; /* guest text */
extern const struct shape shape_cloud_init;
/* fields_mounts.c */
extern const struct shape shape_ports, shape_mounts, shape_devices, shape_host_ip;
/* fields_service.c: shape_service */

#endif
