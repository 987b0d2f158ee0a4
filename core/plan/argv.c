/* SPDX-License-Identifier: Apache-2.0
 *
 * argv.c - see argv.h.  Numbers in comments are rows of contract.md section 4.
 */
#include <base/alloc.h>
#include <base/strbuf.h>
#include <plan/argv.h>

#include <string.h>

/* A value inside an option: QEMU ends it at a comma unless it is doubled. */
static void add_escaped(struct strbuf *b, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == ',')
			strbuf_addc(b, ',');
		strbuf_addc(b, *value);
	}
}

/* NAME, then PREFIX + escaped dir/file + SUFFIX. */
static void add_path(struct strv *v, const char *option, const char *prefix, const char *dir,
		     const char *file, const char *suffix)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, prefix);
	if (dir != NULL) {
		add_escaped(&b, dir);
		strbuf_addc(&b, '/');
	}
	add_escaped(&b, file);
	strbuf_adds(&b, suffix);
	strv_add(v, option);
	strv_take(v, strbuf_steal(&b));
}

static void add(struct strv *v, const char *option, const char *value)
{
	strv_add(v, option);
	if (value != NULL)
		strv_add(v, value);
}

static void add_machine(const struct plan_argv_input *in, struct strv *v)
{
	const struct vm_spec *vm = &in->vm->service->vm;
	/* The newest interrupt controller that the accelerator has: it is for 8 CPUs
	 * and less otherwise. */
	const char *usual = in->arch == ARCH_AARCH64 ? "virt,gic-version=max" : "q35";
	const char *machine = vm->machine != NULL ? vm->machine : usual;
	/* Pointer authentication by its real algorithm takes half of TCG's time. */
	const char *max = in->arch == ARCH_AARCH64 ? "max,pauth-impdef=on" : "max";
	const char *smm = in->smm ? ",smm=on" : "";
	const char *cpu = vm->cpu_model;
	_cleanup_(freep) char *emulated = NULL;

	add(v, "-name", in->vm->name);
	add(v, "-uuid", in->uuid);
	if (in->kvm) {
		strv_add(v, "-enable-kvm");
		strv_add(v, "-machine");
		strv_addf(v, "%s,accel=kvm%s%s", machine,
			  in->vm->service->n_devices != 0 && in->arch == ARCH_X86_64
				  ? ",kernel-irqchip=on"
				  : "",
			  smm);
	} else {
		strv_add(v, "-machine");
		strv_addf(v, "%s%s", machine, smm);
		add(v, "-accel", "tcg,thread=multi");
		/* "host" exists with KVM only; its flags do with both. */
		if (cpu != NULL && strncmp(cpu, "host", 4) == 0 &&
		    (cpu[4] == '\0' || cpu[4] == ','))
			cpu = emulated = xasprintf("%s%s", max, cpu + 4);
	}
	add(v, "-cpu", cpu != NULL ? cpu : in->kvm ? "host" : max);
	strv_add(v, "-smp");
	strv_addf(v, "%u", vm->vcpu);
	strv_add(v, "-m");
	strv_addf(v, "%u", vm->memory_mb);
	add(v, "-nodefaults", NULL);
	add(v, "-no-user-config", NULL);
	add(v, "-display", "none");
	if (vm->sandbox)
		add(v, "-sandbox",
		    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

static void add_consoles(const struct plan_argv_input *in, struct strv *v)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "socket,id=console0,path=");
	add_escaped(&b, in->dir);
	strbuf_adds(&b, "/serial.sock,server=on,wait=off,logfile=");
	add_escaped(&b, in->dir);
	strbuf_adds(&b, "/console.log,logappend=on");
	strv_add(v, "-chardev");
	strv_take(v, strbuf_steal(&b));
	add(v, "-serial", "chardev:console0");
	add_path(v, "-chardev", "socket,id=qmp,path=", in->dir, "qmp.sock", ",server=on,wait=off");
	add(v, "-mon", "chardev=qmp,mode=control");
}

static void add_root(const struct plan_argv_input *in, struct strv *v)
{
	if (in->firmware_code != NULL) {
		_cleanup_(freep) char *code = xasprintf("if=pflash,format=%s,readonly=on,file=",
							in->firmware_code_format);
		_cleanup_(freep) char *vars =
			xasprintf("if=pflash,format=%s,file=", in->firmware_vars_format);

		add_path(v, "-drive", code, NULL, in->firmware_code, "");
		add_path(v, "-drive", vars, NULL, in->firmware_vars, "");
		if (in->smm) /* else the guest could write the keys; S3 does not go with it */
			add(v, "-global", "driver=cfi.pflash01,property=secure,value=on");
		if (in->smm)
			add(v, "-global", "ICH9-LPC.disable_s3=1");
	}
	if (in->kernel != NULL) {
		add(v, "-kernel", in->kernel);
		add(v, "-initrd", in->initrd);
		add(v, "-append", in->cmdline);
	}
	strv_add(v, "-drive");
	{
		struct strbuf b = STRBUF_INIT;

		strbuf_addf(&b, "id=root,if=none,cache=writeback,discard=unmap,format=%s,file=",
			    in->root_format);
		add_escaped(&b, in->root);
		strv_take(v, strbuf_steal(&b));
	}
	/* Not if=virtio, as the row has it: such disks come after all of -device, and
	 * firmware boots the first one, a volume.  Index 0 is that of -kernel. */
	add(v, "-device", "virtio-blk-pci,drive=root,bootindex=1");
}

static void add_nics(const struct plan_argv_input *in, struct strv *v)
{
	for (size_t i = 0; i < in->vm->n_nics; i++) {
		strv_add_all(v, in->nics[i].v);
		strv_add(v, "-device");
		/* No boot ROM: nothing boots from the network, and it costs time. */
		strv_addf(v, "virtio-net-pci,netdev=net%zu,mac=%s,romfile=", i,
			  in->vm->nics[i].mac);
	}
}

static void add_shares(const struct plan_argv_input *in, struct strv *v)
{
	const struct service *s = in->vm->service;

	for (size_t i = 0; i < s->n_mounts; i++) {
		_cleanup_(freep) char *suffix = NULL;
		const char *model;
		char tag[32];

		if (s->mounts[i].type != MOUNT_BIND)
			continue;
		/* As root a guest could make set-uid files and devices on the host with "none".
		 * The mapped one keeps links as files and reads none that the host made, so it
		 * is for where the guest can write. */
		model = in->root_user && !s->mounts[i].read_only ? "mapped-xattr" : "none";
		plan_mount_tag(i, s->mounts[i].target, tag);
		suffix = xasprintf(",mount_tag=%s,security_model=%s%s", tag, model,
				   s->mounts[i].read_only ? ",readonly=on" : "");
		add_path(v, "-virtfs", "local,path=", NULL, s->mounts[i].source, suffix);
	}
}

static void add_volumes(const struct plan_argv_input *in, struct strv *v)
{
	for (size_t i = 0; i < in->n_volumes; i++) {
		const struct plan_disk *d = &in->volumes[i];
		_cleanup_(freep) char *prefix =
			xasprintf("id=vol-%s,if=none,format=%s,file=", d->name, d->format);
		char serial[21];

		add_path(v, "-drive", prefix, NULL, d->path,
			 d->read_only ? ",cache=writeback,discard=unmap,readonly=on"
				      : ",cache=writeback,discard=unmap");
		plan_volume_serial(d->name, serial);
		strv_add(v, "-device");
		strv_addf(v, "virtio-blk-pci,drive=vol-%s,serial=%s%s", d->name, serial,
			  d->shared ? ",share-rw=on" : "");
	}
}

/* What the guest tells of its provisioning (monitor/provision.c): pipes, which hold
 * what is said while no monitor reads. */
static void add_provision(const struct plan_argv_input *in, struct strv *v)
{
	add_path(v, "-chardev", "pipe,id=provision,path=", in->dir, "provision", "");
	add(v, "-device", "virtio-serial-pci,id=provision-bus");
	add(v, "-device",
	    "virtserialport,bus=provision-bus.0,chardev=provision,name=" PLAN_PROVISION_PORT);
}

void plan_argv(const struct plan_argv_input *in, struct strv *ret)
{
	const struct service *s = in->vm->service;

	strv_add(ret, in->program);
	add_machine(in, ret);                  /* 1 to 5 */
	add_consoles(in, ret);                 /* 6, 7 */
	add(ret, "-device", "virtio-rng-pci"); /* 8 */
	add(ret, "-device", "virtio-balloon-pci");
	if (!in->no_pvpanic)
		add(ret, "-device", "pvpanic-pci"); /* the guest's kernel tells of its panic */
	add_root(in, ret);                          /* 9, 10 */
	add_nics(in, ret);                          /* 11, 12 */
	if (in->seed != NULL)                       /* 13 */
		add_path(ret, "-drive", "if=virtio,media=cdrom,readonly=on,format=raw,file=", NULL,
			 in->seed, "");
	if (in->context != NULL) {
		add_path(ret, "-drive", "id=context,if=none,format=raw,readonly=on,file=", NULL,
			 in->context, "");
		add(ret, "-device", "virtio-blk-pci,drive=context,serial=holos-context");
	}
	add_shares(in, ret);  /* 14 */
	add_volumes(in, ret); /* 15 */
	add_provision(in, ret);
	for (size_t i = 0; i < s->n_devices; i++) { /* 16 */
		_cleanup_(freep) char *prefix = xasprintf("vfio-pci,host=%s", s->devices[i].pci);

		if (s->devices[i].rom_file == NULL) {
			add(ret, "-device", prefix);
		} else {
			_cleanup_(freep) char *with = xasprintf("%s,romfile=", prefix);

			add_path(ret, "-device", with, NULL, s->devices[i].rom_file, "");
		}
	}
	for (const char *const *a = s->vm.extra_args; *a != NULL; a++) /* 17 */
		strv_add(ret, *a);
}
