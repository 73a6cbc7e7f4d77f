// SPDX-License-Identifier: Apache-2.0
/* Counters over changes of the configuration. */
#include "unit/writer_fixture.h"

/* As the agent does when its configuration is read again; the old one keeps what it has. */
static struct writer *reload(const char *url, const char *name)
{
	struct write_endpoint_options *o = add_endpoint(url);
	struct writer *old = writer;
	struct error err = {0};

	free(o->name);
	o->name = xstrdup(name);
	ck_assert_msg(writer_new(loop, http, &options, &ops, NULL, old, &writer, &err) == 0, "%s",
		err.message);
	return old;
}

START_TEST(counters_go_on_in_another_configuration)
{
	struct forked_server server = {0};

	SCRIPT(0, 400, 200);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url);
	start();
	add("web", "one");
	run_until(stats(0).dropped[WRITE_DROP_REJECTED].profiles == 1);
	add("web", "two");
	run_until(stats(0).sent.profiles == 1);
	struct writer *first = reload(server.url, "server0");

	add("web", "three");
	run_until(stats(0).sent.profiles == 2);
	struct writer *second = reload(server.url, "server0");

	ck_assert_uint_eq(stats(0).added.profiles, 3);
	writer_free(first);
	ck_assert_uint_eq(stats(0).added.profiles, 3);
	ck_assert_uint_eq(stats(0).sent.profiles, 2);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_REJECTED].profiles, 1);
	assert_balanced();
	writer_free(second);
	ck_assert_uint_eq(stats(0).added.profiles, 3);
	ck_assert_int_gt(stats(0).last_success_ns, 0);
	assert_balanced();

	writer_free(reload(server.url, "another"));
	ck_assert_uint_eq(stats(0).added.profiles, 0);
	forked_server_stop(&server);
}
END_TEST

START_TEST(the_new_writer_may_go_first)
{
	struct forked_server server = {0};

	SCRIPT(0, 200);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url);
	start();
	add("web", "one");
	run_until(stats(0).sent.profiles == 1);
	struct writer *old = reload(server.url, "server0");

	writer_free(writer);
	writer = old;
	ck_assert_uint_eq(stats(0).sent.profiles, 1);
	writer_free(reload(server.url, "server0"));
	ck_assert_uint_eq(stats(0).sent.profiles, 1);
	forked_server_stop(&server);
}
END_TEST

START_TEST(what_the_old_configuration_still_has_is_counted)
{
	struct forked_server server = {0};

	SCRIPT(0, HANG);
	forked_server_start(&server, serve_first);
	add_endpoint(server.url)->remote_timeout_ns = 60 * NSEC_PER_SEC;
	start();
	add("web", "one");
	run_until(scripts[0]->requests == 1);
	struct writer *old = reload(server.url, "server0");

	ck_assert_uint_eq(stats(0).waiting.profiles, 1);
	ck_assert_int_gt(stats(0).oldest_waiting_ns, 0);
	writer_free(old);
	ck_assert_uint_eq(stats(0).waiting.profiles, 0);
	ck_assert_uint_eq(stats(0).dropped[WRITE_DROP_SHUTDOWN].profiles, 1);
	assert_balanced();
	ck_assert_uint_eq(count_events(WRITER_DROPPED), 1);
	writer_free(steal_ptr(&writer));
	ck_assert_uint_eq(count_events(WRITER_DROPPED), 1);
	forked_server_stop(&server);
}
END_TEST

START_TEST(so_do_those_of_a_directory)
{
	char dir[] = "/tmp/dockprof-test-XXXXXX";
	char *command cleanup_free = NULL;
	struct error err = {0};

	ck_assert_ptr_nonnull(mkdtemp(dir));
	command = xasprintf("rm -rf %s", dir);
	options.directory = xstrdup(dir);
	start();
	add("web", "one");
	ck_assert_uint_eq(stats(0).sent.profiles, 1);
	struct writer *old = writer;

	options.directory = xstrdup(dir);
	ck_assert_int_eq(writer_new(loop, http, &options, &ops, NULL, old, &writer, &err), 0);
	writer_free(old);
	add("web", "two");
	ck_assert_uint_eq(stats(0).sent.profiles, 2);
	ck_assert_uint_eq(count_events(WRITER_FIRST_DELIVERY), 1);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

UNIT_MAIN_FIXTURE("writer_reload", set_up, tear_down, counters_go_on_in_another_configuration,
	the_new_writer_may_go_first, what_the_old_configuration_still_has_is_counted,
	so_do_those_of_a_directory)
