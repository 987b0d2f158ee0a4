/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.h - what client and holos-worker agree on; both are of one build.
 *
 * JSON lines over WIRE_FD.  One request at a time:
 *   {"id":1,"kind":"net","name":"user","op":"plan","options":{},"args":{},
 *    "fds":["seed"],"deadline_ns":N,"told":0}       descriptors attached
 * A request may have "shared": an object with more for the op, which the worker
 * keeps; or true: that which it was last sent.
 * While it runs, in any number:
 *   {"log":{"level":6,"plugin":"net-user","msg":""}}
 *   {"id":1,"progress":{"what":"","done":0,"total":0}}
 *   {"id":1,"phase":"load"|"init"|"open"|""}        what would be to blame now
 * And once:
 *   {"id":1,"status":0,"result":{}}                 descriptors may be attached
 *   {"id":1,"status":-2,"message":"","hint":"","at":"/option","errno":0}
 * One byte on WIRE_CANCEL_FD ends a call early; "told" says how many such bytes
 * belong to earlier calls.  End of file on WIRE_FD ends the worker.
 */
#ifndef PLUGIN_WIRE_H
#define PLUGIN_WIRE_H

/* The kind of the operations that are holos' own (ops_fetch.c). */
#define WIRE_FETCH "fetch"

#define WIRE_FD        3
#define WIRE_CANCEL_FD 4
#define WIRE_LINE_MAX  (16u << 20)
#define WIRE_PHASE_MAX 8
/* Bytes of a network's journal: sdk/include/holos/net.h. */
#define NET_JOURNAL_MAX 4096
/* The kind of requests that are for the worker itself: inspect.c. */
#define WIRE_KIND_WORKER "worker"
/* How the worker ends when its memory is used up. */
#define WIRE_EXIT_MEMORY 119

#endif
