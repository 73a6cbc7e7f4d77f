// SPDX-License-Identifier: Apache-2.0
/*
 * /metrics: the agent's own (dockprof_*), those of a process as every exporter has them, and those of
 * pyroscope.ebpf under their old names, so that what people drew and alert on goes on working. Labels
 * that containers choose appear in per-service counters only, whose number is bounded.
 */
#include <commit.h> /* made by the Makefile */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "export/write_stats.h"
#include "face_parts.h"
#include "quality.h"

#define OTHER_SERVICES "(others)"

static struct face_service *service_of(struct face *f, const char *name)
{
	struct hashmap_entry *e = hashmap_get(&f->services, hash_string(name), name);

	if (e)
		return container_of(e, struct face_service, entry);
	if (f->services.count >= FACE_MAX_SERVICES && strcmp(name, OTHER_SERVICES) != 0)
		return service_of(f, OTHER_SERVICES);
	struct face_service *s = xcalloc(1, sizeof(*s));

	s->name = xstrdup(name);
	hashmap_add(&f->services, &s->entry, hash_string(name));
	list_append(&f->service_list, &s->node);
	return s;
}

void face_count_profile(struct face *f, const struct target *t, const struct pprof *p)
{
	struct face_service *s = service_of(f, t->service_name);

	s->profiles++;
	s->stacks += pprof_sample_count(p);
	s->ticks += pprof_total(p);
	s->cpu_ns += pprof_total(p) * (uint64_t)pprof_get_options(p)->period_ns;
}

static double seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

static void one(struct metrics *m, enum metric_type type, const char *name, const char *help,
	double value)
{
	metrics_family(m, type, name, help);
	metrics_add(m, value, NULL);
}

static void add_build(struct metrics *m)
{
	struct utsname kernel = {0};

	uname(&kernel);
	metrics_family(m, METRIC_INFO, "dockprof_build", "What runs, and on which kernel.");
	metrics_add(m, 1, "version", DOCKPROF_VERSION, "commit", DOCKPROF_COMMIT, "kernel",
		kernel.release, NULL);
}

static void add_states(struct metrics *m, struct face *f)
{
	size_t counts[STATUS_STATE_COUNT] = {0};
	const struct status_entry *const *list;
	size_t n = status_list(*f->view.status, &list), active = 0;

	for (size_t i = 0; i < n; i++) {
		counts[list[i]->state]++;
		active += list[i]->target && list[i]->target->verdict == TARGET_PROFILED &&
			!list[i]->target->gone;
	}
	metrics_family(m, METRIC_GAUGE, "dockprof_targets",
		"Containers and processes, by the one reason why they are (not) profiled.");
	for (int i = 0; i < STATUS_STATE_COUNT; i++)
		metrics_add(m, (double)counts[i], "state", status_state_name((enum status_state)i),
			NULL);
	one(m, METRIC_GAUGE, "pyroscope_ebpf_active_targets",
		"Targets that are profiled (as pyroscope.ebpf counts them).", (double)active);
}

static void add_ticks(struct metrics *m, const struct face_totals *t)
{
	metrics_family(m, METRIC_COUNTER, "dockprof_ticks",
		"Ticks of the sampler on all busy CPUs, by what became of them.");
	metrics_add(m, (double)t->ticks.exported, "outcome", "exported", NULL);
	metrics_add(m, (double)t->ticks.filtered, "outcome", "filtered", NULL);
	metrics_add(m, (double)t->ticks.unknown, "outcome", "unknown", NULL);
	metrics_family(m, METRIC_COUNTER, "dockprof_ticks_lost", "Ticks that were lost, by why.");
	for (int i = 0; i < LOSS_COUNT; i++)
		metrics_add(m, (double)t->ticks.lost[i], "reason", profiler_loss_names[i], NULL);
	one(m, METRIC_COUNTER, "dockprof_rounds", "Intervals that were collected.",
		(double)t->rounds);
	one(m, METRIC_COUNTER, "dockprof_rounds_failed", "Intervals that could not be read whole.",
		(double)t->failed_rounds);
	one(m, METRIC_GAUGE, "dockprof_last_round_timestamp_seconds",
		"When the last interval was collected.", seconds(t->last_round_ns));
	one(m, METRIC_COUNTER, "pyroscope_ebpf_profiling_sessions",
		"Intervals that were collected (as pyroscope.ebpf counts them).",
		(double)t->rounds);
	one(m, METRIC_COUNTER, "pyroscope_ebpf_profiling_sessions_failing",
		"Intervals that could not be read whole (as pyroscope.ebpf counts them).",
		(double)t->failed_rounds);
}

static void add_services(struct metrics *m, const struct face *f)
{
	static const struct {
		const char *name, *help;
		size_t offset;
		double scale;
	} families[] = {
		{"dockprof_service_cpu_seconds", "CPU time of each service, as sampled.",
			offsetof(struct face_service, cpu_ns), 1e-9},
		{"dockprof_service_samples", "Ticks in which each service ran.",
			offsetof(struct face_service, ticks), 1},
		{"pyroscope_ebpf_pprofs", "Profiles made of each service.",
			offsetof(struct face_service, profiles), 1},
		{"pyroscope_ebpf_pprof_samples", "Distinct stacks in these profiles.",
			offsetof(struct face_service, stacks), 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		metrics_family(m, METRIC_COUNTER, families[i].name, families[i].help);
		list_for_each(n, &f->service_list) {
			const struct face_service *s = list_entry(n, struct face_service, node);
			uint64_t value;

			memcpy(&value, (const char *)s + families[i].offset, sizeof(value));
			metrics_add(m, (double)value * families[i].scale, "service_name", s->name,
				NULL);
		}
	}
}

static void add_languages(struct metrics *m, const struct pipeline *p)
{
	const struct interp_stats *s;

	if (!p->languages.interp)
		return;
	s = interp_stats(p->languages.interp);
	one(m, METRIC_GAUGE, "dockprof_interpreter_processes",
		"Processes whose language runtime is walked.", (double)s->processes);
	one(m, METRIC_COUNTER, "dockprof_interpreter_unsupported",
		"Processes with a language runtime of a version that is not known.",
		(double)s->unsupported);
	one(m, METRIC_GAUGE, "dockprof_interpreter_name_bytes",
		"Memory held by names of language functions.", (double)s->bytes);
	one(m, METRIC_COUNTER, "dockprof_interpreter_frames_named",
		"Frames of language functions named.", (double)s->named);
	one(m, METRIC_COUNTER, "dockprof_interpreter_frames_gone",
		"Frames whose process or function was gone before its name was read.",
		(double)s->gone);
}

static void add_unwinding(struct metrics *m, const struct pipeline *p)
{
	struct unwinder_stats s;

	if (!p->profiler)
		return;
	unwinder_stats(profiler_unwinder(p->profiler), &s);
	one(m, METRIC_GAUGE, "dockprof_unwind_table_bytes", "Kernel memory for unwind tables.",
		(double)s.table_bytes);
	one(m, METRIC_GAUGE, "dockprof_unwind_table_used_bytes", "Of that, memory in use.",
		(double)s.table_used);
	one(m, METRIC_GAUGE, "dockprof_unwind_binaries", "Files with unwind tables.",
		(double)s.binaries);
	one(m, METRIC_GAUGE, "dockprof_unwind_pages", "Different pages of unwind rows held.",
		(double)s.pages);
	one(m, METRIC_COUNTER, "dockprof_unwind_pages_loaded", "Pages of unwind rows loaded.",
		(double)s.pages_loaded);
	one(m, METRIC_COUNTER, "dockprof_unwind_pages_evicted",
		"Pages of unwind rows dropped to make room.", (double)s.pages_evicted);
	one(m, METRIC_COUNTER, "dockprof_unwind_no_room",
		"Pages of unwind rows, or mappings of processes, for which there was no room.",
		(double)s.no_room);
	one(m, METRIC_COUNTER, "dockprof_unwind_snapshots",
		"Stacks walked from a copy, because their tables were not loaded yet.",
		(double)s.walks);
}

static void add_quality(struct metrics *m, const struct pipeline *p)
{
	const struct target_quality *q = &p->collect.quality;
	const struct symbolizer_stats *s = symbolizer_stats(p->symbolizer);
	uint64_t run_ns = 0, runs = 0;

	metrics_family(m, METRIC_COUNTER, "dockprof_frames",
		"Frames of samples, by whether a function's name was found.");
	metrics_add(m, (double)q->frames_named, "named", "true", NULL);
	metrics_add(m, (double)(q->frames - q->frames_named), "named", "false", NULL);
	metrics_family(m, METRIC_COUNTER, "dockprof_frames_named",
		"Frames with a function's name, by where that was found.");
	for (int i = NAME_NONE + 1; i < NAME_ORIGIN_COUNT; i++)
		if (name_is_real((enum name_origin)i))
			metrics_add(m, (double)q->origins[i], "source",
				name_origin_text((enum name_origin)i), NULL);
	metrics_family(m, METRIC_COUNTER, "dockprof_frames_unnamed",
		"Frames without a function's name, by why.");
	for (int i = MISSING_NOT + 1; i < MISSING_COUNT; i++)
		metrics_add(m, (double)q->unnamed[i], "reason",
			name_missing_text((enum name_missing)i), NULL);
	metrics_family(m, METRIC_COUNTER, "dockprof_user_stacks",
		"Samples with a user stack, by where it ends; root: complete.");
	for (int i = 0; i < UNWIND_END_COUNT; i++)
		metrics_add(m, (double)q->ends[i], "end", unwind_end_names[i], NULL);
	one(m, METRIC_GAUGE, "dockprof_symbols_bytes", "Memory held by symbol tables.",
		(double)s->bytes);
	one(m, METRIC_GAUGE, "dockprof_symbols_modules", "Program files and libraries known.",
		(double)s->modules);
	one(m, METRIC_GAUGE, "dockprof_symbols_processes", "Processes whose mappings are held.",
		(double)s->processes);
	one(m, METRIC_COUNTER, "dockprof_symbols_maps_unreadable",
		"Processes that were gone before their mappings could be read.",
		(double)s->maps_unreadable);
	one(m, METRIC_COUNTER, "dockprof_symbols_files_refused",
		"Files that were no usable ELF files.", (double)s->files_refused);
	one(m, METRIC_GAUGE, "dockprof_jit_processes",
		"Processes with generated code, for which perf maps and jitdumps are looked for.",
		(double)s->jit_processes);
	one(m, METRIC_GAUGE, "dockprof_jit_bytes",
		"Memory held by what runtimes write about their code.", (double)s->jit_bytes);
	one(m, METRIC_COUNTER, "dockprof_jit_files_cut_short",
		"Perf maps and jitdumps that were too large to be read whole.",
		(double)s->jit_cut_short);
	if (p->profiler)
		profiler_cost(p->profiler, &run_ns, &runs);
	one(m, METRIC_COUNTER, "dockprof_bpf_run_seconds",
		"Time in the sampler's BPF programs (needs kernel.bpf_stats_enabled).",
		(double)run_ns / 1e9);
	one(m, METRIC_COUNTER, "dockprof_bpf_runs",
		"Runs of the sampler's BPF programs (needs kernel.bpf_stats_enabled).",
		(double)runs);
}

/* All zero where the machine forbids the events; then only what /proc shows is known of processes. */
static void add_processes(struct metrics *m, const struct pipeline *p)
{
	struct process_events_stats e = {0};
	struct process_history_stats h;

	if (p->process_events)
		e = *process_events_stats(p->process_events);
	process_history_stats(symbolizer_history(p->symbolizer), &h);
	one(m, METRIC_COUNTER, "dockprof_process_events",
		"Events of processes (fork, exec, mmap, exit) read from the kernel.",
		(double)e.records);
	one(m, METRIC_COUNTER, "dockprof_process_events_lost",
		"Events of processes that are missing: the rings were full, or held nonsense.",
		(double)e.lost);
	one(m, METRIC_GAUGE, "dockprof_process_events_ring_bytes",
		"Size of each CPU's ring for them; 0: the machine forbids such events.",
		(double)e.ring_bytes);
	one(m, METRIC_GAUGE, "dockprof_process_history_processes",
		"Processes whose mappings are known from events.", (double)h.processes);
	one(m, METRIC_GAUGE, "dockprof_process_history_bytes",
		"Memory held by mappings that are known from events.", (double)h.bytes);
	one(m, METRIC_COUNTER, "dockprof_process_history_evicted",
		"Processes forgotten for want of room.", (double)h.evicted);
	one(m, METRIC_COUNTER, "dockprof_process_history_adopted",
		"Processes that were older than the events and were read from /proc.",
		(double)h.adopted);
	metrics_family(m, METRIC_COUNTER, "dockprof_process_history_questions",
		"Questions for mappings that /proc does not show (any more).");
	metrics_add(m, (double)h.answered, "outcome", "answered", NULL);
	metrics_add(m, (double)h.unknown, "outcome", "unknown", NULL);
}

static double engine_value(const struct discover_engine *e, int which)
{
	struct docker_discovery_stats s;

	docker_discovery_stats(e->docker, &s);
	switch (which) {
	case 0:
		return e->state == DOCKER_CONNECTED;
	case 1:
		return (double)s.containers;
	case 2:
		return (double)s.events;
	case 3:
		return (double)s.looks;
	case 4:
		return (double)s.failures;
	default:
		return (double)s.labels_skipped;
	}
}

static void add_engines(struct metrics *m, const struct discover *d)
{
	static const struct {
		enum metric_type type;
		const char *name, *help;
	} families[] = {
		{METRIC_GAUGE, "dockprof_docker_connected", "Whether the engine is followed now."},
		{METRIC_GAUGE, "dockprof_docker_containers", "Containers the engine told of."},
		{METRIC_COUNTER, "dockprof_docker_events", "Events received from the engine."},
		{METRIC_COUNTER, "dockprof_docker_lists", "Lists asked of the engine."},
		{METRIC_COUNTER, "dockprof_docker_failures",
			"Connections to the engine that failed or were lost."},
		{METRIC_COUNTER, "dockprof_docker_labels_skipped",
			"Container labels that were too large or too many."},
	};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		metrics_family(m, families[i].type, families[i].name, families[i].help);
		for (size_t k = 0; k < discover_engine_count(d); k++) {
			struct discover_engine e;

			discover_engine(d, k, &e);
			metrics_add(m, engine_value(&e, (int)i), "host",
				docker_discovery_host(e.docker), NULL);
		}
	}
}

/* One family over all endpoints: a number at an offset of write_stats. */
struct write_family {
	enum metric_type type;
	const char *name, *help;
	size_t offset;
};

#define AT(member) offsetof(struct write_stats, member)

static const struct write_family write_families[] = {
	{METRIC_COUNTER, "dockprof_write_profiles_added", "Profiles handed over for delivery.",
		AT(added.profiles)},
	{METRIC_COUNTER, "dockprof_write_profiles_recovered",
		"Profiles found in a spool when it was opened, at the start or by a reload.",
		AT(recovered.profiles)},
	{METRIC_COUNTER, "dockprof_write_profiles_sent", "Profiles delivered.", AT(sent.profiles)},
	{METRIC_COUNTER, "dockprof_write_sent_bytes", "Bytes of delivered profiles.",
		AT(sent.bytes)},
	{METRIC_COUNTER, "dockprof_write_retries", "Attempts after a profile's first one.",
		AT(retries)},
	{METRIC_GAUGE, "dockprof_write_profiles_waiting", "Profiles waiting in memory.",
		AT(waiting.profiles)},
	{METRIC_GAUGE, "dockprof_write_waiting_bytes", "Bytes of profiles waiting in memory.",
		AT(waiting.bytes)},
	{METRIC_GAUGE, "dockprof_write_profiles_spooled", "Profiles waiting on disk.",
		AT(spooled.profiles)},
	{METRIC_GAUGE, "dockprof_write_spool_bytes", "Size of the spool's files.", AT(spool_bytes)},
	{METRIC_GAUGE, "dockprof_write_spool_segments", "Number of the spool's files.",
		AT(spool_segments)},
	{METRIC_COUNTER, "dockprof_write_spool_damaged",
		"Places in the spool's files that were no record.", AT(spool_damaged)},
	{METRIC_COUNTER, "dockprof_write_spool_errors",
		"Writes to the spool that failed (a full disk).", AT(spool_errors)},
};

/* Times, in seconds since 1970; a family has a value where there is such a time. */
static const struct write_family write_times[] = {
	{METRIC_GAUGE, "dockprof_write_last_success_timestamp_seconds",
		"When a profile was last delivered.", AT(last_success_ns)},
	{METRIC_GAUGE, "dockprof_write_oldest_waiting_timestamp_seconds",
		"Beginning of the oldest interval that waits in memory.", AT(oldest_waiting_ns)},
	{METRIC_GAUGE, "dockprof_write_oldest_spooled_timestamp_seconds",
		"Beginning of the oldest interval that waits on disk.", AT(oldest_spooled_ns)},
};

static void add_write_numbers(struct metrics *m, const struct write_stats *all, size_t count)
{
	for (size_t i = 0; i < ARRAY_SIZE(write_families); i++) {
		const struct write_family *family = &write_families[i];

		metrics_family(m, family->type, family->name, family->help);
		for (size_t k = 0; k < count; k++) {
			uint64_t value;

			memcpy(&value, (const char *)&all[k] + family->offset, sizeof(value));
			metrics_add(m, (double)value, "endpoint", all[k].name, NULL);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(write_times); i++) {
		metrics_family(m, METRIC_GAUGE, write_times[i].name, write_times[i].help);
		for (size_t k = 0; k < count; k++) {
			int64_t value;

			memcpy(&value, (const char *)&all[k] + write_times[i].offset,
				sizeof(value));
			if (value)
				metrics_add(m, seconds(value), "endpoint", all[k].name, NULL);
		}
	}
}

static void add_latency(struct metrics *m, const struct write_stats *all, size_t count)
{
	double bounds[WRITE_LATENCY_BOUNDS];
	uint64_t sums[WRITE_LATENCY_BOUNDS + 1] = {0};
	struct metrics_histogram h = {.bounds = bounds, .bound_count = WRITE_LATENCY_BOUNDS};
	double sum = 0;

	for (size_t i = 0; i < WRITE_LATENCY_BOUNDS; i++)
		bounds[i] = seconds(write_latency_bounds_ns[i]);
	metrics_family(m, METRIC_HISTOGRAM, "dockprof_write_duration_seconds",
		"How long the server took to answer an attempt.");
	for (size_t k = 0; k < count; k++) {
		if (all[k].is_directory)
			continue;
		h.counts = all[k].latency;
		h.sum = seconds(all[k].latency_sum_ns);
		metrics_add_histogram(m, &h, "endpoint", all[k].name, NULL);
		for (size_t i = 0; i <= WRITE_LATENCY_BOUNDS; i++)
			sums[i] += all[k].latency[i];
		sum += h.sum;
	}
	metrics_family(m, METRIC_HISTOGRAM, "pyroscope_fanout_latency",
		"How long servers took to answer, all together (as pyroscope.ebpf counts it).");
	h.counts = sums;
	h.sum = sum;
	metrics_add_histogram(m, &h, NULL);
}

static void add_writer(struct metrics *m, const struct writer *w)
{
	size_t count = w ? writer_endpoint_count(w) : 0;
	struct write_stats *all cleanup_free = xcalloc(count + 1, sizeof(all[0]));

	for (size_t k = 0; k < count; k++)
		writer_stats(w, k, &all[k]);
	add_write_numbers(m, all, count);
	metrics_family(m, METRIC_GAUGE, "dockprof_write_reachable",
		"Whether the last attempt reached the server.");
	for (size_t k = 0; k < count; k++)
		metrics_add(m, all[k].reachable, "endpoint", all[k].name, NULL);
	metrics_family(m, METRIC_COUNTER, "dockprof_write_profiles_dropped",
		"Profiles that were given up, by why.");
	for (size_t k = 0; k < count; k++)
		for (int i = 0; i < WRITE_DROP_COUNT; i++)
			metrics_add(m, (double)all[k].dropped[i].profiles, "endpoint", all[k].name,
				"reason", write_drop_names[i], NULL);
	add_latency(m, all, count);
}

static double count_descriptors(void)
{
	DIR *d cleanup_closedir = opendir("/proc/self/fd");
	size_t n = 0;

	while (d && readdir(d))
		n++;
	return n > 3 ? (double)(n - 3) : 0; /* ".", ".." and the directory itself */
}

/* As the Go and Python clients of Prometheus name them. */
static void add_process(struct metrics *m, int64_t start_ns)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct rusage usage = {0};
	struct rlimit files = {0};
	unsigned long long size = 0, resident = 0;

	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &files);
	if (file_read_at(AT_FDCWD, "/proc/self/statm", 4096, &text) == 0)
		sscanf(text.buf, "%llu %llu", &size, &resident);
	one(m, METRIC_COUNTER, "process_cpu_seconds", "CPU time of dockprof itself.",
		(double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	one(m, METRIC_GAUGE, "process_resident_memory_bytes", "Resident memory of dockprof itself.",
		(double)resident * (double)sysconf(_SC_PAGESIZE));
	one(m, METRIC_GAUGE, "process_virtual_memory_bytes", "Address space of dockprof itself.",
		(double)size * (double)sysconf(_SC_PAGESIZE));
	one(m, METRIC_GAUGE, "process_open_fds", "Open file descriptors.", count_descriptors());
	one(m, METRIC_GAUGE, "process_max_fds", "Limit of open file descriptors.",
		(double)files.rlim_cur);
	one(m, METRIC_GAUGE, "process_start_time_seconds", "When dockprof started.",
		seconds(start_ns));
}

static void add_self(struct metrics *m, const struct face *f)
{
	const struct web_counts *w = web_counts(f->web);

	one(m, METRIC_GAUGE, "dockprof_config_last_reload_successful",
		"Whether the last reload took effect.", f->totals.reload_good);
	one(m, METRIC_GAUGE, "dockprof_config_last_reload_success_timestamp_seconds",
		"When a configuration last took effect.", seconds(f->totals.reload_ns));
	one(m, METRIC_GAUGE, "dockprof_history_bytes",
		"Memory held by past intervals for the page.", (double)history_bytes(f->history));
	one(m, METRIC_GAUGE, "dockprof_history_intervals", "Past intervals held for the page.",
		(double)history_intervals(f->history));
	one(m, METRIC_COUNTER, "dockprof_history_intervals_too_large",
		"Intervals not held: each would have needed more than half of the memory.",
		(double)history_too_large(f->history));
	one(m, METRIC_COUNTER, "dockprof_web_requests", "Requests answered.", (double)w->requests);
	one(m, METRIC_COUNTER, "dockprof_web_requests_refused",
		"Requests refused: malformed, of other hosts or sites, too many at once.",
		(double)w->refused);
	one(m, METRIC_COUNTER, "dockprof_web_connections_evicted",
		"Connections that were too slow.", (double)w->evicted);
	one(m, METRIC_GAUGE, "dockprof_web_connections", "Open connections.",
		(double)w->connections);
}

void face_metrics(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct metrics m;

	metrics_init(&m, metrics_wants_open(r->accept));
	add_build(&m);
	add_states(&m, f);
	add_ticks(&m, &f->totals);
	add_services(&m, f);
	add_quality(&m, f->view.pipeline);
	add_unwinding(&m, f->view.pipeline);
	add_processes(&m, f->view.pipeline);
	add_languages(&m, f->view.pipeline);
	add_engines(&m, f->view.pipeline->discover);
	add_writer(&m, *f->view.writer);
	add_self(&m, f);
	add_process(&m, f->totals.start_ns);
	metrics_end(&m);
	web_respond(x,
		&(struct web_response){
			.type = m.open ? METRICS_OPEN_TYPE : METRICS_TEXT_TYPE,
			.body = &m.out,
		});
}
