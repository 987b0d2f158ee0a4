/*
 * boot.c - the worker PID 1 starts once: applies the seed, in cloud-init's order.
 *
 *	every boot:   links, network, hostname, bootcmd, growing, mounts, sshd
 *	new instance: hosts, write_files, fs_setup, fstab, users, keys   (before sshd)
 *	              deferred write_files, runcmd, the user's script    (after sshd)
 *
 * sshd answers once files, mounts, users and host key are in place: whoever gets in finds a
 * finished guest, except for what runcmd still does.
 */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IID_DIR "/var/lib/cloud/data"

static void set_hostname(const struct seed *s)
{
	char *name = s->hostname ? xdup(s->hostname) : slurp("/etc/hostname", 256, NULL);
	char *text;

	if (!name)
		return;
	name = chomp(name);
	if (sethostname(name, strlen(name)) < 0)
		complain("hostname %s: %s", name, strerror(errno));
	if (!s->hostname || (!s->is_new && y_true(y_get(s->user, "preserve_hostname"), false)))
		return;
	text = fmt("%s\n", name);
	if (!spew("/etc/hostname", text, strlen(text), O_TRUNC, 0644))
		complain("/etc/hostname: %s", strerror(errno));
}

/* only a start: bootcmd or write_files of the seed may bring a better one */
static void set_hosts(const struct seed *s)
{
	const char *manage = y_text(s->user, "manage_etc_hosts");
	bool always = y_true(y_get(s->user, "manage_etc_hosts"), false) ||
		      (manage && !strcmp(manage, "localhost"));
	char *text;

	if (!s->hostname || (!s->is_new && !always) ||
	    writes_file(y_get(s->user, "write_files"), "/etc/hosts"))
		return;
	text = fmt("127.0.0.1\tlocalhost\n127.0.1.1\t%s%s%s\n::1\tlocalhost ip6-localhost "
		   "ip6-loopback\n",
		   s->fqdn ? s->fqdn : "", s->fqdn ? " " : "", s->hostname);
	if (!spew("/etc/hosts", text, strlen(text), O_TRUNC, 0644))
		complain("/etc/hosts: %s", strerror(errno));
}

/* recorded at the end: a first boot that was cut short is done again */
static void record_instance(const struct seed *s)
{
	if (!mkdirs(IID_DIR, 0755) ||
	    !spew(IID_DIR "/instance-id.new", s->iid, strlen(s->iid), O_TRUNC, 0644) ||
	    rename(IID_DIR "/instance-id.new", IID_DIR "/instance-id") < 0)
		complain("cannot record the instance-id: %s", strerror(errno));
	sync();
}

static void replace(struct buf *b, const char *text, const char *name, const char *value)
{
	size_t n = strlen(name);

	for (; *text; text++) {
		if (*text == '$' && strncasecmp(text + 1, name, n) == 0) {
			buf_str(b, value);
			text += n;
		} else if (starts(text, "${") && strncasecmp(text + 2, name, n) == 0 &&
			   text[n + 2] == '}') {
			buf_str(b, value);
			text += n + 2;
		} else {
			buf_add(b, text, 1);
		}
	}
	buf_add(b, "", 0);
}

static void final_message(const struct seed *s)
{
	static const char def[] = "Cloud-init v. $VERSION finished at $TIMESTAMP. Datasource "
				  "$DATASOURCE.  Up $UPTIME seconds";
	const char *text = y_text(s->user, "final_message");
	char uptime[32], stamp[64];
	time_t now = time(NULL);
	struct tm tm;
	struct buf a = { 0 }, b = { 0 };

	if (!sys_value("/proc/uptime", uptime, sizeof(uptime)))
		uptime[0] = '\0';
	uptime[strcspn(uptime, " ")] = '\0';
	stamp[0] = '\0';
	if (gmtime_r(&now, &tm))
		(void)strftime(stamp, sizeof(stamp), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	replace(&a, text ? text : def, "version", "micro-1");
	replace(&b, a.p, "timestamp", stamp);
	a.n = 0;
	replace(&a, b.p, "datasource", s->device ? "DataSourceNoCloud" : "DataSourceNone");
	b.n = 0;
	replace(&b, a.p, "uptime", uptime);
	say("%s", b.p);
	buf_str(&b, "\n");
	(void)spew(CI_OUTPUT, b.p, b.n, O_APPEND, 0640); /* a log that fails is no reason to fail */
}

static void first_boot_files(const struct seed *s)
{
	write_files(y_get(s->user, "write_files"), false);
	fs_setup(y_get(s->user, "fs_setup"));
	mounts_write(s);
}

static void first_boot_users(const struct seed *s)
{
	users_apply(s);
	sshd_keys(s);
}

static void first_boot_end(const struct seed *s)
{
	write_files(y_get(s->user, "write_files"), true);
	run_list(s, y_get(s->user, "runcmd"), "runcmd");
	if (s->script)
		run_script(s, s->script, s->script_n);
}

int boot_main(int argc, char **argv)
{
	struct seed s = { 0 };

	(void)argc;
	(void)argv;
	if (getppid() != 1) {
		(void)fprintf(stderr, "micro: boot is for the guest's PID 1 only\n");
		return 2;
	}
	load_modules("/lib/micro");
	(void)kill(1, SIGHUP); /* the power button's device exists now */
	make_links();
	seed_read(&s);
	status_begin(&s);
	say("instance %s%s, seed %s", s.iid, s.is_new ? ", first boot" : "",
	    s.device ? s.device : "none");
	set_hostname(&s);
	set_hosts(&s);
	network_up(&s);
	seed_unknown_keys(&s);
	if (!s.is_new)
		mount_fstab();
	run_list(&s, y_get(s.user, "bootcmd"), "bootcmd");
	grow_root();
	if (s.is_new) {
		first_boot_files(&s);
		mount_fstab();
		first_boot_users(&s);
	}
	sshd_start(&s);
	say("sshd started");
	if (s.is_new) {
		first_boot_end(&s);
		record_instance(&s);
	}
	final_message(&s);
	status_end(&s);
	return 0;
}
