// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include "target/target_table.h"

static struct target *add(struct target_table *table, unsigned source, const char *origin,
	const char *label, const char *value)
{
	struct target *t = target_table_add(table, source, origin);

	labels_set(&t->labels, label, value);
	target_table_index(table, t);
	return t;
}

START_TEST(special_labels_select_in_the_originals_order)
{
	struct labels l = {0};

	ck_assert_ptr_null(target_selector_of(&l).container_id);
	labels_set(&l, "__meta_dockerswarm_task_container_id", "swarm");
	ck_assert_str_eq(target_selector_of(&l).container_id, "swarm");
	labels_set(&l, "__meta_docker_container_id", "docker");
	ck_assert_str_eq(target_selector_of(&l).container_id, "docker");
	labels_set(&l, "__meta_kubernetes_pod_container_id", "containerd://kube");
	ck_assert_str_eq(target_selector_of(&l).container_id, "kube");
	labels_set(&l, "__meta_kubernetes_pod_container_id", "rkt://kube");
	ck_assert_ptr_null(target_selector_of(&l).container_id);
	labels_set(&l, "__container_id__", "own");
	ck_assert_str_eq(target_selector_of(&l).container_id, "own");
	labels_set(&l, "__process_pid__", "12x");
	ck_assert_uint_eq(target_selector_of(&l).pid, 0);
	labels_set(&l, "__process_pid__", "4294967296");
	ck_assert_uint_eq(target_selector_of(&l).pid, 0);
	labels_set(&l, "__process_pid__", "4242");
	ck_assert_uint_eq(target_selector_of(&l).pid, 4242);
	ck_assert_ptr_null(target_selector_of(&l).container_id);
	labels_release(&l);
}
END_TEST

static void expect_service(const struct labels *labels, const struct labels *discovered,
	const char *expected)
{
	char *name = target_service_name(labels, discovered);

	ck_assert_str_eq(name, expected);
	free(name);
}

START_TEST(service_names_are_found_in_the_documented_order)
{
	struct labels l = {0}, d = {0};

	expect_service(&l, &d, "unspecified");
	labels_set(&d, "__meta_kubernetes_namespace", "ns");
	labels_set(&d, "__meta_kubernetes_pod_container_name", "c");
	expect_service(&l, &d, "ebpf/ns/c");
	labels_set(&d, "__meta_docker_container_name", "/shop-web-1");
	expect_service(&l, &d, "shop-web-1");
	labels_set(&d, "__meta_docker_container_label_com_docker_compose_service", "web");
	expect_service(&l, &d, "web");
	labels_set(&d, "__meta_docker_container_label_profiles_grafana_com_service_name",
		"grafana");
	expect_service(&l, &d, "grafana");
	labels_set(&d, "__meta_docker_container_label_pyroscope_io_service_name", "pyro");
	expect_service(&l, &d, "pyro");
	labels_set(&l, "service_name", "/from-rule");
	expect_service(&l, &d, "/from-rule");
	labels_release(&l);
	labels_release(&d);
}
END_TEST

START_TEST(a_later_source_wins_but_never_with_a_dropped_target)
{
	struct target_table table;

	target_table_init(&table);
	struct target *first = add(&table, 0, "a", "__container_id__", "X");
	struct target *second = add(&table, 1, "a", "__meta_docker_container_id", "X");

	ck_assert_ptr_eq(target_table_by_container(&table, "X"), second);
	second->verdict = TARGET_DROPPED;
	ck_assert_ptr_eq(target_table_by_container(&table, "X"), first);
	ck_assert_ptr_null(target_table_by_container(&table, "Y"));
	ck_assert_ptr_null(target_table_by_pid(&table, 1));
	target_table_release(&table);
}
END_TEST

START_TEST(a_target_that_is_gone_still_names_the_samples_of_two_rounds)
{
	struct target_table table;

	target_table_init(&table);
	struct target *t = add(&table, 0, "a", "__process_pid__", "7");

	target_table_gone(t);
	for (int round = 0; round < TARGET_KEEP_ROUNDS; round++) {
		target_table_sweep(&table);
		ck_assert_ptr_eq(target_table_by_pid(&table, 7), t);
	}
	target_table_sweep(&table);
	ck_assert_ptr_null(target_table_by_pid(&table, 7));
	ck_assert_ptr_null(target_table_find(&table, 0, "a"));
	ck_assert_uint_eq(table.keys.count, 0);
	target_table_release(&table);
}
END_TEST

START_TEST(a_target_that_comes_back_is_the_same)
{
	struct target_table table;

	target_table_init(&table);
	struct target *t = add(&table, 0, "a", "__container_id__", "X");

	target_table_gone(t);
	target_table_sweep(&table);
	ck_assert_ptr_eq(target_table_add(&table, 0, "a"), t);
	for (int round = 0; round < 5; round++)
		target_table_sweep(&table);
	ck_assert_ptr_eq(target_table_by_container(&table, "X"), t);
	labels_set(&t->labels, "__container_id__", "");
	target_table_index(&table, t);
	ck_assert_int_eq(t->verdict, TARGET_NO_KEY);
	ck_assert_ptr_null(target_table_by_container(&table, "X"));
	target_table_release(&table);
}
END_TEST

UNIT_MAIN("target", special_labels_select_in_the_originals_order,
	service_names_are_found_in_the_documented_order,
	a_later_source_wins_but_never_with_a_dropped_target,
	a_target_that_is_gone_still_names_the_samples_of_two_rounds,
	a_target_that_comes_back_is_the_same)
