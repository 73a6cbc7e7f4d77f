// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What profile.bpf.c and src/profiler/ share: records, events and map values, byte for byte. Included
 * after bpf/vmlinux.h or <stdint.h>. All structs have the same layout on every 64-bit machine.
 */
#ifndef BPF_PROFILE_H
#define BPF_PROFILE_H

#define FRAMES_MAX      127 /* of either kind; fits perf_event_max_stack's default */
#define COMM_SIZE       16 /* TASK_COMM_LEN */
#define CHAIN_DEPTH_MAX 16
#define CHAIN_NAME_SIZE 128 /* a container id has 64 digits, "docker-" and ".scope" around it 77 */
#define CGROUP_V1_BIT   (1ULL << 63) /* in keys of the v1 hierarchy; kernfs ids stay far below */

/* The controller whose v1 hierarchy is followed. */
enum v1_controller {
	V1_NONE,
	V1_CPUACCT,
	V1_CPU,
	V1_MEMORY,
	V1_DEVICES,
	V1_FREEZER,
	V1_PIDS,
	V1_COUNT,
};

/* Same as struct process_id of src/proc/. */
struct process_key {
	uint32_t pid;
	uint32_t exec_id;
	uint64_t start_ns;
};

/*
 * A stack's identity within an interval. The hash is keyed and 96 bits wide; and since the pid stands
 * beside it, even a forced collision mixes stacks of one process only.
 */
struct stack_key {
	uint64_t hash;
	uint32_t hash_low;
	uint32_t pid;
};
_Static_assert(sizeof(struct stack_key) == 16, "layout");

/* Value of the count maps. */
struct stack_count {
	uint64_t ticks;
	uint32_t sent; /* its record is in the ring */
	uint32_t pad;
};
_Static_assert(sizeof(struct stack_count) == 16, "layout");

enum stack_flags {
	STACK_USER_TRUNCATED = 1 << 0,
	STACK_KERNEL_TRUNCATED = 1 << 1,
	STACK_LEAF_EXACT =
		1 << 2, /* the first user address was interrupted, it is no return address */
	STACK_BY_PID = 1 << 3, /* recorded because of the pid, whatever the cgroup */
};

/*
 * One distinct stack. In the ring it ends after its last address:
 *
 *	| key, tid, epoch, counted | process, cgroup ... user_count | kernel ips | user ips |
 *	                           '--- hashed into the key ----------------------------'
 */
struct stack_record {
	struct stack_key key;
	uint32_t tid;
	uint8_t epoch;
	uint8_t counted; /* its ticks are in the count map; else it stands for one tick */
	uint8_t pad[2];

	struct process_key process;
	uint64_t cgroup; /* root of the container; while pending the leaf; 0 with STACK_BY_PID */
	uint64_t cgroup_v1; /* the v1 leaf where both hierarchies are pending, else 0 */
	char comm[COMM_SIZE];
	uint8_t flags;
	uint8_t kernel_count;
	uint8_t user_count;
	uint8_t pad2[5];

	uint64_t ips[2 * FRAMES_MAX]; /* kernel, then user; each leaf first */
};
#define STACK_RECORD_HEAD (sizeof(struct stack_record) - 2 * FRAMES_MAX * sizeof(uint64_t))
_Static_assert(STACK_RECORD_HEAD == 80, "layout");

enum event_kind { EVENT_PROCESS_SEEN = 1, EVENT_CGROUP_SEEN = 2 };

struct event {
	uint32_t kind;
	uint8_t v2_depth; /* of EVENT_CGROUP_SEEN, else 0 */
	uint8_t v1_depth;
	uint8_t pad[2];
	struct process_key process;
};
_Static_assert(sizeof(struct event) == 24, "layout");

struct cgroup_level {
	uint64_t key;
	char name[CHAIN_NAME_SIZE];
};

/* In the ring it ends after v2_depth + v1_depth levels; each hierarchy's leaf comes first. */
struct cgroup_event {
	struct event head;
	struct cgroup_level level[2 * CHAIN_DEPTH_MAX];
};
_Static_assert(sizeof(struct cgroup_event) == 24 + 32 * 136, "layout");

/* Same as enum cgroup_verdict of src/profiler/profiler.h. */
enum verdict { VERDICT_PENDING, VERDICT_KEEP, VERDICT_DROP, VERDICT_HOST };

/*
 * What the verdicts of a generation say about a cgroup: BPF's own memory, written by nobody else. An
 * entry of another generation is worked out anew.
 */
struct cgroup_entry {
	uint64_t root; /* of the container it lies in, 0 for none */
	uint32_t generation;
	uint32_t verdict;
};
_Static_assert(sizeof(struct cgroup_entry) == 16, "layout");

/* One CPU's counters of one epoch. ticks is the sum of the others. */
struct tally {
	uint64_t ticks;
	uint64_t idle;
	uint64_t filtered;
	uint64_t counted; /* in the count map, whether its record found room or not */
	uint64_t uncounted; /* map full: sent as a record for one tick */
	uint64_t lost_full; /* map full, and no room in the ring either */
	uint64_t lost_task; /* the task could not be read */
};
_Static_assert(sizeof(struct tally) == 56, "layout");

#endif
