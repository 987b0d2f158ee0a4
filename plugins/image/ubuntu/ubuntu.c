/* SPDX-License-Identifier: Apache-2.0
 *
 * image "ubuntu" - Ubuntu's server cloud images.
 */
#include <distro.h>

static const struct distro_arch arches[] = {
	{ "x86_64", "amd64", NULL },
	{ "aarch64", "arm64", NULL },
	{ NULL, NULL, NULL },
};

/* {a}: code name */
static const struct distro_release releases[] = {
	{ .tags = "noble 24.04", .a = "noble" },
	{ .tags = "resolute 26.04", .a = "resolute" },
	{ .tags = "jammy 22.04", .a = "jammy" },
	{ .tags = NULL },
};

static const struct distro distro = {
	.name = "ubuntu",
	.user = "ubuntu",
	.init = "systemd",
	.shares = "9p virtiofs",
	.bases = { "https://cloud-images.ubuntu.com" },
	.path = "/{a}/current/{a}-server-cloudimg-{arch}.img",
	.digest = "SHA256SUMS",
	.arches = arches,
	.releases = releases,
};

DISTRO_PLUGIN(holos_image_ubuntu, "ubuntu", "Ubuntu cloud images: ubuntu:noble, ubuntu:26.04");
