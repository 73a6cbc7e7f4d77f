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

static bool records_pid(const struct target *t, uint32_t *ret_pid)
{
	*ret_pid = target_selector_of(&t->labels).pid;
	return !t->gone && t->verdict == TARGET_PROFILED;
}

static void on_target(void *ctx, const struct target *t, bool news)
{
	struct pipeline *p = ctx;
	struct target_selector s = target_selector_of(&t->labels);
	uint32_t pid;
	bool record = records_pid(t, &pid);

	if (pid)
		profiler_set_pid(p->profiler, pid, record);
	else if (s.container_id)
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

static int new_profiler(struct pipeline *p, struct error *err)
{
	struct profiler_options options = {
		.sample_rate = p->ebpf.sample_rate,
		.user_stacks = p->ebpf.collect_user_profile,
		.kernel_stacks = p->ebpf.collect_kernel_profile,
		.self_pid = p->ebpf.profile_self ? 0 : (uint32_t)getpid(),
		.dsos = symbolizer_dsos(p->symbolizer),
		.unwind_max_bytes = p->ebpf.unwind_max_bytes,
		.max_processes = p->ebpf.max_processes,
		.proc = "/proc",
		.sys = "/sys",
	};
	int r = profiler_new(p->loop, &options, &profiler_ops, p, &p->profiler, err);

	if (r < 0)
		return r;
	attribution_release(&p->attribution);
	languages_use(&p->languages, p->profiler);
	attribution_init(&p->attribution, discover_targets(p->discover));
	p->attribution.profiler = p->profiler;
	p->collect.profiler = p->profiler;
	p->collect.sample_rate = p->ebpf.sample_rate;
	return 0;
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

	allow_descriptors();
	*p = (struct pipeline){.loop = loop, .ebpf = *ebpf, .ops = ops, .ctx = ctx};
	attribution_init(&p->attribution, NULL);
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
		r = new_profiler(p, err);
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
static int replace_profiler(struct pipeline *p, struct error *err)
{
	languages_release(&p->languages);
	profiler_free(p->profiler);
	p->profiler = NULL;
	p->attribution.profiler = NULL;
	/* Anew as well: processes are told once to each profiler's owner. */
	int r = languages_init(&p->languages, p->loop, &p->ebpf, err);

	p->collect.interp = p->languages.interp;
	if (r == 0)
		r = new_profiler(p, err);
	return r < 0 ? r : profiler_start(p->profiler, err);
}

/* Rules may have changed any verdict. */
static void tell_profiler_again(struct pipeline *p)
{
	list_for_each(n, &discover_targets(p->discover)->targets) {
		uint32_t pid;
		bool record = records_pid(list_entry(n, struct target, in_table), &pid);

		if (pid)
			profiler_set_pid(p->profiler, pid, record);
	}
	attribution_changed(&p->attribution, NULL);
}

int pipeline_apply(struct pipeline *p, struct config *config, struct error *err)
{
	bool new_profile = needs_new_profiler(&p->ebpf, &config->ebpf);
	int r = discover_apply(p->discover, config, err);

	if (r < 0)
		return r;
	p->ebpf = config->ebpf;
	p->collect.comm = config->ebpf.comm;
	symbolizer_set_demangle(p->symbolizer, config->ebpf.demangle);
	symbolizer_set_lines(p->symbolizer, config->ebpf.symbols_lines);
	if (new_profile)
		r = replace_profiler(p, err);
	if (r == 0)
		tell_profiler_again(p);
	return r;
}

int pipeline_start(struct pipeline *p, struct error *err)
{
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
