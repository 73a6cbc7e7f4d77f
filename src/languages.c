// SPDX-License-Identifier: Apache-2.0
/*
 * The timer runs only while there is a process with a runtime, or one whose interpreter has not begun. A stack
 * that comes from the ring late is one whose names may be gone: a tenth of a second costs nearly nothing and
 * is less than nearly any interpreter needs to begin and to end.
 */
#include "languages.h"

#include "base/clock.h"
#include "base/log.h"

/* How long stacks wait: names are read while processes live, and again less often where all are known. */
#define FETCH_MIN_NS (100 * NSEC_PER_MSEC)
#define FETCH_MAX_NS (800 * NSEC_PER_MSEC)

static void on_describe(void *ctx, const struct process_id *id,
	const struct interp_process *process)
{
	struct languages *l = ctx;

	if (process)
		l->fetch_pause_ns = FETCH_MIN_NS;
	/* Where there is no room, native frames are what remains. */
	if (l->profiler)
		profiler_set_interp(l->profiler, id, process);
}

static void on_thread(void *ctx, const struct process_id *id, const struct interp_thread *thread)
{
	struct languages *l = ctx;

	if (l->profiler)
		profiler_set_thread(l->profiler, id, thread);
}

static void on_unsupported(void *ctx, const struct process_id *id, const char *label,
	const char *version)
{
	(void)ctx;
	log_debug("languages", "a version that is not known: its native frames are shown",
		LOG_STR("runtime", label), LOG_STR("version", version), LOG_INT("pid", id->pid));
}

static const struct interp_ops ops = {
	.describe = on_describe,
	.thread = on_thread,
	.unsupported = on_unsupported,
};

/* Sees to it that the timer runs when there will be something to do. */
static void keep_turning(struct languages *l)
{
	int64_t wait = interp_poll(l->interp), now = clock_monotonic_ns();

	if (interp_stats(l->interp)->processes && (!wait || wait > l->fetch_pause_ns))
		wait = l->fetch_pause_ns;
	if (wait && (!loop_timer_running(&l->timer) || l->timer.due_ns > now + wait))
		loop_timer_start(&l->timer, wait);
}

static void fetch(struct languages *l, int64_t now)
{
	uint64_t before = interp_stats(l->interp)->read;

	l->fetched_ns = now;
	profiler_fetch(l->profiler);
	if (interp_stats(l->interp)->read != before)
		l->fetch_pause_ns = FETCH_MIN_NS;
	else
		l->fetch_pause_ns = MIN(2 * l->fetch_pause_ns, FETCH_MAX_NS);
}

static void on_timer(struct loop_timer *timer)
{
	struct languages *l = container_of(timer, struct languages, timer);
	int64_t now = clock_monotonic_ns();

	if (l->profiler && interp_stats(l->interp)->processes &&
		now - l->fetched_ns >= l->fetch_pause_ns / 2)
		fetch(l, now);
	keep_turning(l);
}

int languages_init(struct languages *l, struct loop *loop, const struct ebpf_options *options,
	struct error *err)
{
	struct interp_options interp = {
		.proc = "/proc",
		.max_bytes = options->symbols_max_bytes / 2,
		.max_processes = options->max_processes,
		.full_paths = options->python_full_file_path,
		.internal_frames = options->python_internal_frames,
	};

	*l = (struct languages){.fetch_pause_ns = FETCH_MIN_NS};
	loop_timer_init(loop, &l->timer, on_timer);
	if (!options->python_enabled)
		return 0;
	return interp_new(&interp, &ops, l, &l->interp, err);
}

void languages_release(struct languages *l)
{
	if (l->timer.loop)
		loop_timer_stop(&l->timer);
	l->profiler = NULL;
	interp_free(l->interp);
	*l = (struct languages){0};
}

void languages_use(struct languages *l, struct profiler *profiler)
{
	l->profiler = profiler;
}

void languages_process_seen(struct languages *l, const struct process_id *id)
{
	if (!l->interp)
		return;
	interp_process_seen(l->interp, id);
	keep_turning(l);
}

void languages_process_mapped(struct languages *l, const struct process_id *id,
	const struct process_maps *maps)
{
	if (!l->interp)
		return;
	interp_process_mapped(l->interp, id, maps);
	keep_turning(l);
}

void languages_thread_unknown(struct languages *l, const struct process_id *id)
{
	if (l->interp)
		interp_threads_missing(l->interp, id);
}

void languages_records_seen(struct languages *l, const struct process_id *id,
	const struct interp_frame *records, size_t count)
{
	if (l->interp)
		interp_note(l->interp, id, records, count);
}
