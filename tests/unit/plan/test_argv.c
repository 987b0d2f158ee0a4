/* SPDX-License-Identifier: Apache-2.0
 *
 * test_argv.c - QEMU's arguments, against files that hold one argument per line
 * (argv/NAME.txt) in the order of contract.md section 4.
 */
#include "harness.h"

#include <plan/argv.h>

#define UUID "7f0b3a52-4b6f-4d5c-9a51-6f5f1c2d3e4f"

static const char plain[] = "name: demo\n"
			    "services: {web: {image: \"debian:12\"}}\n";

/* Everything that becomes an argument, with the characters that QEMU reads as
 * its own wherever a user or a path can bring them. */
static const char everything[] =
	"name: demo\n"
	"services:\n"
	"  web:\n"
	"    image: \"debian:12\"\n"
	"    vm:\n"
	"      vcpu: 4\n"
	"      memory: 2G\n"
	"      machine: pc\n"
	"      cpu_model: Skylake-Server,+vmx\n"
	"      extra_args: [\"-device\", \"virtio-vga\", \"-set\", \"a,b\"]\n"
	"    networks: [default, back]\n"
	"    volumes:\n"
	"      - data:/var/lib/data\n"
	"      - /home/me/a,b:/srv/www:ro\n"
	"      - type: bind\n"
	"        source: /etc/x=y\n"
	"        target: /a/target,with/a/comma\n"
	"      - a-volume-with-a-long-name:/mnt:ro\n"
	"    devices:\n"
	"      - pci: 0000:01:00.0\n"
	"        rom_file: /roms/a,b.rom\n"
	"      - pci: 0A:00.1\n"
	"volumes: {data: {}, a-volume-with-a-long-name: {}}\n"
	"networks: {back: {subnet: 10.2.0.0/24}}\n";

static const struct {
	const char *golden, *yaml;
	enum arch arch;
	bool kvm, root_user, uefi, smm, direct, seed, volumes, no_pvpanic;
	const char *dir;
} cases[] = {
	{ .golden = "argv/kvm.txt",
	  .yaml = plain,
	  .kvm = true,
	  .seed = true,
	  .dir = "/state/web-0" },
	{ .golden = "argv/tcg.txt", .yaml = plain, .seed = true, .dir = "/state/web-0" },
	{ .golden = "argv/everything.txt",
	  .yaml = everything,
	  .kvm = true,
	  .uefi = true,
	  .seed = true,
	  .volumes = true,
	  .dir = "/state/with,comma/web-0" },
	{ .golden = "argv/direct-root.txt",
	  .yaml = "name: demo\n"
		  "services:\n"
		  "  web:\n"
		  "    image: \"micro:1\"\n"
		  "    vm: {cpu_model: host, sandbox: false}\n"
		  "    volumes: [\"/data:/srv\", \"/site:/www:ro\"]\n",
	  .root_user = true,
	  .direct = true,
	  .dir = "/state/web-0" },
	{ .golden = "argv/secure-boot.txt",
	  .yaml = "name: demo\n"
		  "services:\n"
		  "  web: {image: \"micro:1\", vm: {secure_boot: true}}\n",
	  .kvm = true,
	  .uefi = true,
	  .smm = true,
	  .dir = "/state/web-0" },
	{ .golden = "argv/aarch64-tcg.txt",
	  .yaml = "name: demo\n"
		  "services:\n"
		  "  web: {image: \"micro:1\", devices: [{pci: \"0000:01:00.0\"}]}\n",
	  .arch = ARCH_AARCH64,
	  .uefi = true,
	  .no_pvpanic = true,
	  .dir = "/state/web-0" },
	{ .golden = "argv/aarch64-kvm.txt",
	  .yaml = "name: demo\n"
		  "services:\n"
		  "  web: {image: \"micro:1\", devices: [{pci: \"0000:01:00.0\"}]}\n",
	  .arch = ARCH_AARCH64,
	  .kvm = true,
	  .uefi = true,
	  .dir = "/state/web-0" },
};

static char *lines(const struct strv *v)
{
	return strv_join(v->v, "\n");
}

static void add_nic(struct strv *v, const char *netdev)
{
	strv_add(v, "-netdev");
	strv_add(v, netdev);
}

START_TEST(golden)
{
	static const struct plan_disk disks[] = {
		{ .name = "data", .path = "/vol,umes/data.qcow2", .format = "qcow2" },
		{ .name = "a-volume-with-a-long-name",
		  .path = "/dev/vg/lv",
		  .format = "raw",
		  .read_only = true,
		  .shared = true },
	};
	_cleanup_(project_destroyp) struct project *project = load_text(cases[_i].yaml);
	_cleanup_(plan_destroyp) struct plan *p = plan_of(project, NULL, 0);
	_cleanup_(strv_finish) struct strv argv = STRV_INIT;
	_cleanup_(freep) char *text = NULL;
	_cleanup_(freep) char *root = xasprintf("%s/root.qcow2", cases[_i].dir);
	_cleanup_(freep) char *seed = xasprintf("%s/seed.iso", cases[_i].dir);
	struct strv nics[3] = { STRV_INIT, STRV_INIT, STRV_INIT };
	struct plan_argv_input in = { .vm = vm_of(p, "web-0"),
				      .program = "/usr/bin/qemu-system-x86_64",
				      .uuid = UUID,
				      .dir = cases[_i].dir,
				      .arch = cases[_i].arch,
				      .kvm = cases[_i].kvm,
				      .smm = cases[_i].smm,
				      .no_pvpanic = cases[_i].no_pvpanic,
				      .root_user = cases[_i].root_user,
				      .root = root,
				      .root_format = "qcow2",
				      .seed = cases[_i].seed ? seed : NULL,
				      .nics = nics };

	add_nic(&nics[0], "user,id=net0,hostfwd=tcp:127.0.0.1:40000-:22");
	add_nic(&nics[1], "socket,id=net1,mcast=239.1.2.3:11000,localaddr=127.0.0.1");
	add_nic(&nics[2], "socket,id=net2,mcast=239.4.5.6:12000,localaddr=127.0.0.1");
	if (cases[_i].uefi) {
		in.firmware_code = "/usr/share/OVMF/CODE,4M.fd";
		in.firmware_code_format = cases[_i].smm ? "qcow2" : "raw";
		in.firmware_vars_format = "raw";
		in.firmware_vars = "/state/with,comma/web-0/OVMF_VARS.fd";
	}
	if (cases[_i].direct) {
		in.kernel = "/images/a,b.kernel";
		in.initrd = "/images/a,b.initrd";
		in.cmdline = "console=ttyS0,115200 quiet";
	}
	if (cases[_i].volumes) {
		in.volumes = disks;
		in.n_volumes = (size_t)N(disks);
	}
	plan_argv(&in, &argv);
	text = lines(&argv);
	assert_golden(text, cases[_i].golden);
	ck_assert_ptr_null(argv.v[argv.n]);
	for (int i = 0; i < N(nics); i++)
		strv_finish(&nics[i]);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, make_test_dir, remove_test_dir);
	tcase_add_loop_test(c, golden, 0, N(cases));
}

int main(void)
{
	return run_suite("plan-argv", add_tests);
}
