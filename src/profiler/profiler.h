// SPDX-License-Identifier: Apache-2.0
/*
 * Samples all CPUs with BPF. Ticks are counted per distinct stack in the kernel; profiler_round() ends
 * an interval and hands over every stack with its count. Which cgroups count is decided by the owner,
 * on first sight of each cgroup (ops->cgroup_seen), and kept in a kernel map.
 */
#ifndef PROFILER_PROFILER_H
#define PROFILER_PROFILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "bpf/unwind.h"
#include "bpf/interp.h"
#include "loop/loop.h"
#include "proc/process.h"
#include "unwind/unwinder.h"

#define PROFILER_KERNEL_FRAMES 127
#define PROFILER_USER_FRAMES   512 /* 256 before Linux 5.17; deeper stacks are cut and marked */
#define PROFILER_MAX_FRAMES    (PROFILER_KERNEL_FRAMES + PROFILER_USER_FRAMES)
#define CGROUP_NAME_MAX        128
#define CGROUP_MAX_DEPTH       16

struct profiler;

/*
 * A cgroup as the kernel knows it: kernfs node id, and whether it is of the cgroup v2 hierarchy or of
 * the v1 one that is followed. Unique among living cgroups; never 0.
 */
typedef uint64_t cgroup_key;
#define CGROUP_KEY_V1 (UINT64_C(1) << 63) /* or'ed to ids of the v1 hierarchy */

/* A cgroup and its ancestors without the root, leaf first. */
struct cgroup_chain {
	size_t depth;
	struct {
		cgroup_key key;
		char name[CGROUP_NAME_MAX]; /* the directory's name, NUL-terminated, may be cut */
	} level[CGROUP_MAX_DEPTH];
};

enum cgroup_verdict {
	CGROUP_PENDING, /* may become a container: its ticks are recorded, nobody is asked again */
	CGROUP_KEEP, /* a container's root cgroup: ticks in it and below are recorded under its key */
	CGROUP_DROP, /* a container that is not to be profiled: ticks are counted as filtered */
	CGROUP_HOST, /* no container here (its children may be): ticks are counted as filtered */
};

struct profiler_options {
	unsigned sample_rate; /* Hz per CPU, 1 to 10000 */
	bool user_stacks, kernel_stacks;
	/* Processes of these cgroups are never counted: the agent's own pid, 0 for none. */
	uint32_t self_pid;
	/* 0: by rate and CPUs. Distinct stacks that the kernel counts per interval (more than that are
	 * sent one by one); bytes of stacks on their way to us, of each CPU, a power of two. */
	uint32_t max_stacks, log_bytes;
	/* Where the files that processes map are found (symbolizer_dsos()); outlives the profiler. */
	struct dso_cache *dsos;
	size_t unwind_max_bytes; /* of tables in the kernel; 0: the least */
	size_t max_processes; /* whose mappings the kernel is told; 0: UNWIND_PROCESSES_MAX */
	const char *proc; /* "/proc" */
	const char *sys; /* "/sys" */
};

struct profiler_ops {
	/* A tick fell into cgroups nobody has judged; v1/v2: either chain may have depth 0. Answer
	 * (now or later) with profiler_set_cgroup(); until then the ticks are recorded as pending.
	 * pid: the process that was running. */
	void (*cgroup_seen)(void *ctx, const struct cgroup_chain *v2, const struct cgroup_chain *v1,
		const struct process_id *process);
	/* First recorded tick of a process image (per process_id), at_ns: CLOCK_BOOTTIME as in process_id;
	 * rarely again for one known. Both callbacks come from the loop, or from profiler_round()
	 * before the samples concerned. */
	void (*process_seen)(void *ctx, const struct process_id *process, uint64_t at_ns);
	/* It runs code that is in none of the mappings that were told: it must have new ones. Like
	 * process_seen, this may be answered by unwinder_set_process(). */
	void (*process_changed)(void *ctx, const struct process_id *process);
	/*
	 * The file of the mapping at an address of it is to be read, but its descriptor was given up.
	 * The mapping's module, or NULL.
	 */
	struct dso *(*file_wanted)(void *ctx, const struct process_id *process, uint64_t address);
	/* A thread of a process told by profiler_set_interp() is to be found: profiler_set_thread(). */
	void (*thread_unknown)(void *ctx, const struct process_id *process);
	/* The language frames of a stack, as soon as it is fetched; the sample comes at the interval's end. */
	void (*records_seen)(void *ctx, const struct process_id *process,
		const struct interp_frame *records, size_t count);
};

/* One distinct stack of an interval. Pointers are valid during the callback only. */
struct profiler_sample {
	cgroup_key cgroup; /* of the kept container's root, or the leaf cgroup while pending */
	cgroup_key cgroup_v1; /* while pending in both hierarchies: the v1 leaf; else 0 */
	bool by_pid; /* matched by profiler_set_pid() */
	struct process_id process;
	uint32_t tid; /* of the first tick with this stack */
	char comm[16];
	uint64_t count; /* ticks */
	bool kernel_truncated;
	enum unwind_end user_end; /* why the user stack ends where it does */
	bool user_leaf_exact; /* user_ips[0] is an interrupted instruction, not a return address */
	size_t kernel_count, user_count;
	const uint64_t *kernel_ips, *user_ips; /* leaf first */
	size_t record_count; /* frames of a language runtime, to be put between the user ones */
	const struct interp_frame *records;
};

/*
 * Of one interval; CPUs that are idle do not tick. ticks = filtered + recorded + the sum of lost, exactly; recorded = the sum of
 * the counts handed over.
 */
enum profiler_loss {
	LOSS_RING_FULL, /* no room for the stack's record on its way to user space (in the CPU's log) */
	LOSS_MAP_FULL, /* more distinct stacks than can be held */
	LOSS_NO_TASK, /* the kernel would not tell whose tick it was */
	LOSS_COUNT,
};
struct profiler_tally {
	uint64_t ticks;
	uint64_t filtered; /* dropped containers, host processes, the agent itself */
	uint64_t recorded;
	uint64_t lost[LOSS_COUNT];
	int64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
};

extern const char *const profiler_loss_names[LOSS_COUNT];

/*
 * Loads the BPF object and opens one event per online CPU, not yet enabled. `ops` is kept. On failure err says what
 * the machine or the container lacks, with the compose line that grants it; -EPERM, -ENOSYS, -ENOENT
 * mean "environment" (exit code 3).
 */
int profiler_new(struct loop *loop, const struct profiler_options *options,
	const struct profiler_ops *ops, void *ctx, struct profiler **ret, struct error *err);
void profiler_free(struct profiler *p);
/* Whether we see the pids of the whole machine, as a profiler must: -EPERM and why, or 0. */
int profiler_check_pid_namespace(const char *proc, struct error *err);
/* Starts the ticks; the first interval begins. */
int profiler_start(struct profiler *p, struct error *err);

/* Also replaces an earlier verdict, and that of cached descendants. */
int profiler_set_cgroup(struct profiler *p, cgroup_key key, enum cgroup_verdict verdict);
/* Forgets it: it will be asked about again. */
void profiler_forget_cgroup(struct profiler *p, cgroup_key key);
/* Forgets all verdicts (rules changed). */
void profiler_forget_cgroups(struct profiler *p);
/* Records a process whatever its cgroup (`__process_pid__` targets). */
int profiler_set_pid(struct profiler *p, uint32_t pid, bool record);

/*
 * The language runtime of a process, NULL: none (any more). And a thread's state, where that was asked for
 * or is known. -E2BIG, -errno: then its frames are not walked.
 */
int profiler_set_interp(struct profiler *p, const struct process_id *id,
	const struct interp_process *process);
int profiler_set_thread(struct profiler *p, const struct process_id *id,
	const struct interp_thread *thread);
/* Fetches the stacks that are there, for records_seen. Cheap where there are none. */
void profiler_fetch(struct profiler *p);

/*
 * Ends the interval and hands each of its stacks to on_sample. The next interval has begun before the
 * first callback, without a gap. Opens events on CPUs that came online; where only that fails, all
 * else is done. 0 or -errno; ticks is 0 where the interval is lost.
 */
int profiler_round(struct profiler *p, void (*on_sample)(void *ctx, const struct profiler_sample *),
	void *ctx, struct profiler_tally *ret_tally, struct error *err);

/* What user stacks are walked by; it is the profiler's. */
struct unwinder *profiler_unwinder(struct profiler *p);

/* From the kernel's run-time statistics where kernel.bpf_stats_enabled is set, else 0. */
void profiler_cost(const struct profiler *p, uint64_t *ret_run_ns, uint64_t *ret_runs);

#endif
