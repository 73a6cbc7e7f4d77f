// SPDX-License-Identifier: Apache-2.0
/* Rounds against a kernel and a symbolizer that are played by the test. */
#include "unit/unit.h"

#include <string.h>

#include "collect.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

const char *const profiler_loss_names[LOSS_COUNT];

#define PID 7

static struct collect c;
static struct attribution a;
static struct target_table table;
static struct profiler_sample samples[8];
static size_t sample_count;
static struct profiler_tally kernel;
static const struct module module = {.path = "/bin/x", .name = "x", .build_id = ""};

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

int profiler_round(struct profiler *p, void (*on_sample)(void *, const struct profiler_sample *),
	void *ctx, struct profiler_tally *ret, struct error *err)
{
	(void)p;
	(void)err;
	for (size_t i = 0; i < sample_count; i++)
		on_sample(ctx, &samples[i]);
	sample_count = 0;
	*ret = kernel;
	kernel = (struct profiler_tally){0};
	return 0;
}

/* The same objects again and again, as within a round. */
static struct frame named[16];

void symbolizer_user(struct symbolizer *s, const struct process_id *id, const uint64_t *ips,
	size_t count, bool leaf_exact, struct frame **ret)
{
	(void)s;
	(void)id;
	(void)leaf_exact;
	for (size_t i = 0; i < count; i++) {
		ck_assert_uint_lt(ips[i], ARRAY_SIZE(named));
		ret[i] = &named[ips[i]];
		if (!ret[i]->module)
			*ret[i] = (struct frame){.module = &module,
				.address = ips[i],
				.function = ips[i] == 1 ? "one" : NULL,
				.origin = ips[i] == 1 ? NAME_SYMTAB : NAME_NONE};
	}
}

void symbolizer_kernel(struct symbolizer *s, const uint64_t *ips, size_t count, struct frame **ret)
{
	static struct frame frame;

	(void)s;
	for (size_t i = 0; i < count; i++) {
		frame = (struct frame){.module = &module,
			.address = ips[i],
			.function = "kernel",
			.origin = NAME_KERNEL};
		ret[i] = &frame;
	}
}

/* Rounds begin and end, and what is kept in between is told in each anew. */
static bool in_round;
static unsigned kept;

void symbolizer_begin_round(struct symbolizer *s)
{
	(void)s;
	ck_assert(!in_round);
	in_round = true;
	kept = 0;
}

void symbolizer_keep_process(struct symbolizer *s, const struct process_id *id)
{
	(void)s;
	ck_assert(in_round);
	ck_assert_uint_eq(id->pid, PID);
	kept++;
}

void symbolizer_end_round(struct symbolizer *s)
{
	(void)s;
	ck_assert(in_round);
	in_round = false;
}

static void setup(void)
{
	target_table_init(&table);
	attribution_init(&a, &table);
	a.profiler = (struct profiler *)&a;
	collect_init(&c);
	c.attribution = &a;
	c.sample_rate = 100;
	collect_start(&c);
}

static void teardown(void)
{
	collect_release(&c);
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

static void cgroup(cgroup_key key, const char *id)
{
	struct cgroup_chain chain = {.depth = 1};

	chain.level[0].key = key;
	strcpy(chain.level[0].name, id);
	attribution_seen(&a, &chain, &(struct cgroup_chain){0});
}

static void sample(cgroup_key key, uint64_t count)
{
	static const uint64_t user[] = {1, 2}, kernel_ips[] = {9};

	samples[sample_count++] = (struct profiler_sample){.cgroup = key,
		.process = {.pid = PID},
		.count = count,
		.comm = "worker",
		.user_ips = user,
		.user_count = 2,
		.kernel_ips = kernel_ips,
		.kernel_count = 1};
	kernel.ticks += count;
	kernel.recorded += count;
}

static uint64_t flushed;
static size_t flushed_profiles;

static void on_profile(void *ctx, struct target *t, struct pprof *profile)
{
	(void)ctx;
	ck_assert_uint_eq(pprof_total(profile), t->samples);
	flushed += pprof_total(profile);
	flushed_profiles++;
	pprof_free(profile);
}

/* The accounting of the header, for one round. */
static void assert_exact(const struct collect_tally *t)
{
	uint64_t sum = t->filtered + t->exported + t->unknown + t->carried_out;

	for (int i = 0; i < LOSS_COUNT; i++)
		sum += t->lost[i];
	ck_assert_uint_eq(sum, t->ticks + t->carried_in);
}

START_TEST(every_tick_goes_somewhere)
{
	struct collect_tally t;

	container(ID_A, TARGET_PROFILED);
	container(ID_B, TARGET_DROPPED);
	cgroup(1, ID_A);
	cgroup(2, ID_B);
	sample(1, 5);
	sample(2, 7);
	sample(99, 3); /* judged to be the host's meanwhile */
	kernel.ticks += 11 + 4;
	kernel.filtered = 11;
	kernel.lost[LOSS_RING_FULL] = 4;
	ck_assert_int_eq(collect_round(&c, false, &t, NULL), 0);
	assert_exact(&t);
	ck_assert_uint_eq(t.exported, 5);
	ck_assert_uint_eq(t.filtered, 11 + 7 + 3);
	collect_flush(&c, on_profile, NULL);
	ck_assert_uint_eq(flushed, 5);
	ck_assert_uint_eq(flushed_profiles, 1);
	ck_assert_uint_eq(c.quality.frames, 15);
	ck_assert_uint_eq(c.quality.frames_named, 10);
}
END_TEST

static void visit_stack(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct strbuf *text = ctx;

	for (size_t i = 0; i < count; i++)
		strbuf_addf(text, "%s ", frames[i].name);
	strbuf_addf(text, "%d\n", (int)ticks);
}

static void tell_profile(void *ctx, struct target *t, struct pprof *profile)
{
	struct strbuf *texts = ctx;

	pprof_visit(profile, visit_stack, &texts[strcmp(t->origin, ID_B) == 0]);
	pprof_free(profile);
}

/* The very same frames are put into profiles of two containers, and of the next interval. */
START_TEST(each_profile_has_its_own_places_of_frames)
{
	static const uint64_t one[] = {3, 1}, other[] = {1, 2, 3};
	struct strbuf texts[] = {STRBUF_INIT, STRBUF_INIT};
	struct collect_tally t;

	container(ID_A, TARGET_PROFILED);
	container(ID_B, TARGET_PROFILED);
	cgroup(1, ID_A);
	cgroup(2, ID_B);
	for (int interval = 0; interval < 2; interval++) {
		for (int i = 0; i < 4; i++) {
			bool first = i % 2 == interval;

			sample(first ? 1 : 2, 1);
			samples[i].user_ips = first ? one : other;
			samples[i].user_count = first ? 2 : 3;
		}
		ck_assert_int_eq(collect_round(&c, false, &t, NULL), 0);
		collect_flush(&c, tell_profile, texts);
		ck_assert_str_eq(texts[0].buf, "kernel x+0x3 one worker 2\n");
		ck_assert_str_eq(texts[1].buf, "kernel one x+0x2 x+0x3 worker 2\n");
		strbuf_reset(&texts[0]);
		strbuf_reset(&texts[1]);
	}
	strbuf_release(&texts[0]);
	strbuf_release(&texts[1]);
}
END_TEST

START_TEST(samples_wait_one_round_for_a_container_nobody_has_told_of)
{
	struct collect_tally t;

	cgroup(1, ID_A);
	sample(1, 5);
	ck_assert_int_eq(collect_round(&c, false, &t, NULL), 0);
	assert_exact(&t);
	ck_assert_uint_eq(t.carried_out, 5);
	ck_assert_uint_eq(kept, 1);
	container(ID_A, TARGET_PROFILED);
	attribution_changed(&a, ID_A);
	sample(1, 2);
	ck_assert_int_eq(collect_round(&c, false, &t, NULL), 0);
	assert_exact(&t);
	ck_assert_uint_eq(t.carried_in, 5);
	ck_assert_uint_eq(t.exported, 7);
	ck_assert_uint_eq(kept, 0);
	collect_flush(&c, on_profile, NULL);
	ck_assert_uint_eq(flushed, 7);
}
END_TEST

START_TEST(samples_wait_longer_while_a_source_is_out_of_reach)
{
	struct collect_tally t;

	cgroup(1, ID_A);
	sample(1, 5);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(collect_round(&c, false, &t, NULL), 0);
		assert_exact(&t);
		ck_assert_uint_eq(t.carried_out, 5);
		ck_assert_uint_eq(kept, 1);
	}
	container(ID_A, TARGET_PROFILED);
	attribution_changed(&a, ID_A);
	ck_assert_int_eq(collect_round(&c, true, &t, NULL), 0);
	assert_exact(&t);
	ck_assert_uint_eq(t.exported, 5);
}
END_TEST

START_TEST(samples_of_a_container_that_stays_unknown_are_counted)
{
	struct collect_tally t;
	uint64_t unknown = 0;

	cgroup(1, ID_A);
	sample(1, 5);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(collect_round(&c, false, &t, NULL), 0);
		assert_exact(&t);
		unknown += t.unknown;
	}
	ck_assert_uint_eq(unknown, 5);
	collect_flush(&c, on_profile, NULL);
	ck_assert_uint_eq(flushed_profiles, 0);
}
END_TEST

START_TEST(samples_of_another_engines_container_are_filtered)
{
	struct collect_tally t;

	cgroup(1, ID_A);
	sample(1, 5);
	ck_assert_int_eq(collect_round(&c, true, &t, NULL), 0);
	assert_exact(&t);
	ck_assert_int_eq(collect_round(&c, true, &t, NULL), 0);
	assert_exact(&t);
	ck_assert_uint_eq(t.filtered, 5);
}
END_TEST

START_TEST(profiles_stay_open_over_rounds_until_they_are_flushed)
{
	struct collect_tally t;

	container(ID_A, TARGET_PROFILED);
	cgroup(1, ID_A);
	for (int i = 0; i < 3; i++) {
		sample(1, 1);
		ck_assert_int_eq(collect_round(&c, false, &t, NULL), 0);
	}
	collect_flush(&c, on_profile, NULL);
	ck_assert_uint_eq(flushed, 3);
	ck_assert_uint_eq(flushed_profiles, 1);
}
END_TEST

UNIT_MAIN_FIXTURE("collect", setup, teardown, every_tick_goes_somewhere,
	each_profile_has_its_own_places_of_frames,
	samples_wait_one_round_for_a_container_nobody_has_told_of,
	samples_wait_longer_while_a_source_is_out_of_reach,
	samples_of_a_container_that_stays_unknown_are_counted,
	samples_of_another_engines_container_are_filtered,
	profiles_stay_open_over_rounds_until_they_are_flushed)
