/* SPDX-License-Identifier: Apache-2.0
 *
 * image "fedora" - Fedora Cloud Base.
 *
 * download.fedoraproject.org leads to a mirror nearby, which may be without https;
 * then the project's own server has it.  The checksums come from there always.
 */
#include <distro.h>

static const struct distro_arch arches[] = {
	{ "x86_64", "x86_64", NULL },
	{ "aarch64", "aarch64", NULL },
	{ NULL, NULL, NULL },
};

/* {a}: the compose that was released */
static const struct distro_release releases[] = {
	{ .tags = "43", .a = "1.6" },
	{ .tags = "44", .a = "1.7" },
	{ .tags = "42", .a = "1.1" },
	{ .tags = NULL },
};

static const struct distro distro = {
	.name = "fedora",
	.user = "fedora",
	.init = "systemd",
	.bases = { "https://download.fedoraproject.org/pub/fedora/linux",
		   "https://dl.fedoraproject.org/pub/fedora/linux" },
	.digest_base = "https://dl.fedoraproject.org/pub/fedora/linux",
	.path = "/releases/{tag}/Cloud/{arch}/images/"
		"Fedora-Cloud-Base-Generic-{tag}-{a}.{arch}.qcow2",
	.digest = "Fedora-Cloud-{tag}-{a}-{arch}-CHECKSUM",
	.arches = arches,
	.releases = releases,
};

DISTRO_PLUGIN(holos_image_fedora, "fedora", "Fedora Cloud images: fedora:43, fedora:44");
