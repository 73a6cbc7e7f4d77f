// SPDX-License-Identifier: Apache-2.0
/* The writer with a spool, against servers in child processes. */
#include "unit/writer_fixture.h"

#include "export/window.h"
#include "unit/temp_dir.h"

static struct temp_dir dir;

static void set_up_spool(void)
{
	set_up();
	temp_dir_init(&dir);
	options.spool.path = xasprintf("%s/spool", dir.path);
	options.spool.sync_ns = 10 * NSEC_PER_MSEC;
}

static void tear_down_spool(void)
{
	tear_down();
	temp_dir_release(&dir);
}

/* A writer of its own that follows `previous`; where: its spool, NULL: none. */
static struct writer *follow_at(const char *url, const char *where, struct writer *previous)
{
	struct writer *next;
	struct error err = {0};

	add_endpoint(url);
	options.spool.path = where ? xasprintf("%s/%s", dir.path, where) : NULL;
	ck_assert_msg(writer_new(loop, http, &options, &ops, NULL, previous, &next, &err) == 0,
		"%s", err.message);
	return next;
}

/* With the same spool. */
static struct writer *follow(const char *url, struct writer *previous)
{
	return follow_at(url, "spool", previous);
}

START_TEST(what_a_server_does_not_take_is_on_disk_and_sent_when_it_is_back)
{
	struct forked_server server = {0};

	SCRIPT(0, 200);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url)->max_backoff_retries = 2;
	forked_server_stop(&server);
	start();
	for (int i = 0; i < 40; i++)
		add("web", "profile");
	run_until(stats(0).retries >= 5);
	ck_assert_uint_ge(stats(0).spooled.profiles + stats(0).waiting.profiles, 40);
	ck_assert_uint_le(stats(0).waiting.profiles, 1);
	ck_assert_uint_gt(stats(0).spool_bytes, 0);
	ck_assert_int_ne(stats(0).oldest_spooled_ns, 0);
	ck_assert_uint_eq(write_stats_dropped_now(0), 0);
	forked_server_run(&server, listen_on(server.port), serve_first);
	run_until(stats(0).sent.profiles == 40);
	ck_assert_uint_eq(stats(0).spooled.profiles, 0);
	ck_assert_uint_eq(stats(0).spool_bytes, 0);
	ck_assert_uint_eq(scripts[0]->requests, 40);
	ck_assert_uint_eq(count_events(WRITER_REACHABLE_AGAIN), 1);
	ck_assert_ptr_nonnull(strstr(events.buf, "39 profiles waited"));
	forked_server_stop(&server);
}
END_TEST

START_TEST(the_next_run_sends_what_the_last_one_left)
{
	struct forked_server server = {0};
	char url[128];

	SCRIPT(0, 200);
	forked_server_start(&server, serve_first);
	snprintf(url, sizeof(url), "%s", server.url);
	forked_server_stop(&server);
	add_endpoint(url);
	start();
	for (int i = 0; i < 10; i++)
		add("web", "profile");
	run_until(stats(0).retries >= 1);
	assert_balanced();
	writer_free(steal_ptr(&writer));
	ck_assert_uint_eq(count_events(WRITER_DROPPED), 0);
	forked_server_run(&server, listen_on(server.port), serve_first);
	writer = follow(url, NULL);
	ck_assert_uint_eq(stats(0).recovered.profiles, 10);
	ck_assert_uint_eq(stats(0).recovered.value, 10 * strlen("profile"));
	ck_assert_uint_eq(count_events(WRITER_SPOOL_FOUND), 1);
	assert_balanced();
	run_until(stats(0).sent.profiles == 10);
	ck_assert_uint_eq(stats(0).added.profiles, 0);
	forked_server_stop(&server);
}
END_TEST

START_TEST(a_new_configuration_goes_on_with_the_spool)
{
	struct forked_server server = {0};
	char url[128];

	SCRIPT(0, 200);
	forked_server_start(&server, serve_first);
	snprintf(url, sizeof(url), "%s", server.url);
	forked_server_stop(&server);
	add_endpoint(url);
	start();
	for (int i = 0; i < 10; i++)
		add("web", "profile");
	run_until(stats(0).retries >= 1);
	struct writer *old = writer;

	writer = follow(url, old);
	assert_balanced();
	ck_assert_uint_eq(stats(0).added.profiles, 10);
	add("web", "newer");
	forked_server_run(&server, listen_on(server.port), serve_first);
	run_until(writer_idle(old) && writer_idle(writer) && !stats(0).spooled.profiles);
	ck_assert_uint_eq(scripts[0]->requests, 11);
	assert_balanced();
	struct write_stats before = stats(0), after;

	writer_free(old);
	after = stats(0);
	ck_assert_uint_eq(after.added.profiles, 11);
	ck_assert_uint_eq(after.recovered.profiles, 0);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ck_assert_uint_eq(count_events(WRITER_DROPPED), 0);
	forked_server_stop(&server);
}
END_TEST

START_TEST(a_configuration_that_fails_leaves_the_spool_with_the_old_one)
{
	struct writer *next = NULL;
	struct error err = {0};
	struct forked_server server = {0};

	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url);
	start();
	add("web", "profile");
	run_until(stats(0).spooled.profiles == 1);
	add_endpoint(server.url);
	add_endpoint("no url");
	options.spool.path = xasprintf("%s/spool", dir.path);
	ck_assert_int_eq(writer_new(loop, http, &options, &ops, NULL, writer, &next, &err),
		-EINVAL);
	add("web", "profile");
	ck_assert_uint_eq(stats(0).added.profiles, 2);
	ck_assert_uint_eq(stats(0).recovered.profiles, 0);
	forked_server_stop(&server);
}
END_TEST

static struct writer *prepare(const char *url, struct writer *previous)
{
	struct writer *next = NULL;
	struct error err = {0};

	add_endpoint(url);
	options.spool.path = xasprintf("%s/spool", dir.path);
	ck_assert_msg(writer_prepare(loop, http, &options, &ops, NULL, previous, &next, &err) == 0,
		"%s", err.message);
	return next;
}

START_TEST(a_configuration_that_is_not_taken_in_the_end_has_changed_nothing)
{
	char profile[3001];
	struct forked_server server = {0};

	memset(profile, 'p', sizeof(profile) - 1);
	profile[sizeof(profile) - 1] = '\0';
	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url)->max_backoff_retries = 0;
	start();
	for (int i = 0; i < 10; i++)
		add("web", profile);
	run_until(stats(0).retries >= 2);
	options.spool.max_bytes = 10000;
	struct writer *next = prepare(server.url, writer);

	/* Both before and after it is given up. */
	add("web", profile);
	run_until(stats(0).spooled.profiles + stats(0).waiting.profiles == 11);
	writer_free(next);
	add("web", profile);
	ck_assert_uint_eq(stats(0).added.profiles, 12);
	ck_assert_uint_eq(write_stats_dropped_now(0), 0);
	assert_balanced();
	script_set(scripts[0], (const int[]){200, 0});
	run_until(stats(0).sent.profiles == 12);
	ck_assert_uint_eq(stats(0).recovered.profiles, 0);

	/* One that is taken has its limits at once. */
	options.spool.max_bytes = 10000;
	next = prepare(server.url, writer);
	writer_take_over(next, writer);
	writer_free(writer);
	writer = next;
	script_set(scripts[0], (const int[]){503, 0});
	for (int i = 0; i < 12; i++)
		add("web", profile);
	run_until(stats(0).dropped[WRITE_DROP_SPOOL].profiles >= 1);
	ck_assert_uint_le(stats(0).spool_bytes, 10000);
	forked_server_stop(&server);
}
END_TEST

START_TEST(the_configuration_before_the_last_may_come_back)
{
	struct forked_server hanging = {0}, fine = {0};

	SCRIPT(0, HANG);
	SCRIPT(1, 200);
	forked_server_start(&hanging, serve_first);
	forked_server_start(&fine, serve_second);
	add_endpoint(hanging.url)->remote_timeout_ns = 60 * NSEC_PER_SEC;
	start();
	add("web", "one");
	run_until(scripts[0]->requests == 1);
	struct writer *first = writer, *second = follow(fine.url, first);

	/* The first one still has a profile under way, and with it its spool. */
	writer = follow(hanging.url, second);
	ck_assert_uint_eq(stats(0).added.profiles, 1);
	ck_assert_uint_eq(stats(0).waiting.profiles, 1);
	writer_free(first);
	ck_assert_uint_eq(stats(0).spooled.profiles, 1);
	ck_assert_uint_eq(count_events(WRITER_DROPPED), 0);
	assert_balanced();
	writer_free(second);
	assert_balanced();
	forked_server_stop(&hanging);
	forked_server_stop(&fine);
}
END_TEST

/* Ten profiles in the spool of a server that does not take them. */
static void fill_spool(const char *url)
{
	add_endpoint(url);
	start();
	for (int i = 0; i < 10; i++)
		add("web", "profile");
	run_until(stats(0).spooled.profiles == 10);
}

static void go_to(const char *url, const char *where)
{
	struct writer *old = writer;

	writer = follow_at(url, where, old);
	assert_balanced();
	run_until(writer_idle(old));
	writer_free(old);
	assert_balanced();
}

START_TEST(a_spool_that_moves_leaves_nothing_untold)
{
	struct forked_server server = {0};

	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	fill_spool(server.url);
	struct writer *old = writer;

	writer = follow_at(server.url, "elsewhere", old);
	add("web", "newer");
	ck_assert_uint_eq(stats(0).spooled.profiles + stats(0).waiting.profiles, 11);
	assert_balanced();
	run_until(writer_idle(old));
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 0);
	writer_free(old);
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 1);
	ck_assert_ptr_nonnull(strstr(events.buf, "10 profiles in "));
	ck_assert_ptr_nonnull(strstr(events.buf, "/spool/127_0_0_1_"));
	ck_assert_uint_eq(stats(0).added.profiles, 11);
	ck_assert_uint_eq(stats(0).recovered.profiles, 0);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_LEFT].profiles, 10);
	assert_balanced();

	/* Back there they are found, and the newer one is left. */
	run_until(stats(0).spooled.profiles == 1);
	go_to(server.url, "spool");
	ck_assert_uint_eq(stats(0).recovered.profiles, 10);
	ck_assert_uint_eq(stats(0).spooled.profiles + stats(0).waiting.profiles, 10);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_LEFT].profiles, 11);
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 2);

	/* None at all; what was found once stays counted. */
	go_to(server.url, NULL);
	ck_assert_uint_eq(stats(0).recovered.profiles, 10);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_LEFT].profiles, 21);
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 3);
	forked_server_stop(&server);
}
END_TEST

START_TEST(an_endpoint_that_goes_tells_what_it_leaves_on_disk)
{
	struct forked_server server = {0};

	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	fill_spool(server.url);
	go_to("http://127.0.0.1:1/other", "spool");
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 1);
	ck_assert_ptr_nonnull(strstr(events.buf, "10 profiles in "));
	ck_assert_uint_eq(stats(0).added.profiles, 0);
	ck_assert_uint_eq(stats(0).spooled.profiles, 0);

	/* The end of a run leaves nothing: the next one sends it. */
	add("web", "profile");
	run_until(stats(0).retries);
	writer_free(steal_ptr(&writer));
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 1);
	forked_server_stop(&server);
}
END_TEST

START_TEST(what_an_earlier_run_left_for_another_endpoint_is_told_at_the_start)
{
	struct forked_server server = {0};

	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	fill_spool(server.url);
	writer_free(steal_ptr(&writer));
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 0);
	writer = follow("http://127.0.0.1:1/other", NULL);
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 1);
	ck_assert_ptr_nonnull(strstr(events.buf, " B in "));
	ck_assert_ptr_nonnull(strstr(events.buf, "/spool/127_0_0_1_"));
	writer_free(steal_ptr(&writer));

	/* Its own is none of that kind, and neither is one in which nothing waits. */
	script_set(scripts[0], (const int[]){200, 0});
	writer = follow(server.url, NULL);
	run_until(stats(0).sent.profiles == 10);
	writer_free(steal_ptr(&writer));
	writer = follow("http://127.0.0.1:1/other", NULL);
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 1);
	forked_server_stop(&server);
}
END_TEST

START_TEST(what_another_dockprof_is_about_to_send_is_not_left)
{
	struct forked_server server = {0};
	char link[sizeof(dir.path) + 16];

	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	fill_spool(server.url);
	snprintf(link, sizeof(link), "%s/link", dir.path);
	ck_assert_int_eq(symlink("spool", link), 0);
	struct writer *other = writer;

	writer = follow_at("http://127.0.0.1:1/other", "link", NULL);
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 0);
	writer_free(steal_ptr(&writer));
	writer_free(other);
	writer = follow_at("http://127.0.0.1:1/other", "link", NULL);
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 1);
	forked_server_stop(&server);
}
END_TEST

/* Of one URL and without a name, so that only a number tells them apart in logs and metrics. */
static struct writer *use_tenants(const char *url, const char *const tenants[], struct writer *old)
{
	struct writer *w;
	struct error err = {0};

	for (size_t i = 0; tenants[i]; i++) {
		struct write_endpoint_options *o = add_endpoint(url);

		o->tenant_id = xstrdup(tenants[i]);
		free(steal_ptr(&o->name));
	}
	free(options.spool.path);
	options.spool.path = xasprintf("%s/spool", dir.path);
	ck_assert_int_eq(writer_new(loop, http, &options, &ops, NULL, old, &w, &err), 0);
	return w;
}

START_TEST(an_endpoint_stays_the_one_it_is_wherever_it_stands)
{
	struct forked_server server = {0};

	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	writer = use_tenants(server.url, (const char *const[]){"x", "y", NULL}, NULL);
	char *x cleanup_free = xstrdup(stats(0).name), *y cleanup_free = xasprintf("%s (2)", x);

	ck_assert_str_eq(stats(1).name, y);
	for (int i = 0; i < 5; i++)
		add("web", "profile");
	run_until(stats(0).spooled.profiles == 5 && stats(1).spooled.profiles == 5);
	struct writer *old = writer;

	writer = use_tenants(server.url, (const char *const[]){"z", "y", "x", NULL}, old);
	writer_free(old);
	ck_assert_str_eq(stats(1).name, y);
	ck_assert_str_eq(stats(2).name, x);
	ck_assert_str_ne(stats(0).name, x);
	ck_assert_str_ne(stats(0).name, y);
	ck_assert_uint_eq(stats(0).added.profiles, 0);
	add("web", "for all");
	assert_balanced();

	/* The first of that name goes, and takes its counters along. */
	old = writer;
	script_set(scripts[0], (const int[]){200, 0});
	writer = use_tenants(server.url, (const char *const[]){"y", NULL}, old);
	writer_free(old);
	ck_assert_str_eq(stats(0).name, y);
	add("web", "the last");
	run_until(stats(0).sent.profiles == 7);
	ck_assert_uint_eq(stats(0).added.profiles, 7);
	ck_assert_uint_eq(stats(0).recovered.profiles, 0);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_LEFT].profiles, 0);
	assert_balanced();
	forked_server_stop(&server);
}
END_TEST

/* Two ways to one server exchange their places, and with it their spools. */
START_TEST(endpoints_that_exchange_their_spools_count_each_profile_somewhere)
{
	struct forked_server server = {0};
	struct error err = {0};
	const char *names[] = {"a", "b", "a"};

	SCRIPT(0, 503);
	forked_server_start(&server, serve_first);
	for (size_t turn = 0; turn < 2; turn++) {
		struct writer *old = writer;

		for (size_t i = 0; i < 2; i++) {
			struct write_endpoint_options *o = add_endpoint(server.url);

			free(o->name);
			o->name = xstrdup(names[turn + i]);
		}
		free(options.spool.path);
		options.spool.path = xasprintf("%s/spool", dir.path);
		ck_assert_int_eq(writer_new(loop, http, &options, &ops, NULL, old, &writer, &err),
			0);
		assert_balanced();
		for (int i = 0; i < 5; i++)
			add("web", "profile");
		run_until(stats(0).retries && stats(1).retries);
		if (old)
			run_until(writer_idle(old));
		script_set(scripts[0], (const int[]){turn ? 200 : 503, 0});
		run_until(!turn || !(stats(0).waiting.profiles + stats(1).waiting.profiles));
		assert_balanced();
		writer_free(old);
		assert_balanced();
	}
	run_until(stats(0).sent.profiles == 10 && stats(1).sent.profiles == 10);
	ck_assert_uint_eq(stats(0).recovered.profiles, 5);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_LEFT].profiles, 5);
	ck_assert_uint_eq(count_events(WRITER_SPOOL_LEFT), 0);
	forked_server_stop(&server);
}
END_TEST

/* One of two endpoints is down. */
static void feed_the_other(size_t down)
{
	size_t up = 1 - down;
	struct forked_server fine = {0}, broken = {0};

	SCRIPT(0, 200);
	SCRIPT(1, 503);
	forked_server_start(&fine, serve_first);
	forked_server_start(&broken, serve_second);
	add_endpoint(up ? broken.url : fine.url);
	add_endpoint(up ? fine.url : broken.url);
	start();
	for (int i = 0; i < 25; i++)
		add("web", "profile");
	run_until(stats(down).retries > 1);
	for (int i = 0; i < 25; i++)
		add("web", "profile");
	run_until(stats(up).sent.profiles == 50);
	ck_assert_uint_eq(stats(up).spooled.profiles, 0);
	ck_assert_uint_eq(stats(down).spooled.profiles + stats(down).waiting.profiles, 50);
	forked_server_stop(&fine);
	forked_server_stop(&broken);
}

START_TEST(an_endpoint_that_is_down_does_not_hold_up_another)
{
	feed_the_other(1);
}
END_TEST

/* It is done with a profile before the other has it. */
START_TEST(an_endpoint_that_is_down_may_come_first)
{
	feed_the_other(0);
}
END_TEST

START_TEST(one_profile_that_the_server_chokes_on_is_given_up_in_the_end)
{
	struct forked_server server = {0};

	SCRIPT(0, 200);
	scripts[0]->poison = 500;
	forked_server_start(&server, serve_first);
	add_endpoint(server.url)->max_backoff_retries = 3;
	start();
	add("web", "poison");
	for (int i = 0; i < 30; i++) {
		add("web", "profile");
		run(20 * NSEC_PER_MSEC);
	}
	run_until(stats(0).sent.profiles == 30);
	for (int i = 0; i < 100 && stats(0).spooled.profiles; i++) {
		add("web", "profile");
		run(20 * NSEC_PER_MSEC);
	}
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_RETRIES].profiles, 1);
	ck_assert_uint_eq(stats(0).spooled.profiles, 0);
	forked_server_stop(&server);
}
END_TEST

START_TEST(what_is_too_old_is_not_sent)
{
	struct forked_server server = {0};
	int64_t now = clock_realtime_ns();

	SCRIPT(0, 200);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url);
	start();
	add_at("web", "old", now - WINDOW_MAX_AGE_NS - NSEC_PER_SEC);
	add_at("web", "ahead", now + WINDOW_AHEAD_NS + 60 * NSEC_PER_SEC);
	add_at("web", "fine", now);
	add_at("web", "timeless", 0);
	run_until(writer_idle(writer));
	ck_assert_uint_eq(stats(0).sent.profiles, 2);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_AGE].value, strlen("old"));
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_FUTURE].value, strlen("ahead"));
	ck_assert_uint_eq(scripts[0]->requests, 2);
	ck_assert_uint_eq(count_events(WRITER_DROPPED), 2);
	forked_server_stop(&server);
}
END_TEST

START_TEST(a_hanging_server_has_profiles_on_disk_before_its_time_is_up)
{
	struct forked_server server = {0};

	SCRIPT(0, HANG);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url)->remote_timeout_ns = 60 * NSEC_PER_SEC;
	start();
	for (int i = 0; i < 20; i++)
		add("web", "profile");
	run(50 * NSEC_PER_MSEC);
	ck_assert_uint_eq(stats(0).spool_bytes, 0);
	writer_begin_interval(writer);
	add("web", "profile of the next interval");
	/* They are in memory as well, and would be delivered from there. */
	ck_assert_uint_eq(stats(0).waiting.profiles, 21);
	ck_assert_uint_gt(stats(0).spool_bytes, 20 * 60);
	writer_end(writer);
	ck_assert_uint_eq(stats(0).spooled.profiles, 21);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_SHUTDOWN].profiles, 0);
	forked_server_stop(&server);
}
END_TEST

START_TEST(memory_that_is_full_overflows_to_the_disk)
{
	struct forked_server server = {0};
	char profile[10001];

	SCRIPT(0, HANG);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url)->remote_timeout_ns = 60 * NSEC_PER_SEC;
	options.max_pending_bytes = 250000;
	start();
	memset(profile, 'p', sizeof(profile) - 1);
	profile[sizeof(profile) - 1] = '\0';
	for (int i = 0; i < 100; i++) {
		add("web", profile);
		ck_assert_uint_le(stats(0).waiting.bytes, 250000);
	}
	run(20 * NSEC_PER_MSEC);
	ck_assert_uint_eq(stats(0).waiting.profiles + stats(0).spooled.profiles, 100);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_MEMORY].profiles, 0);
	forked_server_stop(&server);
}
END_TEST

START_TEST(two_writers_do_not_share_a_spool)
{
	struct writer *second = NULL;
	struct error err = {0};

	add_endpoint("http://127.0.0.1:1");
	start();
	add_endpoint("http://127.0.0.1:1");
	options.spool.path = xasprintf("%s/spool", dir.path);
	ck_assert_int_eq(writer_new(loop, http, &options, &ops, NULL, NULL, &second, &err),
		-EWOULDBLOCK);
	ck_assert_ptr_nonnull(strstr(err.message, "another dockprof"));
	ck_assert_ptr_null(second);
}
END_TEST

START_TEST(endpoints_of_one_address_have_spools_of_their_own)
{
	add_endpoint("http://user:secret@127.0.0.1:1/p");
	add_endpoint("http://user:secret@127.0.0.1:1/p");
	start();
	char command[200];

	snprintf(command, sizeof(command), "ls -d %s/spool/127_0_0_1_1-????????????*", dir.path);
	FILE *f = popen(command, "r");
	char first[200], second[200];

	ck_assert_int_eq(fscanf(f, "%199s %199s", first, second), 2);
	pclose(f);
	ck_assert_uint_eq(strlen(second), strlen(first) + 2);
}
END_TEST

UNIT_MAIN_FIXTURE("writer_spool", set_up_spool, tear_down_spool,
	what_a_server_does_not_take_is_on_disk_and_sent_when_it_is_back,
	the_next_run_sends_what_the_last_one_left, a_new_configuration_goes_on_with_the_spool,
	a_configuration_that_fails_leaves_the_spool_with_the_old_one,
	a_configuration_that_is_not_taken_in_the_end_has_changed_nothing,
	the_configuration_before_the_last_may_come_back, a_spool_that_moves_leaves_nothing_untold,
	an_endpoint_that_goes_tells_what_it_leaves_on_disk,
	what_an_earlier_run_left_for_another_endpoint_is_told_at_the_start,
	what_another_dockprof_is_about_to_send_is_not_left,
	an_endpoint_stays_the_one_it_is_wherever_it_stands,
	endpoints_that_exchange_their_spools_count_each_profile_somewhere,
	an_endpoint_that_is_down_does_not_hold_up_another, an_endpoint_that_is_down_may_come_first,
	one_profile_that_the_server_chokes_on_is_given_up_in_the_end, what_is_too_old_is_not_sent,
	a_hanging_server_has_profiles_on_disk_before_its_time_is_up,
	memory_that_is_full_overflows_to_the_disk, two_writers_do_not_share_a_spool,
	endpoints_of_one_address_have_spools_of_their_own)
