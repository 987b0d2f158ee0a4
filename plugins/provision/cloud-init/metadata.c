/* SPDX-License-Identifier: Apache-2.0
 *
 * metadata.c - meta-data and network-config (version 2).
 */
#include "parts.h"
#include "yamlout.h"

#include <string.h>

void ci_metadata(struct ci_steps *s, struct ci_buf *out)
{
	struct ci_yaml y = CI_YAML_INIT(out);
	const char *id = ci_steps_need(s, "/instance_id");

	if (!ci_is_chars(id, 1, 255, "._-"))
		ci_steps_bad(s, id, "must be 1 to 255 of A-Z a-z 0-9 . _ -", "/instance_id");
	ci_yaml_str(&y, "instance-id", id);
	ci_yaml_str(&y, "local-hostname", ci_steps_need(s, "/hostname"));
}

static void check_name(struct ci_steps *s, unsigned i)
{
	const char *name = ci_steps_need(s, "/nics/%u/name", i);

	if (!ci_is_user(name) || strchr(name, '_') != NULL)
		ci_steps_bad(s, name, "must match [a-z][a-z0-9-]{0,31}", "/nics/%u/name", i);
	for (unsigned k = 0; k < i; k++) {
		if (strcmp(name, ci_steps_need(s, "/nics/%u/name", k)) == 0)
			ci_steps_bad(s, name, "is there twice", "/nics/%u/name", i);
	}
}

static void put_nic(struct ci_steps *s, struct ci_yaml *y, unsigned i)
{
	const char *mac = ci_steps_need(s, "/nics/%u/mac", i);
	unsigned n = ci_steps_count(s, 64, "/nics/%u/addresses", i);
	int64_t mtu = ci_steps_int(s, 0, "/nics/%u/mtu", i);

	check_name(s, i);
	if (!ci_is_mac(mac))
		ci_steps_bad(s, mac, "is no MAC address", "/nics/%u/mac", i);
	if (mtu != 0 && (mtu < 68 || mtu > 65535))
		ci_steps_bad(s, NULL, "must be within 68 and 65535", "/nics/%u/mtu", i);
	ci_yaml_begin(y, ci_steps_need(s, "/nics/%u/name", i));
	ci_yaml_begin(y, "match");
	ci_yaml_str(y, "macaddress", mac);
	ci_yaml_end(y);
	ci_yaml_bool(y, "dhcp4", ci_steps_bool(s, false, "/nics/%u/dhcp4", i));
	if (n > 0)
		ci_yaml_begin(y, "addresses");
	for (unsigned k = 0; k < n; k++) {
		const char *address = ci_steps_need(s, "/nics/%u/addresses/%u", i, k);

		if (!ci_is_network(address))
			ci_steps_bad(s, address, "must be ADDRESS/PREFIX", "/nics/%u/addresses/%u",
				     i, k);
		ci_yaml_item(y, address);
	}
	if (n > 0)
		ci_yaml_end(y);
	if (mtu != 0)
		ci_yaml_int(y, "mtu", mtu);
	ci_yaml_end(y);
}

void ci_network(struct ci_steps *s, struct ci_buf *out)
{
	struct ci_yaml y = CI_YAML_INIT(out);
	unsigned n = ci_steps_count(s, 64, "/nics");

	if (!ci_steps_has_list(s, "/nics"))
		return;
	ci_yaml_begin(&y, "network");
	ci_yaml_int(&y, "version", 2);
	if (n == 0) {
		ci_yaml_empty_map(&y, "ethernets");
		return;
	}
	ci_yaml_begin(&y, "ethernets");
	for (unsigned i = 0; i < n; i++)
		put_nic(s, &y, i);
}
