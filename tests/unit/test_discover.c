// SPDX-License-Identifier: Apache-2.0
/* Which processes targets mean, with the true discovery on a fake engine and a sampler that is played by the test. */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "pid_targets.h"
#include "unit/followed_engine.h"

#define PIDS_MAX 4

static struct pid_targets pids;
static uint32_t recorded[PIDS_MAX];
static size_t recorded_count;

static int set_pid(struct profiler *p, uint32_t pid, bool record)
{
	(void)p;
	for (size_t i = 0; i < recorded_count; i++) {
		if (recorded[i] != pid)
			continue;
		if (!record)
			recorded[i] = recorded[--recorded_count];
		return 0;
	}
	if (!record)
		return 0;
	if (recorded_count == PIDS_MAX)
		return -E2BIG;
	recorded[recorded_count++] = pid;
	return 0;
}

static bool is_recorded(uint32_t pid)
{
	for (size_t i = 0; i < recorded_count; i++)
		if (recorded[i] == pid)
			return true;
	return false;
}

static bool changed;

static void on_target(void *ctx, const struct target *t, bool news)
{
	(void)ctx;
	(void)news;
	changed |= pid_targets_concern(&pids, t);
}

static void on_notice(void *ctx, const char *where, const struct error *err)
{
	(void)ctx;
	(void)where;
	(void)err;
}

static const struct discover_ops ops = {
	.target = on_target,
	.engine = ignore_engine,
	.notice = on_notice,
};

static void setup(void)
{
	follow_engine(&ops);
}

static void teardown(void)
{
	pid_targets_reset(&pids);
	leave_engine();
}

static int update(void)
{
	int r = changed ? pid_targets_update(&pids, discover_targets(discover), set_pid, NULL) : 0;

	changed = false;
	return r;
}

static const struct target *by_number(unsigned number)
{
	char id[CONTAINER_ID_LEN + 1];

	snprintf(id, sizeof(id), "%064x", number);
	return target_table_by_container(discover_targets(discover), id);
}

#define LABELMAP                                                                                   \
	"relabel_configs:\n"                                                                       \
	"  - {action: labelmap, regex: __meta_docker_container_label_(.+)}\n"                      \
	"  - {source_labels: [__meta_docker_container_name], regex: /secret, action: drop}\n"

/* Whatever its labels are mapped to. */
START_TEST(a_container_means_itself_and_nobody_else)
{
	char labels[300];

	snprintf(labels, sizeof(labels),
		",\"Labels\":{\"__container_id__\":\"%064x\",\"__process_pid__\":\"1\","
		"\"__meta_kubernetes_pod_container_id\":\"docker://%064x\"}",
		1U, 1U);
	fake_engine_add(&engine, 1, "secret", NULL);
	fake_engine_add(&engine, 2, "evil", labels);
	apply(LABELMAP);
	await(true);
	ck_assert_str_eq(by_number(1)->name, "secret");
	ck_assert_int_eq(by_number(1)->verdict, TARGET_DROPPED);
	ck_assert_str_eq(by_number(2)->name, "evil");
	ck_assert_ptr_null(target_table_by_pid(discover_targets(discover), 1));
	ck_assert_int_eq(update(), 0);
	ck_assert_uint_eq(recorded_count, 0);
}
END_TEST

/* The one that is replaced goes after the one that replaces it has come. */
START_TEST(a_process_stays_a_target_across_reloads)
{
	apply("targets: [{__process_pid__: \"5\", service_name: five}]\n");
	await(true);
	update();
	ck_assert(is_recorded(5));
	apply("targets: [{__process_pid__: \"5\", service_name: fünf}]\n");
	update();
	await(true);
	update();
	ck_assert(is_recorded(5));
	apply("targets: [{__process_pid__: \"6\"}, {__process_pid__: \"7\"}]\n");
	await(true);
	update();
	ck_assert(!is_recorded(5) && is_recorded(6) && is_recorded(7));
	apply("");
	await(true);
	update();
	ck_assert_uint_eq(recorded_count, 0);
}
END_TEST

START_TEST(processes_without_room_are_counted)
{
	apply("targets: [{__process_pid__: \"1\"}, {__process_pid__: \"2\"}, {__process_pid__: \"3\"},"
	      " {__process_pid__: \"3\"}, {__process_pid__: \"4\"}, {__process_pid__: \"5\"}]\n");
	ck_assert_int_eq(update(), -E2BIG);
	ck_assert_uint_eq(pids.refused, 1);
	ck_assert_uint_eq(recorded_count, PIDS_MAX);
	apply("targets: [{__process_pid__: \"4\"}, {__process_pid__: \"5\"}]\n");
	await(true);
	ck_assert_int_eq(update(), 0);
	ck_assert_uint_eq(recorded_count, 2);
	ck_assert(is_recorded(4) && is_recorded(5));
}
END_TEST

UNIT_MAIN_FIXTURE("discover", setup, teardown, a_container_means_itself_and_nobody_else,
	a_process_stays_a_target_across_reloads, processes_without_room_are_counted)
