/* SPDX-License-Identifier: Apache-2.0
 *
 * holos/testkit.h - a host for tests of plugins: libholos-testkit.a.
 *
 * It runs in the test's own process, under its debugger and sanitizers, keeps
 * what the plugin says, and misbehaves where it is told to.  Not part of the
 * ABI: link it into tests only.
 *
 *     struct holos_testkit *kit = holos_testkit_new(plugin_function());
 *     void *inst = holos_testkit_open(kit, "hello", "{\"greeting\":\"hi\"}");
 *     const struct holos_health_ops *ops = holos_testkit_ops(kit, "hello");
 *     status = ops->check(inst, guest, holos_testkit_call(kit), holos_testkit_error(kit));
 *     puts(holos_testkit_message(kit));
 *     holos_testkit_close(kit, "hello", inst);
 *     holos_testkit_free(kit);
 */
#ifndef HOLOS_TESTKIT_H
#define HOLOS_TESTKIT_H
#include <holos/fetch.h>
#include <holos/guest.h>
#include <holos/health.h>
#include <holos/image.h>
#include <holos/importer.h>
#include <holos/net.h>
#include <holos/provision.h>

#ifdef __cplusplus
extern "C" {
#endif

struct holos_testkit;

/* A host for one plugin; init() is run by the first call that needs it.  The
 * process ends with a message where the plugin breaks a rule (a descriptor that
 * is cut short, fail() with a positive code, options after close). */
struct holos_testkit *holos_testkit_new(const struct holos_plugin *plugin);
/* fini(), and free it. */
void holos_testkit_free(struct holos_testkit *kit);

/* The operations of an interface; NULL: there is none of that name. */
const void *holos_testkit_ops(struct holos_testkit *kit, const char *name);

/* Run init (once) and open.  NULL: it failed, holos_testkit_message() says why,
 * and holos_testkit_status() how.  options: JSON text, NULL: {}. */
void *holos_testkit_open(struct holos_testkit *kit, const char *name, const char *options);
void holos_testkit_close(struct holos_testkit *kit, const char *name, void *inst);
/* Open and close instances of one interface in an order made from a seed; every
 * one is closed in the end.  The status of the first open() that failed. */
holos_status holos_testkit_shuffle(struct holos_testkit *kit, const char *name,
                                   const char *options, unsigned seed, unsigned rounds);

/* A new call: what the one before recorded is forgotten.  deadline: 5 s. */
holos_call *holos_testkit_call(struct holos_testkit *kit);
/* The error of this call. */
holos_error *holos_testkit_error(struct holos_testkit *kit);

/* ---- what the plugin said in this call: "" where it said nothing ---------- */

holos_status holos_testkit_status(const struct holos_testkit *kit); /* of the first fail() */
const char *holos_testkit_message(const struct holos_testkit *kit);
const char *holos_testkit_hint(const struct holos_testkit *kit);
const char *holos_testkit_at(const struct holos_testkit *kit);
/* Lines "LEVEL TEXT", since the kit was made. */
const char *holos_testkit_log(const struct holos_testkit *kit);
/* What went to sinks and to the plan, one JSON object:
 * {"images":[], "output":{}, "qemu":[], "helpers":[], "endpoints":[], "files":[],
 *  "model":{}, "lost":[], "steps":{}, "media":[], "progress":[]}; absent where nothing was said. */
const char *holos_testkit_result(struct holos_testkit *kit);

/* ---- what to hand to operations --------------------------------------------- */

holos_image_sink *holos_testkit_image_sink(struct holos_testkit *kit, const char *work_dir,
                                           const char *cache_dir);
holos_plan *holos_testkit_plan(struct holos_testkit *kit, const char *dir);
holos_importer_sink *holos_testkit_importer_sink(struct holos_testkit *kit);
holos_steps_sink *holos_testkit_steps_sink(struct holos_testkit *kit);
/* A document for seed(); lives until the next one. */
const holos_cfg *holos_testkit_cfg(struct holos_testkit *kit, const char *json);

/* ---- what the world answers ---------------------------------------------------- */

/* Of holos.guest/1: the status of exec(), and what the command said. */
void holos_testkit_guest(struct holos_testkit *kit, holos_status status, int32_t exit_status,
                         const char *out, const char *errout);
/* Of holos.fetch/1: the document, for any URL; NULL: HOLOS_E_UNREACHED. */
void holos_testkit_document(struct holos_testkit *kit, const void *data, size_t len);
/* Of secret(): a descriptor, -1: none. */
void holos_testkit_secret(struct holos_testkit *kit, int fd);

/* ---- faults ----------------------------------------------------------------------- */

/* The call is cancelled at its n-th use of the host (1: the first); 0: never. */
void holos_testkit_cancel_at(struct holos_testkit *kit, unsigned n);
/* The deadline of calls to come has passed already. */
void holos_testkit_expire(struct holos_testkit *kit, int expired);
/* A host of an older minor: it has no field of a newer one. */
void holos_testkit_minor(struct holos_testkit *kit, unsigned minor);
/* query() does not find this table. */
void holos_testkit_hide(struct holos_testkit *kit, const char *id);
/* A descriptor to which nothing can be written: no space left on device.  The
 * caller closes it. */
int holos_testkit_full_fd(void);

#ifdef __cplusplus
}
#endif
#endif
