// SPDX-License-Identifier: Apache-2.0
/*
 * Maps are sized for this machine: an interval of 15 s has at most rate * 15 * CPUs distinct stacks,
 * and user space must have time to empty the logs. What does not fit is counted, so the sizes are a
 * matter of cost, not of correctness.
 *
 * libbpf raises RLIMIT_MEMLOCK by itself where the kernel charges BPF memory to it (before 5.11), and
 * nowhere else.
 */
#include "profiler/load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "bpf/profile.h"
#include "proc/cgroups.h"
#include "proc/cpus.h"
#include "profile.skel.h"
#include "profiler/environment.h"
#include "profiler/kernel_types.h"
#include "profiler/stack_logs.h"

#define SECONDS_COVERED   16 /* of distinct stacks, in the count map */
#define COUNTS_MIN        4096
#define COUNTS_MAX        65536
#define LOG_AT_97_HZ      (128 << 10) /* 2 s of the longest stacks, 10 s of common ones */
#define LOG_MIN           (32 << 10)
#define LOG_MAX           (2 << 20) /* a value has 4 MiB at most */
#define LOGS_MAX          (16 << 20) /* of all CPUs */
#define SNAPSHOTS_PER_CPU (64 << 10) /* rings are resident, twice: no more than it takes */
#define SNAPSHOTS_MIN     (1 << 20)
#define RING_MAX          (16 << 20)
#define LRU_PER_CPU       256 /* each CPU takes free elements in lots of 128 */
#define LRU_MIN           4096
#define LRU_MAX           65536
#define DEFAULT_RATE      97
#define VERIFIER_LOG_SIZE (1 << 20) /* untouched, so costing nothing, unless loading fails */

/* Controllers for which container engines make cgroups on v1, the most common first. */
static const char *const v1_names[] = {"cpuacct", "cpu", "memory", "devices", "freezer", "pids"};

_Static_assert(ARRAY_SIZE(v1_names) == V1_COUNT - 1, "in the order of enum v1_controller");

static int print_to_log(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char text[512];

	(void)level;
	if (!log_enabled(LOG_LEVEL_DEBUG))
		return 0;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("bpf", text);
	return 0;
}

static uint32_t power_of_two(uint64_t at_least, uint32_t min, uint32_t max)
{
	uint32_t n = min;

	while (n < at_least && n < max)
		n *= 2;
	return n;
}

/* CPU numbers lie below it. */
static uint32_t cpu_numbers(const char *sys)
{
	struct cpu_list possible cleanup_cpu_list = {0};

	if (cpu_list_read_possible(sys, &possible) == 0 && possible.count)
		return possible.cpu[possible.count - 1] + 1;
	return (uint32_t)MAX(libbpf_num_possible_cpus(), 1);
}

static void size_maps(struct profile_bpf *skel, const struct profiler_options *options)
{
	uint64_t rate = options->sample_rate;
	uint32_t numbers = cpu_numbers(options->sys);
	uint64_t cpus = numbers;
	uint32_t counts = power_of_two(cpus * rate * SECONDS_COVERED, COUNTS_MIN, COUNTS_MAX);
	uint32_t log = power_of_two(LOG_AT_97_HZ * rate / DEFAULT_RATE, LOG_MIN, LOG_MAX);
	uint32_t snapshots = power_of_two(cpus * SNAPSHOTS_PER_CPU * rate / DEFAULT_RATE,
		SNAPSHOTS_MIN, RING_MAX);
	uint32_t lru = power_of_two(cpus * LRU_PER_CPU, LRU_MIN, LRU_MAX);

	if (options->max_stacks)
		counts = options->max_stacks;
	while (log > LOG_MIN && cpus * log > LOGS_MAX)
		log /= 2;
	if (options->log_bytes)
		log = options->log_bytes;
	bpf_map__set_max_entries(skel->maps.counts_0, counts);
	bpf_map__set_max_entries(skel->maps.counts_1, counts);
	bpf_map__set_value_size(skel->maps.stack_logs, (uint32_t)stack_logs_value_size(log));
	bpf_map__set_max_entries(skel->maps.stack_logs, numbers);
	bpf_map__set_max_entries(skel->maps.snapshots, snapshots);
	bpf_map__set_max_entries(skel->maps.cpus, numbers);
	bpf_map__set_max_entries(skel->maps.verdicts, lru);
	bpf_map__set_max_entries(skel->maps.judged, lru);
	bpf_map__set_max_entries(skel->maps.processes, lru);
	if (options->max_processes)
		bpf_map__set_max_entries(skel->maps.known_processes,
			(uint32_t)MIN(options->max_processes, (size_t)UNWIND_PROCESSES_MAX));
	skel->rodata->stack_log_size = log;
}

static bool kernel_walks_user(void)
{
	struct utsname uts;
	unsigned version[3];

	return uname(&uts) == 0 && kernel_version_parse(uts.release, uts.version, version) &&
		kernel_probe_read_may_hang(version);
}

static int configure(struct profile_bpf *skel, const struct profiler_options *options)
{
	uint64_t seed[2];
	int v1 = cgroups_read_v1(options->proc, v1_names, ARRAY_SIZE(v1_names));

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return -errno;
	skel->rodata->hash_seed[0] = seed[0];
	skel->rodata->hash_seed[1] = seed[1];
	skel->rodata->self_pid = options->self_pid;
	skel->rodata->kernel_stacks = options->kernel_stacks;
	skel->rodata->user_stacks = options->user_stacks;
	skel->rodata->kernel_walks_user = kernel_walks_user();
	skel->rodata->v1_controller = v1 < 0 ? V1_NONE : V1_CPUACCT + (uint32_t)v1;
	size_maps(skel, options);
	return 0;
}

struct bpf_program *loaded_program(const struct profile_bpf *skel)
{
	return bpf_program__autoload(skel->progs.profile) ? skel->progs.profile
							  : skel->progs.profile_plain;
}

static void choose_program(struct profile_bpf *skel)
{
	bool loop = libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_loop, NULL) == 1;

	bpf_program__set_autoload(skel->progs.profile, loop);
	bpf_program__set_autoload(skel->progs.profile_plain, !loop);
	bpf_program__set_autoload(skel->progs.walk_plain, !loop);
}

/* The program without bpf_loop() goes on by itself. */
static int link_tail_call(struct profile_bpf *skel)
{
	int fd = bpf_program__fd(skel->progs.walk_plain);
	uint32_t zero = 0;

	if (!bpf_program__autoload(skel->progs.walk_plain))
		return 0;
	return bpf_map_update_elem(bpf_map__fd(skel->maps.walk_on), &zero, &fd, BPF_ANY) < 0
		? -errno
		: 0;
}

/* The verifier's verdict is in the last lines of its log, before its statistics. */
static const char *last_words(char *log)
{
	char *statistics = strstr(log, "\nprocessed ");

	if (statistics)
		*statistics = '\0';
	char *line = strrchr(log, '\n');

	return line ? line + 1 : log;
}

static int load(struct profile_bpf *skel, const struct profiler_options *options, struct error *err)
{
	char *log cleanup_free = xcalloc(1, VERIFIER_LOG_SIZE);
	int r;

	choose_program(skel);
	bpf_program__set_log_buf(loaded_program(skel), log, VERIFIER_LOG_SIZE);
	r = profile_bpf__load(skel);
	bpf_program__set_log_buf(loaded_program(skel), NULL, 0);
	if (r == 0)
		r = link_tail_call(skel);
	if (r == 0)
		return 0;
	if (r == -EPERM || r == -EACCES || !*log)
		return environment_explain(r, "cannot load the BPF program", options->proc, err);
	return error_set(err, r,
		"the kernel's verifier refuses the BPF program: %s; please report it "
		"with the kernel's version",
		last_words(log));
}

/* With the kernel's types from that file, or all of them where it is -1. */
static struct profile_bpf *open_object(int types)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", types);
	opts.btf_custom_path = types >= 0 ? path : NULL;
	return profile_bpf__open_opts(&opts);
}

static int load_with(const struct profiler_options *options, int types, struct profile_bpf **ret,
	struct error *err)
{
	struct profile_bpf *skel = open_object(types);

	if (!skel)
		return error_set_errno(err, -errno, "cannot open the BPF object");
	int r = configure(skel, options);

	if (r < 0)
		error_set_errno(err, r, "cannot configure the BPF object");
	else
		r = load(skel, options, err);
	if (r < 0) {
		profile_bpf__destroy(skel);
		return r;
	}
	*ret = skel;
	return 0;
}

int load_program(const struct profiler_options *options, struct profile_bpf **ret,
	struct error *err)
{
	int types cleanup_close = kernel_types_open(options->sys);
	struct error first = {0};

	libbpf_set_print(print_to_log);
	int r = types < 0 ? types : load_with(options, types, ret, &first);

	if (types >= 0 && (r == -EPERM || r == -EACCES)) {
		*err = first; /* which the types are not to blame for */
	} else if (r < 0) {
		const char *why = types < 0 ? strerror(-types) : first.message;

		r = load_with(options, -1, ret, err);
		if (r == 0)
			log_info("profiler",
				"all of the kernel's types had to be read to load the BPF program",
				LOG_STR("reason", why));
	}
	/* Reading all of the types takes some 10 MB. */
	malloc_trim(0);
	return r;
}
