// SPDX-License-Identifier: Apache-2.0
/* The connection: versions, refusals, losses. */
#include "unit/unit.h"

#include "lib/discovery_fixture.h"

static struct discovery_fixture f;

START_TEST(events_are_subscribed_to_before_the_list_is_asked_for)
{
	fixture_init(&f);
	fake_engine_add(&f.engine, 1, "web", NULL);
	f.engine.events_hide_headers = true;
	fixture_start(&f);
	fixture_run(&f, 100 * NSEC_PER_MSEC);
	ck_assert_int_eq(f.engine.subscriptions, 1);
	ck_assert_int_eq(f.engine.lists, 0);
	fixture_expect(&f, "+web connected "); /* a proxy that buffers is not waited for */
	ck_assert_ptr_nonnull(strstr(f.engine.events_url, "/v1.41/events?filters="));
	ck_assert_ptr_nonnull(strstr(f.engine.events_url, "%22type%22%3A%7B%22container%22"));
	/* The Date of the ping. */
	ck_assert_ptr_nonnull(strstr(f.engine.events_url, "&since=784111777.000000000"));
	ck_assert_str_eq(docker_discovery_engine_version(f.discovery), "99.1");
	ck_assert_str_eq(docker_discovery_api_version(f.discovery), "1.41");
	fixture_release(&f);
}
END_TEST

static const struct {
	const char *told; /* Api-Version */
	unsigned min, max;
	const char *spoken;
} versions[] = {
	{"1.24", 0, 24, "1.24"},
	{"1.41", 12, 41, "1.41"},
	{"1.51", 24, 51, "1.51"},
	{"1.60", 44, 60, "1.51"},
	{"1.70", 55, 70, "1.55"}, /* insists on a newer one than ours */
	{"1.51", 24, 43, "1.43"}, /* a proxy before an older engine */
	{NULL, 24, 41, "unversioned"},
};

START_TEST(the_version_is_negotiated)
{
	fixture_init(&f);
	fake_engine_add(&f.engine, 1, "web", NULL);
	f.engine.api_version = versions[_i].told;
	f.engine.min_minor = versions[_i].min;
	f.engine.max_minor = versions[_i].max;
	fixture_start(&f);
	fixture_expect(&f, "+web connected ");
	ck_assert_str_eq(docker_discovery_api_version(f.discovery), versions[_i].spoken);
	fixture_release(&f);
}
END_TEST

START_TEST(the_version_is_negotiated_anew_after_an_upgrade)
{
	fixture_init(&f);
	f.engine.api_version = "1.40";
	f.engine.max_minor = 40;
	fixture_start(&f);
	fixture_expect(&f, "connected ");
	f.engine.api_version = "1.60";
	f.engine.min_minor = 44;
	f.engine.max_minor = 60;
	fake_engine_end_streams(&f.engine);
	fixture_expect(&f, "lost connected ");
	ck_assert_str_eq(docker_discovery_api_version(f.discovery), "1.51");
	fixture_release(&f);
}
END_TEST

START_TEST(an_api_that_is_too_old_is_named)
{
	fixture_init(&f);
	f.engine.api_version = "1.23";
	fixture_start(&f);
	fixture_await(&f, "connecting");
	ck_assert_ptr_nonnull(strstr(f.reason, "1.23 is too old: 1.24"));
	fixture_release(&f);
}
END_TEST

START_TEST(a_pinned_version_is_kept_to)
{
	fixture_init(&f);
	setenv("DOCKER_API_VERSION", "1.30", 1);
	f.engine.min_minor = 44;
	fixture_start(&f);
	fixture_await(&f, "connecting");
	ck_assert_ptr_nonnull(strstr(f.reason, "DOCKER_API_VERSION=1.30: client version 1.30"));
	f.engine.min_minor = 0;
	fixture_await(&f, "connected");
	ck_assert_str_eq(docker_discovery_api_version(f.discovery), "1.30");
	fixture_release(&f);
}
END_TEST

START_TEST(a_proxy_that_forbids_the_ping_is_spoken_to_without_version)
{
	fixture_init(&f);
	fake_engine_add(&f.engine, 1, "web", NULL);
	f.engine.ping_status = 403;
	f.engine.api_version = NULL;
	fixture_start(&f);
	fixture_expect(&f, "+web connected ");
	fixture_release(&f);
}
END_TEST

START_TEST(an_engine_that_is_not_there_is_waited_for)
{
	fixture_init(&f);
	fake_engine_stop(&f.engine);
	fixture_start(&f);
	fixture_expect(&f, "connecting ");
	ck_assert_ptr_nonnull(strstr(f.reason, "/var/run/docker.sock:/var/run/docker.sock:ro"));
	fixture_run(&f, 300 * NSEC_PER_MSEC);
	ck_assert_str_eq(f.told.buf, ""); /* said once */
	fake_engine_listen(&f.engine);
	fixture_expect(&f, "connected ");
	fixture_release(&f);
}
END_TEST

START_TEST(containers_are_kept_while_the_daemon_restarts)
{
	fixture_init(&f);
	fake_engine_add(&f.engine, 1, "stays", NULL);
	fake_engine_add(&f.engine, 2, "goes", NULL);
	fixture_start(&f);
	fixture_expect(&f, "+stays +goes connected ");
	fake_engine_stop(&f.engine);
	fixture_expect(&f, "lost ");
	f.engine.containers[1].state = NULL;
	fake_engine_add(&f.engine, 3, "new", NULL);
	fake_engine_listen(&f.engine);
	fixture_expect(&f, "+new -0002 connected ");
	fixture_release(&f);
}
END_TEST

START_TEST(a_lost_stream_is_opened_again_where_it_ended)
{
	fixture_init(&f);
	struct fake_container *c = fake_engine_add(&f.engine, 1, "web", NULL);

	fixture_start(&f);
	fixture_expect(&f, "+web connected ");
	fake_engine_emit(&f.engine, "start", c->id, "web", NULL);
	fixture_expect(&f, "+web ");
	fake_engine_end_streams(&f.engine);
	fixture_expect(&f, "lost connected ");
	ck_assert_int_eq(f.engine.subscriptions, 2);
	ck_assert_ptr_nonnull(strstr(f.engine.events_url, "&since=1700000000.123456789"));
	fixture_release(&f);
}
END_TEST

START_TEST(half_an_event_and_then_garbage_means_lost)
{
	fixture_init(&f);
	fixture_start(&f);
	fixture_expect(&f, "connected ");
	fake_engine_send(&f.engine, "{\"Type\":\"container\",");
	fixture_expect(&f, "");
	fake_engine_send(&f.engine, "<html>");
	fixture_expect(&f, "lost connected ");
	ck_assert_int_eq(f.engine.subscriptions, 2);
	fixture_release(&f);
}
END_TEST

static const struct {
	long status;
	const char *reason;
} refusals[] = {
	{403, "give it CONTAINERS=1"},
	{401, "credentials"},
	{500, "answered 500: because"},
	{404, "answered 404"},
};

START_TEST(a_list_that_is_refused_says_why)
{
	fixture_init(&f);
	f.engine.list_status = refusals[_i].status;
	fixture_start(&f);
	fixture_await(&f, "connecting");
	ck_assert_msg(strstr(f.reason, refusals[_i].reason) != NULL, "%s", f.reason);
	f.engine.list_status = 0;
	fixture_await(&f, "connected");
	fixture_release(&f);
}
END_TEST

START_TEST(a_list_that_is_no_list_is_an_error)
{
	static const char *const lists[] = {"", "<html>no</html>", "[{\"Id\":", "[}"};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		fixture_init(&f);
		f.engine.list = lists[i];
		fixture_start(&f);
		fixture_await(&f, "connecting");
		ck_assert_ptr_nonnull(strstr(f.reason, "not the Docker API's"));
		fixture_release(&f);
	}
}
END_TEST

/* Whatever was received before, a cut list never makes a container disappear. */
START_TEST(a_connection_cut_at_any_byte_of_the_list_loses_nobody)
{
	const size_t cut = 1 + 31 * (size_t)_i;

	fixture_init(&f);
	for (unsigned i = 1; i <= 3; i++)
		fake_engine_add(&f.engine, i, "c", ",\"Labels\":{\"a\":\"b\"},\"Ports\":[]");
	fixture_start(&f);
	fixture_await(&f, "+c +c +c connected ");
	fixture_forget(&f);
	f.engine.cut_after = cut;
	fake_engine_end_streams(&f.engine);
	while (f.engine.lists < 2)
		ck_assert_int_eq(loop_turn(f.loop, NSEC_PER_SEC), 0);
	fixture_run(&f, 20 * NSEC_PER_MSEC);
	ck_assert_msg(!strncmp(f.told.buf, "lost ", 5), "cut at %zu: %s", cut, f.told.buf);
	ck_assert_ptr_null(strpbrk(f.told.buf, "+-"));
	f.engine.cut_after = 0;
	fixture_await(&f, "connected ");
	ck_assert_ptr_null(strpbrk(f.told.buf, "+-"));
	fixture_release(&f);
}
END_TEST

START_TEST(where_events_are_forbidden_lists_must_do)
{
	fixture_init(&f);
	f.engine.events_status = 403;
	fake_engine_add(&f.engine, 1, "web", NULL);
	f.options.refresh_interval_ns = NSEC_PER_SEC;
	fixture_start(&f);
	fixture_expect(&f, "notice +web connected ");
	ck_assert_ptr_nonnull(strstr(f.notice, "EVENTS=1"));
	fake_engine_add(&f.engine, 2, "new", NULL);
	fixture_expect(&f, "+new ");
	fixture_release(&f);
}
END_TEST

START_TEST(where_networks_are_forbidden_their_labels_are_missing)
{
	fixture_init(&f);
	f.engine.networks_status = 403;
	fake_engine_add(&f.engine, 1, "web",
		",\"NetworkSettings\":{\"Networks\":{\"n\":{\"NetworkID\":\"x\",\"IPAddress\":"
		"\"10.0.0.2\"}}}");
	fixture_start(&f);
	fixture_expect(&f, "notice +web connected ");
	ck_assert_ptr_nonnull(strstr(f.notice, "NETWORKS=1"));
	ck_assert_str_eq(labels_get(&f.labels, "__address__"), "10.0.0.2:80");
	ck_assert(!labels_has(&f.labels, "__meta_docker_network_id"));
	fake_engine_emit(&f.engine, "start", f.engine.containers[0].id, "web", NULL);
	fixture_expect(&f, "+web ");
	ck_assert_int_eq(f.engine.network_lists, 1); /* not asked for again */
	fixture_release(&f);
}
END_TEST

START_TEST(a_list_that_fails_while_events_live_means_lost)
{
	fixture_init(&f);
	f.options.refresh_interval_ns = NSEC_PER_SEC;
	fixture_start(&f);
	fixture_expect(&f, "connected ");
	f.engine.list_status = 500;
	fixture_await(&f, "lost");
	f.engine.list_status = 0;
	fixture_await(&f, "connected");
	ck_assert_int_ge(f.engine.subscriptions, 2);
	fixture_release(&f);
}
END_TEST

START_TEST(the_refresh_finds_what_no_event_told)
{
	fixture_init(&f);
	f.options.refresh_interval_ns = NSEC_PER_SEC;
	fake_engine_add(&f.engine, 1, "web", NULL);
	fixture_start(&f);
	fixture_expect(&f, "+web connected ");
	fake_engine_add(&f.engine, 2, "new", NULL);
	f.engine.containers[0].state = NULL;
	fixture_expect(&f, "+new -0001 ");
	fixture_release(&f);
}
END_TEST

START_TEST(freeing_it_in_any_state_is_fine)
{
	for (int turns = 0; turns < 25; turns++) {
		fixture_init(&f);
		fake_engine_add(&f.engine, 1, "web", NULL);
		f.engine.list_hangs = turns % 2;
		fixture_start(&f);
		for (int i = 0; i < turns; i++)
			ck_assert_int_eq(loop_turn(f.loop, NSEC_PER_MSEC), 0);
		fixture_release(&f);
	}
	ck_assert_ptr_null(f.engine.list);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("docker_discovery");
	TCase *tcase = tcase_create("docker_discovery");
	SRunner *runner = srunner_create(suite);

	tcase_set_timeout(tcase, UNIT_TIMEOUT_S);
	tcase_add_test(tcase, events_are_subscribed_to_before_the_list_is_asked_for);
	tcase_add_loop_test(tcase, the_version_is_negotiated, 0, (int)ARRAY_SIZE(versions));
	tcase_add_test(tcase, the_version_is_negotiated_anew_after_an_upgrade);
	tcase_add_test(tcase, an_api_that_is_too_old_is_named);
	tcase_add_test(tcase, a_pinned_version_is_kept_to);
	tcase_add_test(tcase, a_proxy_that_forbids_the_ping_is_spoken_to_without_version);
	tcase_add_test(tcase, an_engine_that_is_not_there_is_waited_for);
	tcase_add_test(tcase, containers_are_kept_while_the_daemon_restarts);
	tcase_add_test(tcase, a_lost_stream_is_opened_again_where_it_ended);
	tcase_add_test(tcase, half_an_event_and_then_garbage_means_lost);
	tcase_add_loop_test(tcase, a_list_that_is_refused_says_why, 0, (int)ARRAY_SIZE(refusals));
	tcase_add_test(tcase, a_list_that_is_no_list_is_an_error);
	tcase_add_loop_test(tcase, a_connection_cut_at_any_byte_of_the_list_loses_nobody, 0, 17);
	tcase_add_test(tcase, where_events_are_forbidden_lists_must_do);
	tcase_add_test(tcase, where_networks_are_forbidden_their_labels_are_missing);
	tcase_add_test(tcase, a_list_that_fails_while_events_live_means_lost);
	tcase_add_test(tcase, the_refresh_finds_what_no_event_told);
	tcase_add_test(tcase, freeing_it_in_any_state_is_fine);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
