/* SPDX-License-Identifier: Apache-2.0
 *
 * calls.c - calls WORKER PLUGIN_DIR COMPOSE_FILE PRIVATE_KEY: what a call to
 * a plugin, a seed and the KVM probe cost, measured with the library of the
 * build tree.  Prints "NAME VALUE" lines.
 *
 * The seeds are those that `up` of the compose file would write, but into memory:
 * what making files costs is up to the file system, and is in the figures of `up`.
 */
#include <base/clock.h>
#include <base/jsonx.h>
#include <plan/plan.h>
#include <plan/steps.h>
#include <plugin/calls.h>
#include <vm/accel.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 21 /* each gives one first call */
#define FURTHER 200
#define SEEDS   200
#define PROBES  21
#define PUBLIC_KEY                                                                                 \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

static struct worker_options options;

static void die(const struct holos_error *err)
{
	fprintf(stderr, "calls: %s\n", err->message);
	exit(2);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

static double since_us(uint64_t begin)
{
	return (double)(clock_now_ns() - begin) / 1e3;
}

static double cpu_us(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) < 0)
		return 0;
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* worker_pid() is the keeper; plugins run in its one child. */
static pid_t child_of(int keeper)
{
	char path[64];
	long pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", keeper, keeper);
	f = fopen(path, "r");
	if (f == NULL || fscanf(f, "%ld", &pid) != 1)
		exit(2);
	fclose(f);
	return (pid_t)pid;
}

static void one_call(struct worker *w)
{
	char loopback[] = "127.0.0.1";
	struct net_endpoint ssh = { 6, loopback, 2222, 22 };
	struct net_nic nic = { .vm = "web-0",
			       .id = "net0",
			       .mac = "52:54:00:00:00:01",
			       .project = "bench",
			       .network = "external",
			       .ports = &ssh,
			       .n_ports = 1,
			       .dir = "/run/bench" };
	struct holos_error *err = NULL;
	struct net_plan answer;

	if (net_plan(w, "user", NULL, &nic, &answer, &err) < 0)
		die(err);
	net_plan_finish(&answer);
}

static void measure_calls(void)
{
	static double first[WORKERS], further[FURTHER];

	for (size_t i = 0; i < WORKERS; i++) {
		uint64_t begin = clock_now_ns();
		struct worker *w = worker_create(NULL, &options);

		one_call(w);
		first[i] = since_us(begin);
		for (size_t k = 0; i == 0 && k < FURTHER; k++) {
			begin = clock_now_ns();
			one_call(w);
			further[k] = since_us(begin);
		}
		worker_destroy(w);
	}
	printf("first_call_us %.1f\nfurther_call_us %.1f\n", median(first, WORKERS),
	       median(further, FURTHER));
	printf("fastest_first_us %.1f\n", first[0]); /* median() sorts */
}

static void one_seed(struct worker *w, const struct plan *plan, size_t i, const char *key_path)
{
	_cleanup_(closep) int key = open(key_path, O_RDONLY | O_CLOEXEC);
	_cleanup_(closep) int seed = memfd_create("seed", MFD_CLOEXEC);
	struct provision_secret secret = { "ssh_host_ed25519_key", key };
	struct plan_steps_input in = { .plan = plan,
				       .vm = &plan->vms[i % plan->n_vms],
				       .instance_id = "bench-0123456789abcdef",
				       .user = "root",
				       .init = "micro",
				       .project_key = PUBLIC_KEY,
				       .host_key = PUBLIC_KEY };
	_cleanup_(json_putp) struct json_object *steps = plan_steps(&in);
	static struct json_object *hosts; /* the same for all */
	struct holos_error *err = NULL;

	if (key < 0 || seed < 0) {
		perror(key < 0 ? key_path : "memfd_create");
		exit(2);
	}
	if (hosts == NULL)
		hosts = plan_steps_hosts(plan, in.vm);
	if (provision_seed(w, "cloud-init", NULL, steps, hosts, seed, -1, &secret, 1, &err) < 0)
		die(err);
}

/* CPU of the worker and of this side, as both are part of `up`; the plugin is
 * loaded by a seed that does not count. */
static void measure_seeds(const char *file, const char *key)
{
	const char *files[] = { file, NULL };
	struct project_options o = { .files = files };
	struct worker *w = worker_create(NULL, &options);
	struct holos_error *err = NULL;
	struct project *project;
	struct plan *plan;
	double here, there;
	clockid_t clock;

	if (project_load(&o, &project, &err) < 0 ||
	    plan_create(project, "bench", NULL, 0, &plan, &err) < 0)
		die(err);
	one_seed(w, plan, 0, key);
	if (clock_getcpuclockid(child_of(worker_pid(w)), &clock) != 0)
		exit(2);
	here = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
	there = cpu_us(clock);
	for (size_t i = 0; i < SEEDS; i++)
		one_seed(w, plan, i, key);
	printf("seed_worker_us %.1f\nseed_caller_us %.1f\n", (cpu_us(clock) - there) / SEEDS,
	       (cpu_us(CLOCK_PROCESS_CPUTIME_ID) - here) / SEEDS);
	worker_destroy(w);
	plan_destroy(plan);
	project_destroy(project);
}

static void measure_kvm(void)
{
	static double took[PROBES];
	struct kvm_probe probe;

	for (size_t i = 0; i < PROBES; i++) {
		uint64_t begin = clock_now_ns();

		kvm_probe(&probe);
		took[i] = since_us(begin);
	}
	printf("kvm_probe_us %.1f\nkvm_verdict %s\n", median(took, PROBES),
	       kvm_verdict_name(probe.verdict));
}

int main(int argc, char **argv)
{
	static char *dirs[2];

	if (argc != 5) {
		fputs("usage: calls WORKER PLUGIN_DIR COMPOSE_FILE PRIVATE_KEY\n", stderr);
		return 2;
	}
	dirs[0] = argv[2];
	options = (struct worker_options){ .program = argv[1], .plugin_dirs = dirs };
	measure_calls();
	measure_seeds(argv[3], argv[4]);
	measure_kvm();
	return 0;
}
