/* SPDX-License-Identifier: Apache-2.0
 *
 * image "rocky" - Rocky Linux's generic cloud images.
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
	.name = "rocky",
	.user = "rocky",
	.init = "systemd",
	.shares = "virtiofs",
	.bases = { "https://dl.rockylinux.org/pub/rocky",
		   "https://download.rockylinux.org/pub/rocky" },
	.path = "/{tag}/images/{arch}/Rocky-{tag}-GenericCloud-Base.latest.{arch}.qcow2",
	.digest = "+.CHECKSUM",
	.arches = arches,
	.releases = releases,
};

DISTRO_PLUGIN(holos_image_rocky, "rocky", "Rocky Linux cloud images: rocky:10, rocky:9");
