/* SPDX-License-Identifier: Apache-2.0
 *
 * protocol.h - what the two sides of monitor.sock agree on.
 *
 * JSON lines, one object each.  The monitor opens with a greeting:
 *     {"holos-monitor":1,"version":"0.1.0","vm":{vm.json}}
 * A client sends requests, {"id":N,"op":"stop","grace_ns":N}; each gets one
 * answer, in any order:
 *     {"id":N,"ok":true, ...} or
 *     {"id":N,"ok":false,"code":EXIT STATUS,"error":"...","hint":"..."}
 * After "subscribe" the state is sent at once, and then at every change, as
 * {"event":"vm","vm":{vm.json}}.
 * Both sides ignore members that they do not know; an unknown op is an error
 * answer, so that either side may be older than the other.
 *
 *  status                      -> "vm"
 *  subscribe                   events from now on
 *  ping                        nothing
 *  stop {grace_ns}             answers when the VM is down -> "vm"
 *  kill                        the same without asking the guest -> "vm"
 *  reach                       answers when the guest does (SSH), or with an
 *                              error when it is down or cannot be asked
 *  pause, cont, reset          QMP stop, cont, system_reset
 *  qmp {command, arguments}    any QMP command but those that end the VM
 *                              -> "return"
 *  reload                      read launch.json again: restart policy,
 *                              healthcheck, grace, log; argv at the next start
 *  upgrade {program}           go on as another holos-monitor, in place
 *
 * The end of the connection is the end of the monitor: it has released its
 * lock by then, and another may be started.
 */
#ifndef MONITOR_PROTOCOL_H
#define MONITOR_PROTOCOL_H

#define MONITOR_GREETING    "holos-monitor" /* member with the protocol's version */
#define MONITOR_PROTOCOL    1
#define MONITOR_LINE_MAX    (1u << 20)  /* bytes of one message */
#define MONITOR_REQUEST_MAX (64u << 10) /* bytes of one request */
#define MONITOR_QUEUES_MAX  (8u << 20)  /* bytes that wait to be read, over all clients */
#define MONITOR_CLIENTS_MAX 64

/* Descriptors that a monitor starts with, besides the standard three. */
#define MONITOR_FD_LISTEN 3
#define MONITOR_FD_DIR    4
#define MONITOR_FD_ALIVE  5 /* byte 0 of `alive`, locked by the starter */

#endif
