// SPDX-License-Identifier: Apache-2.0
/* The kernel side is replaced by a notebook of what it was told (link order: these win over the library). */
#include "unit/unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attribution.h"
#include "self.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct attribution a;
static struct target_table table;
#define UNTOLD (-1)
static int told[64];
static bool forgotten[64];

int profiler_set_cgroup(struct profiler *p, cgroup_key key, enum cgroup_verdict verdict)
{
	(void)p;
	told[key & 63] = (int)verdict;
	return 0;
}

void profiler_forget_cgroup(struct profiler *p, cgroup_key key)
{
	(void)p;
	forgotten[key & 63] = true;
}

static void setup(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(told); i++)
		told[i] = UNTOLD;
	target_table_init(&table);
	attribution_init(&a, &table);
	a.profiler = (struct profiler *)&a; /* never looked at */
}

static void teardown(void)
{
	attribution_release(&a);
	target_table_release(&table);
}

static struct target *container(const char *id, enum target_verdict verdict)
{
	struct target *t = target_table_add(&table, 0, id);

	labels_set(&t->labels, "__meta_docker_container_id", id);
	t->verdict = verdict;
	target_table_index(&table, t);
	return t;
}

/* Levels leaf first: key, name, ..., 0. */
static struct cgroup_chain chain(int key, const char *name, ...)
{
	struct cgroup_chain c = {0};
	va_list ap;

	va_start(ap, name);
	while (key) {
		c.level[c.depth].key = (cgroup_key)key;
		snprintf(c.level[c.depth].name, CGROUP_NAME_MAX, "%s", name);
		c.depth++;
		key = va_arg(ap, int);
		if (key)
			name = va_arg(ap, const char *);
	}
	va_end(ap);
	return c;
}

static const struct cgroup_chain none;

static enum attribution_answer answer(cgroup_key key, struct target **t)
{
	struct profiler_sample s = {.cgroup = key};

	return attribution_of(&a, &s, t);
}

static const struct {
	const char *name;
	const char *id; /* NULL: none */
} names[] = {
	{ID_A, ID_A},
	{"docker-" ID_A ".scope", ID_A},
	{"libpod-" ID_A ".scope", ID_A},
	{"crio-" ID_A, ID_A},
	{"kubepods-burstable.slice:cri-containerd:" ID_A, ID_A},
	{ID_A "a", NULL},
	{"docker-a" ID_A ".scope", NULL},
	{"system.slice", NULL},
	{"", NULL},
	{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL},
	{"x" ID_A, ID_A},
};

START_TEST(ids_are_found_in_cgroup_names)
{
	char id[CONTAINER_ID_LEN + 1];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool found = container_id_in_name(names[i].name, id);

		ck_assert_msg(found == (names[i].id != NULL), "%s", names[i].name);
		if (found)
			ck_assert_str_eq(id, names[i].id);
	}
}
END_TEST

START_TEST(a_container_keeps_what_is_in_it_and_below)
{
	struct target *t, *expected = container(ID_A, TARGET_PROFILED);
	struct cgroup_chain c =
		chain(3, "worker", 2, "docker-" ID_A ".scope", 1, "system.slice", 0);

	attribution_seen(&a, &c, &none);
	ck_assert_int_eq(told[2], CGROUP_KEEP);
	ck_assert_int_eq(told[3], UNTOLD); /* the leaf inherits from its root */
	ck_assert_int_eq(answer(2, &t), ATTRIBUTED);
	ck_assert_ptr_eq(t, expected);
	ck_assert_int_eq(answer(3, &t), ATTRIBUTED);
	ck_assert_int_eq(answer(9, &t), ATTRIBUTED_DROPPED);
}
END_TEST

START_TEST(ticks_recorded_before_the_v2_cgroup_was_found_to_be_the_hosts_are_kept)
{
	struct target *t, *expected = container(ID_A, TARGET_PROFILED);
	struct cgroup_chain host = chain(5, "docker.service", 4, "system.slice", 0);
	struct cgroup_chain c = chain(2, ID_A, 1, "docker", 0);
	struct profiler_sample s = {.cgroup = 5, .cgroup_v1 = 2};

	attribution_seen(&a, &host, &c);
	ck_assert_int_eq(attribution_of(&a, &s, &t), ATTRIBUTED);
	ck_assert_ptr_eq(t, expected);
}
END_TEST

START_TEST(a_dropped_container_and_the_host_are_filtered)
{
	struct target *t;
	struct cgroup_chain dropped = chain(2, ID_A, 1, "docker", 0);
	struct cgroup_chain host = chain(5, "cron.service", 4, "system.slice", 0);

	container(ID_A, TARGET_DROPPED);
	attribution_seen(&a, &none, &dropped);
	attribution_seen(&a, &host, &none);
	ck_assert_int_eq(told[2], CGROUP_DROP);
	ck_assert_int_eq(told[5], CGROUP_HOST);
	ck_assert_int_eq(answer(2, &t), ATTRIBUTED_DROPPED);
	ck_assert_int_eq(answer(5, &t), ATTRIBUTED_DROPPED);
}
END_TEST

START_TEST(an_unknown_container_is_pending_until_a_source_tells_of_it)
{
	struct target *t;
	struct cgroup_chain c = chain(3, "init", 2, ID_A, 0);

	attribution_seen(&a, &c, &none);
	ck_assert_int_eq(told[2], CGROUP_PENDING);
	ck_assert_int_eq(answer(3, &t), ATTRIBUTED_UNKNOWN);
	struct target *expected = container(ID_A, TARGET_PROFILED);

	attribution_changed(&a, ID_A);
	ck_assert_int_eq(told[2], CGROUP_KEEP);
	ck_assert_int_eq(answer(3, &t), ATTRIBUTED);
	ck_assert_ptr_eq(t, expected);
}
END_TEST

START_TEST(without_engines_an_unknown_container_is_nobodys)
{
	struct cgroup_chain v2 = chain(5, "docker-" ID_A ".scope", 6, "system.slice", 0);
	struct target *t;

	a.sourceless = true;
	attribution_seen(&a, &v2, &none);
	ck_assert_int_eq(told[5], CGROUP_DROP);
	ck_assert_int_eq(answer(5, &t), ATTRIBUTED_DROPPED);
	/* The configuration has one after it has been read again. */
	a.sourceless = false;
	attribution_changed(&a, NULL);
	ck_assert_int_eq(told[5], CGROUP_PENDING);
	/* A file of targets names it. */
	a.sourceless = true;
	attribution_changed(&a, NULL);
	t = container(ID_A, TARGET_PROFILED);
	attribution_changed(&a, ID_A);
	ck_assert_int_eq(told[5], CGROUP_KEEP);
	ck_assert_int_eq(answer(5, &t), ATTRIBUTED);
}
END_TEST

START_TEST(the_nearest_known_container_wins)
{
	struct target *t, *inner;
	/* Docker in Docker, where both engines are followed; then one whose inner engine is not. */
	struct cgroup_chain known = chain(4, ID_B, 3, "docker", 2, ID_A, 1, "docker", 0);

	container(ID_A, TARGET_PROFILED);
	inner = container(ID_B, TARGET_PROFILED);
	attribution_seen(&a, &known, &none);
	ck_assert_int_eq(answer(4, &t), ATTRIBUTED);
	ck_assert_ptr_eq(t, inner);
}
END_TEST

START_TEST(an_unknown_nested_container_belongs_to_the_outer_one)
{
	struct target *t, *outer = container(ID_A, TARGET_PROFILED);
	struct cgroup_chain c = chain(4, ID_B, 3, "docker", 2, ID_A, 1, "docker", 0);

	attribution_seen(&a, &c, &none);
	ck_assert_int_eq(answer(4, &t), ATTRIBUTED);
	ck_assert_ptr_eq(t, outer);
}
END_TEST

START_TEST(a_container_cannot_pose_as_another_by_naming_a_cgroup_after_it)
{
	struct target *t, *attacker = container(ID_A, TARGET_PROFILED);
	struct target *victim = container(ID_B, TARGET_PROFILED);
	struct cgroup_chain real = chain(5, ID_B, 1, "docker", 0);
	struct cgroup_chain posing = chain(4, ID_B, 2, ID_A, 1, "docker", 0);

	attribution_seen(&a, &real, &none);
	attribution_seen(&a, &posing, &none);
	ck_assert_int_eq(answer(4, &t), ATTRIBUTED);
	ck_assert_ptr_eq(t, attacker);
	ck_assert_int_eq(answer(5, &t), ATTRIBUTED);
	ck_assert_ptr_eq(t, victim);
}
END_TEST

START_TEST(a_restarted_container_has_a_new_cgroup_and_the_same_target)
{
	struct target *t, *expected = container(ID_A, TARGET_PROFILED);
	struct cgroup_chain first = chain(2, ID_A, 1, "docker", 0);
	struct cgroup_chain second = chain(3, ID_A, 1, "docker", 0);

	attribution_seen(&a, &first, &none);
	attribution_seen(&a, &second, &none);
	ck_assert_int_eq(answer(3, &t), ATTRIBUTED);
	ck_assert_ptr_eq(t, expected);
}
END_TEST

START_TEST(the_number_of_remembered_cgroups_is_bounded)
{
	struct target *t;

	container(ID_A, TARGET_PROFILED);
	for (int i = 1; i <= 10000; i++) {
		struct cgroup_chain c = chain(i * 64, ID_A, 0);

		attribution_seen(&a, &none, &c);
	}
	ck_assert_uint_le(a.cgroups.count, 4096);
	ck_assert(forgotten[0]);
	ck_assert_int_eq(answer(10000 * 64, &t), ATTRIBUTED);
}
END_TEST

START_TEST(own_id_is_found_in_cgroup_or_mountinfo)
{
	char id[CONTAINER_ID_LEN + 1];

	ck_assert(self_id_from_cgroup("12:pids:/docker/" ID_A "\n0::/\n", id));
	ck_assert_str_eq(id, ID_A);
	ck_assert(!self_id_from_cgroup("0::/\n", id));
	ck_assert(
		self_id_from_mountinfo("1 2 8:1 /a /b rw\n"
				       "3 2 8:1 /var/lib/docker/containers/" ID_B
				       "/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw\n",
			id));
	ck_assert_str_eq(id, ID_B);
	ck_assert(!self_id_from_mountinfo("3 2 8:1 /short/hostname /etc/hostname rw\n", id));
}
END_TEST

UNIT_MAIN_FIXTURE("attribution", setup, teardown, ids_are_found_in_cgroup_names,
	a_container_keeps_what_is_in_it_and_below,
	ticks_recorded_before_the_v2_cgroup_was_found_to_be_the_hosts_are_kept,
	a_dropped_container_and_the_host_are_filtered,
	an_unknown_container_is_pending_until_a_source_tells_of_it,
	without_engines_an_unknown_container_is_nobodys, the_nearest_known_container_wins,
	an_unknown_nested_container_belongs_to_the_outer_one,
	a_container_cannot_pose_as_another_by_naming_a_cgroup_after_it,
	a_restarted_container_has_a_new_cgroup_and_the_same_target,
	the_number_of_remembered_cgroups_is_bounded, own_id_is_found_in_cgroup_or_mountinfo)
