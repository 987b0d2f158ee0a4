/* SPDX-License-Identifier: Apache-2.0
 *
 * test_seed.c - the plugin as a whole: the image read back by libarchive, and
 * every mistake in the steps reported at its place.
 */
#include "mockhost.h"

#include <archive.h>
#include <archive_entry.h>
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "-----BEGIN OPENSSH PRIVATE KEY-----\nQUJD\n-----END OPENSSH PRIVATE KEY-----\n"

#define BASE "\"format\":1,\"instance_id\":\"i-1\",\"hostname\":\"web-0\",\"user\":{\"name\":\"u\"}"

static struct json_object *parse(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	ck_assert_msg(o != NULL, "bad JSON: %s", text);
	return o;
}

/* The bytes of one file of the image, NUL-terminated; NULL when it is not
 * there. */
static char *file_of(const struct mock_result *r, const char *path, unsigned *ret_mode)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	char *text = NULL;

	ck_assert_int_eq(archive_read_support_format_iso9660(a), ARCHIVE_OK);
	ck_assert_int_eq(archive_read_open_memory(a, r->iso, r->iso_len), ARCHIVE_OK);
	while (text == NULL && archive_read_next_header(a, &e) == ARCHIVE_OK) {
		size_t len = (size_t)archive_entry_size(e);

		if (strcmp(archive_entry_pathname(e), path) != 0)
			continue;
		text = calloc(1, len + 1);
		ck_assert_int_eq(archive_read_data(a, text, len), (la_ssize_t)len);
		if (ret_mode != NULL)
			*ret_mode = (unsigned)archive_entry_mode(e);
	}
	archive_read_free(a);
	return text;
}

static void expect_file(const struct mock_result *r, const char *path, const char *want)
{
	char *text = file_of(r, path, NULL);

	ck_assert_msg(text != NULL, "no %s", path);
	ck_assert_str_eq(text, want);
	free(text);
}

static void expect_part(const struct mock_result *r, const char *path, const char *part, bool there)
{
	char *text = file_of(r, path, NULL);

	ck_assert_msg(text != NULL, "no %s", path);
	ck_assert_msg((strstr(text, part) != NULL) == there, "%s \"%s\" in:\n%s",
		      there ? "no" : "found", part, text);
	free(text);
}

static void seed_of(const char *json, const char *key, struct mock_result *ret)
{
	struct json_object *steps = parse(json);

	mock_seed(steps, key, ret);
	json_object_put(steps);
}

static void good(const char *json, const char *key, struct mock_result *ret)
{
	seed_of(json, key, ret);
	ck_assert_msg(ret->status == HOLOS_OK, "%s: %s", ret->error.pointer, ret->error.message);
}

START_TEST(minimal)
{
	struct mock_result r;
	unsigned mode = 0;
	char *text;

	good("{" BASE "}", NULL, &r);
	expect_file(&r, "meta-data", "instance-id: i-1\nlocal-hostname: web-0\n");
	expect_file(
		&r, "holos/hosts",
		"127.0.0.1 localhost\n127.0.1.1 web-0\n::1 localhost ip6-localhost ip6-loopback\n"
		"ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n");
	expect_file(&r, "holos/mounts", "");
	expect_file(&r, "holos/environment", "");
	expect_file(&r, "holos/profile.sh", "");
	ck_assert_ptr_null(file_of(&r, "network-config", NULL));
	text = file_of(&r, "user-data", &mode);
	ck_assert_uint_eq(mode, 0100600);
	ck_assert(strncmp(text,
			  "#cloud-config\nhostname: web-0\nmanage_etc_hosts: false\n"
			  "ssh_pwauth: false\nupdates:\n",
			  80) == 0);
	ck_assert_ptr_nonnull(strstr(text,
				     "users:\n  - name: u\n    groups:\n      - adm\n      - sudo\n"
				     "    shell: /bin/bash\n    sudo: 'ALL=(ALL) NOPASSWD:ALL'\n"));
	ck_assert_ptr_null(strstr(text, "ssh_keys"));
	ck_assert_ptr_null(strstr(text, "write_files"));
	ck_assert_ptr_null(strstr(text, "SPDX")); /* comments of the scripts stay here */
	free(text);
	/* The label, and no padding of 150 sectors. */
	ck_assert(memcmp(r.iso + 32768 + 40, "CIDATA ", 7) == 0);
	ck_assert_uint_lt(r.iso_len, 120000);
	free(r.iso);
}
END_TEST

START_TEST(boot_script_is_whole)
{
	struct mock_result r;
	const char *dir = getenv("HOLOS_PLUGIN_SOURCE");
	char path[4096], *text, want[65536] = "";
	unsigned mode = 0;
	FILE *f;

	ck_assert_ptr_nonnull(dir);
	snprintf(path, sizeof(path), "%s/boot.sh", dir);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_gt(fread(want, 1, sizeof(want) - 1, f), 1000);
	fclose(f);
	good("{" BASE "}", NULL, &r);
	text = file_of(&r, "holos/boot.sh", &mode);
	/* Not _str_eq: its message would be longer than check takes. */
	ck_assert_msg(strcmp(text, want) == 0, "boot.sh on the seed is not the source's");
	ck_assert_uint_eq(mode, 0100600);
	free(text);
	free(r.iso);
}
END_TEST

START_TEST(host_key)
{
	struct mock_result r;

	good("{" BASE ",\"ssh_host_key\":{\"public\":\"ssh-ed25519 AAAA\"}}", KEY, &r);
	expect_part(&r, "user-data",
		    "ssh_deletekeys: true\nssh_keys:\n  ed25519_private: |\n"
		    "    -----BEGIN OPENSSH PRIVATE KEY-----\n    QUJD\n"
		    "    -----END OPENSSH PRIVATE KEY-----\n  ed25519_public: 'ssh-ed25519 AAAA'\n",
		    true);
	free(r.iso);
	/* Without a public half the private one is not asked for. */
	good("{" BASE "}", KEY, &r);
	expect_part(&r, "user-data", "BEGIN", false);
	free(r.iso);
	seed_of("{" BASE ",\"ssh_host_key\":{\"public\":\"ssh-ed25519 AAAA\"}}", NULL, &r);
	ck_assert_int_eq(r.status, HOLOS_E_INTERNAL);
}
END_TEST

START_TEST(network)
{
	struct mock_result r;

	good("{" BASE
	     ",\"nics\":[{\"name\":\"external\",\"mac\":\"52:54:01:00:00:01\",\"dhcp4\":true},"
	     "{\"name\":\"internal\",\"mac\":\"52:54:00:00:00:01\",\"addresses\":[\"10.10.0.2/"
	     "24\"],"
	     "\"mtu\":1400}]}",
	     NULL, &r);
	expect_file(&r, "network-config",
		    "network:\n  version: 2\n  ethernets:\n"
		    "    external:\n      match:\n        macaddress: '52:54:01:00:00:01'\n"
		    "      dhcp4: true\n"
		    "    internal:\n      match:\n        macaddress: '52:54:00:00:00:01'\n"
		    "      dhcp4: false\n      addresses:\n        - '10.10.0.2/24'\n      mtu: "
		    "1400\n");
	free(r.iso);
	good("{" BASE ",\"nics\":[]}", NULL, &r);
	expect_file(&r, "network-config", "network:\n  version: 2\n  ethernets: {}\n");
	free(r.iso);
}
END_TEST

START_TEST(mounts)
{
	struct mock_result r;

	good("{" BASE ",\"volumes\":["
	     "{\"name\":\"b\",\"serial\":\"vol-b\",\"target\":\"/srv/a b\\\\c\",\"fresh\":true},"
	     "{\"name\":\"a\",\"serial\":\"vol-a\",\"target\":\"/srv\",\"read_only\":true,"
	     "\"filesystem\":\"auto\"}],\"mounts\":["
	     "{\"type\":\"9p\",\"tag\":\"t0\",\"target\":\"/srv/a\",\"read_only\":true},"
	     "{\"type\":\"virtiofs\",\"tag\":\"t1\",\"target\":\"/it's\"}]}",
	     NULL, &r);
	expect_file(&r, "holos/mounts",
		    "share virtiofs 't1' '/it'\\''s' '/it'\\''s' rw\n"
		    "volume 'a' 'vol-a' '/srv' '/srv' ro used auto\n"
		    "share 9p 't0' '/srv/a' '/srv/a' ro\n"
		    "volume 'b' 'vol-b' '/srv/a b\\c' '/srv/a\\040b\\134c' rw fresh ext4\n");
	free(r.iso);
}
END_TEST

START_TEST(environment)
{
	struct mock_result r;

	good("{" BASE ",\"environment\":["
	     "{\"name\":\"A\",\"value\":\"/x:y=1\"},{\"name\":\"B\",\"value\":\"it's $x "
	     "\\\"q\\\"\"},"
	     "{\"name\":\"C\",\"value\":\"a#b\"},{\"name\":\"D\",\"value\":\"a\\nb\"},"
	     "{\"name\":\"E\",\"value\":\"\"}]}",
	     NULL, &r);
	expect_file(&r, "holos/environment", "A=/x:y=1\nB=\"it's $x \"q\"\"\nE=\n");
	expect_file(&r, "holos/profile.sh",
		    "# written by holos at every boot\nexport A='/x:y=1'\n"
		    "export B='it'\\''s $x \"q\"'\nexport C='a#b'\nexport D='a\nb'\nexport E=''\n");
	free(r.iso);
}
END_TEST

START_TEST(hosts)
{
	struct mock_result r;

	good("{\"format\":1,\"instance_id\":\"i\",\"hostname\":\"db.example.org\","
	     "\"user\":{\"name\":\"u\"},\"hosts\":[{\"address\":\"10.10.0.2\",\"names\":[\"db\","
	     "\"db-0\"]},"
	     "{\"address\":\"fd00::1\",\"names\":[\"x_y\"]}]}",
	     NULL, &r);
	expect_part(&r, "holos/hosts", "\n127.0.1.1 db.example.org db\n", true);
	expect_part(&r, "holos/hosts", "\n\n10.10.0.2 db db-0\nfd00::1 x_y\n", true);
	free(r.iso);
}
END_TEST

START_TEST(files_and_commands)
{
	struct mock_result r;

	good("{" BASE ",\"init\":\"openrc\",\"files\":["
	     "{\"path\":\"/a\",\"content\":\"x  \\n\\ty\\n\"},"
	     "{\"path\":\"/"
	     "b\",\"content_base64\":\"AAE=\",\"permissions\":\"0700\",\"owner\":\"u:u\"},"
	     "{\"path\":\"/c\",\"owner\":\"root:adm\",\"defer\":true}],"
	     "\"packages\":[\"nginx\"],\"bootcmd\":[\"echo b\"],"
	     "\"runcmd\":[[\"echo\",\"a b\"],\"echo $HOME\"]}",
	     NULL, &r);
	expect_part(&r, "user-data",
		    "write_files:\n"
		    "  - path: /a\n    content: |\n      x  \n      \ty\n"
		    "    permissions: '0644'\n    owner: 'root:root'\n"
		    "  - path: /b\n    encoding: b64\n    content: 'AAE='\n"
		    "    permissions: '0700'\n    owner: 'u:u'\n    defer: true\n"
		    "  - path: /c\n    content: ''\n    permissions: '0644'\n"
		    "    owner: 'root:adm'\n    defer: true\n",
		    true);
	expect_part(&r, "user-data", "package_update: true\npackages:\n  - nginx\n", true);
	expect_part(&r, "user-data",
		    "  - |-\n    echo b\n    holos_status=$?\n    [ $holos_status = 0 ] || sh "
		    "/run/holos/first.sh bootcmd 'echo b' $holos_status\n"
		    "runcmd:\n  - 'sh /run/holos/first.sh'\n",
		    true);
	expect_part(&r, "user-data",
		    "users:\n  - name: u\n    shell: /bin/sh\n    sudo: 'ALL=(ALL) NOPASSWD:ALL'\n"
		    "write_files",
		    true);
	expect_file(&r, "holos/runcmd",
		    "entry free 'echo a b' ''\\''echo'\\'' '\\''a b'\\'''\n"
		    "entry free 'echo $HOME' 'echo $HOME'\n");
	expect_file(&r, "holos/facts",
		    "instance='i-1'\nmade_at=0\ninit=openrc\npackages=1\nroot_user='u'\n");
	expect_part(&r, "holos/first.sh", "say provisioned", true);
	free(r.iso);
}
END_TEST

/* One line each, with its end marked where something is left out. */
START_TEST(commands_as_shown)
{
#define TEN              "0123456789"
#define HUNDRED_LESS_ONE TEN TEN TEN TEN TEN TEN TEN TEN TEN "012345678"
	struct mock_result r;

	good("{" BASE ",\"made_at\":7,\"required\":1,\"runcmd\":[[\"sh\",\"x\"],"
	     "\"\\n  a\\tb\\n\\nc\\n\",[\"a\",\"b\\nc\",\"d\"],\"" HUNDRED_LESS_ONE "\\u00e4\"]}",
	     NULL, &r);
	expect_file(&r, "holos/runcmd",
		    "entry required 'sh x' ''\\''sh'\\'' '\\''x'\\'''\n"
		    "entry free 'a b...' '\n  a\tb\n\nc\n'\n"
		    "entry free 'a b...' ''\\''a'\\'' '\\''b\nc'\\'' '\\''d'\\'''\n"
		    "entry free '" HUNDRED_LESS_ONE "...' '" HUNDRED_LESS_ONE "\xc3\xa4'\n");
	expect_part(&r, "holos/facts", "made_at=7\n", true);
	free(r.iso);
}
END_TEST

/* Behind ours, and where ours must win it is not there any more. */
START_TEST(user_data)
{
	struct mock_result r;

	good("{" BASE ",\"packages\":[\"a\",[\"b\",\"1.0\"]],\"user_data\":["
	     "{\"key\":\"timezone\",\"yaml\":\"\\\"UTC\\\"\"},"
	     "{\"key\":\"ssh_pwauth\",\"yaml\":\"true\"},"
	     "{\"key\":\"x\",\"yaml\":\"[ \\\"\\u2028\x7f\\\" ]\"},"
	     "{\"key\":\"users\",\"items\":[{\"yaml\":\"{ \\\"name\\\": \\\"v\\\" }\"}]},"
	     "{\"key\":\"write_files\",\"items\":[{\"yaml\":\"{ \\\"path\\\": \\\"/a\\\" }\"}]}]}",
	     NULL, &r);
	expect_part(&r, "user-data", "ssh_pwauth: false", false);
	expect_part(&r, "user-data",
		    "timezone: \"UTC\"\nssh_pwauth: true\nx: [ \"\\u2028\\u007f\" ]\n", true);
	expect_part(&r, "user-data", "packages:\n  - a\n  - [b, '1.0']\n", true);
	expect_part(&r, "user-data",
		    "    sudo: 'ALL=(ALL) NOPASSWD:ALL'\n  - { \"name\": \"v\" }\n"
		    "write_files:\n  - { \"path\": \"/a\" }\n",
		    true);
	free(r.iso);
}
END_TEST

START_TEST(serial_console)
{
	struct mock_result r;

	good("{" BASE ",\"serial_console\":true}", NULL, &r);
	expect_part(&r, "user-data",
		    "      ExecStart=-/sbin/agetty --autologin u --noclear %I $TERM\n", true);
	expect_part(&r, "holos/runcmd", "entry free 'serial console' '", true);
	expect_part(&r, "holos/runcmd", "systemctl enable serial-getty@ttyS0.service", true);
	free(r.iso);
	good("{" BASE ",\"serial_console\":true,\"init\":\"openrc\"}", NULL, &r);
	expect_part(&r, "user-data", "agetty", false);
	free(r.iso);
}
END_TEST

/* Steps that are wrong, and the member to blame. */
static const struct {
	const char *json, *pointer;
} wrong[] = {
	{ "{}", "/format" },
	{ "{\"format\":2}", "/format" },
	{ "{\"format\":\"1\"}", "/format" },
	{ "{\"format\":1,\"instance_id\":\"i\",\"user\":{\"name\":\"u\"}}", "/hostname" },
	{ "{\"format\":1,\"hostname\":\"h\",\"user\":{\"name\":\"u\"}}", "/instance_id" },
	{ "{\"format\":1,\"instance_id\":\"i\",\"hostname\":\"h\"}", "/user/name" },
	{ "{\"format\":1,\"instance_id\":\"i/../j\",\"hostname\":\"h\",\"user\":{\"name\":\"u\"}}",
	  "/instance_id" },
	{ "{\"format\":1,\"instance_id\":\"i\",\"hostname\":\"h x\",\"user\":{\"name\":\"u\"}}",
	  "/hostname" },
	{ "{\"format\":1,\"instance_id\":\"i\",\"hostname\":\"h\",\"user\":{\"name\":\"U\"}}",
	  "/user/name" },
	{ "{\"format\":1,\"instance_id\":\"i\",\"hostname\":\"h\",\"user\":{\"name\":\"u\","
	  "\"shell\":\"sh\"}}",
	  "/user/shell" },
	{ "{\"format\":1,\"instance_id\":\"i\",\"hostname\":\"h\",\"user\":{\"name\":\"u\","
	  "\"authorized_keys\":[\"a\\nb\"]}}",
	  "/user/authorized_keys/0" },
	{ "{\"format\":1,\"instance_id\":\"i\",\"hostname\":\"h\",\"user\":{\"name\":\"u\","
	  "\"groups\":[\"a,b\"]}}",
	  "/user/groups/0" },
	{ "{" BASE ",\"init\":\"sysv\"}", "/init" },
	{ "{" BASE ",\"user_data\":\"#cloud-config\"}", "/user_data" },
	{ "{" BASE ",\"user_data\":[{\"key\":\"a b\",\"yaml\":\"1\"}]}", "/user_data/0/key" },
	{ "{" BASE ",\"user_data\":[{\"key\":\"a\",\"yaml\":\"1\\nb: 2\"}]}", "/user_data/0" },
	{ "{" BASE ",\"ssh_host_key\":{\"public\":\"ssh-rsa AAAA\"}}", "/ssh_host_key/public" },
	{ "{" BASE ",\"hosts\":[{\"address\":\"10.0.0\",\"names\":[\"a\"]}]}", "/hosts/0/address" },
	{ "{" BASE ",\"hosts\":[{\"address\":\"10.0.0.1\",\"names\":[]}]}", "/hosts/0/names" },
	{ "{" BASE ",\"hosts\":[{\"address\":\"10.0.0.1\",\"names\":[\"a\\nb\"]}]}",
	  "/hosts/0/names/0" },
	{ "{" BASE ",\"nics\":[{\"name\":\"a\",\"mac\":\"52:54:00\"}]}", "/nics/0/mac" },
	{ "{" BASE ",\"nics\":[{\"name\":\"a: b\",\"mac\":\"52:54:00:00:00:01\"}]}",
	  "/nics/0/name" },
	{ "{" BASE ",\"nics\":[{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\"},"
	  "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:02\"}]}",
	  "/nics/1/name" },
	{ "{" BASE ",\"nics\":[{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"addresses\":[\"10.0."
	  "0.1\"]}]}",
	  "/nics/0/addresses/0" },
	{ "{" BASE ",\"nics\":[{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"addresses\":[\"10.0."
	  "0.1/33\"]}]}",
	  "/nics/0/addresses/0" },
	{ "{" BASE ",\"nics\":[{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"mtu\":3}]}",
	  "/nics/0/mtu" },
	{ "{" BASE ",\"volumes\":[{\"name\":\"a\",\"serial\":\"vol-a\"}]}", "/volumes/0/target" },
	{ "{" BASE ",\"volumes\":[{\"name\":\"a\",\"serial\":\"vol-a\",\"target\":\"/\"}]}",
	  "/volumes/0/target" },
	{ "{" BASE ",\"volumes\":[{\"name\":\"a\",\"serial\":\"vol-a\",\"target\":\"a\"}]}",
	  "/volumes/0/target" },
	{ "{" BASE ",\"volumes\":[{\"name\":\"a\",\"serial\":\"vol-a\",\"target\":\"/a/../b\"}]}",
	  "/volumes/0/target" },
	{ "{" BASE ",\"volumes\":[{\"name\":\"a\",\"serial\":\"vol-a\",\"target\":\"/a/\"}]}",
	  "/volumes/0/target" },
	{ "{" BASE ",\"volumes\":[{\"name\":\"a\",\"serial\":\"vol-a\",\"target\":\"/a\\nb\"}]}",
	  "/volumes/0/target" },
	{ "{" BASE ",\"volumes\":[{\"name\":\"a'b\",\"serial\":\"vol-a\",\"target\":\"/a\"}]}",
	  "/volumes/0/name" },
	{ "{" BASE ",\"volumes\":[{\"name\":\"a\",\"serial\":\"vol-a "
	  "123456789012345678\",\"target\":\"/a\"}]}",
	  "/volumes/0/serial" },
	{ "{" BASE
	  ",\"volumes\":[{\"name\":\"a\",\"serial\":\"vol-12345678901234567\",\"target\":\"/a\"}]}",
	  "/volumes/0/serial" },
	{ "{" BASE ",\"volumes\":[{\"name\":\"a\",\"serial\":\"s\",\"target\":\"/"
	  "a\",\"filesystem\":\"xfs\"}]}",
	  "/volumes/0/filesystem" },
	{ "{" BASE ",\"mounts\":[{\"type\":\"nfs\",\"tag\":\"a\",\"target\":\"/a\"}]}",
	  "/mounts/0/type" },
	{ "{" BASE ",\"mounts\":[{\"type\":\"9p\",\"tag\":\"0123456789012345678901234567890x\","
	  "\"target\":\"/a\"}]}",
	  "/mounts/0/tag" },
	{ "{" BASE ",\"mounts\":[{\"type\":\"9p\",\"tag\":\"a\",\"target\":\"/a\"},"
	  "{\"type\":\"9p\",\"tag\":\"b\",\"target\":\"/"
	  "b\"},{\"type\":\"9p\",\"tag\":\"c\",\"target\":\"/b\"}]}",
	  "/mounts/?/target" },
	{ "{" BASE ",\"files\":[{\"path\":\"a\"}]}", "/files/0/path" },
	{ "{" BASE ",\"files\":[{\"path\":\"/a\",\"content_base64\":\"AAA\"}]}",
	  "/files/0/content_base64" },
	{ "{" BASE ",\"files\":[{\"path\":\"/a\",\"content_base64\":\"A=AA\"}]}",
	  "/files/0/content_base64" },
	{ "{" BASE ",\"files\":[{\"path\":\"/a\",\"permissions\":\"rw\"}]}",
	  "/files/0/permissions" },
	{ "{" BASE ",\"files\":[{\"path\":\"/a\",\"owner\":\"a b\"}]}", "/files/0/owner" },
	{ "{" BASE ",\"files\":[{\"path\":\"/a\",\"content\":\"\\ud800\"}]}",
	  NULL /* json-c repairs it */ },
	{ "{" BASE ",\"packages\":[1]}", "/packages/0" },
	{ "{" BASE ",\"environment\":[{\"name\":\"1A\",\"value\":\"\"}]}", "/environment/0/name" },
	{ "{" BASE ",\"environment\":[{\"name\":\"A B\",\"value\":\"\"}]}", "/environment/0/name" },
	{ "{" BASE ",\"runcmd\":[\"a\",1]}", "/runcmd/1" },
	{ "{" BASE ",\"runcmd\":[[]]}", "/runcmd/0" },
	{ "{" BASE ",\"bootcmd\":[[\"a\",1]]}", "/bootcmd/0/1" },
};

START_TEST(wrong_steps)
{
	struct mock_result r;
	const char *want = wrong[_i].pointer;
	size_t n;

	seed_of(wrong[_i].json, KEY, &r);
	if (want == NULL) {
		ck_assert_int_eq(r.status, HOLOS_OK);
		free(r.iso);
		return;
	}
	ck_assert_msg(r.status == HOLOS_E_CONFIG, "%d for %s", r.status, wrong[_i].json);
	ck_assert_int_eq(r.error.code, HOLOS_E_CONFIG);
	n = strcspn(want, "?"); /* which of two equal ones is to blame is open */
	ck_assert_msg(strncmp(r.error.pointer, want, n) == 0 &&
			      (want[n] != '\0' || r.error.pointer[n] == '\0'),
		      "%s instead of %s (%s)", r.error.pointer, want, r.error.message);
	ck_assert_ptr_null(strchr(r.error.message, '\n'));
}
END_TEST

START_TEST(too_large)
{
	struct json_object *steps = parse("{" BASE "}"), *list = json_object_new_array();
	struct json_object *file = json_object_new_object();
	size_t n = 17u << 20;
	char *big = malloc(n + 1), *text, *found;
	struct mock_result r;

	memset(big, 'x', n);
	big[n] = '\0';
	json_object_object_add(file, "path", json_object_new_string("/big"));
	json_object_object_add(file, "content", json_object_new_string(big));
	json_object_array_add(list, file);
	json_object_object_add(steps, "files", list);
	mock_seed(steps, NULL, &r);
	ck_assert_int_eq(r.status, HOLOS_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(r.error.message, "longer than 16777216 bytes"));
	/* 15 MiB are fine, and all of it arrives. */
	big[15u << 20] = '\0';
	json_object_object_add(file, "content", json_object_new_string(big));
	mock_seed(steps, NULL, &r);
	ck_assert_msg(r.status == HOLOS_OK, "%d: %s", r.status, r.error.message);
	text = file_of(&r, "user-data", NULL);
	found = strstr(text, "    content: xx");
	ck_assert_ptr_nonnull(found);
	ck_assert_uint_eq(strspn(found + 13, "x"), 15u << 20);
	free(text);
	free(r.iso);
	json_object_put(steps);
	free(big);
}
END_TEST

START_TEST(full_disk)
{
	struct json_object *steps = parse("{" BASE "}");
	struct mock_error error;
	FILE *full = fopen("/dev/full", "we");

	ck_assert_ptr_nonnull(full);
	ck_assert_int_eq(mock_seed_fd(steps, NULL, fileno(full), &error), HOLOS_E_IO);
	ck_assert_str_eq(error.message, "cannot write the seed: write: No space left on device");
	fclose(full);
	json_object_put(steps);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("provision-seed");
	TCase *c = tcase_create("seed");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 30);
	tcase_add_test(c, minimal);
	tcase_add_test(c, boot_script_is_whole);
	tcase_add_test(c, host_key);
	tcase_add_test(c, network);
	tcase_add_test(c, mounts);
	tcase_add_test(c, environment);
	tcase_add_test(c, hosts);
	tcase_add_test(c, files_and_commands);
	tcase_add_test(c, commands_as_shown);
	tcase_add_test(c, user_data);
	tcase_add_test(c, serial_console);
	tcase_add_loop_test(c, wrong_steps, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
	tcase_add_test(c, too_large);
	tcase_add_test(c, full_disk);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
