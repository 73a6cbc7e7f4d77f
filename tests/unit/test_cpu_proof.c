// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include "base/clock.h"
#include "cpu_proof.h"

#define HZ 100
#define MS NSEC_PER_MSEC

static struct cpu_proof proof;
static struct cpu_reading at = {.hz = HZ};

/* An interval of `ms` in which the cgroup used cpu_ms and `samples` came. */
static struct cpu_summary interval(int64_t ms, int64_t cpu_ms, uint64_t samples)
{
	at.now_ns += ms * MS;
	at.kernel_ns += (uint64_t)(cpu_ms * MS);
	at.samples = samples;
	cpu_proof_add(&proof, &at);
	return cpu_proof_summary(&proof);
}

static const struct {
	int64_t cpu_ms;
	uint64_t samples;
	enum cpu_verdict verdict;
} cases[] = {
	{15000, 1500, CPU_AGREES},
	{15000, 1430, CPU_AGREES},
	{15000, 1300, CPU_LOW},
	{15000, 0, CPU_LOW},
	{15000, 1700, CPU_HIGH},
	{0, 1500, CPU_HIGH},
	{1500, 130, CPU_AGREES}, /* 0.87, but so few that chance does it */
	{1500, 80, CPU_LOW},
	{500, 10, CPU_TOO_LITTLE},
	{0, 0, CPU_TOO_LITTLE},
};

START_TEST(samples_are_held_against_the_account)
{
	ck_assert_int_eq(interval(0, 123456, 99).verdict, CPU_UNKNOWN);
	struct cpu_summary s = interval(15000, cases[_i].cpu_ms, cases[_i].samples);

	ck_assert_int_eq(s.verdict, cases[_i].verdict);
	ck_assert_int_eq(s.window_ns, 15000 * MS);
	ck_assert_uint_eq(s.kernel_ns, (uint64_t)(cases[_i].cpu_ms * MS));
	ck_assert_uint_eq(s.sampled_ns, cases[_i].samples * 10 * MS);
}
END_TEST

START_TEST(only_the_last_minutes_count)
{
	interval(0, 0, 0);
	for (int i = 0; i < 50; i++)
		interval(15000, 15000, 0);
	struct cpu_summary s;

	for (int i = 0; i < CPU_PROOF_SLOTS; i++)
		s = interval(15000, 15000, 1500);
	ck_assert_int_eq(s.verdict, CPU_AGREES);
	ck_assert(s.ratio > 0.999 && s.ratio < 1.001);
	ck_assert_int_eq(s.window_ns, CPU_PROOF_SLOTS * 15000 * MS);
}
END_TEST

START_TEST(short_intervals_span_the_same_minutes)
{
	struct cpu_summary s;

	interval(0, 0, 0);
	for (int i = 0; i < 1000; i++)
		s = interval(1000, 500, 50);
	ck_assert_int_ge(s.window_ns, (CPU_PROOF_SLOTS - 1) * 15000 * MS);
	ck_assert_int_le(s.window_ns, CPU_PROOF_SLOTS * 15000 * MS);
	ck_assert_int_eq(s.verdict, CPU_AGREES);
}
END_TEST

START_TEST(a_new_cgroup_begins_at_nothing)
{
	interval(0, 100000, 0);
	at.kernel_ns = 0;
	struct cpu_summary s = interval(15000, 15000, 1500);

	ck_assert_int_eq(s.verdict, CPU_AGREES);
	ck_assert_uint_eq(s.kernel_ns, (uint64_t)(15000 * MS));
}
END_TEST

START_TEST(what_was_not_read_is_not_compared)
{
	interval(0, 0, 0);
	interval(15000, 15000, 1500);
	cpu_proof_interrupt(&proof);
	struct cpu_summary s = interval(60000, 60000, 0);

	ck_assert_int_eq(s.verdict, CPU_AGREES);
	ck_assert_uint_eq(s.kernel_ns, (uint64_t)(15000 * MS));
}
END_TEST

START_TEST(losses_are_known)
{
	interval(0, 0, 0);
	at.lost = 100;
	at.all_ticks = 1000;
	struct cpu_summary s = interval(15000, 15000, 1200);

	ck_assert_int_eq(s.verdict, CPU_LOW);
	ck_assert(s.lost > 0.099 && s.lost < 0.101);
	ck_assert_str_eq(cpu_verdict_name(s.verdict), "low");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("cpu_proof");

	tcase_add_loop_test(tcase, samples_are_held_against_the_account, 0,
		(int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tcase, only_the_last_minutes_count);
	tcase_add_test(tcase, short_intervals_span_the_same_minutes);
	tcase_add_test(tcase, a_new_cgroup_begins_at_nothing);
	tcase_add_test(tcase, what_was_not_read_is_not_compared);
	tcase_add_test(tcase, losses_are_known);
	return unit_run("cpu_proof", tcase);
}
