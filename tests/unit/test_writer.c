// SPDX-License-Identifier: Apache-2.0
/* The writer against servers in child processes. */
#include "unit/writer_fixture.h"

#include "unit/protobuf_reader.h"

static void assert_header(const char *line)
{
	struct script *s = scripts[0];
	char *found = strcasestr(s->last, line);

	ck_assert_msg(found && found < s->last + s->head_len, "no %s", line);
}

START_TEST(a_profile_arrives_with_its_labels_and_headers)
{
	struct forked_server server = {0};
	char url[128];

	SCRIPT(0, 200);
	forked_server_start(&server, serve_first);
	snprintf(url, sizeof(url), "%s/base//", server.url);
	add_endpoint(url)->tenant_id = xstrdup("team");
	labels_set(&options.external_labels, "env", "prod");
	start();
	ck_assert(writer_idle(writer));
	int64_t begin_ns = clock_realtime_ns();

	add("web", "the profile");
	ck_assert(!writer_idle(writer));
	ck_assert_int_ge(stats(0).oldest_waiting_ns, begin_ns);
	run_until(writer_idle(writer));
	assert_header("POST /base/push.v1.PusherService/Push HTTP/1.1\r\n");
	assert_header("\r\nContent-Type: application/proto\r\n");
	assert_header("\r\nConnect-Protocol-Version: 1\r\n");
	assert_header("\r\nUser-Agent: dockprof/");
	assert_header("\r\nX-Scope-OrgID: team\r\n");
	struct reader series =
		get_field(reader_of(scripts[0]->last + scripts[0]->head_len, scripts[0]->body_len),
			1, 0)
			.bytes;
	static const char *const expected[][2] = {{"__name__", "process_cpu"}, {"env", "prod"},
		{"service_name", "web"}};

	ck_assert_uint_eq(count_fields(series, 1), 3);
	for (size_t i = 0; i < 3; i++)
		for (unsigned k = 0; k < 2; k++) {
			struct reader pair = get_field(series, 1, i).bytes;
			char *text = reader_string(get_field(pair, k + 1, 0).bytes);

			ck_assert_str_eq(text, expected[i][k]);
			free(text);
		}
	char *profile = reader_string(get_field(get_field(series, 2, 0).bytes, 1, 0).bytes);

	ck_assert_str_eq(profile, "the profile");
	free(profile);
	ck_assert_uint_eq(stats(0).sent.profiles, 1);
	ck_assert_uint_eq(stats(0).sent.value, strlen("the profile"));
	ck_assert_uint_eq(stats(0).sent.bytes, scripts[0]->body_len);
	ck_assert_uint_eq(stats(0).waiting.bytes, 0);
	ck_assert_int_ge(stats(0).last_success_ns, begin_ns);
	ck_assert_int_eq(stats(0).oldest_waiting_ns, 0);
	uint64_t answered = 0;

	for (size_t i = 0; i <= WRITE_LATENCY_BOUNDS; i++)
		answered += stats(0).latency[i];
	ck_assert_uint_eq(answered, 1);
	ck_assert_int_gt(stats(0).latency_sum_ns, 0);
	ck_assert(stats(0).reachable);
	ck_assert_str_eq(events.buf, "0 server0 \n");
	forked_server_stop(&server);
}
END_TEST

struct fate {
	int answers[4];
	unsigned max_attempts;
	bool no_retry_on_429;
	unsigned requests, sent, retries, rejected, given_up;
};

static const struct fate fates[] = {
	{{200}, 3, false, 1, 1, 0, 0, 0},
	{{204}, 3, false, 1, 1, 0, 0, 0},
	{{500, 200}, 3, false, 2, 1, 1, 0, 0},
	{{503, 408, 200}, 3, false, 3, 1, 2, 0, 0},
	{{429, 200}, 3, false, 2, 1, 1, 0, 0},
	{{429, 200}, 3, true, 1, 0, 0, 1, 0},
	{{RESET, 200}, 3, false, 2, 1, 1, 0, 0},
	{{CUT_200}, 3, false, 1, 1, 0, 0, 0},
	{{503}, 3, false, 3, 0, 2, 0, 1},
	{{503}, 1, false, 1, 0, 0, 0, 1},
	{{503, 503, 503, 200}, 0, false, 4, 1, 3, 0, 0},
	{{400}, 3, false, 1, 0, 0, 1, 0},
	{{401}, 3, false, 1, 0, 0, 1, 0},
	{{403}, 3, false, 1, 0, 0, 1, 0},
	{{404}, 3, false, 1, 0, 0, 1, 0},
	{{413}, 3, false, 1, 0, 0, 1, 0},
	{{422}, 3, false, 1, 0, 0, 1, 0},
	{{301}, 3, false, 1, 0, 0, 1, 0},
};

START_TEST(each_answer_has_its_fate)
{
	const struct fate *fate = &fates[_i];
	struct forked_server server = {0};

	script_set(scripts[0], fate->answers);
	forked_server_start(&server, serve_first);
	struct write_endpoint_options *o = add_endpoint(server.url);

	o->max_backoff_retries = fate->max_attempts;
	o->retry_on_http_429 = !fate->no_retry_on_429;
	start();
	add("web", "profile");
	run_until(writer_idle(writer));
	ck_assert_uint_eq(scripts[0]->requests, fate->requests);
	ck_assert_uint_eq(stats(0).sent.profiles, fate->sent);
	ck_assert_uint_eq(stats(0).retries, fate->retries);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_REJECTED].profiles, fate->rejected);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_RETRIES].profiles, fate->given_up);
	ck_assert_uint_eq(stats(0).waiting.profiles, 0);
	forked_server_stop(&server);
}
END_TEST

START_TEST(a_refusal_is_told_once_with_what_the_server_said)
{
	struct forked_server server = {0};

	SCRIPT(0, 401);
	scripts[0]->body = "{\"code\":\"unauthenticated\"}\n\x1b[31m";
	forked_server_start(&server, serve_first);
	add_endpoint(server.url);
	start();
	for (int i = 0; i < 5; i++)
		add("web", "profile");
	run_until(writer_idle(writer));
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_REJECTED].profiles, 5);
	ck_assert(stats(0).reachable);
	ck_assert_uint_eq(count_events(WRITER_REJECTED), 1);
	ck_assert_ptr_nonnull(
		strstr(events.buf, "HTTP 401: {\\\"code\\\":\\\"unauthenticated\\\"}"));
	ck_assert_ptr_nonnull(strstr(events.buf, "tenant_id"));
	ck_assert_ptr_null(strchr(events.buf, '\x1b'));
	forked_server_stop(&server);
}
END_TEST

START_TEST(retry_after_is_obeyed)
{
	struct forked_server server = {0};

	SCRIPT(0, 429, 200);
	scripts[0]->headers = "Retry-After: 1\r\n";
	forked_server_start(&server, serve_first);
	add_endpoint(server.url);
	start();
	int64_t begin = clock_monotonic_ns();

	add("web", "profile");
	run_until(scripts[0]->requests == 1 && stats(0).reachable);
	add("web", "another");
	run_until(writer_idle(writer));
	ck_assert_int_ge(clock_monotonic_ns() - begin, NSEC_PER_SEC);
	ck_assert_uint_eq(stats(0).sent.profiles, 2);
	ck_assert_uint_eq(scripts[0]->requests, 3);
	forked_server_stop(&server);
}
END_TEST

START_TEST(a_server_that_hangs_costs_the_timeout_and_is_given_up)
{
	struct forked_server server = {0};

	SCRIPT(0, HANG);
	forked_server_start(&server, serve_first);
	struct write_endpoint_options *o = add_endpoint(server.url);

	o->remote_timeout_ns = 100 * NSEC_PER_MSEC;
	o->max_backoff_retries = 3;
	start();
	int64_t begin = clock_monotonic_ns();

	add("web", "profile");
	run_until(writer_idle(writer));
	ck_assert_int_ge(clock_monotonic_ns() - begin, 300 * NSEC_PER_MSEC);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_RETRIES].profiles, 1);
	ck_assert(!stats(0).reachable);
	ck_assert_uint_eq(count_events(WRITER_UNREACHABLE), 1);
	ck_assert_uint_eq(count_events(WRITER_DROPPED), 1);
	forked_server_stop(&server);
}
END_TEST

START_TEST(what_waited_for_a_server_is_delivered_when_it_is_back)
{
	struct forked_server server = {0};

	SCRIPT(0, 200);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url)->max_backoff_retries = 0;
	forked_server_stop(&server);
	start();
	for (int i = 0; i < 40; i++)
		add("web", "profile");
	run_until(stats(0).retries >= 5);
	ck_assert_uint_eq(stats(0).waiting.profiles, 40);
	ck_assert_uint_eq(count_events(WRITER_UNREACHABLE), 1);
	forked_server_run(&server, listen_on(server.port), serve_first);
	run_until(writer_idle(writer));
	ck_assert_uint_eq(stats(0).sent.profiles, 40);
	ck_assert_uint_eq(scripts[0]->requests, 40);
	ck_assert_uint_eq(count_events(WRITER_UNREACHABLE), 1);
	ck_assert_uint_eq(count_events(WRITER_REACHABLE_AGAIN), 1);
	ck_assert_ptr_nonnull(strstr(events.buf, "39 profiles waited"));
	forked_server_stop(&server);
}
END_TEST

START_TEST(a_server_in_trouble_is_asked_by_one_request_at_a_time)
{
	struct forked_server server = {0};

	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	struct write_endpoint_options *o = add_endpoint(server.url);

	o->min_backoff_ns = o->max_backoff_ns = 200 * NSEC_PER_MSEC;
	start();
	for (int i = 0; i < 100; i++)
		add("web", "profile");
	run(NSEC_PER_SEC);
	/* The first sixteen at once, then one per wait of 100 to 200 ms. */
	ck_assert_uint_ge(scripts[0]->requests, 16 + 2);
	ck_assert_uint_le(scripts[0]->requests, 16 + 10);
	ck_assert_uint_eq(stats(0).waiting.profiles, 100);
	forked_server_stop(&server);
}
END_TEST

START_TEST(a_profile_the_server_chokes_on_does_not_hold_up_the_others)
{
	struct forked_server server = {0};

	SCRIPT(0, 200);
	scripts[0]->poison = 500;
	forked_server_start(&server, serve_first);
	add_endpoint(server.url)->max_backoff_retries = 4;
	start();
	for (int i = 0; i < 30; i++)
		add("web", i == 3 ? "poison" : "profile");
	run_until(stats(0).sent.profiles == 29);
	run_until(writer_idle(writer));
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_RETRIES].profiles, 1);
	ck_assert_uint_eq(scripts[0]->requests, 29 + 4);
	forked_server_stop(&server);
}
END_TEST

START_TEST(one_endpoint_that_hangs_does_not_hold_up_another)
{
	struct forked_server fine = {0}, hanging = {0};

	SCRIPT(0, 200);
	SCRIPT(1, HANG);
	forked_server_start(&fine, serve_first);
	forked_server_start(&hanging, serve_second);
	add_endpoint(fine.url);
	add_endpoint(hanging.url)->remote_timeout_ns = 60 * NSEC_PER_SEC;
	start();
	int64_t begin = clock_monotonic_ns();

	for (int i = 0; i < 20; i++)
		add("web", "profile");
	run_until(stats(0).sent.profiles == 20);
	ck_assert_int_lt(clock_monotonic_ns() - begin, 5 * NSEC_PER_SEC);
	ck_assert_uint_eq(stats(0).waiting.profiles, 0);
	ck_assert_uint_eq(stats(1).waiting.profiles, 20);
	ck_assert_uint_eq(stats(1).sent.profiles, 0);
	forked_server_stop(&fine);
	forked_server_stop(&hanging);
}
END_TEST

START_TEST(memory_has_a_budget_and_the_oldest_go_first)
{
	struct forked_server fine = {0}, hanging = {0};
	char profile[10001];

	SCRIPT(0, 200);
	SCRIPT(1, 503);
	forked_server_start(&fine, serve_first);
	forked_server_start(&hanging, serve_second);
	add_endpoint(fine.url);
	struct write_endpoint_options *o = add_endpoint(hanging.url);

	o->min_backoff_ns = o->max_backoff_ns = 3600 * NSEC_PER_SEC;
	options.max_pending_bytes = 200000;
	start();
	memset(profile, 'p', sizeof(profile) - 1);
	profile[sizeof(profile) - 1] = '\0';
	for (int i = 0; i < 100; i++) {
		add("web", profile);
		run_until(stats(0).waiting.profiles == 0);
		ck_assert_uint_le(stats(1).waiting.bytes, 200000);
	}
	ck_assert_uint_eq(stats(0).sent.profiles, 100);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_MEMORY].profiles, 0);
	ck_assert_uint_eq(stats(1).waiting.profiles, 19);
	ck_assert_uint_eq(stats(1).dropped[WRITE_DROP_MEMORY].profiles, 81);
	ck_assert_uint_eq(count_events(WRITER_DROPPED), 1);
	forked_server_stop(&fine);
	forked_server_stop(&hanging);
}
END_TEST

START_TEST(a_profile_larger_than_the_budget_does_not_stay)
{
	struct forked_server server = {0};

	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	struct write_endpoint_options *o = add_endpoint(server.url);

	o->min_backoff_ns = o->max_backoff_ns = 3600 * NSEC_PER_SEC;
	options.max_pending_bytes = 100;
	start();
	add("web", "a profile that together with its labels has more than a hundred bytes");
	run_until(scripts[0]->requests == 1 && stats(0).reachable);
	add("web", "another one that together with its labels has more than a hundred bytes");
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_MEMORY].profiles, 2);
	ck_assert(writer_idle(writer));
	forked_server_stop(&server);
}
END_TEST

START_TEST(draining_tries_everything_once_more_and_waits_for_nothing)
{
	struct forked_server server = {0};

	SCRIPT(0, 503, 200, 503);
	forked_server_start(&server, serve_first);
	struct write_endpoint_options *o = add_endpoint(server.url);

	o->min_backoff_ns = o->max_backoff_ns = 3600 * NSEC_PER_SEC;
	start();
	add("web", "one");
	run_until(stats(0).reachable);
	add("web", "two");
	run(100 * NSEC_PER_MSEC);
	ck_assert_uint_eq(scripts[0]->requests, 1);
	writer_drain(writer);
	run_until(writer_idle(writer));
	ck_assert_uint_eq(scripts[0]->requests, 3);
	ck_assert_uint_eq(stats(0).sent.profiles, 1);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_SHUTDOWN].profiles, 1);
	add("web", "three");
	run_until(writer_idle(writer));
	ck_assert_uint_eq(scripts[0]->requests, 4);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_SHUTDOWN].profiles, 2);
	forked_server_stop(&server);
}
END_TEST

START_TEST(what_is_left_at_the_end_is_told)
{
	struct forked_server server = {0};

	SCRIPT(0, HANG);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url);
	start();
	for (int i = 0; i < 12; i++)
		add("web", "profile");
	run(50 * NSEC_PER_MSEC);
	writer_drain(writer);
	writer_free(steal_ptr(&writer));
	ck_assert_str_eq(events.buf,
		"5 server0 12 profiles could not be delivered before the end\n");
	forked_server_stop(&server);
}
END_TEST

START_TEST(repaired_labels_are_told_once_per_service)
{
	struct forked_server server = {0};

	SCRIPT(0, 200);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url);
	start();
	for (int i = 0; i < 3; i++) {
		add("fine", "profile");
		add("bad\xff", "profile");
	}
	run_until(writer_idle(writer));
	ck_assert_uint_eq(count_events(WRITER_LABELS_REPAIRED), 1);
	ck_assert_ptr_nonnull(strstr(events.buf, "\"service_name\" was not valid UTF-8"));
	forked_server_stop(&server);
}
END_TEST

START_TEST(without_endpoints_nothing_happens)
{
	start();
	add("web", "profile");
	ck_assert(writer_idle(writer));
	ck_assert_uint_eq(writer_endpoint_count(writer), 0);
}
END_TEST

START_TEST(a_url_without_scheme_is_an_error)
{
	struct error err = {0};

	add_endpoint("pyroscope:4040");
	ck_assert_int_eq(writer_new(loop, http, &options, &ops, NULL, NULL, &writer, &err),
		-EINVAL);
	ck_assert_str_eq(err.message,
		"write endpoint server0: the url of a write endpoint starts "
		"with http:// or https://");
}
END_TEST

START_TEST(a_name_from_the_url_shows_no_password)
{
	add_endpoint("http://user:secret@127.0.0.1:1/p");
	free(options.endpoints[0].name);
	options.endpoints[0].name = NULL;
	start();
	ck_assert_str_eq(stats(0).name, "http://127.0.0.1:1/p");
}
END_TEST

START_TEST(endpoints_called_the_same_are_told_apart)
{
	static const char *const names[] = {NULL, "a", NULL, "a", "a", "a (2)"};
	static const char *const wanted[] = {"http://127.0.0.1:1/", "a", "http://127.0.0.1:1/ (2)",
		"a (2)", "a (3)", "a (2) (2)"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct write_endpoint_options *o = add_endpoint("http://127.0.0.1:1");

		free(o->name);
		o->name = names[i] ? xstrdup(names[i]) : NULL;
	}
	start();
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		ck_assert_str_eq(stats(i).name, wanted[i]);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_profile_arrives_with_its_labels_and_headers,
		a_refusal_is_told_once_with_what_the_server_said,
		retry_after_is_obeyed,
		a_server_that_hangs_costs_the_timeout_and_is_given_up,
		what_waited_for_a_server_is_delivered_when_it_is_back,
		a_server_in_trouble_is_asked_by_one_request_at_a_time,
		a_profile_the_server_chokes_on_does_not_hold_up_the_others,
		one_endpoint_that_hangs_does_not_hold_up_another,
		memory_has_a_budget_and_the_oldest_go_first,
		a_profile_larger_than_the_budget_does_not_stay,
		draining_tries_everything_once_more_and_waits_for_nothing,
		what_is_left_at_the_end_is_told,
		repaired_labels_are_told_once_per_service,
		without_endpoints_nothing_happens,
		a_url_without_scheme_is_an_error,
		a_name_from_the_url_shows_no_password,
		endpoints_called_the_same_are_told_apart,
	};
	TCase *tcase = tcase_create("writer");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, each_answer_has_its_fate, 0, sizeof(fates) / sizeof(fates[0]));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tcase, tests[i]);
	return unit_run("writer", tcase);
}
