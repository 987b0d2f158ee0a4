/* SPDX-License-Identifier: Apache-2.0
 *
 * image "alpine" - Alpine's cloud images for NoCloud, with tiny-cloud.
 */
#include <distro.h>

/* PCs boot by BIOS, the others by UEFI. */
static const struct distro_arch arches[] = {
	{ "x86_64", "x86_64", "bios" },
	{ "aarch64", "aarch64", "uefi" },
	{ NULL, NULL, NULL },
};

/* {a}: the newest version of the release that was known when this was written;
 * holos images --refresh finds its successors. */
static const struct distro_release releases[] = {
	{ .tags = "3.21", .a = "3.21.6" },
	{ .tags = "3.24", .a = "3.24.1" },
	{ .tags = "3.23", .a = "3.23.4" },
	{ .tags = "3.22", .a = "3.22.4" },
	{ .tags = NULL },
};

static const struct distro distro = {
	.name = "alpine",
	.user = "alpine",
	.init = "openrc",
	.shares = "9p virtiofs",
	.bases = { "https://dl-cdn.alpinelinux.org/alpine" },
	.path = "/v{tag}/releases/cloud/nocloud_alpine-{a}-{arch}-{boot}-tiny-r0.qcow2",
	.digest = "+.sha512",
	.arches = arches,
	.releases = releases,
};

DISTRO_PLUGIN(holos_image_alpine, "alpine", "Alpine cloud images: alpine:3.21, alpine:3.24");
