/* SPDX-License-Identifier: Apache-2.0
 *
 * loader.c - from a file to a plugin's descriptor function; the only file that
 * touches libltdl.
 *
 * libltdl finds the same symbol (MODULE_LTX_holos_plugin_v1) in a shared object
 * and in the table of modules linked into this program.  Two of its habits are
 * worked around: it binds lazily, so that a missing symbol would kill the
 * process in the middle of a call, and it reports every failure of dlopen(3) as
 * "file not found".  A dlopen of our own goes first and answers for both.
 */
#include <plugin/worker/worker.h>

#include <base/alloc.h>

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <ltdl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Generated: see sdk/cmake/HolosPlugin.cmake. */
extern const lt_dlsymlist lt__holos_worker_LTX_preloaded_symbols[];

static bool started;

static int start(struct holos_error **err)
{
	if (started)
		return 0;
	if (lt_dlpreload_default(lt__holos_worker_LTX_preloaded_symbols) != 0 || lt_dlinit() != 0)
		return error_set(err, ERR_FAILED, "cannot start the plugin loader");
	started = true;
	return 0;
}

static lt_dlhandle open_advised(const char *name, bool preloaded)
{
	lt_dladvise advise;
	lt_dlhandle h = NULL;

	if (lt_dladvise_init(&advise) != 0)
		return NULL;
	if ((preloaded ? lt_dladvise_preload(&advise) : lt_dladvise_local(&advise)) == 0)
		h = lt_dlopenadvise(name, advise);
	lt_dladvise_destroy(&advise);
	return h;
}

/* dlsym()'s data pointer as the function it is; ISO C has no cast for that. */
static holos_plugin_fn *find_function(lt_dlhandle h, const char *symbol)
{
	union {
		void *data;
		holos_plugin_fn *function;
	} p = { .data = lt_dlsym(h, symbol) };

	return p.function;
}

/* "PATH: cannot do this" -> "cannot do this". */
static const char *dl_reason(const char *path)
{
	const char *reason = dlerror();
	size_t n = strlen(path);

	if (reason == NULL)
		return "unknown reason";
	if (strncmp(reason, path, n) == 0 && strncmp(reason + n, ": ", 2) == 0)
		return reason + n + 2;
	return reason;
}

static int no_function(lt_dlhandle h, const char *module, struct holos_error **err)
{
	for (char v = '0'; v <= '9'; v++) {
		char symbol[] = "holos_plugin_v?";

		symbol[sizeof(symbol) - 2] = v;
		if (v != '0' + HOLOS_ABI_MAJOR && find_function(h, symbol) != NULL)
			return error_set(err, ERR_HOST,
					 "holos-%s.so is built for plugin ABI %c, this holos "
					 "speaks %d.%d",
					 module, v, HOLOS_ABI_MAJOR, HOLOS_ABI_MINOR);
	}
	return error_set(err, ERR_HOST, "holos-%s.so is no holos plugin: it has no %s", module,
			 "holos_plugin_v1");
}

/* Bytes of an ELF header up to and with e_machine. */
#define ELF_BYTES 20

static const char *machine_name(uint16_t machine, char *buf, size_t size)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} known[] = {
		{ EM_X86_64, "x86-64" }, { EM_AARCH64, "aarch64" }, { EM_386, "i386" },
		{ EM_ARM, "arm" },       { EM_RISCV, "riscv" },     { EM_PPC64, "ppc64" },
		{ EM_S390, "s390" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].machine == machine)
			return known[i].name;
	}
	snprintf(buf, size, "machine %u", (unsigned)machine);
	return buf;
}

static bool read_elf(const char *path, unsigned char *header)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && pread(fd, header, ELF_BYTES, 0) == ELF_BYTES &&
	       memcmp(header, ELFMAG, SELFMAG) == 0;
}

/* dlopen(3) reports both as "cannot open". */
static int check_elf(const char *path, const char *module, struct holos_error **err)
{
	unsigned char ours[ELF_BYTES], theirs[ELF_BYTES];
	char a[32], b[32];
	uint16_t of_ours, of_theirs;

	if (!read_elf(path, theirs))
		return error_set(err, ERR_HOST, "holos-%s.so is no shared object", module);
	if (!read_elf("/proc/self/exe", ours))
		return 0;
	memcpy(&of_ours, ours + 18, sizeof(of_ours));
	memcpy(&of_theirs, theirs + 18, sizeof(of_theirs));
	if (of_ours == of_theirs && memcmp(ours, theirs, EI_VERSION) == 0)
		return 0;
	if (of_ours == of_theirs)
		return error_set(err, ERR_HOST,
				 "holos-%s.so is built for another word size or byte order",
				 module);
	return error_set(err, ERR_HOST, "holos-%s.so is built for %s, this holos for %s", module,
			 machine_name(of_theirs, a, sizeof(a)),
			 machine_name(of_ours, b, sizeof(b)));
}

int loader_open(const char *path, const char *module, holos_plugin_fn **ret,
		struct holos_error **err)
{
	lt_dlhandle h;
	void *first;
	int r = check_elf(path, module, err);

	if (r < 0)
		return r;
	first = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (first == NULL)
		return error_set(err, ERR_HOST, "holos-%s.so cannot be loaded: %s", module,
				 dl_reason(path));
	r = start(err);
	h = r == 0 ? open_advised(path, false) : NULL;
	dlclose(first);
	if (r < 0)
		return r;
	if (h == NULL)
		return error_set(err, ERR_HOST, "holos-%s.so cannot be loaded", module);
	*ret = find_function(h, "holos_plugin_v1");
	return *ret != NULL ? 0 : no_function(h, module, err);
}

holos_plugin_fn *loader_static(const char *module)
{
	_cleanup_(freep) char *name = xasprintf("holos-%s", module);
	lt_dlhandle h;

	/* The table starts with the program itself; most builds have no more. */
	if (lt__holos_worker_LTX_preloaded_symbols[1].name == NULL || start(NULL) < 0)
		return NULL;
	h = open_advised(name, true);
	return h != NULL ? find_function(h, "holos_plugin_v1") : NULL;
}

void loader_finish(void)
{
	if (started)
		(void)lt_dlexit();
	started = false;
}
