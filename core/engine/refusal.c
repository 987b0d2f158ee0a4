/* SPDX-License-Identifier: Apache-2.0
 *
 * refusal.c - QEMU did not start, and said why: which words of the compose file does
 * it mean?
 */
#include <base/alloc.h>
#include <engine/up.h>

#include <string.h>

static const struct {
	const char *says; /* at the beginning of the message */
	const char *field;
} meanings[] = {
	{ "unsupported machine type", "vm.machine" },
	{ "-machine ", "vm.machine" },
	{ "unable to find CPU model", "vm.cpu_model" },
	{ "-cpu ", "vm.cpu_model" },
	{ "-smp ", "vm.vcpu" },
	{ "Invalid SMP CPUs", "vm.vcpu" },
	{ "Number of SMP CPUs", "vm.vcpu" },
	{ "-m ", "vm.memory" },
	{ "cannot set up guest memory", "vm.memory" },
	{ "-device vfio-pci,", "devices" },
	{ "vfio ", "devices" },
	{ "-virtfs ", "volumes" },
	{ "-sandbox ", "vm.sandbox" },
	{ "-enable-kvm", "vm.accel" },
	{ "Could not access KVM", "vm.accel" },
};

/* The extra argument at whose words the message begins: "-device foo: ...", "-foo: ...".
 * QEMU gets them last and reads "--" as "-". */
static bool find_extra(const struct service *s, const char *said, size_t *ret_i)
{
	const char *const *extra = s->vm.extra_args;

	for (size_t i = 0; extra[i] != NULL; i++) {
		size_t n = strlen(extra[i]);

		if (extra[i][0] != '-' || strncmp(said, extra[i], n) != 0)
			continue;
		if (said[n] == ' ' && extra[i + 1] != NULL) {
			size_t value = strlen(extra[i + 1]);

			if (strncmp(said + n + 1, extra[i + 1], value) != 0 ||
			    said[n + 1 + value] != ':')
				continue;
		} else if (said[n] != ':') {
			continue;
		}
		*ret_i = i;
		return true;
	}
	return false;
}

char *up_refusal_hint(const struct service *s, const char *said)
{
	const struct mark *m = &s->vm.mark;
	size_t extra;

	if (m->line == 0)
		m = &s->mark;
	if (find_extra(s, said, &extra))
		return xasprintf("it means services.%s.vm.extra_args[%zu] (%s:%u)", s->name, extra,
				 m->file, m->line);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (strncmp(said, meanings[i].says, strlen(meanings[i].says)) == 0)
			return xasprintf("see services.%s.%s (%s:%u)", s->name, meanings[i].field,
					 m->file, m->line);
	}
	return NULL;
}
