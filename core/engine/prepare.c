/* SPDX-License-Identifier: Apache-2.0
 *
 * prepare.c - see prepare.h.
 *
 * Order matters for crashes: a new instance is made whole under a name that no
 * reader takes for a VM, is synced once, and then gets its name.  So what has a
 * name was to be launched, and what has none never ran: only that may be made
 * again without a word.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <base/fs.h>
#include <base/jsonx.h>
#include <base/sha256.h>
#include <engine/context.h>
#include <engine/keys.h>
#include <engine/live.h>
#include <engine/nics.h>
#include <engine/prepare.h>
#include <engine/volumes.h>
#include <monitor/launch.h>
#include <plan/argv.h>
#include <plan/spec.h>
#include <plan/steps.h>
#include <plugin/calls.h>
#include <state/vmport.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SEED_FILE    "seed.iso"
#define SEED_TEMP    "seed.iso.tmp"
#define CONTEXT_FILE "context.img"
#define CONTEXT_TEMP "context.img.tmp"
#define ROOT_FILE    "root.qcow2"
#define NVRAM_FILE   "OVMF_VARS.fd"
#define DEFAULT_USER "ubuntu"

static void random_hex(char *hex, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[16];

	while (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		;
	for (size_t i = 0; i < bytes; i++) {
		hex[2 * i] = digits[raw[i] >> 4];
		hex[2 * i + 1] = digits[raw[i] & 15];
	}
	hex[2 * bytes] = '\0';
}

/* RFC 9562, version 4. */
static char *random_uuid(void)
{
	char h[33];

	random_hex(h, 16);
	h[12] = '4';
	h[16] = "89ab"[(unsigned char)h[16] & 3];
	return xasprintf("%.8s-%.4s-%.4s-%.4s-%.12s", h, h + 8, h + 12, h + 16, h + 20);
}

static struct instance_record *new_record(struct prepare *p, const struct plan_vm *vm,
					  const struct base_image *base, const char *dir)
{
	struct instance_record *r = instance_record_create();
	const struct service *s = vm->service;
	char generation[17], now[40];

	random_hex(generation, 8);
	r->project = xstrdup(p->project->name);
	r->project_id = xstrdup(p->project_id);
	r->service = xstrdup(s->name);
	r->name = xstrdup(vm->name);
	r->index = vm->index;
	r->file = xstrdup_null(p->project->file);
	r->dir = xstrdup(p->project->dir);
	r->generation = xstrdup(generation);
	r->uuid = random_uuid();
	r->nics = xcalloc(vm->n_nics, sizeof(*r->nics));
	r->n_nics = vm->n_nics;
	for (size_t i = 0; i < vm->n_nics; i++) {
		r->nics[i].network = xstrdup(vm->nics[i].network);
		r->nics[i].mac = xstrdup(vm->nics[i].mac);
		r->nics[i].address = xstrdup_null(vm->nics[i].address);
	}
	r->user = xstrdup(s->cloud_init.user != NULL           ? s->cloud_init.user
			  : base != NULL && base->user != NULL ? base->user
							       : DEFAULT_USER);
	r->init = xstrdup(s->image_os != NULL                  ? s->image_os
			  : base != NULL && base->init != NULL ? base->init
							       : "systemd");
	if (s->vm.root_disk != NULL) {
		r->root = xstrdup(s->vm.root_disk);
	} else {
		r->root = fs_join(dir, ROOT_FILE);
		r->root_format = xstrdup("qcow2");
		r->base = xstrdup(base->path);
		r->base_ident = xstrdup_null(base->ident);
	}
	r->spec = plan_spec(p->project, s);
	r->created_at = xstrdup(clock_rfc3339_now(now));
	return r;
}

static const char *root_format(const struct service *s, const char *path)
{
	size_t n = strlen(path);

	if (s->image_format != NULL)
		return s->image_format;
	return n > 6 && strcmp(path + n - 6, ".qcow2") == 0 ? "qcow2" : "raw";
}

/* An existing disk is booted in place.  Its format is what the file says or its
 * name, never what is on it: a guest could write a header that names files of
 * the host. */
static int look_at_root(struct prepare *p, const struct service *s, struct instance_record *r,
			struct holos_error **err)
{
	r->root_format = xstrdup(root_format(s, r->root));
	return prepare_check_disk(p->e, r->root, r->root_format, err);
}

int prepare_check_disk(struct engine *e, const char *path, const char *format,
		       struct holos_error **err)
{
	struct disk_info info = { 0 };
	const char *qemu_img;
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return error_sys(err, ERR_INVALID, errno, "disk %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, ERR_INVALID, "disk %s is no file and no block device", path);
	if (strcmp(format, "qcow2") != 0)
		return 0;
	r = engine_qemu_img(e, &qemu_img, err);
	if (r == 0)
		r = disk_info(qemu_img, path, format, &info, err);
	if (r == 0 && (info.backing_file != NULL || info.encrypted))
		r = error_set(err, ERR_INVALID, "disk %s has a backing file or is encrypted", path);
	disk_info_finish(&info);
	return r;
}

static int make_root(struct prepare *p, const struct plan_vm *vm, const struct base_image *base,
		     struct holos_error **err)
{
	_cleanup_(freep) char *dir = state_begun_path(p->e->state, p->project->name, vm->name);
	_cleanup_(freep) char *path = fs_join(dir, ROOT_FILE);
	const char *qemu_img;
	int r = engine_qemu_img(p->e, &qemu_img, err);

	if (r < 0)
		return r;
	if (p->disks == NULL)
		p->disks = disk_set_create(qemu_img);
	/* Not synced by itself: its directory is, and QEMU syncs the data. */
	return disk_set_overlay(p->disks, base->path, base->format, vm->service->vm.disk_size, path,
				false, err);
}

int prepare_create(struct prepare *p, const struct plan_vm *vm, const struct base_image *base,
		   struct instance_record **ret, struct holos_error **err)
{
	_cleanup_(instance_record_destroyp) struct instance_record *rec = NULL;
	_cleanup_(freep) char *dir =
		state_path(p->e->state, "instances/%s/%s", p->project->name, vm->name);
	_cleanup_(freep) char *host_key = NULL;
	_cleanup_(closep) int fd = -1;
	int r;

	if (vm->service->vm.root_disk == NULL && base->path == NULL)
		return error_set(err, ERR_FAILED,
				 "%s was removed by another command meanwhile; try again",
				 vm->name);
	r = state_begin_instance(p->e->state, p->project->name, vm->name, &fd, err);
	if (r < 0)
		return r;
	rec = new_record(p, vm, base, dir);
	if (vm->service->vm.root_disk != NULL)
		r = look_at_root(p, vm->service, rec, err);
	if (r == 0)
		r = keys_host(fd, false, &host_key, err);
	if (r == 0 && vm->service->vm.root_disk == NULL)
		r = make_root(p, vm, base, err);
	if (r < 0) {
		state_abandon_instance(p->e->state, p->project->name, vm->name);
		return r;
	}
	*ret = steal_ptr(&rec);
	return 0;
}

/* ---- one start ------------------------------------------------------------ */

static int choose_ports(struct prepare *p, const struct plan_vm *vm, struct instance_record *rec,
			struct holos_error **err)
{
	const struct service *s = vm->service;
	struct vm_port *ports = xcalloc(s->n_ports, sizeof(*ports));
	uint16_t ssh = 0;
	int r = 0;

	for (size_t i = 0; i < s->n_ports && r == 0; i++) {
		const struct port_map *m = &s->ports[i];
		uint16_t old = i < rec->n_ports ? rec->ports[i].host_port : 0;

		ports[i].name = xasprintf("port-%zu", i);
		ports[i].host_ip = xstrdup(m->host_ip);
		ports[i].protocol = xstrdup(m->udp ? "udp" : "tcp");
		ports[i].guest_port = m->guest;
		if (m->host != 0 && m->host == m->host_end) {
			ports[i].host_port = (uint16_t)(m->host + vm->index);
			continue;
		}
		ports[i].low = m->host != 0 ? m->host : 1;
		ports[i].high = m->host != 0 ? m->host_end : UINT16_MAX;
		for (unsigned h = m->host; m->host != 0 && h <= m->host_end; h++) {
			if (ports_take(p->ports, m->host_ip, m->udp, (uint16_t)h)) {
				ports[i].host_port = (uint16_t)h;
				break;
			}
		}
		if (m->host != 0 && ports[i].host_port == 0)
			r = error_set(err, ERR_START, "no port of %s:%u-%u is free for %s",
				      m->host_ip, m->host, m->host_end, vm->name);
		else if (m->host == 0 && ports_keep(p->ports, m->host_ip, m->udp, old))
			ports[i].host_port = old;
		else if (m->host == 0)
			r = ports_choose(p->ports, m->host_ip, m->udp, &ports[i].host_port, err);
	}
	if (r == 0 && ports_keep(p->ports, "127.0.0.1", false, rec->ssh_port))
		ssh = rec->ssh_port;
	else if (r == 0)
		r = ports_choose(p->ports, "127.0.0.1", false, &ssh, err);
	if (r < 0) {
		vm_ports_free(ports, s->n_ports);
		return r;
	}
	vm_ports_free(rec->ports, rec->n_ports);
	rec->ports = ports;
	rec->n_ports = s->n_ports;
	rec->ssh_port = ssh;
	return 0;
}

int prepare_check_base(const struct instance_record *rec, struct holos_error **err)
{
	_cleanup_(freep) char *now = NULL;
	int r;

	if (rec->base == NULL)
		return 0;
	if (rec->base_ident == NULL) {
		if (fs_exists(AT_FDCWD, rec->base))
			return 0;
		return error_set(err, ERR_VERIFY, "%s: its base image %s is gone", rec->name,
				 rec->base);
	}
	r = images_ident(rec->base, &now, err);
	if (r < 0)
		return error_wrap(err, "%s", rec->name);
	if (strcmp(now, rec->base_ident) == 0)
		return 0;
	error_set(err, ERR_VERIFY, "%s: image %s changed after its root disk was made from it",
		  rec->name, rec->base);
	error_hint(err, "put the old file back, or make the VM anew: holos up --recreate %s",
		   rec->service);
	return -ERR_VERIFY;
}

/* Bind sources: made where compose would, never by root in somebody's home. */
static int check_bind(const struct mount_spec *m, bool make, struct holos_error **err)
{
	struct stat st;
	int r;

	if (stat(m->source, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		r = error_set(err, ERR_INVALID, "volume source %s is no directory", m->source);
	} else if (errno == ENOENT && m->create_host_path &&
		   (geteuid() != 0 || strncmp(m->source, "/home/", 6) != 0)) {
		return make ? fs_mkdir_p(m->source, 0755, err) : 0;
	} else {
		r = error_sys(err, ERR_INVALID, errno, "volume source %s", m->source);
		error_hint(err, "make it: mkdir -p %s", m->source);
	}
	error_at(err != NULL ? *err : NULL, m->mark.file, m->mark.line, m->mark.column);
	return r;
}

static int check_binds(const struct service *s, bool make, struct holos_error **err)
{
	int r = 0;

	for (size_t i = 0; i < s->n_mounts && r == 0; i++) {
		if (s->mounts[i].type == MOUNT_BIND)
			r = check_bind(&s->mounts[i], make, err);
	}
	return r;
}

int prepare_check_plain(int dirfd, const char *name, const char *path, struct holos_error **err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, ERR_FAILED, errno, "disk %s", path);
	if (S_ISREG(st.st_mode))
		return 0;
	error_set(err, ERR_FAILED, "disk %s must be a plain file: the VM writes there", path);
	error_hint(err, "for a disk elsewhere there are vm.root_disk and volumes.NAME.source");
	return -ERR_FAILED;
}

/* A path of a record is opened for writing only where it must be (crash rule 3). */
int prepare_check_root(const struct instance_record *rec, const char *due, int dirfd,
		       const char *dir, struct holos_error **err)
{
	_cleanup_(freep) char *own = fs_join(dir, ROOT_FILE);

	if (due == NULL)
		due = own;
	if (strcmp(rec->root, due) == 0)
		return due == own ? prepare_check_plain(dirfd, ROOT_FILE, own, err) : 0;
	error_set(err, ERR_FAILED, "the record of %s names %s as its root disk, and it must be %s",
		  rec->name, rec->root, due);
	error_hint(err,
		   "put the file's vm.root_disk back, or make the VM anew: holos up --recreate %s",
		   rec->service);
	return -ERR_FAILED;
}

int64_t prepare_made_at(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int write_seed(struct prepare *p, const struct plan_vm *vm,
		      const struct instance_record *rec, const struct vm_volumes *volumes, int dir,
		      struct holos_error **err)
{
	_cleanup_(freep) char *host_key = NULL;
	_cleanup_(freep) char *instance_id = xasprintf("%s-%s", rec->name, rec->generation);
	_cleanup_(json_putp) struct json_object *steps = NULL;
	_cleanup_(closep) int seed = -1;
	_cleanup_(closep) int secret = -1;
	_cleanup_(closep) int context = -1;
	struct provision_secret secrets[1] = { { KEYS_HOST_KEY, -1 } };
	struct plan_steps_input in = { .plan = p->plan,
				       .vm = vm,
				       .instance_id = instance_id,
				       .made_at = prepare_made_at(),
				       .user = rec->user,
				       .init = rec->init != NULL ? rec->init : "systemd",
				       .project_key = p->project_key,
				       .volumes = volumes->mounts,
				       .n_volumes = volumes->n };
	int r = keys_host(dir, true, &host_key, err);

	if (r < 0)
		return r;
	in.host_key = host_key;
	/* The first boot takes what it copies from it; it is never another. */
	in.copies = vm->service->build_copies != NULL && !fs_exists(dir, CONTEXT_FILE);
	steps = plan_steps(&in);
	if (p->hosts == NULL || !plan_shares_hosts(p->hosts_of, vm)) {
		json_object_put(p->hosts);
		p->hosts = plan_steps_hosts(p->plan, vm);
		p->hosts_of = vm;
	}
	fs_clear_name(dir, SEED_TEMP);
	fs_clear_name(dir, CONTEXT_TEMP);
	if (in.copies)
		context = openat(dir, CONTEXT_TEMP,
				 O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	secret = openat(dir, KEYS_HOST_KEY, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	seed = openat(dir, SEED_TEMP, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (secret < 0 || seed < 0 || (in.copies && context < 0))
		return error_sys(err, ERR_FAILED, errno, "cannot write the seed of %s", rec->name);
	secrets[0].fd = secret;
	r = provision_seed(engine_worker(p->e), "cloud-init", NULL, steps, p->hosts, seed, context,
			   secrets, 1, err);
	if (r == 0 && in.copies && renameat(dir, CONTEXT_TEMP, dir, CONTEXT_FILE) < 0)
		r = error_sys(err, ERR_FAILED, errno, "cannot write the seed of %s", rec->name);
	if (r == 0 && renameat(dir, SEED_TEMP, dir, SEED_FILE) < 0)
		r = error_sys(err, ERR_FAILED, errno, "cannot write the seed of %s", rec->name);
	if (r == 0)
		up_keep_hosts(dir, p->hosts);
	if (r < 0) {
		unlinkat(dir, SEED_TEMP, 0);
		unlinkat(dir, CONTEXT_TEMP, 0);
	}
	return r;
}

int prepare_check(struct prepare *p, const struct plan_vm *vm, const struct instance_record *rec,
		  struct holos_error **err)
{
	const struct service *s = vm->service;
	_cleanup_(freep) char *dir =
		state_path(p->e->state, "instances/%s/%s", p->project->name, vm->name);
	int r = check_binds(s, false, err);

	if (r == 0 && s->vm.root_disk != NULL)
		r = prepare_check_disk(p->e, s->vm.root_disk, root_format(s, s->vm.root_disk), err);
	if (r == 0 && rec != NULL) {
		_cleanup_(closep) int fd =
			open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		r = fd >= 0 ? prepare_check_root(rec, vm->service->vm.root_disk, fd, dir, err)
			    : error_sys(err, ERR_FAILED, errno, "cannot open %s", dir);
	}
	if (r == 0 && rec != NULL)
		r = prepare_check_base(rec, err);
	if (r < 0 || p->nics_checked == s)
		return r;
	r = nics_check(p, vm, err);
	if (r == 0)
		p->nics_checked = s;
	return r;
}

static void fill_launch(struct prepare *p, const struct plan_vm *vm,
			const struct instance_record *rec, const char *dir, struct launch *l)
{
	const struct launch_range *reserved;

	l->project = xstrdup(rec->project);
	l->project_id = xstrdup(rec->project_id);
	l->service = xstrdup(rec->service);
	l->instance = xstrdup(rec->name);
	l->uuid = xstrdup(rec->uuid);
	l->index = rec->index;
	l->program = xstrdup(p->qemu);
	l->ports = vm_ports_copy(rec->ports, rec->n_ports);
	l->n_ports = rec->n_ports;
	l->ssh_port = rec->ssh_port;
	reserved = ports_reserved(p->ports, &l->n_reserved);
	l->reserved =
		l->n_reserved != 0 ? xmemdup(reserved, l->n_reserved * sizeof(*reserved)) : NULL;
	l->guest.user = xstrdup(rec->user);
	l->guest.key = keys_project_path(p->e->state, rec->project);
	l->guest.host_key = fs_join(dir, KEYS_HOST_KEY_PUB);
	live_fill(vm, l);
}

enum boot_firmware prepare_firmware_kind(enum arch arch, const struct plan_vm *vm,
					 const struct instance_record *rec)
{
	struct json_object *made =
		rec != NULL ? jsonx_obj(jsonx_obj(rec->spec, "recreate"), "vm") : NULL;
	bool known = rec != NULL && rec->spec != NULL;
	const struct vm_spec *vs = &vm->service->vm;

	if (known ? jsonx_bool(made, "secure_boot", false) : vs->secure_boot)
		return BOOT_SECURE;
	if (arch != ARCH_X86_64 || (known ? jsonx_bool(made, "uefi", false) : vs->uefi))
		return BOOT_UEFI;
	return BOOT_BIOS;
}

/* The VM's own copy of the firmware's variables, made with its first start. */
static int uefi_vars(const struct firmware *f, int dir, struct holos_error **err)
{
	if (fs_exists(dir, NVRAM_FILE))
		return 0;
	return fs_copy(AT_FDCWD, f->vars, dir, NVRAM_FILE, 0600, err);
}

static int add_firmware(const struct prepare *p, const struct plan_vm *vm,
			const struct instance_record *rec, const char *nvram, int dirfd,
			struct plan_argv_input *in, struct holos_error **err)
{
	enum boot_firmware kind = prepare_firmware_kind(p->arch, vm, rec);
	const struct firmware *f = kind == BOOT_SECURE ? &p->secure_firmware : &p->firmware;

	if (kind == BOOT_BIOS)
		return 0;
	in->firmware_code = f->code;
	in->firmware_code_format = f->code_format;
	in->firmware_vars = nvram;
	in->firmware_vars_format = f->vars_format;
	in->smm = f->smm;
	return uefi_vars(f, dirfd, err);
}

/* The record, for good; and what is new becomes an instance: all that makes it one
 * is synced, then it gets its name. */
static int record(struct prepare *p, struct instance_record *rec, int fd, struct holos_error **err)
{
	static const char *const durable[] = { KEYS_HOST_KEY, KEYS_HOST_KEY_PUB,
					       INSTANCE_RECORD_FILE };
	int r;

	if (rec->launched)
		return instance_record_write(fd, rec, true, err);
	rec->launched = true;
	r = instance_record_write(fd, rec, false, err);
	for (size_t i = 0; r == 0 && i < sizeof(durable) / sizeof(durable[0]); i++)
		r = fs_sync_file(fd, durable[i], err);
	return r == 0 ? state_publish_instance(p->e->state, p->project->name, rec->name, err) : r;
}

static int build_launch(struct prepare *p, const struct plan_vm *vm, struct instance_record *rec,
			const struct vm_volumes *volumes, int dirfd, const char *dir,
			struct holos_error **err)
{
	_cleanup_(launch_destroyp) struct launch *l = launch_create();
	_cleanup_(freep) char *seed = fs_join(dir, SEED_FILE);
	_cleanup_(freep) char *nvram = fs_join(dir, NVRAM_FILE);
	_cleanup_(freep) char *context = fs_join(dir, CONTEXT_FILE);
	struct strv argv = STRV_INIT;
	_cleanup_(nics_finish) struct nics nics = { 0 };
	struct base_image boot = { 0 };
	struct plan_argv_input in = { .vm = vm,
				      .program = p->qemu,
				      .uuid = rec->uuid,
				      .dir = dir,
				      .arch = p->arch,
				      .kvm = prepare_uses_kvm(p, vm->service),
				      .no_pvpanic = !p->traits.pvpanic,
				      .root_user = geteuid() == 0,
				      .root = rec->root,
				      .root_format = rec->root_format,
				      .seed = seed,
				      .context = fs_exists(dirfd, CONTEXT_FILE) ? context : NULL,
				      .volumes = volumes->disks,
				      .n_volumes = volumes->n };
	int r = nics_plan(p, vm, rec, dir, &nics, err);

	in.nics = nics.args;
	if (r == 0)
		r = add_firmware(p, vm, rec, nvram, dirfd, &in, err);
	if (r == 0 && rec->base != NULL && rec->base_ident == NULL) {
		r = images_read_boot(rec->base, &boot, err);
		in.kernel = boot.kernel;
		in.initrd = boot.initrd;
		in.cmdline = boot.cmdline;
	}
	if (r == 0) {
		plan_argv(&in, &argv);
		fill_launch(p, vm, rec, dir, l);
		l->argv = steal_ptr(&argv.v);
		nics_fill_launch(&nics, l);
		r = launch_write(dirfd, l, err);
	}
	if (r == 0)
		r = record(p, rec, dirfd, err);
	if (r == 0) /* last: the more was in order before, the less is to be undone; and its
		     * journal is that of an instance */
		r = nics_apply(p->e, &nics, dirfd, vm->name, err);
	base_image_finish(&boot);
	return r;
}

/* The spec as of this start; what only a new root disk takes up stays as it was
 * when this one was made. */
static void renew_spec(struct prepare *p, const struct plan_vm *vm, struct instance_record *rec)
{
	struct json_object *spec = plan_spec(p->project, vm->service);

	if (jsonx_obj(rec->spec, "recreate") != NULL)
		jsonx_set(spec, "recreate", json_object_get(jsonx_obj(rec->spec, "recreate")));
	json_object_put(rec->spec);
	rec->spec = spec;
}

static int write_all(struct prepare *p, const struct plan_vm *vm, struct instance_record *rec,
		     int fd, const char *dir, struct holos_error **err)
{
	const char *project = p->project->name;
	_cleanup_(vm_volumes_finish) struct vm_volumes volumes = { 0 };
	int r = prepare_check_root(rec, vm->service->vm.root_disk, fd, dir, err);

	fs_sweep_temporary(fd, ".", ""); /* the VM is down and the project locked */
	if (r == 0)
		r = nics_undo(p->e, fd, vm->name, err); /* of a start that ended without a stop */
	if (r == 0)
		r = prepare_check_base(rec, err);
	if (r == 0)
		r = check_binds(vm->service, true, err);
	if (r == 0)
		r = choose_ports(p, vm, rec, err);
	if (r < 0)
		return r;
	volumes_confirm(p->e->state, project, vm->name);
	r = volumes_prepare(p->e, p->project, vm->service, vm->index, vm->name, &volumes, err);
	if (r == 0)
		r = write_seed(p, vm, rec, &volumes, fd, err);
	if (r < 0)
		return r;
	rec->grace_ns = vm->service->stop_grace_period_ns;
	renew_spec(p, vm, rec);
	free(rec->file); /* the project may have been adopted */
	free(rec->dir);
	rec->file = xstrdup_null(p->project->file);
	rec->dir = xstrdup(p->project->dir);
	return build_launch(p, vm, rec, &volumes, fd, dir, err);
}

int prepare_launch(struct prepare *p, const struct plan_vm *vm, struct instance_record *rec,
		   struct holos_error **err)
{
	const char *project = p->project->name;
	bool is_new = !rec->launched;
	_cleanup_(freep) char *dir = state_path(p->e->state, "instances/%s/%s", project, vm->name);
	_cleanup_(freep) char *begun = state_begun_path(p->e->state, project, vm->name);
	_cleanup_(closep) int fd =
		open(is_new ? begun : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return error_sys(err, ERR_FAILED, errno, "cannot open %s", is_new ? begun : dir);
	r = write_all(p, vm, rec, fd, dir, err);
	if (r < 0 && is_new)
		state_abandon_instance(p->e->state, project, vm->name);
	return r;
}
