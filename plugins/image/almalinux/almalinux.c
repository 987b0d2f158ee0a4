/* SPDX-License-Identifier: Apache-2.0
 *
 * image "almalinux" - AlmaLinux's generic cloud images.
 */
#include <distro.h>

static const struct distro_arch arches[] = {
	{ "x86_64", "x86_64", NULL },
	{ "aarch64", "aarch64", NULL },
	{ NULL, NULL, NULL },
};

static const struct distro_release releases[] = {
	{ .tags = "10" },
	{ .tags = "9" },
	{ .tags = "8" },
	{ .tags = NULL },
};

static const struct distro distro = {
	.name = "almalinux",
	.user = "almalinux",
	.init = "systemd",
	.shares = "virtiofs",
	.bases = { "https://repo.almalinux.org/almalinux" },
	.path = "/{tag}/cloud/{arch}/images/AlmaLinux-{tag}-GenericCloud-latest.{arch}.qcow2",
	.digest = "CHECKSUM",
	.arches = arches,
	.releases = releases,
};

DISTRO_PLUGIN(holos_image_almalinux, "almalinux",
	      "AlmaLinux cloud images: almalinux:10, almalinux:9");
