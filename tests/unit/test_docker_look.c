// SPDX-License-Identifier: Apache-2.0
/* Containers: what events and lists make of them. */
#include "unit/unit.h"

#include "docker/pairs.h"
#include "lib/discovery_fixture.h"

#define STORM 500

static struct discovery_fixture f;

static void begin(void)
{
	fixture_init(&f);
}

static void follow(const char *told)
{
	fixture_start(&f);
	fixture_expect(&f, told);
}

static void emit(const char *action, const struct fake_container *c)
{
	fake_engine_emit(&f.engine, action, c->id, c->name, NULL);
}

START_TEST(a_container_that_starts_is_told_and_one_that_dies_is_gone)
{
	begin();
	follow("connected ");
	struct fake_container *c =
		fake_engine_add(&f.engine, 1, "web", ",\"Labels\":{\"a.b\":\"c\"}");

	emit("start", c);
	fixture_expect(&f, "+web ");
	ck_assert_str_eq(labels_get(&f.labels, "__meta_docker_container_label_a_b"), "c");
	ck_assert_ptr_nonnull(strstr(f.engine.list_url, "all=1"));
	ck_assert_ptr_nonnull(strstr(f.engine.list_url, c->id));
	c->state = "exited";
	emit("die", c);
	fixture_expect(&f, "-0001 ");
	emit("destroy", c);
	fixture_expect(&f, "");
	fixture_release(&f);
}
END_TEST

START_TEST(names_and_states_are_followed)
{
	begin();
	struct fake_container *c = fake_engine_add(&f.engine, 1, "old", NULL);

	follow("+old connected ");
	snprintf(c->name, sizeof(c->name), "new");
	emit("rename", c);
	fixture_expect(&f, "+new ");
	c->state = "paused";
	emit("pause", c);
	fixture_expect(&f, "+new(paused) ");
	c->state = "running";
	emit("unpause", c);
	fixture_expect(&f, "+new ");
	c->state = "restarting";
	emit("die", c);
	fixture_expect(&f, "");
	fixture_release(&f);
}
END_TEST

START_TEST(a_pause_is_seen_though_the_list_learns_of_it_late)
{
	begin();
	struct fake_container *c = fake_engine_add(&f.engine, 1, "web", NULL);

	follow("+web connected ");
	emit("pause", c);
	fixture_expect(&f, "");
	c->state = "paused";
	fixture_expect(&f, "+web(paused) ");
	fixture_release(&f);
}
END_TEST

START_TEST(a_restart_with_the_same_id_is_told_again)
{
	begin();
	struct fake_container *c = fake_engine_add(&f.engine, 1, "web", NULL);

	follow("+web connected ");
	emit("die", c);
	emit("start", c);
	fixture_expect(&f, "+web "); /* both were looked at in one go */
	c->state = "exited";
	emit("die", c);
	fixture_expect(&f, "-0001 ");
	c->state = "running";
	emit("start", c);
	fixture_expect(&f, "+web ");
	fixture_release(&f);
}
END_TEST

START_TEST(one_that_has_ended_before_the_look_is_told_once)
{
	begin();
	follow("connected ");
	struct fake_container *c = fake_engine_add(&f.engine, 1, "short", NULL);

	c->state = "exited";
	emit("start", c);
	emit("die", c);
	fixture_expect(&f, "+short -0001 ");
	fixture_release(&f);
}
END_TEST

START_TEST(one_that_was_removed_before_the_look_is_told_from_its_event)
{
	begin();
	follow("connected ");
	struct fake_container *c = fake_engine_add(&f.engine, 1, "short", NULL);

	c->state = NULL;
	fake_engine_emit(&f.engine, "start", c->id, "short",
		",\"com.docker.compose.service\":\"job\",\"a.b\":\"c\"");
	fake_engine_emit(&f.engine, "die", c->id, "short", ",\"exitCode\":\"0\"");
	fixture_expect(&f, "+short -0001 ");
	ck_assert_str_eq(f.lines.buf,
		"{\"__address__\":\":80\","
		"\"__meta_docker_container_id\":"
		"\"0000000000000000000000000000000000000000000000000000000000000001\","
		"\"__meta_docker_container_image\":\"img\","
		"\"__meta_docker_container_label_a_b\":\"c\","
		"\"__meta_docker_container_label_com_docker_compose_service\":\"job\","
		"\"__meta_docker_container_name\":\"/short\"}\n");
	fixture_release(&f);
}
END_TEST

static void set_filter(const char *name, const char *value)
{
	struct docker_filter *filter;

	f.options.filters = xreallocarray(f.options.filters, f.options.filter_count + 1,
		sizeof(*f.options.filters));
	filter = &f.options.filters[f.options.filter_count++];
	filter->name = xstrdup(name);
	filter->values = xcalloc(1, sizeof(char *));
	filter->values[0] = xstrdup(value);
	filter->value_count = 1;
}

START_TEST(filters_go_to_the_engine_and_judge_what_is_gone)
{
	begin();
	set_filter("label", "a=1");
	set_filter("label", "b");
	follow("connected ");
	ck_assert_ptr_nonnull(strstr(f.engine.list_url,
		"?filters=%7B%22label%22%3A%7B%22a%3D1%22%3Atrue%2C%22b%22%3Atrue%7D%7D"));
	fake_engine_emit(&f.engine, "start",
		"00000000000000000000000000000000000000000000000000000000000000aa", "no",
		",\"a\":\"2\",\"b\":\"\"");
	fixture_expect(&f, "");
	fake_engine_emit(&f.engine, "start",
		"00000000000000000000000000000000000000000000000000000000000000ab", "yes",
		",\"a\":\"1\",\"b\":\"\"");
	fixture_expect(&f, "+yes -00ab ");
	ck_assert_ptr_nonnull(strstr(f.engine.list_url, "%22id%22"));
	ck_assert_ptr_nonnull(strstr(f.engine.list_url, "%22label%22"));
	fixture_release(&f);
}
END_TEST

START_TEST(with_a_filter_by_id_no_other_ids_are_asked_for)
{
	begin();
	set_filter("id", "0000");
	struct fake_container *c = fake_engine_add(&f.engine, 1, "web", NULL);

	follow("+web connected ");
	emit("start", c);
	fixture_expect(&f, "+web ");
	ck_assert_int_eq(f.engine.id_lists, 0);
	ck_assert_int_eq(f.engine.lists, 2);
	fixture_release(&f);
}
END_TEST

START_TEST(health_events_matter_only_to_a_filter_by_health)
{
	begin();
	struct fake_container *c = fake_engine_add(&f.engine, 1, "web", NULL);

	follow("+web connected ");
	emit("health_status: healthy", c);
	fixture_expect(&f, "");
	ck_assert_int_eq(f.engine.id_lists, 0);
	fixture_release(&f);

	begin();
	set_filter("health", "healthy");
	c = fake_engine_add(&f.engine, 1, "web", NULL);
	follow("+web connected ");
	ck_assert_ptr_nonnull(strstr(f.engine.events_url, "health_status"));
	c->state = NULL;
	emit("health_status: unhealthy", c);
	fixture_expect(&f, "-0001 ");
	fixture_release(&f);
}
END_TEST

START_TEST(unknown_and_foreign_events_are_ignored)
{
	begin();
	struct fake_container *c = fake_engine_add(&f.engine, 1, "web", NULL);

	follow("+web connected ");
	emit("exec_start: sh", c);
	emit("kill", c);
	emit("no such action", c);
	fake_engine_emit(&f.engine, "start", "short-id", "x", NULL);
	fake_engine_send(&f.engine,
		"{\"Type\":\"network\",\"Action\":\"start\",\"Actor\":{\"ID\":"
		"\"0000000000000000000000000000000000000000000000000000000000000001\""
		"}}\n{}[]1 null\n");
	fixture_expect(&f, "");
	ck_assert_int_eq(f.engine.id_lists, 0);
	fixture_release(&f);
}
END_TEST

/* Whether "+c1 " to "+c500 ", or "-0001 " and so on, were all told. */
static bool all_told(const char *format)
{
	char word[16];

	for (unsigned i = 1; i <= STORM; i++) {
		snprintf(word, sizeof(word), format, i);
		if (!strstr(f.told.buf, word))
			return false;
	}
	return true;
}

START_TEST(a_storm_costs_few_lists)
{
	int64_t end = clock_monotonic_ns() + FIXTURE_WAIT_NS;
	char name[16];

	begin();
	follow("connected ");
	for (unsigned i = 1; i <= STORM; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		emit("start", fake_engine_add(&f.engine, i, name, NULL));
	}
	while (!all_told("+c%u ") && clock_monotonic_ns() < end)
		fixture_run(&f, FIXTURE_QUIET_NS);
	ck_assert(all_told("+c%u "));
	ck_assert_int_le(f.engine.lists + f.engine.id_lists, 30);
	for (unsigned i = 0; i < STORM; i++) {
		f.engine.containers[i].state = NULL;
		emit("die", &f.engine.containers[i]);
	}
	while (!all_told("-%04x ") && clock_monotonic_ns() < end)
		fixture_run(&f, FIXTURE_QUIET_NS);
	ck_assert(all_told("-%04x "));
	fixture_release(&f);
}
END_TEST

START_TEST(an_event_during_a_look_is_looked_at_again)
{
	int64_t end = clock_monotonic_ns() + FIXTURE_WAIT_NS;

	begin();
	struct fake_container *c = fake_engine_add(&f.engine, 1, "web", NULL);

	follow("+web connected ");
	f.engine.list_hangs = true;
	emit("rename", c);
	while (!f.engine.id_lists && clock_monotonic_ns() < end)
		fixture_run(&f, FIXTURE_QUIET_NS);
	fixture_expect(&f, "");
	ck_assert_int_eq(f.engine.id_lists, 1);
	snprintf(c->name, sizeof(c->name), "new");
	emit("rename", c); /* while the first answer is still awaited */
	fixture_expect(&f, "");
	ck_assert_int_eq(f.engine.id_lists, 1);
	f.engine.list_hangs = false;
	fake_engine_stop(&f.engine);
	fake_engine_listen(&f.engine);
	fixture_await(&f, "+new connected");
	fixture_release(&f);
}
END_TEST

START_TEST(one_listed_twice_counts_once)
{
	begin();
	f.engine.list =
		"[{\"Id\":\"0000000000000000000000000000000000000000000000000000000000000001\","
		"\"Names\":[\"/a\"]},{\"Id\":"
		"\"0000000000000000000000000000000000000000000000000000000000000001\","
		"\"Names\":[\"/b\"]},{\"Id\":\"no id\",\"Names\":[\"/c\"]},{}, 1, null, []]";
	follow("+a connected ");
	fixture_release(&f);
}
END_TEST

START_TEST(a_network_that_is_new_is_asked_for)
{
	begin();
	follow("connected ");
	ck_assert_int_eq(f.engine.network_lists, 1);
	f.engine.networks = "[{\"Id\":\"n1\",\"Name\":\"proj_net\",\"Scope\":\"local\"}]";
	emit("start",
		fake_engine_add(&f.engine, 1, "web",
			",\"NetworkSettings\":{\"Networks\":{\"proj_net\":{\"NetworkID\":"
			"\"n1\",\"IPAddress\":\"10.0.0.2\"}}}"));
	fixture_expect(&f, "+web ");
	ck_assert_int_eq(f.engine.network_lists, 2);
	ck_assert_str_eq(labels_get(&f.labels, "__meta_docker_network_name"), "proj_net");
	fixture_release(&f);
}
END_TEST

START_TEST(one_that_shares_a_network_shows_its_owners)
{
	begin();
	fake_engine_add(&f.engine, 1, "shares",
		",\"HostConfig\":{\"NetworkMode\":\"container:"
		"0000000000000000000000000000000000000000000000000000000000000002\"}");
	fake_engine_add(&f.engine, 2, "owner",
		",\"NetworkSettings\":{\"Networks\":{\"n\":{\"IPAddress\":\"10.0.0.2\"}}}");
	follow("+owner +shares connected ");
	ck_assert_str_eq(labels_get(&f.labels, "__address__"), "10.0.0.2:80");
	/* A ring, which no engine makes, ends. */
	emit("start",
		fake_engine_add(&f.engine, 3, "ring",
			",\"HostConfig\":{\"NetworkMode\":\"container:"
			"0000000000000000000000000000000000000000000000000000000000000003\"}"));
	fixture_expect(&f, "+ring ");
	ck_assert_str_eq(labels_get(&f.labels, "__address__"), ":80");
	fixture_release(&f);
}
END_TEST

START_TEST(hostile_labels_are_bounded_and_hurt_nobody_else)
{
	struct strbuf more cleanup_strbuf = STRBUF_INIT;

	begin();
	strbuf_add_str(&more, ",\"Labels\":{\"huge\":\"");
	for (int i = 0; i < 1 << 20; i++)
		strbuf_add_char(&more, 'x');
	strbuf_add_str(&more, "\",\"bad\\u0000\xff\":\"\xff\\u001b[31m\\n\",");
	for (int i = 0; i < 5000; i++)
		strbuf_addf(&more, "\"many%d\":\"%s\",", i,
			"0123456789012345678901234567890123456789");
	strbuf_add_str(&more, "\"last\":\"1\"}");
	fake_engine_add(&f.engine, 1, "good", NULL);
	fake_engine_add(&f.engine, 2, "evil", more.buf);
	follow("+good +evil connected ");
	ck_assert(!labels_has(&f.labels, "__meta_docker_container_label_huge"));
	ck_assert_str_eq(labels_get(&f.labels, "__meta_docker_container_label_bad__"),
		"\xef\xbf\xbd\x1b[31m\n");
	ck_assert_uint_le(f.labels.count, PAIRS_MAX + 10);
	ck_assert(labels_has(&f.labels, "__meta_docker_container_label_many0"));
	struct docker_discovery_stats stats;

	docker_discovery_stats(f.discovery, &stats);
	ck_assert_uint_gt(stats.labels_skipped, 1000);
	ck_assert_uint_eq(stats.containers, 2);
	ck_assert_uint_eq(stats.looks, 1);
	ck_assert_uint_eq(stats.failures, 0);
	fixture_release(&f);
}
END_TEST

START_TEST(a_container_that_never_started_is_none)
{
	begin();
	follow("connected ");
	struct fake_container *c = fake_engine_add(&f.engine, 1, "created", NULL);

	c->state = "created";
	emit("rename", c);
	fixture_expect(&f, "");
	c->state = NULL;
	emit("destroy", c);
	fixture_expect(&f, "");
	fixture_release(&f);
}
END_TEST

UNIT_MAIN("docker_look", a_container_that_starts_is_told_and_one_that_dies_is_gone,
	names_and_states_are_followed, a_pause_is_seen_though_the_list_learns_of_it_late,
	a_restart_with_the_same_id_is_told_again, one_that_has_ended_before_the_look_is_told_once,
	one_that_was_removed_before_the_look_is_told_from_its_event,
	filters_go_to_the_engine_and_judge_what_is_gone,
	with_a_filter_by_id_no_other_ids_are_asked_for,
	health_events_matter_only_to_a_filter_by_health, unknown_and_foreign_events_are_ignored,
	a_storm_costs_few_lists, an_event_during_a_look_is_looked_at_again,
	one_listed_twice_counts_once, a_network_that_is_new_is_asked_for,
	one_that_shares_a_network_shows_its_owners, hostile_labels_are_bounded_and_hurt_nobody_else,
	a_container_that_never_started_is_none)
