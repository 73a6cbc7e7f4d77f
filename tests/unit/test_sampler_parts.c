// SPDX-License-Identifier: Apache-2.0
/* The parts of the sampler that need no kernel: lists, tables, records, explanations. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "bpf/profile.h"
#include "proc/cgroups.h"
#include "proc/cpus.h"
#include "profiler/environment.h"
#include "profiler/events.h"
#include "profiler/stack_table.h"
#include "unit.h"

START_TEST(cpu_lists_are_read_as_the_kernel_writes_them)
{
	const struct {
		const char *text;
		size_t count;
		unsigned last;
	} good[] = {
		{"0\n", 1, 0},
		{"0-3\n", 4, 3},
		{"0-1,4,6-7\n", 5, 7},
		{"8191", 1, 8191},
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct cpu_list list cleanup_cpu_list = {0};

		ck_assert_int_eq(cpu_list_parse(good[i].text, &list), 0);
		ck_assert_uint_eq(list.count, good[i].count);
		ck_assert_uint_eq(list.cpu[list.count - 1], good[i].last);
		ck_assert(cpu_list_has(&list, good[i].last));
		ck_assert(!cpu_list_has(&list, good[i].last + 1));
	}
	struct cpu_list none cleanup_cpu_list = {0};

	ck_assert_int_eq(cpu_list_parse("\n", &none), 0);
	ck_assert_uint_eq(none.count, 0);
}
END_TEST

START_TEST(cpu_lists_that_make_no_sense_are_refused)
{
	const char *const bad[] = {"a", "-1", "1-", "3-1", "0,0", "2,1", "0-3,2", "0 1", "8192",
		"99999999999999999999", "0-8192", "0;1"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cpu_list list cleanup_cpu_list = {0};

		ck_assert_msg(cpu_list_parse(bad[i], &list) == -EINVAL, "\"%s\"", bad[i]);
		ck_assert_ptr_null(list.cpu);
	}
}
END_TEST

START_TEST(the_first_wanted_controller_on_a_v1_hierarchy_is_found)
{
	const char *const wanted[] = {"cpuacct", "cpu", "memory"};
	const char *head = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n";
	const struct {
		const char *lines;
		int expected;
	} cases[] = {
		{"cpu\t3\t1\t1\ncpuacct\t3\t1\t1\nmemory\t4\t1\t1\n", 0},
		{"cpuset\t2\t1\t1\ncpu\t3\t1\t1\ncpuacct\t0\t1\t1\n", 1},
		{"cpuset\t0\t1\t1\ncpu\t0\t1\t1\nmemory\t12\t1\t1\n", 2},
		{"cpu\t0\t90\t1\ncpuacct\t0\t90\t1\nmemory\t0\t90\t1\n", -1},
		{"cpusetcpu\t5\t1\t1\n", -1},
		{"", -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text cleanup_free = xasprintf("%s%s", head, cases[i].lines);

		ck_assert_int_eq(cgroups_find_v1(text, wanted, ARRAY_SIZE(wanted)),
			cases[i].expected);
	}
	ck_assert_int_eq(cgroups_read_v1("/nonexistent", wanted, ARRAY_SIZE(wanted)), -1);
}
END_TEST

static struct stack_record record_of(uint64_t hash, uint8_t kernel, uint8_t user)
{
	struct stack_record r = {
		.key = {.hash = hash, .pid = 7},
		.counted = 1,
		.kernel_count = kernel,
		.user_count = user,
	};

	for (size_t i = 0; i < (size_t)kernel + user; i++)
		r.ips[i] = 0x1000 + i;
	return r;
}

static size_t size_of(const struct stack_record *r)
{
	return STACK_RECORD_HEAD + ((size_t)r->kernel_count + r->user_count) * sizeof(r->ips[0]);
}

static const struct stack *first_of(const struct stack_table *t)
{
	return list_entry(t->order.next, struct stack, in_order);
}

START_TEST(a_counted_stack_gets_its_ticks_from_the_count)
{
	struct stack_record r = record_of(1, 3, 127);
	struct stack_key other = {.hash = 1, .pid = 8};
	struct stack_table t;

	stack_table_init(&t);
	ck_assert(stack_table_add(&t, &r, size_of(&r)));
	ck_assert(stack_table_add(&t, &r, size_of(&r))); /* two CPUs may both have sent it */
	ck_assert_uint_eq(t.stacks.count, 1);
	ck_assert(stack_table_count(&t, &r.key, 5));
	ck_assert(!stack_table_count(&t, &other, 5));
	ck_assert_uint_eq(first_of(&t)->ticks, 5);
	ck_assert_mem_eq(first_of(&t)->record.ips, r.ips, 130 * sizeof(r.ips[0]));
	stack_table_release(&t);
	ck_assert_uint_eq(t.stacks.count, 0);
	ck_assert(list_empty(&t.order));
}
END_TEST

/* More than is kept of it, then less; what lies in it is the new interval's. */
START_TEST(a_table_can_be_used_again)
{
	struct stack_table t;

	stack_table_init(&t);
	for (uint64_t interval = 0; interval < 3; interval++) {
		uint64_t count = interval == 1 ? 10 : 6000, next = 0;

		for (uint64_t i = 0; i < count; i++) {
			struct stack_record r = record_of(i, 1, 60);

			r.ips[60] = i + interval;
			ck_assert(stack_table_add(&t, &r, size_of(&r)));
			ck_assert(stack_table_count(&t, &r.key, 1 + interval));
		}
		list_for_each(n, &t.order) {
			const struct stack *s = list_entry(n, struct stack, in_order);

			ck_assert_uint_eq(s->record.key.hash, next);
			ck_assert_uint_eq(s->record.ips[60], next++ + interval);
			ck_assert_uint_eq(s->ticks, 1 + interval);
		}
		ck_assert_uint_eq(next, count);
		stack_table_reset(&t);
		ck_assert_uint_eq(t.stacks.count, 0);
		ck_assert_uint_eq(t.bytes, 0);
		ck_assert(!stack_table_count(&t, &(struct stack_key){.hash = 1, .pid = 7}, 1));
	}
	stack_table_release(&t);
}
END_TEST

START_TEST(an_uncounted_record_is_one_tick)
{
	struct stack_record r = record_of(1, 0, 2);
	struct stack_table t;

	r.counted = 0;
	stack_table_init(&t);
	for (int i = 0; i < 3; i++)
		ck_assert(stack_table_add(&t, &r, size_of(&r)));
	ck_assert_uint_eq(first_of(&t)->ticks, 3);
	stack_table_release(&t);
}
END_TEST

START_TEST(bytes_that_are_no_record_are_refused)
{
	struct stack_record r = record_of(1, 10, 10);
	struct stack_table t;

	stack_table_init(&t);
	ck_assert(!stack_table_add(&t, &r, STACK_RECORD_HEAD - 1));
	ck_assert(!stack_table_add(&t, &r, size_of(&r) - 1));
	r.user_count = USER_FRAMES_MAX + 1;
	ck_assert(!stack_table_add(&t, &r, sizeof(r)));
	ck_assert_uint_eq(t.stacks.count, 0);
	stack_table_release(&t);
}
END_TEST

START_TEST(language_frames_stand_before_the_addresses)
{
	struct stack_record r = record_of(1, 2, 3), other = r;
	size_t size = size_of(&r) + 4 * sizeof(r.ips[0]);
	struct stack_table t;

	r.interp_count = 4;
	stack_table_init(&t);
	ck_assert(!stack_table_add(&t, &r, size - 1));
	ck_assert(stack_table_add(&t, &r, size));
	ck_assert_mem_eq(first_of(&t)->record.ips, r.ips, 9 * sizeof(r.ips[0]));
	other.interp_count = 3; /* half a frame */
	ck_assert(!stack_table_add(&t, &other, size));
	other.interp_count = INTERP_WORDS_MAX + 2;
	ck_assert(!stack_table_add(&t, &other, sizeof(other)));
	stack_table_release(&t);
}
END_TEST

START_TEST(a_full_table_says_how_many_ticks_it_refused)
{
	struct stack_record r = record_of(0, 127, 127);
	struct stack_table t;
	size_t added = 0;

	r.counted = 0;
	stack_table_init(&t);
	while (!t.refused) {
		r.key.hash++;
		ck_assert(stack_table_add(&t, &r, size_of(&r)));
		added++;
	}
	ck_assert(t.full);
	ck_assert_uint_le(t.bytes, STACK_TABLE_BYTES_MAX);
	ck_assert_uint_eq(t.stacks.count, added - 1);
	r.key.hash = 1; /* known: still counted */
	ck_assert(stack_table_add(&t, &r, size_of(&r)));
	ck_assert_uint_eq(t.refused, 1);
	stack_table_release(&t);
	ck_assert_uint_eq(t.refused, 0);
}
END_TEST

struct heard {
	int processes, cgroups;
	uint64_t at_ns;
	struct process_id process;
	struct cgroup_chain v2, v1;
};

static void hear_process(void *ctx, const struct process_id *process, uint64_t at_ns)
{
	struct heard *h = ctx;

	h->processes++;
	h->at_ns = at_ns;
	h->process = *process;
}

static void hear_cgroup(void *ctx, const struct cgroup_chain *v2, const struct cgroup_chain *v1,
	const struct process_id *process)
{
	struct heard *h = ctx;

	h->cgroups++;
	h->v2 = *v2;
	h->v1 = *v1;
	h->process = *process;
}

static const struct profiler_ops hear = {.cgroup_seen = hear_cgroup, .process_seen = hear_process};

START_TEST(events_reach_their_callback)
{
	struct event process = {.kind = EVENT_PROCESS_SEEN, .process = {1, 2, 3}, .time_ns = 77};
	struct cgroup_event cgroup = {
		.head = {.kind = EVENT_CGROUP_SEEN,
			.v2_depth = 2,
			.v1_depth = 1,
			.process = {4, 5, 6}},
		.level = {{10, "leaf"}, {11, "outer"}, {12 | CGROUP_V1_BIT, "old"}},
	};
	struct heard h = {0};

	memset(cgroup.level[1].name, 'x', CHAIN_NAME_SIZE); /* not even terminated */
	ck_assert(event_deliver(&process, sizeof(process), &hear, &h));
	ck_assert_uint_eq(h.process.start_ns, 3);
	ck_assert_uint_eq(h.at_ns, 77);
	ck_assert(event_deliver(&cgroup, sizeof(cgroup.head) + 3 * sizeof(cgroup.level[0]), &hear,
		&h));
	ck_assert_int_eq(h.processes, 1);
	ck_assert_int_eq(h.cgroups, 1);
	ck_assert_uint_eq(h.process.pid, 4);
	ck_assert_uint_eq(h.v2.depth, 2);
	ck_assert_str_eq(h.v2.level[0].name, "leaf");
	ck_assert_uint_eq(strlen(h.v2.level[1].name), CGROUP_NAME_MAX - 1);
	ck_assert_uint_eq(h.v1.depth, 1);
	ck_assert_uint_eq(h.v1.level[0].key, 12 | CGROUP_KEY_V1);
}
END_TEST

START_TEST(events_that_make_no_sense_are_refused)
{
	struct cgroup_event e = {
		.head = {.kind = EVENT_CGROUP_SEEN, .v2_depth = 16, .v1_depth = 16},
	};
	struct heard h = {0};

	ck_assert(event_deliver(&e, sizeof(e), &hear, &h));
	ck_assert(!event_deliver(&e, sizeof(e) - 1, &hear, &h));
	ck_assert(!event_deliver(&e, sizeof(e.head) - 1, &hear, &h));
	e.head.v2_depth = 17;
	ck_assert(!event_deliver(&e, sizeof(e), &hear, &h));
	e.head.kind = 99;
	ck_assert(!event_deliver(&e, sizeof(e), &hear, &h));
	ck_assert_int_eq(h.cgroups, 1);
}
END_TEST

START_TEST(kernels_with_the_probe_read_dead_lock_are_known)
{
	const struct {
		const char *release, *version;
		bool hangs;
	} cases[] = {
		{"5.10.0-28-amd64", "#1 SMP", false},
		{"5.15.167", "#1 SMP", false},
		{"5.18.19", "#1 SMP", false},
		{"5.19.0-50-generic", "#1 SMP", true},
		{"6.0.12", "#1 SMP", true},
		{"6.1.35", "#1 SMP", true},
		{"6.1.36", "#1 SMP", false},
		{"6.1.0-9-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 (2023-05-08)", true},
		{"6.1.0-10-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.37-1 (2023-07-03)", false},
		{"6.1.192-cloud-amd64", "#1 SMP", false},
		{"6.1.300", "#1 SMP", false},
		{"6.2.0-39-generic", "#1 SMP", true},
		{"6.3.9", "#1 SMP", true},
		{"6.3.10", "#1 SMP", false},
		{"6.18.44-fc-v669", "#1 SMP", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned version[3];

		ck_assert(kernel_version_parse(cases[i].release, cases[i].version, version));
		ck_assert_msg(kernel_probe_read_may_hang(version) == cases[i].hangs, "%s",
			cases[i].release);
	}
	unsigned version[3];

	ck_assert(!kernel_version_parse("linux", "#1", version));
}
END_TEST

/* A /proc whose self/status has these lines. */
static void explain(const char *lines, int code, struct error *err)
{
	char dir[] = "/tmp/dockprof-test-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	char *make cleanup_free = xasprintf("mkdir %s/self", dir);
	char *path cleanup_free = xasprintf("%s/self/status", dir);
	char *remove cleanup_free = xasprintf("rm -r %s", dir);

	ck_assert_int_eq(system(make), 0);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "Name:\tx\n%s", lines);
	ck_assert_int_eq(fclose(f), 0);
	environment_explain(code, "cannot do it", dir, err);
	ck_assert_int_eq(system(remove), 0);
}

START_TEST(a_refusal_is_explained_with_what_grants_it)
{
	const struct {
		const char *status;
		int code;
		const char *said, *also;
	} cases[] = {
		{"CapEff:\t0000000000000000\nSeccomp:\t0\n", -EPERM, "capability BPF", "cap_add"},
		{"CapEff:\t0000008000000000\nSeccomp:\t0\n", -EACCES, "capability PERFMON",
			"privileged"},
		{"CapEff:\t000000c000000000\nSeccomp:\t2\n", -EPERM, "seccomp", "security_opt"},
		{"CapEff:\t000001ffffffffff\nSeccomp:\t0\n", -EPERM, "security module",
			"privileged"},
		{"CapEff:\t0000000000000000\n", -ENOMEM, "cannot do it: Cannot allocate memory",
			""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = {0};

		explain(cases[i].status, cases[i].code, &err);
		ck_assert_msg(strstr(err.message, cases[i].said) != NULL, "%s", err.message);
		ck_assert_msg(strstr(err.message, cases[i].also) != NULL, "%s", err.message);
		ck_assert_int_eq(err.code, cases[i].code == -EACCES ? -EPERM : cases[i].code);
	}
}
END_TEST

START_TEST(missing_type_information_is_said_so)
{
	struct error err = {0};

	ck_assert_int_eq(environment_check("/nonexistent", &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.message, "CONFIG_DEBUG_INFO_BTF"));
}
END_TEST

START_TEST(a_pid_namespace_of_its_own_is_refused_with_the_line_that_helps)
{
	char dir[] = "/tmp/dockprof-test-XXXXXX";
	struct error err = {0};

	ck_assert_ptr_nonnull(mkdtemp(dir));
	char *make cleanup_free =
		xasprintf("mkdir -p %s/self/ns && touch %s/self/ns/pid", dir, dir);
	char *remove cleanup_free = xasprintf("rm -r %s", dir);

	ck_assert_int_eq(system(make), 0);
	ck_assert_int_eq(profiler_check_pid_namespace(dir, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.message, "pid: \"host\""));
	ck_assert_int_eq(system(remove), 0);
	ck_assert_int_eq(profiler_check_pid_namespace("/nonexistent", &err), -ENOENT);
}
END_TEST

UNIT_MAIN("sampler_parts", cpu_lists_are_read_as_the_kernel_writes_them,
	cpu_lists_that_make_no_sense_are_refused,
	the_first_wanted_controller_on_a_v1_hierarchy_is_found,
	a_counted_stack_gets_its_ticks_from_the_count, a_table_can_be_used_again,
	an_uncounted_record_is_one_tick, bytes_that_are_no_record_are_refused,
	language_frames_stand_before_the_addresses, a_full_table_says_how_many_ticks_it_refused,
	events_reach_their_callback, events_that_make_no_sense_are_refused,
	kernels_with_the_probe_read_dead_lock_are_known, a_refusal_is_explained_with_what_grants_it,
	missing_type_information_is_said_so,
	a_pid_namespace_of_its_own_is_refused_with_the_line_that_helps)
