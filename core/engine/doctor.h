/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor.h - can this host run VMs, and what is to be done where it cannot?
 */
#ifndef ENGINE_DOCTOR_H
#define ENGINE_DOCTOR_H

#include <compose/project.h>

enum doctor_status { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_check {
	const char *name;
	enum doctor_status status;
	const char *message;
	const char *remedy; /* NULL: nothing is to be done, or nothing is known */
	const char *state;  /* of KVM: kvm_verdict_name(); else NULL */
};

typedef void doctor_fn(void *data, const struct doctor_check *c);

/* Make every check and tell fn of each, in order.  state_dir: absolute.  project:
 * whose devices and memory are looked at; or NULL.  Changes nothing but that the
 * state directory is made. */
void doctor_run(const char *state_dir, const struct project *project, doctor_fn *fn, void *data);

#endif
