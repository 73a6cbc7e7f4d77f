// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What profile.bpf.c and src/profiler/ share: records, events and map values, byte for byte. Included
 * after bpf/vmlinux.h or <stdint.h>. All structs have the same layout on every 64-bit machine.
 */
#ifndef BPF_PROFILE_H
#define BPF_PROFILE_H

#include "interp.h"
#include "unwind.h"

#define KERNEL_FRAMES_MAX 127 /* fits perf_event_max_stack's default */
#define USER_FRAMES_MAX   512
#define FRAMES_MAX        (KERNEL_FRAMES_MAX + USER_FRAMES_MAX)
#define WORDS_MAX         (INTERP_WORDS_MAX + FRAMES_MAX)
#define COMM_SIZE         16 /* TASK_COMM_LEN */
#define CHAIN_DEPTH_MAX   16
#define CHAIN_NAME_SIZE   128 /* a container id has 64 digits, "docker-" and ".scope" around it 77 */
#define CGROUP_V1_BIT     (1ULL << 63) /* in keys of the v1 hierarchy; kernfs ids stay far below */

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
	STACK_KERNEL_TRUNCATED = 1 << 0,
	STACK_LEAF_EXACT =
		1 << 1, /* the first user address was interrupted, it is no return address */
	STACK_BY_PID = 1 << 2, /* recorded because of the pid, whatever the cgroup */
};

/*
 * One distinct stack. In the ring it ends after its last address:
 *
 *	| key, tid, epoch, counted | process, cgroup ... | language frames | kernel ips | user ips |
 *	                           '--- hashed into the key -----------------------------------'
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
	uint8_t user_end; /* enum unwind_end */
	uint16_t kernel_count;
	uint16_t user_count;
	uint16_t interp_count; /* words, two for each struct interp_frame */

	/* Language frames, then kernel, then user addresses; each leaf first. */
	uint64_t ips[WORDS_MAX];
};
#define STACK_RECORD_HEAD (sizeof(struct stack_record) - WORDS_MAX * sizeof(uint64_t))
_Static_assert(STACK_RECORD_HEAD == 80, "layout");

/*
 * Where one CPU leaves its records for user space: a ring with one writer and one reader, so that it takes neither
 * a lock nor an atomic instruction. Positions only grow; a record lies in one piece from data[position % size] on,
 * be it into the guard behind `size`. Sizes of records are multiples of 8.
 *
 * How far it is written, struct cpu_front says; that is stored after the record, but with no barrier between: BPF has
 * none before 5.12.
 */
struct stack_log {
	uint64_t read; /* up to here; by user space */
	uint64_t line[7];
	uint8_t data[];
};
#define STACK_LOG_GUARD sizeof(struct stack_record)
_Static_assert(sizeof(struct stack_log) == 64, "a line of the cache");
_Static_assert(STACK_LOG_GUARD % 8 == 0, "layout");

/*
 * A user stack that could not be walked to its end yet, because the process or the tables of its code are
 * not known: the record so far, the registers where the walk stopped, and the stack from there on, so that
 * user space goes on once it has what was missing.
 */
#define SNAPSHOT_PIECE      1024u /* read at once; aligned, so that none is half mapped */
#define SNAPSHOT_PIECES_MAX 20 /* a per-CPU value has 32 KiB at most; most young stacks have 8 */
#define SNAPSHOT_CODE       16 /* tells whether the leaf has a frame yet */

struct snapshot {
	uint64_t time_ns; /* CLOCK_BOOTTIME */
	uint64_t stack_start; /* address of stack[0]; a multiple of SNAPSHOT_PIECE */
	uint32_t stack_size;
	uint32_t code_size; /* 0 where it could not be read */
	uint8_t code[SNAPSHOT_CODE]; /* from regs.ip on */
	struct unwind_regs regs;
	uint8_t exact, leaf_known, jumps; /* as in struct unwind_state */
	uint8_t pad[5];
	struct stack_record record; /* whole */
	uint8_t stack[SNAPSHOT_PIECES_MAX *
		SNAPSHOT_PIECE]; /* in the ring it ends after stack_size */
};
#define SNAPSHOT_HEAD (sizeof(struct snapshot) - SNAPSHOT_PIECES_MAX * SNAPSHOT_PIECE)
_Static_assert(SNAPSHOT_HEAD == 24 + SNAPSHOT_CODE + 280 + 8 + sizeof(struct stack_record),
	"layout");
_Static_assert(sizeof(struct snapshot) <= 32 << 10, "PCPU_MIN_UNIT_SIZE");

/*
 * A process whose mappings user space has told. `quiet` is the number of the interval in which no more
 * snapshots are wanted for addresses that lie in none of them: they were just read, and there was none.
 */
struct known_process {
	struct process_key id;
	uint32_t mappings; /* ref, see unwind.h */
	uint32_t mapping_count;
	uint32_t quiet;
	uint32_t serial; /* of these mappings: no others of the same interval bear it */
};
_Static_assert(sizeof(struct known_process) == 32, "layout");

/* Key and value of interp_threads. */
struct interp_thread_key {
	uint64_t thread_pointer;
	uint32_t pid;
	uint32_t pad;
};
_Static_assert(sizeof(struct interp_thread_key) == 16, "layout");

struct interp_thread_value {
	uint64_t state; /* 0: user space does not know it (yet) */
	uint32_t asked; /* the interval in which it was asked about */
	uint32_t pad;
};
_Static_assert(sizeof(struct interp_thread_value) == 16, "layout");

#define INTERP_PROCESSES_MAX 1024

enum event_kind {
	EVENT_PROCESS_SEEN = 1,
	EVENT_CGROUP_SEEN = 2,
	EVENT_THREAD_UNKNOWN = 3,
	EVENT_LOG_FILLS = 4, /* a CPU's log of stacks; nothing else in it is set */
};

struct event {
	uint32_t kind;
	uint8_t v2_depth; /* of EVENT_CGROUP_SEEN, else 0 */
	uint8_t v1_depth;
	uint8_t pad[2];
	struct process_key process;
	uint64_t time_ns; /* CLOCK_BOOTTIME, as process.start_ns */
};
_Static_assert(sizeof(struct event) == 32, "layout");

struct cgroup_level {
	uint64_t key;
	char name[CHAIN_NAME_SIZE];
};

/* In the ring it ends after v2_depth + v1_depth levels; each hierarchy's leaf comes first. */
struct cgroup_event {
	struct event head;
	struct cgroup_level level[2 * CHAIN_DEPTH_MAX];
};
_Static_assert(sizeof(struct cgroup_event) == 32 + 32 * 136, "layout");

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
	uint64_t filtered;
	uint64_t counted; /* in the count map, whether its record found room or not */
	uint64_t
		uncounted; /* sent for itself: met once, or the map was full, or to be walked later */
	uint64_t lost_full; /* map full, and no room in the ring either */
	uint64_t lost_task; /* the task could not be read */
};
_Static_assert(sizeof(struct tally) == 48, "layout");

/*
 * At the front of each CPU's memory (struct cpu_state). What user space says while we run it says to each CPU, so that
 * it lies where a tick is anyway.
 */
struct cpu_front {
	struct tally tally[2]; /* by epoch; user space reads and clears that which is not used */
	/* By user space. */
	volatile uint32_t epoch; /* 0 or 1 */
	volatile uint32_t interval; /* its number, never 0 */
	volatile uint32_t generation; /* of the verdicts; changes after each change of them */
	/* Changes after `known_processes` and `interp_processes` have. */
	volatile uint32_t processes_generation;
	volatile uint32_t
		marks_generation; /* changes after marks of pages of tables were cleared */
	uint32_t pad;
	/* Of the CPU's log; user space reads the first. */
	uint64_t log_written; /* up to here */
	uint64_t log_told; /* up to here when user space was last woken */
	uint64_t log_read; /* `read` of struct stack_log, as it was seen last */
};
_Static_assert(sizeof(struct cpu_front) == 144, "layout");

#endif
