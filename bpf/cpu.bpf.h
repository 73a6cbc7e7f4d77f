// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What each CPU works in and keeps from one tick to the next.
 *
 * Between two ticks the workload has the caches and the TLB to itself, so a tick is as fast as it touches few
 * pages and lines of memory: the first touch of each takes 100 to 300 ns. So all of it lies together, in an array by
 * CPU number: neither a per-CPU map's pointers nor several maps' pages are between. And what the last ticks found
 * out is kept here in short:
 *
 *	recent_task	the way from a task to its cgroups, what user space says of them, and of the process
 *	recent_rule	the way from an address to its row and that one's rule (unwind.bpf.h)
 *	recent_mapping	the way from an address to its mapping and that one's tables
 *
 * A task's is good for one interval at most: a pointer of something that went away could come back as another's. A rule's
 * is good until user space has cleared marks of used pages, to see which are: whatever is used is to be marked anew.
 */
#ifndef BPF_CPU_H
#define BPF_CPU_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "cgroup.bpf.h"
#include "profile.h"
#include "python_frames.bpf.h"
#include "regs.bpf.h"
#include "unwind_state.h"

#define RECENT_TASKS 16 /* by thread id */
#define SEEN_STACKS  256

/* It holds while the task is in the same css_set, and until a verdict changes. */
struct recent_task {
	uint64_t task, set, leader; /* the kernel's, to be compared, or read with care */
	uint64_t cgroup; /* as in struct stack_record */
	uint64_t start_ns; /* of the process */
	uint32_t tid;
	uint32_t generation; /* of the verdicts */
	uint32_t interval; /* 0: only for the tick that made it */
	uint32_t exec_id, processes_generation; /* that user space was asked for what follows */
	uint32_t mappings, mapping_count; /* as in struct known_process */
	uint32_t serial, quiet;
	bool keep; /* its ticks are recorded */
	bool by_pid; /* because of the pid */
	bool known; /* user space has told the process's mappings */
	struct interp_process interp; /* and the runtime in it; else its kind is INTERP_NONE */
};

/*
 * By process, so that one tick's are in two pages; then by piece of the address space. A piece's rows share a
 * set of entries, in two lines side by side: with one entry for each address instead, a tick of some 20
 * frames missed three of those that it had met before, as they put each other out.
 */
#define RECENT_RULE_GROUPS     8
#define RECENT_RULE_SETS       64
#define RECENT_RULE_WAYS       4
#define RECENT_RULE_PIECE_BITS 10

struct recent_rule {
	uint64_t row; /* its first address << RECENT_ROW_SIZE_BITS | its size in bytes */
	uint32_t serial; /* of the process's mappings */
	uint32_t marks_generation; /* in which the row's page was marked as used */
	struct unwind_rule rule;
};
_Static_assert(sizeof(struct recent_rule) == 32, "two in a line of the cache");
#define RECENT_ROW_SIZE_BITS 16
_Static_assert(USER_SPACE_BITS + RECENT_ROW_SIZE_BITS <= 64, "an address and a size");
_Static_assert(UNWIND_PAGE_SIZE < 1 << RECENT_ROW_SIZE_BITS, "no row is larger than a page");

/* By process and piece of the address space. It holds as long as the process has these mappings. */
#define RECENT_MAPPINGS     16
#define RECENT_MAPPING_BITS 18

struct recent_mapping {
	uint64_t start, end, bias; /* as in struct unwind_state */
	struct unwind_binary code;
	uint32_t serial;
} __attribute__((aligned(64))); /* a line of the cache */

/*
 * A piece of the user's stack. Each read of user memory costs some 90 ns however little is read, half a kilobyte
 * hardly more; and the frames of a walk lie one beside the other.
 */
#define STACK_WINDOW        512
#define STACK_WINDOW_BEFORE 64 /* what is asked for next may lie a little below */

struct stack_window {
	uint64_t start;
	uint64_t size; /* 0: nothing was read */
	uint8_t bytes[STACK_WINDOW + sizeof(uint64_t)];
};

/* Where a task is in the two hierarchies. */
struct place {
	struct cgroup *v2, *v1;
	struct judgement j2, j1;
};

struct cpu_state {
	/* In one page: the state of the tick, up to where most records end. What is here and not on the stack, the verifier
	 * does not follow by value. */
	struct cpu_front front; /* what user space reads and writes */
	uint32_t epoch;
	uint32_t task; /* its entry in `tasks` */
	uint32_t serial; /* that one's */
	uint32_t in_log; /* size of what hash_record() has copied to the log; 0: no room */
	struct unwind_state walk;
	struct python_walk python;
	struct stack_window window;
	struct stack_record record;

	/* In another: what is kept for later ticks. */
	struct recent_task tasks[RECENT_TASKS] __attribute__((aligned(4096)));
	struct recent_mapping mappings[RECENT_MAPPINGS];
	uint16_t seen[SEEN_STACKS]; /* of the hashes of the stacks met last */

	struct user_regs user;
	struct place place;
	struct cgroup_event event;

	struct recent_rule rules[RECENT_RULE_GROUPS][RECENT_RULE_SETS][RECENT_RULE_WAYS]
		__attribute__((aligned(4096)));
};
_Static_assert(offsetof(struct cpu_state, front) == 0, "profile.h");
_Static_assert(offsetof(struct cpu_state, record.ips) + 256 * sizeof(uint64_t) <= 4096, "one page");
_Static_assert(offsetof(struct cpu_state, user) - offsetof(struct cpu_state, tasks) <= 4096,
	"one page");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* page by page */
	__uint(max_entries, 1); /* set before loading: by CPU number */
	__type(key, uint32_t);
	__type(value, struct cpu_state);
} cpus SEC(".maps");

static __always_inline struct cpu_state *this_cpu(void)
{
	uint32_t cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpus, &cpu);
}

static __always_inline struct recent_task *task_of(struct cpu_state *cpu)
{
	return &cpu->tasks[cpu->task & (RECENT_TASKS - 1)];
}

#endif
