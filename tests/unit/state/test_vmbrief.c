/* SPDX-License-Identifier: Apache-2.0
 *
 * test_vmbrief.c - the copy of vm.json in `alive`: the same record, or none.
 */
#include "../base/harness.h"

#include <base/jsonx.h>
#include <state/vmbrief.h>

#include <fcntl.h>

static int parent, dir;

static void setup(void)
{
	make_test_dir();
	ck_assert_int_eq(mkdir(in_dir("web-0"), 0700), 0);
	parent = open(in_dir("."), O_RDONLY | O_DIRECTORY);
	dir = open(in_dir("web-0"), O_RDONLY | O_DIRECTORY);
	write_text("web-0/alive", "");
	write_text("web-0/instance.json", "{}");
}

static void teardown(void)
{
	close(dir);
	close(parent);
	remove_test_dir();
}

/* Every member has a value that is not the default; `ports` of them. */
static struct vm_record *make(unsigned ports, size_t message)
{
	static const char text[] =
		"{\"format\":1,\"instance\":\"web-0\",\"uuid\":\"u\",\"state\":\"failed\","
		"\"since\":\"s\",\"paused_cause\":\"io-error\",\"pid\":7,\"pid_start\":8,"
		"\"monitor_pid\":9,\"monitor_start\":10,\"started_at\":\"t\","
		"\"health\":\"unhealthy\",\"health_since\":\"h\",\"health_detail\":\"\","
		"\"health_failures\":3,\"reachable\":true,\"restarts\":4,\"ssh_port\":22,"
		"\"exit\":{\"cause\":\"qemu\",\"status\":5,\"signal\":6,\"message\":\"m\","
		"\"at\":\"a\"},\"warning\":\"w\"}";
	struct json_object *o = NULL;
	struct vm_record *r = NULL;

	ck_assert_int_eq(jsonx_parse(text, sizeof(text) - 1, "text", &o, NULL), 0);
	ck_assert_int_eq(vm_record_decode(o, "text", &r, NULL), 0);
	json_object_put(o);
	r->ports = xcalloc(ports, sizeof(*r->ports));
	for (; r->n_ports < ports; r->n_ports++)
		r->ports[r->n_ports] = (struct vm_port){ .name = xasprintf("port-%zu", r->n_ports),
							 .host_ip = xstrdup("::1"),
							 .protocol = xstrdup("udp"),
							 .host_port = (uint16_t)(r->n_ports + 1),
							 .guest_port = 65535 };
	r->made = file_id_of(dir, "instance.json");
	if (message != 0) {
		free(r->exit.message);
		r->exit.message = xcalloc(message + 1, 1);
		memset(r->exit.message, 'x', message);
	}
	return r;
}

static struct vm_record *read_back(void)
{
	struct vm_record *r = NULL;
	struct alive alive;

	return vm_brief_read(parent, "web-0", &alive, &r) == 1 ? r : NULL;
}

static const struct {
	unsigned ports;
	size_t message;
	bool fits;
} sizes[] = { { 0, 0, true },   { 1, 0, true },    { 64, 0, true },
	      { 65, 0, false }, { 2, 4000, true }, { 2, 5000, false } };

START_TEST(round_trip)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r =
		make(sizes[_i].ports, sizes[_i].message);
	_cleanup_(vm_record_destroyp) struct vm_record *got = NULL;
	_cleanup_(json_putp) struct json_object *want_json = vm_record_encode(r);
	_cleanup_(json_putp) struct json_object *got_json = NULL;

	ck_assert_int_eq(vm_record_write(dir, r, false, NULL), 0);
	got = read_back();
	ck_assert(sizes[_i].fits == (got != NULL));
	if (got == NULL)
		return;
	got_json = vm_record_encode(got);
	ck_assert_str_eq(jsonx_line(got_json), jsonx_line(want_json));
}
END_TEST

START_TEST(nulls_stay_nulls)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = vm_record_create();
	_cleanup_(vm_record_destroyp) struct vm_record *got = NULL;

	r->instance = xstrdup("web-0");
	r->uuid = xstrdup("u");
	r->made = file_id_of(dir, "instance.json");
	ck_assert_int_eq(vm_record_write(dir, r, true, NULL), 0);
	got = read_back();
	ck_assert_ptr_nonnull(got);
	ck_assert_ptr_null(got->since);
	ck_assert_ptr_null(got->exit.message);
	ck_assert_int_eq(got->exit.status, -1);
}
END_TEST

/* It is of one vm.json and one instance.json alone. */
START_TEST(another_record)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = make(1, 0);
	_cleanup_(freep) char *text = NULL;

	ck_assert_int_eq(vm_record_write(dir, r, false, NULL), 0);
	text = read_text("web-0/vm.json");
	switch (_i) {
	case 0: /* the same text in another file */
		ck_assert_int_eq(rename(in_dir("web-0/vm.json"), in_dir("web-0/old")), 0);
		write_text("web-0/vm.json", text);
		break;
	case 1: /* the same file with another text */
		write_text("web-0/vm.json", "{}");
		break;
	case 2:
		ck_assert_int_eq(unlink(in_dir("web-0/vm.json")), 0);
		break;
	case 3: /* a link to what it was */
		ck_assert_int_eq(rename(in_dir("web-0/vm.json"), in_dir("web-0/old")), 0);
		ck_assert_int_eq(symlink("old", in_dir("web-0/vm.json")), 0);
		break;
	case 4:
		write_text("web-0/instance.json", "[]");
		break;
	case 5:
		ck_assert_int_eq(unlink(in_dir("web-0/instance.json")), 0);
		break;
	default:
		ck_assert_int_eq(unlink(in_dir("web-0/alive")), 0);
		break;
	}
	ck_assert_ptr_null(read_back());
}
END_TEST

/* Whatever a byte of it becomes, the record is the one that was written or none. */
START_TEST(spoilt)
{
	_cleanup_(vm_record_destroyp) struct vm_record *r = make(1, 0);
	_cleanup_(closep) int fd = open(in_dir("web-0/alive"), O_RDWR);
	struct stat st;

	ck_assert_int_eq(vm_record_write(dir, r, false, NULL), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	for (off_t i = 4096; i < st.st_size; i++) {
		unsigned char byte, other;

		ck_assert_int_eq(pread(fd, &byte, 1, i), 1);
		other = byte ^ 0xff;
		ck_assert_int_eq(pwrite(fd, &other, 1, i), 1);
		ck_assert_msg(read_back() == NULL, "byte %ld", (long)i);
		ck_assert_int_eq(pwrite(fd, &byte, 1, i), 1);
	}
	ck_assert_int_gt(st.st_size, 4096);
	for (off_t n = st.st_size; n-- > 4096;) {
		ck_assert_int_eq(ftruncate(fd, n), 0);
		ck_assert_ptr_null(read_back());
	}
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, round_trip, 0, N(sizes));
	tcase_add_test(c, nulls_stay_nulls);
	tcase_add_loop_test(c, another_record, 0, 7);
	tcase_add_test(c, spoilt);
}

int main(void)
{
	return run_suite("state-vmbrief", add_tests);
}
