// SPDX-License-Identifier: Apache-2.0
/*
 *	discover --target changed--> attribution --verdict--> profiler
 *	                                 ^                       |
 *	                                 '----- cgroup seen -----+---- process seen --> symbolizer
 *	                                                         |<------ mappings -------'
 *	                       collect <------- samples ---------'                 ^
 *	                                               fork, exec, mmap, exit -----'
 */
#include "pipeline.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "process_feed.h"
#include "symbols/process_history.h"

#define DESCRIPTORS 8192

static void update_pids(struct pipeline *p)
{
	size_t refused = p->pids.refused;
	struct error err = {0};

	if (!p->profiler)
		return;
	int r = pid_targets_update(&p->pids, discover_targets(p->discover), profiler_set_pid,
		p->profiler);

	if (r == 0 || p->pids.refused == refused)
		return;
	error_set_errno(&err, r, "%zu processes are more than can be targets, and are not profiled",
		p->pids.refused);
	p->ops->notice(p->ctx, "targets", &err);
}

static void on_pid_timer(struct loop_timer *timer)
{
	update_pids(container_of(timer, struct pipeline, pid_timer));
}

static void on_target(void *ctx, const struct target *t, bool news)
{
	struct pipeline *p = ctx;
	struct target_selector s = target_selector_of(&t->labels);

	if (pid_targets_concern(&p->pids, t))
		loop_timer_start(&p->pid_timer, 0);
	if (s.container_id)
		attribution_changed(&p->attribution, s.container_id);
	p->ops->target(p->ctx, t, news);
}

static void on_engine(void *ctx, const struct docker_discovery *d, enum docker_connection state,
	const struct error *err)
{
	struct pipeline *p = ctx;

	p->ops->engine(p->ctx, d, state, err);
}

static void on_notice(void *ctx, const char *where, const struct error *err)
{
	struct pipeline *p = ctx;

	p->ops->notice(p->ctx, where, err);
}

static const struct discover_ops discover_ops = {
	.target = on_target,
	.engine = on_engine,
	.notice = on_notice,
};

static void on_cgroup_seen(void *ctx, const struct cgroup_chain *v2, const struct cgroup_chain *v1,
	const struct process_id *process)
{
	struct pipeline *p = ctx;

	(void)process;
	attribution_seen(&p->attribution, v2, v1);
}

static void on_process_seen(void *ctx, const struct process_id *process, uint64_t at_ns)
{
	struct pipeline *p = ctx;

	if (p->process_events) {
		process_events_drain(p->process_events);
		process_history_seen(symbolizer_history(p->symbolizer), process, at_ns);
	}
	symbolizer_process_seen(p->symbolizer, process);
	languages_process_seen(&p->languages, process);
}

static void on_process_changed(void *ctx, const struct process_id *process)
{
	struct pipeline *p = ctx;

	symbolizer_process_changed(p->symbolizer, process);
}

static struct dso *on_file_wanted(void *ctx, const struct process_id *process, uint64_t address)
{
	struct pipeline *p = ctx;

	return symbolizer_file_wanted(p->symbolizer, process, address);
}

static void on_thread_unknown(void *ctx, const struct process_id *process)
{
	struct pipeline *p = ctx;

	languages_thread_unknown(&p->languages, process);
}

static void on_records_seen(void *ctx, const struct process_id *process,
	const struct interp_frame *records, size_t count)
{
	struct pipeline *p = ctx;

	languages_records_seen(&p->languages, process, records, count);
}

static const struct profiler_ops profiler_ops = {
	.thread_unknown = on_thread_unknown,
	.records_seen = on_records_seen,
	.cgroup_seen = on_cgroup_seen,
	.process_seen = on_process_seen,
	.process_changed = on_process_changed,
	.file_wanted = on_file_wanted,
};

static void on_maps_read(void *ctx, const struct process_id *id, const struct process_maps *maps)
{
	struct pipeline *p = ctx;

	if (p->profiler)
		unwinder_set_process(profiler_unwinder(p->profiler), id, maps);
	languages_process_mapped(&p->languages, id, maps);
}

static void on_forgotten(void *ctx, const struct process_id *id)
{
	struct pipeline *p = ctx;

	if (p->profiler)
		unwinder_forget_process(profiler_unwinder(p->profiler), id);
}

static const struct symbolizer_ops symbolizer_ops = {
	.maps_read = on_maps_read,
	.forgotten = on_forgotten,
};

static int make_profiler(struct pipeline *p, const struct ebpf_options *ebpf, struct profiler **ret,
	struct error *err)
{
	struct profiler_options options = {
		.sample_rate = ebpf->sample_rate,
		.user_stacks = ebpf->collect_user_profile,
		.kernel_stacks = ebpf->collect_kernel_profile,
		.self_pid = ebpf->profile_self ? 0 : (uint32_t)getpid(),
		.dsos = symbolizer_dsos(p->symbolizer),
		.unwind_max_bytes = ebpf->unwind_max_bytes,
		.max_processes = ebpf->max_processes,
		.proc = "/proc",
		.sys = "/sys",
	};

	return profiler_new(p->loop, &options, &profiler_ops, p, ret, err);
}

/* In place of the one before, which is freed. */
static void use_profiler(struct pipeline *p, struct profiler *profiler)
{
	profiler_free(p->profiler);
	p->profiler = profiler;
	attribution_release(&p->attribution);
	languages_use(&p->languages, profiler);
	attribution_init(&p->attribution, discover_targets(p->discover));
	p->attribution.profiler = profiler;
	p->collect.profiler = profiler;
	p->collect.sample_rate = p->ebpf.sample_rate;
	pid_targets_reset(&p->pids);
}

/* Without them short lives have no names, which is no reason not to profile. */
static void follow_processes(struct pipeline *p)
{
	struct error err = {0};

	if (process_events_new(p->loop, "/proc", "/sys", &process_feed,
		    symbolizer_history(p->symbolizer), &p->process_events, &err) < 0)
		on_notice(p, "process events", &err);
	else
		process_history_follow(symbolizer_history(p->symbolizer));
	if (p->process_events && process_events_cramped(p->process_events, &err))
		on_notice(p, "process events", &err);
}

/* Files of profiled programs are held open; the usual limit is there for programs that use select(). */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)DESCRIPTORS);
	setrlimit(RLIMIT_NOFILE, &limit);
}

int pipeline_init(struct pipeline *p, struct loop *loop, const struct ebpf_options *ebpf,
	const struct discover_ops *ops, void *ctx, struct error *err)
{
	struct symbolizer_options symbolizer = {
		.ops = &symbolizer_ops,
		.ctx = p,
		.proc = "/proc",
		.max_bytes = ebpf->symbols_max_bytes,
		.max_processes = ebpf->max_processes,
	};

	struct profiler *profiler = NULL;

	allow_descriptors();
	*p = (struct pipeline){.loop = loop, .ebpf = *ebpf, .ops = ops, .ctx = ctx};
	attribution_init(&p->attribution, NULL);
	loop_timer_init(loop, &p->pid_timer, on_pid_timer);
	collect_init(&p->collect);
	int r = http_new(loop, &p->http, err);

	if (r == 0)
		r = discover_new(loop, p->http, &discover_ops, p, &p->discover);
	if (r == 0)
		r = symbolizer_new(&symbolizer, &p->symbolizer, err);
	if (r == 0) {
		symbolizer_set_demangle(p->symbolizer, ebpf->demangle);
		symbolizer_set_lines(p->symbolizer, ebpf->symbols_lines);
	}
	if (r == 0)
		r = languages_init(&p->languages, loop, ebpf, err);
	if (r == 0)
		r = make_profiler(p, ebpf, &profiler, err);
	if (r == 0)
		use_profiler(p, profiler);
	p->collect.attribution = &p->attribution;
	p->collect.symbolizer = p->symbolizer;
	p->collect.interp = p->languages.interp;
	p->collect.comm = ebpf->comm;
	return r;
}

void pipeline_release(struct pipeline *p)
{
	if (!p->loop)
		return;
	collect_release(&p->collect);
	discover_free(p->discover);
	loop_timer_stop(&p->pid_timer);
	pid_targets_reset(&p->pids);
	attribution_release(&p->attribution);
	languages_release(&p->languages);
	profiler_free(p->profiler);
	p->profiler = NULL;
	process_events_free(p->process_events);
	symbolizer_free(p->symbolizer);
	if (p->http)
		http_free(p->http);
	*p = (struct pipeline){0};
}

static bool needs_new_profiler(const struct ebpf_options *a, const struct ebpf_options *b)
{
	return a->sample_rate != b->sample_rate ||
		a->collect_user_profile != b->collect_user_profile ||
		a->collect_kernel_profile != b->collect_kernel_profile ||
		a->profile_self != b->profile_self || a->python_enabled != b->python_enabled ||
		a->python_full_file_path != b->python_full_file_path ||
		a->python_internal_frames != b->python_internal_frames;
}

/* The ticks between the last round and here, under the old settings, are given up: some ms. */
static int replace_profiler(struct pipeline *p, struct profiler *profiler, struct error *err)
{
	languages_release(&p->languages);
	/* Anew as well: processes are told once to each profiler's owner. */
	int r = languages_init(&p->languages, p->loop, &p->ebpf, err);

	p->collect.interp = p->languages.interp;
	use_profiler(p, profiler);
	return r < 0 ? r : profiler_start(profiler, err);
}

/* Rules may have changed any verdict; and so may engines that are new or gone, of containers that nobody knows. */
static void tell_profiler_again(struct pipeline *p)
{
	update_pids(p);
	p->attribution.sourceless = !discover_engine_count(p->discover);
	attribution_changed(&p->attribution, NULL);
}

int pipeline_apply(struct pipeline *p, struct config *config, struct error *err)
{
	struct profiler *profiler = NULL;
	int r = 0;

	/* What can fail comes first, beside what is in force. */
	if (needs_new_profiler(&p->ebpf, &config->ebpf))
		r = make_profiler(p, &config->ebpf, &profiler, err);
	if (r == 0)
		r = discover_apply(p->discover, config, err);
	if (r < 0) {
		profiler_free(profiler);
		return r;
	}
	p->ebpf = config->ebpf;
	p->collect.comm = config->ebpf.comm;
	symbolizer_set_demangle(p->symbolizer, config->ebpf.demangle);
	symbolizer_set_lines(p->symbolizer, config->ebpf.symbols_lines);
	if (profiler)
		r = replace_profiler(p, profiler, err);
	if (r == 0)
		tell_profiler_again(p);
	return r;
}

int pipeline_start(struct pipeline *p, struct error *err)
{
	update_pids(p);
	follow_processes(p);
	collect_start(&p->collect);
	return profiler_start(p->profiler, err);
}

int pipeline_round(struct pipeline *p, struct collect_tally *ret, struct error *err)
{
	if (p->process_events)
		process_events_drain(p->process_events);
	int r = collect_round(&p->collect, discover_complete(p->discover), ret, err);

	if (p->process_events)
		process_events_follow(p->process_events, NULL); /* next time again */
	return r;
}

void pipeline_forget_gone(struct pipeline *p)
{
	discover_end_round(p->discover);
	attribution_end_round(&p->attribution, discover_complete(p->discover));
}
