/*
 * micro.h - what the files of the micro guest's only program share.
 *
 * One static binary is everything of ours inside the guest: the initramfs's /init, PID 1,
 * the reader of the NoCloud seed, `cloud-init status`, sudo, blkid and a few small tools.
 * On the host the builder runs the same binary to make the boot disk (mkdisk and friends).
 *
 * The program is short-lived except for PID 1, which allocates nothing after its start.
 * Memory of the others is never freed, on purpose: it ends with the process, and every
 * input is capped before it is read.
 */
#ifndef MICRO_H
#define MICRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MICRO_EXE   "/sbin/micro-init"
#define MICRO_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CI_LOG      "/var/log/cloud-init.log"
#define CI_OUTPUT   "/var/log/cloud-init-output.log"
#define CI_ERRORS   "/run/cloud-init/errors"
#define CI_RESULT   "/run/cloud-init/result.json"
#define CI_INSTANCE "/var/lib/cloud/instance"
#define SEED_CAP    ((size_t)8 << 20) /* the largest seed file read, in bytes */

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* text.c - memory, strings, whole files */
struct buf {
	char *p;
	size_t n, cap;
};
void *xalloc(size_t n);
char *xdup(const char *s);
char *fmt(const char *f, ...) __attribute__((format(printf, 1, 2)));
void buf_add(struct buf *b, const char *p, size_t n);
void buf_str(struct buf *b, const char *s);
/* adds s as one word of a POSIX shell */
void buf_quote(struct buf *b, const char *s);
bool starts(const char *s, const char *prefix);
/* the file's bytes with a NUL after them; NULL and errno when absent or above cap */
char *slurp(const char *path, size_t cap, size_t *ret_n);
bool spew(const char *path, const char *p, size_t n, int flags, mode_t mode);
bool write_all(int fd, const void *p, size_t n);
bool mkdirs(const char *path, mode_t mode);
bool mkparents(const char *path);
/* decodes base64 in place of a new buffer; false when it is not base64 */
bool base64(const char *s, size_t n, char **ret, size_t *ret_n);
/* s up to the first newline, without blanks at its ends, in place */
char *chomp(char *s);

/* log.c - one line to the console and to cloud-init's log */
void say(const char *f, ...) __attribute__((format(printf, 1, 2)));
/* as say(), and the boot's status becomes "error" */
void complain(const char *f, ...) __attribute__((format(printf, 1, 2)));
int fail_main(int argc, char **argv);

/* run.c - child processes, and the clock to wait by */
int64_t now_ms(void); /* since some moment before the boot */
#define RUN_NULL (-1)
/* argv[0] is looked up in PATH; returns the exit status, 128+N for a signal, -1 when it did not
 * start */
int run(int in, int out, const char *const *argv);
/* the same from a NULL-terminated list, output to the console's log */
int runl(const char *file, ...) __attribute__((sentinel));
pid_t start(int in, int out, const char *const *argv);
int await(pid_t pid);
_Noreturn void exec_args(const char *file, const char *const *argv);

/* yaml.c - a bounded YAML reader */
enum ykind { Y_SCALAR, Y_MAP, Y_SEQ };
struct ynode {
	enum ykind kind;
	bool plain, binary;
	char *s;
	size_t len;
	size_t n;
	struct ynode **key, **item; /* key is NULL in a sequence */
};
struct ynode *yaml_parse(const char *text, size_t n, char **ret_err);
/* all of these accept NULL and answer NULL or the default */
struct ynode *y_get(struct ynode *map, const char *key);
const char *y_str(struct ynode *n);
const char *y_text(struct ynode *map, const char *key);
bool y_true(struct ynode *n, bool def);
struct ynode *y_at(struct ynode *seq, size_t i);
/* the number of items; a scalar counts as a list of one, null as none */
size_t y_len(struct ynode *n);

/* probe.c - what a block device holds */
struct probe {
	char type[24], label[68], uuid[40], pttype[8];
};
bool probe(const char *dev, struct probe *ret);
/* the device with NAME=VALUE (LABEL, UUID, PARTUUID, TYPE), "" when there is none */
bool find_device(const char *name, const char *value, char *ret, size_t size);
/* a device as fstab, root= and fs_setup name it: /dev/x, x, LABEL=..., UUID=..., PARTUUID=... */
bool resolve_device(const char *spec, char *ret, size_t size);
int each_block(int (*fn)(const char *name, void *arg), void *arg);
bool partuuid(const char *name, char *ret, size_t size);
bool sys_value(const char *file, char *ret, size_t size);
int blkid_main(int argc, char **argv);

/* links.c */
void make_links(void);
int links_main(int argc, char **argv);

/* modules.c */
void load_modules(const char *dir);

/* stage1.c, init.c, stop.c */
int stage1_main(void);
int init_main(void);
enum stop_how { STOP_HALT, STOP_POWEROFF, STOP_REBOOT };
_Noreturn void stop_system(enum stop_how how, const char *why);

/* the seed, as read at this boot */
struct seed {
	char *device; /* NULL: none found */
	char *iid, *hostname, *fqdn;
	bool is_new;  /* the first boot of this instance-id */
	char *script; /* user-data that is a #! script */
	size_t script_n;
	struct ynode *meta, *user, *net;
};

/* seed.c */
void seed_read(struct seed *s);
void seed_unknown_keys(const struct seed *s);

/* boot.c */
int boot_main(int argc, char **argv);

/* grow.c */
void grow_root(void);

/* net.c, dhcp.c */
void network_up(const struct seed *s);
void resolv_conf(const char *iface, const char *servers, const char *search);
int udhcpc_main(int argc, char **argv);

/* commands.c */
void run_list(const struct seed *s, struct ynode *list, const char *what);
void run_script(const struct seed *s, const char *text, size_t n);

/* files.c */
void write_files(struct ynode *list, bool deferred);
bool writes_file(struct ynode *list, const char *path);

/* accounts.c, users.c */
struct account {
	char *name, *home, *shell;
	unsigned uid, gid;
};
bool account_find(const char *name, struct account *ret);
bool group_find(const char *name, unsigned *ret_gid);
bool group_join(const char *group, const char *user);
bool account_add(const struct account *a, const char *gecos);
bool account_hash(const char *name, const char *hash);
unsigned account_next_uid(unsigned first);
void users_apply(const struct seed *s);

/* sshd.c */
void sshd_keys(const struct seed *s);
void sshd_start(const struct seed *s);

/* mounts.c */
void fs_setup(struct ynode *list);
void mounts_write(const struct seed *s);
void mount_fstab(void);

/* status.c */
void status_begin(const struct seed *s);
void status_end(const struct seed *s);
int cloud_init_main(int argc, char **argv);

/* sudo.c, ping.c, tools.c */
int ping_main(int argc, char **argv);
int sudo_main(int argc, char **argv);
int mountpoint_main(int argc, char **argv);
int bash_main(int argc, char **argv);
int nohup_main(int argc, char **argv);
int shutdown_main(int argc, char **argv);

/* host_*.c: run by the builder on the host */
int mkdisk_main(int argc, char **argv);
int mkcpio_main(int argc, char **argv);
int unsign_main(int argc, char **argv);
int payload_main(int argc, char **argv);
int unping_main(int argc, char **argv);
extern const unsigned char loader_start[], loader_end[];

#endif
