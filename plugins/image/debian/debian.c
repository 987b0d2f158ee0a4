/* SPDX-License-Identifier: Apache-2.0
 *
 * image "debian" - Debian's cloud images, of the generic flavour: the one called
 * nocloud has no SSH server.
 */
#include <distro.h>

static const struct distro_arch arches[] = {
	{ "x86_64", "amd64", NULL },
	{ "aarch64", "arm64", NULL },
	{ NULL, NULL, NULL },
};

/* {a}: code name, {b}: number */
static const struct distro_release releases[] = {
	{ .tags = "12 bookworm", .a = "bookworm", .b = "12" },
	{ .tags = "13 trixie", .a = "trixie", .b = "13" },
	{ .tags = "11 bullseye", .a = "bullseye", .b = "11" },
	{ .tags = NULL },
};

static const struct distro distro = {
	.name = "debian",
	.user = "debian",
	.init = "systemd",
	.shares = "9p virtiofs",
	.bases = { "https://cloud.debian.org/images/cloud" },
	.path = "/{a}/latest/debian-{b}-generic-{arch}.qcow2",
	.digest = "SHA512SUMS",
	.arches = arches,
	.releases = releases,
};

DISTRO_PLUGIN(holos_image_debian, "debian", "Debian cloud images: debian:12, debian:13");
