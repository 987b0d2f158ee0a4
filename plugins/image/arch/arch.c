/* SPDX-License-Identifier: Apache-2.0
 *
 * image "arch" - Arch Linux's cloud image.  Image and checksum come from one mirror:
 * from two they differ for hours after each release.
 */
#include <distro.h>

static const struct distro_arch arches[] = {
	{ "x86_64", "x86_64", NULL },
	{ NULL, NULL, NULL },
};

static const struct distro_release releases[] = {
	{ .tags = "latest" },
	{ .tags = NULL },
};

static const struct distro distro = {
	.name = "arch",
	.user = "arch",
	.init = "systemd",
	.shares = "9p virtiofs",
	.bases = { "https://fastly.mirror.pkgbuild.com", "https://geo.mirror.pkgbuild.com" },
	.path = "/images/latest/Arch-Linux-{arch}-cloudimg.qcow2",
	.digest = "+.SHA256",
	.arches = arches,
	.releases = releases,
};

DISTRO_PLUGIN(holos_image_arch, "arch", "Arch Linux cloud image: arch:latest");
