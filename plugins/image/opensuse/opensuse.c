/* SPDX-License-Identifier: Apache-2.0
 *
 * image "opensuse" - openSUSE's minimal VM images for clouds.
 *
 * Their checksum files name the dated file that the short name stands for today.
 */
#include <distro.h>

static const struct distro_arch arches[] = {
	{ "x86_64", "x86_64", NULL },
	{ "aarch64", "aarch64", NULL },
	{ NULL, NULL, NULL },
};

static const struct distro_release releases[] = {
	{ .tags = "16.0 leap",
	  .path = "/distribution/leap/{tag}/appliances/"
		  "Leap-{tag}-Minimal-VM.{arch}-Cloud.qcow2" },
	{ .tags = "15.6",
	  .path = "/distribution/leap/{tag}/appliances/"
		  "openSUSE-Leap-{tag}-Minimal-VM.{arch}-Cloud.qcow2" },
	{ .tags = "tumbleweed", .only = "x86_64" },
	{ .tags = NULL },
};

static const struct distro distro = {
	.name = "opensuse",
	.user = "opensuse",
	.init = "systemd",
	.bases = { "https://download.opensuse.org" },
	.path = "/tumbleweed/appliances/openSUSE-Tumbleweed-Minimal-VM.{arch}-Cloud.qcow2",
	.digest = "+.sha256",
	.arches = arches,
	.releases = releases,
};

DISTRO_PLUGIN(holos_image_opensuse, "opensuse",
	      "openSUSE images: opensuse:16.0, opensuse:tumbleweed");
