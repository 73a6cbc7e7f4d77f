// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "export/history.h"
#include "export/report.h"
#include "unit/frames.h"

#define SECOND NSEC_PER_SEC

static const struct module web = {.id = 3, .path = "/srv/web", .name = "web", .build_id = "ab"};
static const struct module kernel = {.kind = MODULE_KERNEL,
	.id = 4,
	.path = "[kernel]",
	.name = "[kernel]",
	.build_id = ""};
static struct history *history;

static void teardown(void)
{
	history_free(history);
}

/* `count` ticks of comm;main;FUNCTION and half as many with a read below. */
static void add(const char *id, const char *service, const char *function, int64_t second,
	uint64_t count)
{
	struct frame frames[] = {
		{.module = &kernel, .address = 0x10, .function = "vfs_read"},
		{.module = &web, .address = 0x20 + count, .function = function},
		{.module = &web, .address = 0x30, .function = "main"},
	};
	struct pprof *p = pprof_new(&(struct pprof_options){.time_ns = second * SECOND,
		.duration_ns = 15 * SECOND,
		.period_ns = 10});
	struct pprof_sample sample = {.frames = frame_pointers(frames, 3) + 1,
		.frame_count = 2,
		.root = "comm",
		.count = count};

	pprof_add(p, &sample);
	sample.frames = frame_pointers(frames, 3);
	sample.frame_count = 3;
	sample.count = count / 2;
	pprof_add(p, &sample);
	history_add(history, id, service, service, p);
	pprof_free(p);
}

static void fold(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct strbuf *out = ctx;

	for (size_t i = count; i-- > 0;)
		strbuf_addf(out, "%s%s%s;", frames[i].name, *frames[i].module ? "@" : "",
			frames[i].module);
	strbuf_addf(out, "%" PRIu64 "\n", ticks);
}

static char *folded(struct history_query query)
{
	struct strbuf text = STRBUF_INIT;
	struct pprof *p;

	if (history_profile(history, &query, &p) < 0)
		return xstrdup("nothing");
	pprof_visit(p, fold, &text);
	pprof_free(p);
	return strbuf_detach(&text);
}

#define assert_folded(text, ...)                                                                   \
	do {                                                                                       \
		char *got = folded((struct history_query){__VA_ARGS__});                           \
                                                                                                   \
		ck_assert_str_eq(got, text);                                                       \
		free(got);                                                                         \
	} while (0)

START_TEST(what_a_target_did_is_found_again)
{
	history = history_new(1 << 20);
	add("a", "web", "serve", 100, 10);
	add("b", "db", "query", 100, 4);
	add("a", "web", "serve", 115, 20);
	assert_folded("comm;main@web;serve@web;30\ncomm;main@web;serve@web;vfs_read@[kernel];15\n",
		.id = "a");
	assert_folded("comm;main@web;query@web;4\ncomm;main@web;query@web;vfs_read@[kernel];2\n",
		.service = "db");
	assert_folded("comm;main@web;serve@web;20\ncomm;main@web;serve@web;vfs_read@[kernel];10\n",
		.id = "a", .from_ns = 101 * SECOND);
	assert_folded("comm;main@web;serve@web;10\ncomm;main@web;serve@web;vfs_read@[kernel];5\n",
		.id = "a", .until_ns = 115 * SECOND);
	assert_folded("nothing", .id = "c");
	assert_folded("nothing", .id = "a", .from_ns = 116 * SECOND);
}
END_TEST

START_TEST(a_profile_made_of_the_past_spans_its_intervals)
{
	history = history_new(1 << 20);
	add("a", "web", "serve", 100, 10);
	add("a", "web", "serve", 130, 20);
	struct pprof *p = NULL;

	ck_assert_int_eq(history_profile(history, &(struct history_query){.id = "a"}, &p), 0);
	const struct pprof_options *o = pprof_get_options(p);

	ck_assert_int_eq(o->time_ns, 100 * SECOND);
	ck_assert_int_eq(o->duration_ns, 45 * SECOND);
	ck_assert_int_eq(o->period_ns, 10);
	ck_assert_uint_eq(pprof_total(p), 45);
	pprof_free(p);
}
END_TEST

static void count(void *ctx, const struct history_interval *i)
{
	uint64_t *sum = ctx;

	sum[0]++;
	sum[1] += i->ticks;
	ck_assert_uint_ge((uint64_t)i->time_ns, sum[2]);
	sum[2] = (uint64_t)i->time_ns;
}

START_TEST(the_oldest_go_when_the_budget_is_used_up)
{
	uint64_t all[3] = {0}, web_only[3] = {0};

	history = history_new(64 << 10);
	for (int64_t i = 0; i < 2000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "function_%" PRId64, i);
		add("a", "web", name, i, 2);
		add("b", "db", "query", i, 4);
		ck_assert_uint_le(history_bytes(history), 64 << 10);
	}
	history_visit(history, &(struct history_query){0}, count, all);
	history_visit(history, &(struct history_query){.service = "web"}, count, web_only);
	ck_assert_uint_eq(all[0], history_intervals(history));
	ck_assert_uint_gt(all[0], 100);
	ck_assert_uint_lt(all[0], 2000);
	ck_assert_uint_eq(all[2], 1999 * (uint64_t)SECOND);
	ck_assert_uint_eq(web_only[0], all[0] / 2);
	/* What was moved to a new store is what it was. */
	assert_folded("comm;main@web;function_1990@web;2\ncomm;main@web;function_1990@web;"
		      "vfs_read@[kernel];1\n",
		.id = "a", .from_ns = 1990 * SECOND, .until_ns = 1991 * SECOND);
}
END_TEST

START_TEST(a_smaller_budget_counts_at_once)
{
	history = history_new(1 << 20);
	for (int64_t i = 0; i < 1000; i++)
		add("a", "web", "serve", i, 2);
	ck_assert_uint_eq(history_intervals(history), 1000);
	history_set_max_bytes(history, 32 << 10);
	ck_assert_uint_le(history_bytes(history), 32 << 10);
	ck_assert_uint_gt(history_intervals(history), 50);
	history_set_max_bytes(history, 0);
	ck_assert_uint_eq(history_intervals(history), 0);
	add("a", "web", "serve", 1, 2);
	ck_assert_uint_eq(history_intervals(history), 0);
}
END_TEST

START_TEST(a_rate_that_changed_is_put_right)
{
	history = history_new(1 << 20);
	add("a", "web", "serve", 1, 10);
	struct pprof *p = pprof_new(
		&(struct pprof_options){.time_ns = 20 * SECOND, .duration_ns = 1, .period_ns = 20});

	pprof_add(p, &(struct pprof_sample){.root = "comm", .count = 5});
	history_add(history, "a", "web", "web", p);
	pprof_free(p);
	assert_folded("comm;10\ncomm;main@web;serve@web;10\n"
		      "comm;main@web;serve@web;vfs_read@[kernel];5\n",
		.id = "a");
}
END_TEST

/* `stacks` stacks of two functions, each unlike all others: hardly anything of one is in another. */
static void add_bulky(const char *service, uint32_t seed, size_t stacks, int64_t second)
{
	static struct pprof_frame frames[500];
	struct pprof *p = pprof_new(&(struct pprof_options){.time_ns = second * SECOND,
		.duration_ns = 15 * SECOND,
		.period_ns = 10});

	for (size_t i = 0; i < stacks; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(frames); k++) {
			seed = seed * 1664525 + 1013904223;
			frames[k] = (struct pprof_frame){.name = seed >> 31 ? "a" : "b",
				.module = "web"};
		}
		pprof_add_named(p, frames, ARRAY_SIZE(frames), 1);
	}
	history_add(history, service, service, service, p);
	pprof_free(p);
}

static uint64_t intervals_of(const char *service)
{
	uint64_t all[3] = {0};

	history_visit(history, &(struct history_query){.service = service}, count, all);
	return all[0];
}

START_TEST(one_that_would_need_half_of_the_budget_is_not_kept)
{
	history = history_new(1 << 20);
	for (int64_t i = 0; i < 1000; i++)
		add("a", "web", "serve", i, 2);
	for (int64_t i = 0; i < 3; i++)
		add_bulky("bulky", 1, 100, 1000 + i);
	ck_assert_uint_eq(history_intervals(history), 1000);
	ck_assert_uint_eq(history_too_large(history), 3);
	ck_assert_uint_le(history_bytes(history), 1 << 20);
	assert_folded("nothing", .id = "bulky");
	assert_folded("comm;main@web;serve@web;2\ncomm;main@web;serve@web;vfs_read@[kernel];1\n",
		.id = "a", .from_ns = 999 * SECOND);
	add("b", "db", "query", 2000, 4);
	ck_assert_uint_eq(intervals_of("db"), 1);
}
END_TEST

START_TEST(the_newest_stays_however_large_they_are)
{
	history = history_new(1 << 20);
	for (int64_t i = 0; i < 500; i++)
		add("a", "web", "serve", i, 2);
	for (uint32_t i = 0; i < 20; i++) {
		add_bulky("bulky", i, 40, 500 + i);
		ck_assert_uint_le(history_bytes(history), 1 << 20);
		ck_assert_uint_ge(intervals_of("bulky"), 1);
	}
	ck_assert_uint_eq(history_too_large(history), 0);
	ck_assert_uint_eq(intervals_of("bulky"), history_intervals(history));
	ck_assert_uint_eq(intervals_of("web"), 0);
	history_set_max_bytes(history, 1000);
	ck_assert_uint_eq(history_intervals(history), 0);
}
END_TEST

START_TEST(stacks_that_are_small_here_and_large_alone_are_refused)
{
	struct pprof_frame frames[900];
	struct pprof *p;

	history = history_new(1 << 20);
	for (size_t k = 0; k < ARRAY_SIZE(frames); k++)
		frames[k] = (struct pprof_frame){.name = "deep", .module = "web"};
	/* Each frame of ten deep stacks is the end of a stack as well. */
	for (int64_t i = 0; i < 11; i++) {
		char name[8];

		p = pprof_new(&(struct pprof_options){.time_ns = (i + 1) * SECOND,
			.duration_ns = SECOND,
			.period_ns = 10});
		snprintf(name, sizeof(name), "%" PRId64, i);
		frames[ARRAY_SIZE(frames) - 1].name = name;
		for (size_t k = 0; k < ARRAY_SIZE(frames); k++)
			pprof_add_named(p, frames + k, ARRAY_SIZE(frames) - k, 1);
		history_add(history, "a", "web", "web", p);
		pprof_free(p);
	}
	ck_assert_uint_eq(history_intervals(history), 11);
	ck_assert_int_eq(history_profile(history, &(struct history_query){.id = "a"}, &p), -EFBIG);
	ck_assert_int_eq(history_profile(history,
				 &(struct history_query){.id = "a", .until_ns = 10 * SECOND}, &p),
		0);
	pprof_free(p);
}
END_TEST

/* The tree of what the query selects, made of the history itself and of a profile of it. */
static void assert_same_tree(struct history_query query)
{
	struct strbuf direct cleanup_strbuf = STRBUF_INIT, spelt cleanup_strbuf = STRBUF_INIT;
	struct flat_tree tree;
	struct pprof *p;

	ck_assert_int_eq(history_tree(history, &query, &tree), 0);
	ck_assert_uint_gt(tree.node_count, 2);
	report_flat_tree(&direct, &tree);
	flat_tree_release(&tree);
	ck_assert_int_eq(history_profile(history, &query, &p), 0);
	report_tree(&spelt, p);
	pprof_free(p);
	ck_assert_str_eq(direct.buf, spelt.buf);
}

START_TEST(a_tree_is_that_of_the_profile)
{
	struct flat_tree tree;

	history = history_new(1 << 20);
	add("a", "web", "serve", 100, 10);
	add("b", "db", "query", 100, 4);
	add("a", "web", "other", 115, 20);
	assert_same_tree((struct history_query){.id = "a"});
	assert_same_tree((struct history_query){.service = "db"});
	assert_same_tree((struct history_query){.id = "a", .from_ns = 101 * SECOND});
	assert_same_tree((struct history_query){0});
	ck_assert_int_eq(history_tree(history, &(struct history_query){.id = "c"}, &tree), -ENOENT);
}
END_TEST

START_TEST(a_tree_has_bounds)
{
	struct flat_tree tree;

	history = history_new(128 << 20);
	for (uint32_t i = 0; i < 4; i++)
		add_bulky("bulky", i, 550, i + 1);
	ck_assert_uint_eq(history_intervals(history), 4);
	ck_assert_int_eq(history_tree(history, &(struct history_query){.id = "bulky"}, &tree),
		-EFBIG);
	ck_assert_int_eq(history_tree(history,
				 &(struct history_query){.id = "bulky", .until_ns = 4 * SECOND},
				 &tree),
		0);
	ck_assert_uint_gt(tree.node_count, 700000);
	flat_tree_release(&tree);
}
END_TEST

UNIT_MAIN_FIXTURE("history", NULL, teardown, what_a_target_did_is_found_again,
	a_profile_made_of_the_past_spans_its_intervals, the_oldest_go_when_the_budget_is_used_up,
	a_smaller_budget_counts_at_once, a_rate_that_changed_is_put_right,
	one_that_would_need_half_of_the_budget_is_not_kept, the_newest_stays_however_large_they_are,
	stacks_that_are_small_here_and_large_alone_are_refused, a_tree_is_that_of_the_profile,
	a_tree_has_bounds)
