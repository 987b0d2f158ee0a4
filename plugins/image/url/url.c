/* SPDX-License-Identifier: Apache-2.0
 *
 * image "url" - a disk image at any https URL, with the digest that it must have:
 *     https://example.org/disk.qcow2#sha256=<hex>
 * Without a digest it is taken as it comes, and the host says so.
 */
#include <holos/image.h>
#include <holos/util.h>

#include <stdbool.h>
#include <string.h>

#define URL_MAX 2048

static const struct holos_host *host;

/* "sha256=<hex>" -> "sha256:<hex>"; hex in any case. */
static bool read_digest(const char *text, char digest[136])
{
	size_t hex = strncmp(text, "sha256=", 7) == 0   ? 64
		     : strncmp(text, "sha512=", 7) == 0 ? 128
							: 0;

	if (hex == 0 || strlen(text + 7) != hex ||
	    strspn(text + 7, "0123456789abcdefABCDEF") != hex)
		return false;
	memcpy(digest, text, 6);
	digest[6] = ':';
	for (size_t i = 7; i <= 7 + hex; i++) {
		char c = text[i];

		digest[i] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
	}
	return true;
}

static bool is_clean(const char *url)
{
	for (; *url != '\0'; url++) {
		if (*url <= ' ' || *url == 0x7f)
			return false;
	}
	return true;
}

static holos_status resolve(void *self, const char *ref, holos_call *call, holos_image_sink *out,
			    holos_error *err)
{
	const struct holos_image_sink_api *sink = host->query(self, HOLOS_IMAGE_SINK_ID);
	size_t n = strcspn(ref, "#");
	char url[URL_MAX], digest[136];
	struct holos_image image = {
		.size = sizeof(image), .ref = ref, .url = url, .format = "raw"
	};

	(void)call;
	if (strncmp(ref, "https://", 8) != 0) {
		host->fail_hint(err, "images are downloaded over https only");
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "\"%s\" is no https URL", ref);
	}
	if (n >= sizeof(url) || !is_clean(ref) || ref[n - 1] == '/')
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "\"%s\" is no URL of a file", ref);
	memcpy(url, ref, n);
	url[n] = '\0';
	if (ref[n] == '#') {
		if (!read_digest(ref + n + 1, digest))
			return holos_failf(host, err, HOLOS_E_CONFIG, 0,
					   "\"%s\": what follows # must be sha256=<64 hex digits> "
					   "or sha512=<128>",
					   ref);
		image.digest = digest;
	}
	return sink->image(out, &image);
}

static holos_status init(const struct holos_host *h, holos_self *self, void **state,
			 holos_error *err)
{
	(void)err;
	host = h;
	*state = self;
	return HOLOS_OK;
}

static const struct holos_image_ops ops = {
	.head = { .size = sizeof(ops) },
	.resolve = resolve,
};

static const struct holos_iface url_iface = {
	.size = sizeof(url_iface),
	.id = HOLOS_IMAGE_ID,
	.name = "url",
	.ops = &ops.head,
	.summary = "a disk image at an https URL: https://...#sha256=...",
};

static const struct holos_iface *const ifaces[] = { &url_iface, NULL };

static const struct holos_plugin plugin = {
	HOLOS_PLUGIN_HEAD,       .name = "image-url", .version = "1.0",
	.license = "Apache-2.0", .ifaces = ifaces,    .init = init,
};
HOLOS_PLUGIN(holos_image_url, plugin);
