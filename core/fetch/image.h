/* SPDX-License-Identifier: Apache-2.0
 *
 * image.h - the module's functions `image` and `check`: see fetch_module.h.
 */
#ifndef FETCH_IMAGE_H
#define FETCH_IMAGE_H

#include <fetch/fetch_module.h>

holos_status image_fetch(const struct fetch_image *want, const struct fetch_limits *limits,
			 struct fetch_result *ret, struct holos_error **err);
holos_status image_check(const struct fetch_image *want, const struct fetch_limits *limits,
			 char **ret_digest, char **ret_url, struct holos_error **err);

#endif
