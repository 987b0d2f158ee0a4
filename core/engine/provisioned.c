/* SPDX-License-Identifier: Apache-2.0
 *
 * provisioned.c - see provisioned.h.  The monitor hears it: monitor/provision.c.
 */
#include <base/alloc.h>
#include <base/clock.h>
#include <engine/provisioned.h>

#include <stdlib.h>
#include <string.h>

bool provisioned_waits(struct engine *e, const char *name, const struct vm_record *vm,
		       uint64_t began_ns, char **told)
{
	const char *step = vm->provision_text != NULL ? vm->provision_text : "";

	if (vm->provision != VM_PROVISION_RUNNING || engine_health_bypassed())
		return false;
	if (*told == NULL || strcmp(*told, step) != 0) {
		_cleanup_(freep) char *text = xasprintf("provisioning: %s", step);
		struct engine_event event = { .kind = ENGINE_PROGRESS,
					      .subject = name,
					      .text = text,
					      .elapsed_ns = clock_now_ns() - began_ns };

		free(*told);
		*told = xstrdup(step);
		engine_emit(e, &event);
	}
	return true;
}

int provisioned_check(const char *project, const char *name, const struct vm_record *vm,
		      struct holos_error **err)
{
	if (vm->provision != VM_PROVISION_FAILED || engine_health_bypassed())
		return 0;
	error_set(err, ERR_TIMEOUT, "provisioning failed: %s",
		  vm->provision_text != NULL ? vm->provision_text : "the guest does not say why");
	error_hint(err, "see more: holos logs --provision -p %s %s", project, name);
	return -ERR_TIMEOUT;
}

void provisioned_tell(struct engine *e, const char *name, const struct vm_record *vm)
{
	_cleanup_(freep) char *lines = xstrdup_null(vm->provision_output);

	if (lines == NULL || *lines == '\0')
		return;
	engine_note(e, "%s: the end of what it said:", name);
	for (char *line = lines, *next; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		engine_note(e, "  | %s", line);
	}
}
