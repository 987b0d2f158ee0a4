/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.h - the way into a running guest for the programs of holos: the SSH
 * module on demand, and the wait for a guest that boots.
 */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include <base/error.h>
#include <guest/ssh_module.h>

#include <stdint.h>

/* The SSH module, loaded from $HOLOS_MODULE_DIR or the installation on the
 * first call and for the life of the process.  Fails with ERR_HOST when it is
 * not installed or belongs to another build. */
int guest_ssh_module(const struct holos_ssh_module **ret, struct holos_error **err);

/* Wait until the guest lets us log in, and log in.  Refused, closed and broken
 * connections and late answers are tried again until deadline_ns
 * (CLOCK_MONOTONIC); an answer that will not change (HOLOS_E_DENIED,
 * HOLOS_E_CONFIG) ends the wait.  HOLOS_E_UNREACHED at the deadline, with the
 * last reason; HOLOS_E_CANCELLED when cancel_fd (or -1) becomes readable;
 * HOLOS_E_UNAVAIL without the module.  The caller closes *ret with the module's
 * conn_close. */
holos_status guest_wait_ssh(const struct holos_guest *guest, uint64_t deadline_ns, int cancel_fd,
			    struct ssh_conn **ret, struct holos_error **err);

#endif
