// SPDX-License-Identifier: Apache-2.0
/*
 * The proof that a container is sampled rightly: the CPU time that its samples stand for, beside what
 * the kernel has charged its cgroup in the same minutes.
 */
#ifndef CPU_PROOF_H
#define CPU_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_PROOF_SLOTS 20 /* of at least 15 s each: the last five minutes */

struct cpu_proof {
	struct cpu_slot {
		int64_t span_ns;
		uint64_t sampled_ns, kernel_ns, ticks, lost, all_ticks;
	} slots[CPU_PROOF_SLOTS];
	size_t newest, used;
	bool started;
	uint64_t kernel_ns; /* of the last reading */
	int64_t read_ns;
	double tick_ns; /* what one tick stands for now */
};

/* What one interval adds. */
struct cpu_reading {
	int64_t now_ns; /* CLOCK_MONOTONIC */
	uint64_t kernel_ns; /* the cgroup's account, since it was made */
	uint64_t samples; /* ticks charged to the container in this interval */
	uint64_t lost, all_ticks; /* of the interval, on the whole machine */
	unsigned hz;
};

/* The first reading is only where the account begins. */
void cpu_proof_add(struct cpu_proof *p, const struct cpu_reading *r);
/* The account was not read for a while: what comes next is compared with itself only. */
void cpu_proof_interrupt(struct cpu_proof *p);

enum cpu_verdict {
	CPU_UNKNOWN, /* no two readings yet */
	CPU_TOO_LITTLE, /* to compare: chance is larger than the bounds */
	CPU_AGREES, /* within CPU_RATIO_LOW .. CPU_RATIO_HIGH, or chance explains it */
	CPU_LOW, /* fewer samples than CPU time */
	CPU_HIGH, /* more */
};
#define CPU_RATIO_LOW  0.95
#define CPU_RATIO_HIGH 1.05

struct cpu_summary {
	enum cpu_verdict verdict;
	int64_t window_ns; /* that the sums are over */
	uint64_t sampled_ns, kernel_ns;
	uint64_t ticks; /* the samples behind sampled_ns */
	double ratio; /* sampled / kernel; 0 where the kernel's is 0 */
	double lost; /* share of the machine's ticks that were lost in the window, 0 to 1 */
};

struct cpu_summary cpu_proof_summary(const struct cpu_proof *p);
/* Stable names: "unknown", "too_little", "agrees", "low", "high". */
const char *cpu_verdict_name(enum cpu_verdict verdict);

#endif
