// SPDX-License-Identifier: Apache-2.0
/* Profiles in parts, judged by reading them back: limits, sums, and what each stack is. */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "export/pprof_parts.h"
#include "export/series_times.h"
#include "unit/frames.h"
#include "unit/protobuf_reader.h"

static const struct module module = {.id = 7, .path = "/bin/app", .name = "app", .build_id = "aa"};
static const struct pprof_options options = {.time_ns = 5, .duration_ns = 6, .period_ns = 10};
static const struct pprof_part_limits server = {PART_MAX_SAMPLES, PART_MAX_BYTES};

/* Stack i: `depth` frames, the leaf its own, the others shared by many. */
static void add_stack(struct pprof *p, unsigned i, unsigned depth, unsigned count)
{
	struct frame frames[64];
	char names[64][32];

	for (unsigned k = 0; k < depth; k++) {
		unsigned id = k ? (i >> (k % 16)) % 1000 + 1000 * k : i + 1000000;

		snprintf(names[k], sizeof(names[k]), "function_%u", id);
		frames[k] = (struct frame){.module = &module, .address = id, .function = names[k]};
	}
	pprof_add(p,
		&(struct pprof_sample){.frames = frame_pointers(frames, depth),
			.frame_count = depth,
			.count = count});
}

static struct pprof *profile(unsigned stacks, unsigned depth)
{
	struct pprof *p = pprof_new(&options);

	for (unsigned i = 0; i < stacks; i++)
		add_stack(p, i, depth, 1 + i % 3);
	return p;
}

struct sums {
	uint64_t value, samples, stacks; /* stacks: a sum of hashes of names and values */
	size_t parts, largest, most; /* bytes, samples of one */
};

static struct reader *index_of(struct reader message, unsigned number, size_t *ret_count)
{
	struct reader *list = calloc(count_fields(message, number) + 1, sizeof(*list));
	struct field f;

	*ret_count = 0;
	while (read_field(&message, &f))
		if (f.number == number)
			list[(*ret_count)++] = f.bytes;
	return list;
}

static uint64_t name_hash(struct reader location, const struct reader *functions,
	const struct reader *strings)
{
	uint64_t function = get_field(get_field(location, 4, 0).bytes, 1, 0).value;
	uint64_t name = get_field(functions[function - 1], 2, 0).value;

	return hash_bytes(strings[name].at, (size_t)(strings[name].end - strings[name].at));
}

static void read_part(const struct strbuf *bytes, struct sums *sums)
{
	struct reader message = reader_of(bytes->buf, bytes->len);
	size_t n, locations_count;
	struct reader *strings = index_of(message, 6, &n), *functions = index_of(message, 5, &n);
	struct reader *locations = index_of(message, 4, &locations_count);
	struct reader *samples = index_of(message, 2, &n);

	for (size_t i = 0; i < n; i++) {
		struct reader ids = get_field(samples[i], 1, 0).bytes;
		struct reader values = get_field(samples[i], 2, 0).bytes;
		uint64_t value = read_varint(&values), h = 0;

		while (ids.at < ids.end) {
			uint64_t id = read_varint(&ids);

			if (id < 1 || id > locations_count)
				ck_abort_msg("no such location");
			h = hash_combine(h, name_hash(locations[id - 1], functions, strings));
		}
		sums->value += value;
		sums->stacks += hash_combine(h, 1) * value;
	}
	sums->samples += n;
	sums->most = sums->most > n ? sums->most : n;
	free(strings);
	free(functions);
	free(locations);
	free(samples);
}

static struct sums split(const struct pprof *p, const struct pprof_part_limits *limits)
{
	struct pprof_parts parts = {.whole = p};
	struct strbuf bytes cleanup_strbuf = STRBUF_INIT;
	struct sums sums = {0};
	uint64_t ticks = 0;

	while (pprof_next_part(&parts, limits, 1000 + (int64_t)sums.parts, &bytes)) {
		read_part(&bytes, &sums);
		ck_assert_uint_eq(get_field(reader_of(bytes.buf, bytes.len), 9, 0).value,
			1000 + sums.parts);
		ticks += parts.ticks;
		ck_assert_uint_eq(ticks * 10, sums.value);
		if (!parts.too_large)
			sums.largest = sums.largest > bytes.len ? sums.largest : bytes.len;
		sums.parts++;
		strbuf_reset(&bytes);
	}
	return sums;
}

static struct sums whole(const struct pprof *p)
{
	return split(p, &(struct pprof_part_limits){SIZE_MAX, SIZE_MAX});
}

START_TEST(a_small_profile_is_one_part)
{
	struct strbuf bytes cleanup_strbuf = STRBUF_INIT, same cleanup_strbuf = STRBUF_INIT;
	struct pprof *p = profile(100, 5);
	struct pprof_parts parts = {.whole = p};

	ck_assert(pprof_next_part(&parts, &server, 5, &bytes));
	ck_assert_uint_eq(parts.ticks, pprof_total(p));
	ck_assert(!parts.too_large);
	pprof_encode(p, &same);
	ck_assert_uint_eq(bytes.len, same.len);
	ck_assert_mem_eq(bytes.buf, same.buf, same.len);
	ck_assert(!pprof_next_part(&parts, &server, 5, &bytes));
	pprof_free(p);
}
END_TEST

START_TEST(an_empty_profile_has_no_part)
{
	struct pprof *p = profile(0, 0);

	ck_assert_uint_eq(split(p, &server).parts, 0);
	pprof_free(p);
}
END_TEST

/* Samples on the limit's edges, and bytes that are the tighter limit. */
static const struct {
	unsigned stacks, depth;
	struct pprof_part_limits limits;
	size_t parts_min, parts_max;
} cases[] = {
	{999, 2, {1000, PART_MAX_BYTES}, 1, 1},
	{1000, 2, {1000, PART_MAX_BYTES}, 1, 1},
	{1001, 2, {1000, PART_MAX_BYTES}, 2, 2},
	{2000, 2, {1000, PART_MAX_BYTES}, 2, 2},
	{2001, 20, {1, PART_MAX_BYTES}, 2001, 2001},
	{3000, 20, {PART_MAX_SAMPLES, 65536}, 4, 30},
	{3000, 20, {PART_MAX_SAMPLES, 8192}, 40, 400},
	{20000, 40, {PART_MAX_SAMPLES, PART_MAX_BYTES}, 2, 16},
};

START_TEST(parts_keep_to_the_limits_and_sum_to_the_whole)
{
	struct pprof *p = profile(cases[_i].stacks, cases[_i].depth);
	struct sums sums = split(p, &cases[_i].limits), all = whole(p);

	ck_assert_uint_ge(sums.parts, cases[_i].parts_min);
	ck_assert_uint_le(sums.parts, cases[_i].parts_max);
	ck_assert_uint_le(sums.largest, cases[_i].limits.bytes);
	ck_assert_uint_le(sums.most, cases[_i].limits.samples);
	ck_assert_uint_eq(all.parts, 1);
	ck_assert_uint_eq(sums.samples, cases[_i].stacks);
	ck_assert_uint_eq(sums.value, all.value);
	ck_assert_uint_eq(sums.value, pprof_total(p) * 10);
	ck_assert_uint_eq(sums.stacks, all.stacks);
	pprof_free(p);
}
END_TEST

START_TEST(a_stack_that_is_too_large_alone_is_told_and_costs_no_other)
{
	struct pprof *p = pprof_new(&options);
	struct pprof_parts parts = {.whole = p};
	struct pprof_part_limits limits = {1000, 3000};
	struct strbuf bytes cleanup_strbuf = STRBUF_INIT;
	char name[4000];
	uint64_t fine = 0, too_large = 0;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (unsigned i = 0; i < 50; i++) {
		struct frame frame = {.module = &module, .address = 1, .function = name};

		add_stack(p, i, 3, 1);
		if (i == 25)
			pprof_add(p,
				&(struct pprof_sample){
					.frames = frame_pointers(&frame, 1),
					.frame_count = 1,
					.count = 7,
				});
	}
	while (pprof_next_part(&parts, &limits, 1, &bytes)) {
		*(parts.too_large ? &too_large : &fine) += parts.ticks;
		ck_assert(parts.too_large || bytes.len <= limits.bytes);
		strbuf_reset(&bytes);
	}
	ck_assert_uint_eq(too_large, 7);
	ck_assert_uint_eq(fine, 50);
	pprof_free(p);
}
END_TEST

START_TEST(each_profile_of_a_series_has_a_millisecond_of_its_own)
{
	const int64_t start = 1700000000 * NSEC_PER_SEC + 123456;
	struct series_times t;

	series_times_init(&t);
	ck_assert_int_eq(series_times_next(&t, 1, start), start);
	ck_assert_int_eq(series_times_next(&t, 2, start), start);
	int64_t last = start / NSEC_PER_MSEC;

	for (int i = 0; i < 100; i++) {
		int64_t ms = series_times_next(&t, 1, start + i) / NSEC_PER_MSEC;

		ck_assert_int_eq(ms, last + 1);
		last = ms;
	}
	/* The next interval, and a clock that was set back. */
	ck_assert_int_eq(series_times_next(&t, 1, start + NSEC_PER_SEC), start + NSEC_PER_SEC);
	ck_assert_int_eq(series_times_next(&t, 1, start - 3600 * NSEC_PER_SEC),
		start - 3600 * NSEC_PER_SEC);
	series_times_release(&t);
}
END_TEST

START_TEST(series_that_are_gone_are_forgotten)
{
	struct series_times t;

	series_times_init(&t);
	for (int64_t i = 0; i < 100000; i++)
		series_times_next(&t, (uint64_t)i, i * NSEC_PER_SEC);
	ck_assert_uint_le(t.series.count, 3000);
	series_times_release(&t);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_small_profile_is_one_part,
		an_empty_profile_has_no_part,
		a_stack_that_is_too_large_alone_is_told_and_costs_no_other,
		each_profile_of_a_series_has_a_millisecond_of_its_own,
		series_that_are_gone_are_forgotten,
	};
	TCase *tcase = tcase_create("pprof_parts");

	tcase_add_loop_test(tcase, parts_keep_to_the_limits_and_sum_to_the_whole, 0,
		sizeof(cases) / sizeof(cases[0]));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tcase, tests[i]);
	return unit_run("pprof_parts", tcase);
}
