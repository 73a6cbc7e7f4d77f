// SPDX-License-Identifier: Apache-2.0
/*
 * Every state, with the true discovery and attribution on a fake engine, a tree of files in place of
 * the cgroup file system, and a sampler that is played by the test.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "self.h"
#include "status.h"
#include "unit/followed_engine.h"
#include "unit/temp_dir.h"

#define HZ   100
#define SELF 9

static struct temp_dir proc;
static struct attribution attribution;
static struct status *status;
static struct collect_tally tally;

static int64_t ahead_ns; /* of all clocks */

/* The C library's, so that the test can let time pass. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += ahead_ns / NSEC_PER_SEC;
	return r;
}

/* In place of the ones that need a kernel. */
int profiler_set_cgroup(struct profiler *p, cgroup_key key, enum cgroup_verdict verdict)
{
	(void)p;
	(void)key;
	(void)verdict;
	return 0;
}

void profiler_forget_cgroup(struct profiler *p, cgroup_key key)
{
	(void)p;
	(void)key;
}

bool self_container_id(char *ret_id)
{
	snprintf(ret_id, CONTAINER_ID_LEN + 1, "%064x", SELF);
	return true;
}

static void on_target(void *ctx, const struct target *t, bool news)
{
	(void)ctx;
	(void)news;
	attribution_changed(&attribution, target_selector_of(&t->labels).container_id);
}

static void on_notice(void *ctx, const char *where, const struct error *err)
{
	(void)ctx;
	status_notice(status, where, err->message);
}

static const struct discover_ops ops = {
	.target = on_target,
	.engine = ignore_engine,
	.notice = on_notice,
};

static void make(const char *path)
{
	ck_assert_int_eq(mkdirat(proc.fd, path, 0755), 0);
}

static void setup(void)
{
	temp_dir_init(&proc);
	make("1");
	make("1/root");
	make("1/root/sys");
	make("1/root/sys/fs");
	make("1/root/sys/fs/cgroup");
	make("1/root/sys/fs/cgroup/docker");
	temp_dir_write(&proc, "1/root/sys/fs/cgroup/cgroup.controllers", "", 0);
	follow_engine(&ops);
	attribution_init(&attribution, discover_targets(discover));
	attribution.profiler = (struct profiler *)&attribution; /* never looked at */
	status = status_new(discover, &attribution, proc.path);
}

static void teardown(void)
{
	status_free(status);
	attribution_release(&attribution);
	leave_engine();
	temp_dir_release(&proc);
}

static void turn(int64_t ns)
{
	int64_t end = clock_monotonic_ns() + ns;

	while (clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(loop, end - clock_monotonic_ns()), 0);
}

static void start(const char *more)
{
	apply(more);
	await(true);
}

static void cgroup(unsigned number, unsigned cpu_ms)
{
	char path[200], text[64];

	snprintf(path, sizeof(path), "1/root/sys/fs/cgroup/docker/%064x", number);
	mkdirat(proc.fd, path, 0755);
	strcat(path, "/cpu.stat");
	temp_dir_write(&proc, path, text,
		(size_t)snprintf(text, sizeof(text), "usage_usec %u\n", cpu_ms * 1000));
}

static void no_cgroup(unsigned number)
{
	char path[200];

	snprintf(path, sizeof(path), "1/root/sys/fs/cgroup/docker/%064x/cpu.stat", number);
	ck_assert_int_eq(unlinkat(proc.fd, path, 0), 0);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(unlinkat(proc.fd, path, AT_REMOVEDIR), 0);
}

/* A first tick in the cgroup of that container. */
static void tick(unsigned number)
{
	struct cgroup_chain chain = {.depth = 1}, none = {0};

	chain.level[0].key = number;
	snprintf(chain.level[0].name, CGROUP_NAME_MAX, "docker-%064x.scope", number);
	attribution_seen(&attribution, &chain, &none);
}

static void samples(unsigned number, uint64_t count)
{
	char id[CONTAINER_ID_LEN + 1];

	snprintf(id, sizeof(id), "%064x", number);
	target_table_by_container(discover_targets(discover), id)->samples += count;
}

static void rounds(int n)
{
	while (n-- > 0) {
		status_begin_round(status);
		status_end_round(status, &tally, HZ);
		discover_end_round(discover);
		attribution_end_round(&attribution, discover_complete(discover));
	}
}

static const struct status_entry *find(const char *word)
{
	struct status_match m;

	status_find(status, word, &m);
	ck_assert_msg(m.count == 1, "%zu fit %s", m.count, word);
	const struct status_entry *e = m.list[0];

	status_match_release(&m);
	return e;
}

/* The state of the one that `word` names, and a part of what is said about it. */
static const struct status_entry *expect(const char *word, enum status_state state,
	const char *reason)
{
	const struct status_entry *e = find(word);
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	ck_assert_str_eq(status_state_name(e->state), status_state_name(state));
	status_add_reason(&text, status, e);
	ck_assert_msg(strstr(text.buf, reason) != NULL, "\"%s\" has no \"%s\"", text.buf, reason);
	return e;
}

static void expect_advice(const struct status_entry *e, const char *part)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	status_add_advice(&text, status, e);
	ck_assert_msg(*part ? strstr(text.buf, part) != NULL : !text.len, "\"%s\" has no \"%s\"",
		text.buf, part);
}

static void expect_found(const char *word, size_t count, const char *suggestion)
{
	struct status_match m;

	status_find(status, word, &m);
	ck_assert_msg(m.count == count, "%zu fit \"%s\"", m.count, word);
	if (suggestion)
		ck_assert_str_eq(m.suggestions[0], suggestion);
	else
		ck_assert_ptr_null(m.suggestions[0]);
	status_match_release(&m);
}

START_TEST(starting_then_profiled)
{
	fake_engine_add(&engine, 1, "web", NULL);
	cgroup(1, 0);
	start("");
	expect("web", STATUS_STARTING, "just found");
	tick(1);
	samples(1, 42);
	rounds(1);
	const struct status_entry *e = expect("web", STATUS_PROFILED,
		"profiled as \"web\": 42 samples, the last just now");

	expect_advice(e, "");
	ck_assert_uint_eq(e->samples, 42);
	ck_assert_uint_eq(e->cgroup, 1);
	ck_assert_ptr_nonnull(strstr(e->cgroup_path, "docker/0000"));
	ck_assert_int_gt(e->last_sample_ns, 0);
}
END_TEST

START_TEST(a_rule_drops)
{
	fake_engine_add(&engine, 1, "web", NULL);
	start("relabel_configs:\n"
	      "  - {target_label: a, replacement: b}\n"
	      "  - {source_labels: [__meta_docker_container_name], regex: /web, action: drop}\n");
	rounds(3);
	expect_advice(expect("web", STATUS_DROPPED, "dropped by rule 2 of 2, at f.yml:5: "),
		"f.yml:5");
	ck_assert_uint_eq(find("web")->troubled, 0);
}
END_TEST

START_TEST(idle_until_it_works)
{
	fake_engine_add(&engine, 1, "web", NULL);
	cgroup(1, 1000);
	start("");
	rounds(2);
	cgroup(1, 1003);
	rounds(1);
	expect_advice(expect("web", STATUS_IDLE, "no sample so far, it used 3 ms of CPU"), "");
	samples(1, 1);
	rounds(1);
	expect("web", STATUS_PROFILED, "1 samples");
}
END_TEST

START_TEST(cpu_without_samples_is_trouble)
{
	fake_engine_add(&engine, 1, "web", NULL);
	cgroup(1, 1000);
	start("");
	rounds(2);
	cgroup(1, 4000);
	rounds(3);
	const struct status_entry *e = expect("web", STATUS_NOT_SAMPLED, "used 3.00 s of CPU");

	expect_advice(e, "dockprof doctor");
	ck_assert_uint_eq(e->troubled, 3);
}
END_TEST

START_TEST(cpu_of_what_is_dropped_is_no_trouble)
{
	fake_engine_add(&engine, 1, "web", NULL);
	cgroup(1, 1000);
	start("relabel_configs:\n"
	      "- {source_labels: [__meta_docker_container_name], regex: /web, action: drop}\n");
	rounds(2);
	cgroup(1, 4000);
	rounds(3);
	const struct status_entry *e = expect("web", STATUS_DROPPED, "dropped by rule 1 of 1");

	ck_assert_int_eq(e->cpu.verdict, CPU_UNKNOWN);
	ck_assert_uint_eq(e->troubled, 0);
}
END_TEST

START_TEST(without_a_cgroup_it_is_not_resolved)
{
	fake_engine_add(&engine, 1, "web", NULL);
	start("");
	expect("web", STATUS_STARTING, "");
	rounds(2);
	expect_advice(expect("web", STATUS_NOT_RESOLVED, "no cgroup is named after its id"),
		"on this machine");
	cgroup(1, 0);
	rounds(20); /* looked for less often */
	expect("web", STATUS_IDLE, "");
}
END_TEST

START_TEST(without_a_view_of_cgroups_nobody_is_accused)
{
	fake_engine_add(&engine, 1, "web", NULL);
	ck_assert_int_eq(unlinkat(proc.fd, "1/root/sys/fs/cgroup/cgroup.controllers", 0), 0);
	start("");
	rounds(4);
	expect_advice(expect("web", STATUS_IDLE, "no sample so far"), "SYS_PTRACE");
}
END_TEST

START_TEST(paused)
{
	struct fake_container *c = fake_engine_add(&engine, 1, "web", NULL);

	cgroup(1, 0);
	start("");
	samples(1, 5);
	rounds(1);
	c->state = "paused";
	fake_engine_emit(&engine, "pause", c->id, "web", NULL);
	turn(300 * NSEC_PER_MSEC);
	expect("web", STATUS_PAUSED, "paused; profiled as \"web\" while it runs");
	c->state = "running";
	fake_engine_emit(&engine, "unpause", c->id, "web", NULL);
	turn(300 * NSEC_PER_MSEC);
	expect("web", STATUS_PROFILED, "5 samples");
}
END_TEST

START_TEST(exited_is_remembered)
{
	struct fake_container *c = fake_engine_add(&engine, 1, "web", NULL);

	cgroup(1, 0);
	start("");
	samples(1, 5);
	tick(1);
	rounds(1);
	c->state = "exited";
	fake_engine_emit(&engine, "die", c->id, "web", NULL);
	turn(300 * NSEC_PER_MSEC);
	samples(1, 2); /* of the interval it died in */
	no_cgroup(1);
	rounds(6); /* its target is forgotten meanwhile */
	const struct status_entry *e = expect("web", STATUS_EXITED, "after 7 samples");

	ck_assert_ptr_null(e->target);
	ck_assert_int_gt(e->ended_ns, 0);
	c->state = "running";
	fake_engine_emit(&engine, "start", c->id, "web", NULL);
	turn(300 * NSEC_PER_MSEC);
	ck_assert_int_ne(find("web")->state, STATUS_EXITED);
}
END_TEST

START_TEST(itself)
{
	fake_engine_add(&engine, SELF, "profiler", NULL);
	start("");
	expect_advice(expect("profiler", STATUS_SELF, "dockprof itself"), "profile_self");
}
END_TEST

START_TEST(labels_that_name_nobody)
{
	start("targets:\n  - {service_name: api}\n");
	rounds(2);
	expect_advice(expect("api", STATUS_NO_KEY, "no container id and no pid"),
		"__container_id__");
}
END_TEST

START_TEST(processes)
{
	make("77");
	start("targets:\n  - {service_name: here, __process_pid__: 77}\n"
	      "  - {service_name: not, __process_pid__: 78}\n");
	rounds(1);
	ck_assert_uint_eq(expect("here", STATUS_IDLE, "no sample so far")->pid, 77);
	expect("not", STATUS_NOT_RESOLVED, "there is no process 78");
	expect("78", STATUS_NOT_RESOLVED, "");
}
END_TEST

START_TEST(an_engine_out_of_reach)
{
	fake_engine_add(&engine, 1, "web", NULL);
	fake_engine_add(&engine, 2, "db", NULL);
	cgroup(1, 0);
	cgroup(3, 0);
	start("");
	samples(2, 9);
	rounds(1);
	fake_engine_stop(&engine);
	await(false);
	turn(300 * NSEC_PER_MSEC);
	tick(3);
	rounds(1);
	expect("db", STATUS_PROFILED, ""); /* goes on under what is known */
	expect("web", STATUS_UNREACHABLE, engine.path);
	expect_advice(expect("000000000000", STATUS_UNREACHABLE, "out of reach"), "doctor");
}
END_TEST

START_TEST(containers_of_others)
{
	start("");
	cgroup(3, 0);
	tick(3);
	rounds(1);
	expect("000000000000", STATUS_STARTING, "not told of yet");
	ahead_ns = 11 * NSEC_PER_SEC;
	rounds(1);
	expect_advice(expect("000000000000", STATUS_FOREIGN, "no engine and no file"),
		"docker_sd_configs");
	no_cgroup(3);
	rounds(2);
	expect_found("000000000000", 0, NULL); /* attribution remembers it still */
}
END_TEST

START_TEST(time_passes)
{
	struct fake_container *c = fake_engine_add(&engine, 1, "web", NULL);

	cgroup(1, 0);
	start("");
	samples(1, 5);
	rounds(1);
	ahead_ns = 100 * NSEC_PER_SEC;
	expect("web", STATUS_PROFILED, "the last 1m40s ago");
	ahead_ns = 301 * NSEC_PER_SEC;
	rounds(1);
	expect("web", STATUS_IDLE, "");
	c->state = "exited";
	fake_engine_emit(&engine, "die", c->id, "web", NULL);
	turn(300 * NSEC_PER_MSEC);
	rounds(5);
	expect_found("web", 1, NULL);
	ahead_ns = 1300 * NSEC_PER_SEC;
	expect_found("web", 0, NULL);
}
END_TEST

START_TEST(a_storm_is_bounded)
{
	const struct status_entry *const *list;

	for (unsigned i = 1; i <= 500; i++)
		fake_engine_add(&engine, i, "short", NULL);
	start("");
	ck_assert_uint_eq(status_list(status, &list), 500);
	for (unsigned i = 0; i < 500; i++)
		engine.containers[i].state = NULL;
	fake_engine_end_streams(&engine);
	await(false);
	await(true);
	rounds(5);
	ck_assert_uint_eq(status_list(status, &list), 200);
	for (unsigned i = 1000; i < 2000; i++)
		tick(i);
	ck_assert_uint_le(status_list(status, &list), 400);
}
END_TEST

START_TEST(one_container_is_one_entry_across_reloads)
{
	const struct status_entry *const *list;

	fake_engine_add(&engine, 1, "web", NULL);
	cgroup(1, 0);
	start("");
	samples(1, 10);
	rounds(1);
	apply("targets:\n  - {service_name: more, __container_id__: "
	      "\"0000000000000000000000000000000000000000000000000000000000000001\"}\n");
	await(true);
	samples(1, 5);
	rounds(5);
	ck_assert_uint_eq(status_list(status, &list), 1);
	ck_assert_uint_eq(list[0]->samples, 15);
	ck_assert_str_eq(list[0]->service_name, "more");
}
END_TEST

START_TEST(the_proof)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	fake_engine_add(&engine, 1, "web", NULL);
	cgroup(1, 5000);
	start("");
	rounds(2);
	cgroup(1, 15000);
	samples(1, 700);
	rounds(1);
	const struct status_entry *e = find("web");

	ck_assert_int_eq(e->cpu.verdict, CPU_LOW);
	ck_assert(e->cpu.ratio > 0.699 && e->cpu.ratio < 0.701);
	status_add_proof(&text, e);
	ck_assert_ptr_nonnull(strstr(text.buf, "7.00 s of CPU, the kernel charged it 10 s"));
	ck_assert_ptr_nonnull(strstr(text.buf, "ratio 0.70"));
	ck_assert_ptr_nonnull(strstr(text.buf, "steal"));
	tally.ticks = 1000;
	tally.lost[LOSS_RING_FULL] = 100;
	rounds(1);
	strbuf_reset(&text);
	status_add_proof(&text, find("web"));
	ck_assert_ptr_nonnull(strstr(text.buf, "of all ticks of the machine were lost"));
}
END_TEST

START_TEST(the_proof_ends_where_the_interval_does)
{
	fake_engine_add(&engine, 1, "web", NULL);
	cgroup(1, 5000);
	start("");
	status_begin_round(status);
	cgroup(1, 7000); /* while the round is busy */
	status_end_round(status, &tally, HZ);
	cgroup(1, 15000);
	status_begin_round(status);
	cgroup(1, 17000);
	samples(1, 1000);
	status_end_round(status, &tally, HZ);
	const struct status_entry *e = find("web");

	ck_assert_uint_eq(e->cpu.kernel_ns, 10000000000);
	ck_assert_int_eq(e->cpu.verdict, CPU_AGREES);
}
END_TEST

#define COMPOSE(service) ",\"Labels\":{\"com.docker.compose.service\":\"" service "\"}"

START_TEST(names_are_found)
{
	fake_engine_add(&engine, 0x1234567, "shop-web-1", COMPOSE("web"));
	fake_engine_add(&engine, 2, "shop-web-2", COMPOSE("web"));
	fake_engine_add(&engine, 3, "database", NULL);
	start("");
	expect_found("web", 2, NULL);
	expect_found("shop-web-2", 1, NULL);
	expect_found("/shop-web-2", 1, NULL);
	expect_found("0000", 3, NULL);
	expect_found("0000000000000000000000000000000000000000000000000000000001", 1, NULL);
	expect_found("00", 0, NULL);
	expect_found("databse", 0, "database");
	expect_found("wbe", 0, "web");
	expect_found("data", 0, "database");
	expect_found("nothing-like-it", 0, NULL);
	expect_found("", 0, NULL);
}
END_TEST

START_TEST(notices_are_kept_by_place)
{
	const struct status_notice *notices;
	char where[16];

	status_notice(status, "a", "one");
	status_notice(status, "b", "two");
	status_notice(status, "a", "three");
	ck_assert_uint_eq(status_notices(status, &notices), 2);
	ck_assert_str_eq(notices[0].message, "three");
	for (int i = 0; i < 100; i++) {
		snprintf(where, sizeof(where), "%d", i);
		status_notice(status, where, "x");
	}
	ck_assert_uint_le(status_notices(status, &notices), 16);
}
END_TEST

UNIT_MAIN_FIXTURE("status", setup, teardown, starting_then_profiled, a_rule_drops,
	idle_until_it_works, cpu_without_samples_is_trouble, cpu_of_what_is_dropped_is_no_trouble,
	without_a_cgroup_it_is_not_resolved, without_a_view_of_cgroups_nobody_is_accused, paused,
	exited_is_remembered, itself, labels_that_name_nobody, processes, an_engine_out_of_reach,
	containers_of_others, time_passes, a_storm_is_bounded,
	one_container_is_one_entry_across_reloads, the_proof,
	the_proof_ends_where_the_interval_does, names_are_found, notices_are_kept_by_place)
