/* SPDX-License-Identifier: Apache-2.0
 *
 * image "centos-stream" - CentOS Stream's generic cloud images.
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
	{ .tags = NULL },
};

static const struct distro distro = {
	.name = "centos-stream",
	.user = "cloud-user",
	.init = "systemd",
	.shares = "virtiofs",
	.bases = { "https://cloud.centos.org/centos" },
	.path = "/{tag}-stream/{arch}/images/"
		"CentOS-Stream-GenericCloud-{tag}-latest.{arch}.qcow2",
	.digest = "+.SHA256SUM",
	.arches = arches,
	.releases = releases,
};

DISTRO_PLUGIN(holos_image_centos_stream, "centos-stream",
	      "CentOS Stream cloud images: centos-stream:10, centos-stream:9");
