// SPDX-License-Identifier: Apache-2.0
/*
 * Sampling is counting at regular instants, so for a share d of a CPU over n instants the count is off
 * by about sqrt(n * d * (1 - d)) ticks by chance; sqrt(ticks) is never less. A ratio is held against the
 * sampler only where three of these and the two instants at the edges of the window cannot explain it.
 *
 * Slots are a ring: short intervals are added up until a slot spans SLOT_NS, so that the window is the
 * same minutes whatever collect_interval is.
 */
#include "cpu_proof.h"

#include "base/clock.h"
#include "base/macros.h"

#define SLOT_NS     (15 * NSEC_PER_SEC)
#define LEAST_TICKS 100 /* below it even a perfect sampler leaves the bounds one time in three */
#define CHANCE      3.0 /* standard deviations */
#define EDGES       2.0 /* ticks */

static void next_slot(struct cpu_proof *p)
{
	if (p->used && p->slots[p->newest].span_ns < SLOT_NS)
		return;
	p->newest = p->used ? (p->newest + 1) % CPU_PROOF_SLOTS : 0;
	p->slots[p->newest] = (struct cpu_slot){0};
	if (p->used < CPU_PROOF_SLOTS)
		p->used++;
}

void cpu_proof_add(struct cpu_proof *p, const struct cpu_reading *r)
{
	/* A container that was started again has a new cgroup, whose account begins at 0. */
	uint64_t before = r->kernel_ns < p->kernel_ns ? 0 : p->kernel_ns;

	if (p->started) {
		next_slot(p);
		struct cpu_slot *s = &p->slots[p->newest];

		s->span_ns += r->now_ns - p->read_ns;
		s->kernel_ns += r->kernel_ns - before;
		s->ticks += r->samples;
		s->sampled_ns += r->samples * (uint64_t)NSEC_PER_SEC / r->hz;
		s->lost += r->lost;
		s->all_ticks += r->all_ticks;
	}
	p->started = true;
	p->kernel_ns = r->kernel_ns;
	p->read_ns = r->now_ns;
	p->tick_ns = (double)NSEC_PER_SEC / r->hz;
}

void cpu_proof_interrupt(struct cpu_proof *p)
{
	p->started = false;
}

static enum cpu_verdict judge(const struct cpu_summary *s, double tick_ns)
{
	double kernel_ticks = (double)s->kernel_ns / tick_ns;
	double ticks = (double)s->ticks;
	double off = MAX(ticks - kernel_ticks, kernel_ticks - ticks) - EDGES;
	bool chance = off <= 0 || off * off <= CHANCE * CHANCE * MAX(ticks, kernel_ticks);

	if (kernel_ticks < LEAST_TICKS && s->ticks < LEAST_TICKS)
		return CPU_TOO_LITTLE;
	if ((s->ratio >= CPU_RATIO_LOW && s->ratio <= CPU_RATIO_HIGH) || chance)
		return CPU_AGREES;
	return ticks < kernel_ticks ? CPU_LOW : CPU_HIGH;
}

struct cpu_summary cpu_proof_summary(const struct cpu_proof *p)
{
	struct cpu_summary sum = {.verdict = CPU_UNKNOWN};
	uint64_t lost = 0, all_ticks = 0;

	for (size_t i = 0; i < p->used; i++) {
		sum.window_ns += p->slots[i].span_ns;
		sum.sampled_ns += p->slots[i].sampled_ns;
		sum.kernel_ns += p->slots[i].kernel_ns;
		sum.ticks += p->slots[i].ticks;
		lost += p->slots[i].lost;
		all_ticks += p->slots[i].all_ticks;
	}
	if (!p->used)
		return sum;
	if (sum.kernel_ns)
		sum.ratio = (double)sum.sampled_ns / (double)sum.kernel_ns;
	if (all_ticks)
		sum.lost = (double)lost / (double)all_ticks;
	sum.verdict = judge(&sum, p->tick_ns);
	return sum;
}

const char *cpu_verdict_name(enum cpu_verdict verdict)
{
	static const char *const names[] = {
		[CPU_UNKNOWN] = "unknown",
		[CPU_TOO_LITTLE] = "too_little",
		[CPU_AGREES] = "agrees",
		[CPU_LOW] = "low",
		[CPU_HIGH] = "high",
	};

	return names[verdict];
}
