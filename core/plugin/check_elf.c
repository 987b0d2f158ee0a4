/* SPDX-License-Identifier: Apache-2.0
 *
 * check_elf.c - the rules for plugins that can be read off the file, without
 * running any of it.  The file is bounded and every offset is checked.
 */
#include <plugin/check.h>

#include <base/alloc.h>
#include <base/fs.h>
#include <base/strbuf.h>

#include <elf.h>
#include <link.h>
#include <string.h>

#define FILE_MAX (256u << 20)

struct image {
	const char *data;
	size_t len;
	ElfW(Ehdr) header;
};

/* Copy n structs of a size from an offset; NULL: they are not in the file. */
static void *copy(const struct image *m, uint64_t offset, uint64_t n, size_t size)
{
	if (n > m->len / size || offset > m->len || n * size > m->len - offset)
		return NULL;
	return xmemdup(m->data + offset, (size_t)n * size);
}

static const ElfW(Phdr) * find_program(const ElfW(Phdr) * ph, size_t n, uint32_t type)
{
	for (size_t i = 0; i < n; i++) {
		if (ph[i].p_type == type)
			return &ph[i];
	}
	return NULL;
}

static bool report(check_fn *fn, void *data, const char *rule, bool ok, const char *detail)
{
	fn(data, rule, ok, ok ? NULL : detail);
	return ok;
}

static bool check_dynamic(const ElfW(Dyn) * dyn, size_t n, check_fn *fn, void *data)
{
	bool now = false, path = false, text = false;
	bool ok = true;

	for (size_t i = 0; i < n && dyn[i].d_tag != DT_NULL; i++) {
		now |= dyn[i].d_tag == DT_BIND_NOW ||
		       (dyn[i].d_tag == DT_FLAGS && (dyn[i].d_un.d_val & DF_BIND_NOW) != 0) ||
		       (dyn[i].d_tag == DT_FLAGS_1 && (dyn[i].d_un.d_val & DF_1_NOW) != 0);
		path |= dyn[i].d_tag == DT_RPATH || dyn[i].d_tag == DT_RUNPATH;
		text |= dyn[i].d_tag == DT_TEXTREL;
	}
	ok &= report(fn, data, "binds its symbols when it is loaded", now,
		     "link it with -Wl,-z,now");
	ok &= report(fn, data, "names no directory for its libraries", !path,
		     "it has an RPATH or RUNPATH: link it without -Wl,-rpath");
	ok &= report(fn, data, "has no text relocations", !text, "compile it with -fPIC");
	return ok;
}

static bool check_program(const struct image *m, check_fn *fn, void *data)
{
	_cleanup_(freep) ElfW(Phdr) *ph =
		copy(m, m->header.e_phoff, m->header.e_phnum, sizeof(*ph));
	_cleanup_(freep) ElfW(Dyn) *dyn = NULL;
	const ElfW(Phdr) * at;
	bool ok = true;

	if (ph == NULL)
		return report(fn, data, "is a shared object", false, "its headers are damaged");
	at = find_program(ph, m->header.e_phnum, PT_GNU_STACK);
	ok &= report(fn, data, "needs no executable stack", at != NULL && (at->p_flags & PF_X) == 0,
		     "link it with -Wl,-z,noexecstack");
	at = find_program(ph, m->header.e_phnum, PT_GNU_RELRO);
	ok &= report(fn, data, "is read-only after relocation", at != NULL,
		     "link it with -Wl,-z,relro");
	at = find_program(ph, m->header.e_phnum, PT_DYNAMIC);
	if (at != NULL)
		dyn = copy(m, at->p_offset, at->p_filesz / sizeof(*dyn), sizeof(*dyn));
	if (dyn == NULL)
		return report(fn, data, "is a shared object", false, "it has no dynamic section");
	return check_dynamic(dyn, at->p_filesz / sizeof(*dyn), fn, data) && ok;
}

/* Count and name what the dynamic symbol table defines for others. */
static bool check_exports(const struct image *m, const ElfW(Shdr) * symbols,
			  const ElfW(Shdr) * names, const char *module, check_fn *fn, void *data)
{
	size_t n = symbols->sh_size / sizeof(ElfW(Sym));
	_cleanup_(freep) ElfW(Sym) *sym = copy(m, symbols->sh_offset, n, sizeof(*sym));
	_cleanup_(freep) char *text = copy(m, names->sh_offset, names->sh_size, 1);
	_cleanup_(freep) char *due = xasprintf("holos_%s_LTX_holos_plugin_v1", module);
	_cleanup_(strbuf_finish) struct strbuf others = STRBUF_INIT;
	bool found = false;

	for (char *c = due; *c != '\0'; c++) {
		if (*c == '-')
			*c = '_';
	}
	for (size_t i = 0; sym != NULL && text != NULL && i < n; i++) {
		size_t at = sym[i].st_name;

		if (sym[i].st_shndx == SHN_UNDEF || sym[i].st_shndx == SHN_ABS ||
		    at >= names->sh_size || memchr(text + at, '\0', names->sh_size - at) == NULL)
			continue;
		if (strcmp(text + at, due) == 0)
			found = true;
		else if (others.len < 200)
			strbuf_addf(&others, "%s%s", others.len != 0 ? ", " : "", text + at);
	}
	if (!found)
		strbuf_addf(&others, "%s%s is missing", others.len != 0 ? "; " : "", due);
	return report(fn, data, "exports its descriptor and nothing else", others.len == 0,
		      others.len != 0 ? others.s : NULL);
}

static bool check_symbols(const struct image *m, const char *module, check_fn *fn, void *data)
{
	_cleanup_(freep) ElfW(Shdr) *sh =
		copy(m, m->header.e_shoff, m->header.e_shnum, sizeof(*sh));

	for (size_t i = 0; sh != NULL && i < m->header.e_shnum; i++) {
		if (sh[i].sh_type == SHT_DYNSYM && sh[i].sh_link < m->header.e_shnum)
			return check_exports(m, &sh[i], &sh[sh[i].sh_link], module, fn, data);
	}
	return report(fn, data, "exports its descriptor and nothing else", false,
		      "it has no table of dynamic symbols");
}

int check_elf_file(int fd, const char *module, check_fn *fn, void *data)
{
	_cleanup_(strbuf_finish) struct strbuf b = STRBUF_INIT;
	struct image m = { 0 };
	bool ok;

	if (fs_read_fd(fd, "plugin", FILE_MAX, &b, NULL) < 0 || b.len < sizeof(m.header) ||
	    memcmp(b.s, ELFMAG, SELFMAG) != 0 ||
	    (unsigned char)b.s[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)) {
		report(fn, data, "is a shared object", false, "it is none for this machine");
		return 1;
	}
	m.data = b.s;
	m.len = b.len;
	memcpy(&m.header, b.s, sizeof(m.header));
	ok = report(fn, data, "is a shared object", m.header.e_type == ET_DYN,
		    "it is of another type");
	ok = check_program(&m, fn, data) && ok;
	ok = check_symbols(&m, module, fn, data) && ok;
	return ok ? 0 : 1;
}
