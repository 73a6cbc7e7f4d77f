// SPDX-License-Identifier: Apache-2.0
/*
 * The story: sources make targets (discover), the kernel tells of cgroups (attribution decides), and
 * every interval the counts become one profile per target (collect) that goes to the writer.
 *
 *	pipeline --profiles of a round--> writer --> Pyroscope, files
 *
 * Rounds stand on a grid of collect_interval from the start on. Two exceptions, so that a new thing is
 * seen within a second: the first round comes early, and so does one after a new target appeared (not
 * more often than each EARLY_GAP).
 */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_control.h"
#include "agent_log.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "commands.h"
#include "config/config.h"
#include "face.h"
#include "loop/loop.h"
#include "pipeline.h"
#include "startup.h"
#include "status.h"

#define DEFAULT_CONFIG "/etc/dockprof/dockprof.yml"
#define FIRST_ROUND_NS (500 * NSEC_PER_MSEC)
#define EARLY_GAP_NS   (3 * NSEC_PER_SEC)
/* Between rounds that are asked for: who can reach the page may ask as often as he likes. */
#define ASKED_GAP_NS   NSEC_PER_SEC
/* Docker sends SIGKILL 10 s after SIGTERM; we are to be gone in 5. */
#define DRAIN_NS       (4 * NSEC_PER_SEC)

struct agent {
	struct agent_options options;
	struct config config;
	struct loop *loop;
	struct pipeline pipeline;
	struct status *status;
	struct agent_control control;
	struct writer *writer;
	struct face *face;
	struct writer *old_writer; /* of the configuration before a reload, until it is idle */
	struct loop_signal signals;
	struct loop_timer round_timer, early_timer, drain_timer;
	int64_t grid_ns; /* CLOCK_MONOTONIC of the next round on the grid */
	int64_t last_round_ns, stop_ns;
	bool stopping;
	int exit_code;
	struct target_news news;
	struct log_limit loss_limit, round_error_limit, trouble_limit;
};

/* Callbacks of the rooms. */

static void on_target(void *ctx, const struct target *t, bool news)
{
	struct agent *a = ctx;

	if (!news)
		return;
	agent_log_target(t);
	if (discover_complete(a->pipeline.discover))
		target_news_add(&a->news, t);
	if (!t->gone && t->verdict == TARGET_PROFILED && !a->stopping)
		loop_timer_start_at(&a->early_timer,
			MAX(clock_monotonic_ns() + FIRST_ROUND_NS,
				a->last_round_ns + EARLY_GAP_NS));
}

static void on_engine(void *ctx, const struct docker_discovery *d, enum docker_connection state,
	const struct error *err)
{
	struct agent *a = ctx;
	size_t profiled, other;

	discover_count(a->pipeline.discover, &profiled, &other);
	agent_log_engine(d, state, err, profiled, other);
}

static void on_notice(void *ctx, const char *where, const struct error *err)
{
	struct agent *a = ctx;

	status_notice(a->status, where, err->message);
	log_warn("discover", err->message, LOG_STR("source", where));
}

static const struct discover_ops discover_ops = {
	.target = on_target,
	.engine = on_engine,
	.notice = on_notice,
};

static void on_writer_event(void *ctx, enum writer_event event, const char *endpoint,
	const struct error *err)
{
	(void)ctx;
	agent_log_writer(event, endpoint, err);
}

static const struct writer_ops writer_ops = {.event = on_writer_event};

/* Rounds. */

static void on_profile(void *ctx, struct target *t, struct pprof *profile)
{
	struct agent *a = ctx;

	writer_add(a->writer, &t->labels, profile);
	face_profile(a->face, t, profile);
	pprof_free(profile);
}

static void round_now(struct agent *a)
{
	struct collect_tally tally;
	struct error err = {0};
	size_t profiled, other;

	a->last_round_ns = clock_monotonic_ns();
	status_begin_round(a->status);
	int r = pipeline_round(&a->pipeline, &tally, &err);

	if (r < 0 && log_limit_allow(&a->round_error_limit, 3600 * NSEC_PER_SEC, NULL))
		log_error("profiler", "an interval could not be read whole",
			LOG_STR("reason", err.message));
	writer_begin_interval(a->writer);
	collect_flush(&a->pipeline.collect, on_profile, a);
	agent_log_round(&tally, &a->loss_limit);
	status_end_round(a->status, &tally, a->config.ebpf.sample_rate);
	agent_log_troubled(a->status, &a->trouble_limit);
	face_round(a->face, &tally, r == 0);
	agent_control_retry(&a->control);
	pipeline_forget_gone(&a->pipeline);
	discover_count(a->pipeline.discover, &profiled, &other);
	target_news_tell(&a->news, profiled, other);
	if (a->old_writer && writer_idle(a->old_writer)) {
		writer_free(a->old_writer);
		a->old_writer = NULL;
	}
	memory_trim();
}

static void schedule(struct agent *a)
{
	int64_t interval = a->config.ebpf.collect_interval_ns;
	int64_t now = clock_monotonic_ns();

	/* After a pause (suspend, a slow round) the grid goes on without catching up; an interval that was
	 * made shorter counts at once. */
	a->grid_ns = MIN(a->grid_ns, a->last_round_ns + interval);
	while (a->grid_ns <= now)
		a->grid_ns += interval;
	loop_timer_start_at(&a->round_timer, a->grid_ns);
}

static void on_round(struct loop_timer *t)
{
	struct agent *a = container_of(t, struct agent, round_timer);

	loop_timer_stop(&a->early_timer);
	round_now(a);
	schedule(a);
}

static void on_early(struct loop_timer *t)
{
	struct agent *a = container_of(t, struct agent, early_timer);

	/* Not worth it shortly before a round of the grid. */
	if (a->grid_ns - clock_monotonic_ns() > FIRST_ROUND_NS)
		round_now(a);
}

/* Starting. */

static int load_config(const struct agent_options *options, struct config *ret)
{
	const char *path = options->config_path;
	struct config_problems problems = {0};
	struct error err = {0};

	if (!path && access(DEFAULT_CONFIG, F_OK) == 0)
		path = DEFAULT_CONFIG;
	int r = path ? config_load(path, ret, &problems, &err) : config_default(ret, &err);

	agent_log_problems(path, &problems);
	if (r < 0 && !problems.count)
		log_error("config", err.message);
	config_problems_release(&problems);
	return r < 0 ? EXIT_USAGE : EXIT_OK;
}

static void setup_log(const struct agent *a)
{
	const struct agent_options *o = &a->options;
	enum log_level level = a->config.log.level;
	enum log_format format = a->config.log.format;

	log_setup(o->log_level_given ? o->log_level : level,
		o->log_format_given ? o->log_format : format);
}

static void request_stop(struct agent *a, int exit_code)
{
	a->exit_code = exit_code;
	loop_stop(a->loop);
}

/* What is left at the end is on disk or lost, and told. */
static void end_writer(struct agent *a)
{
	struct write_stats stats;
	uint64_t left = 0, lost = 0;

	if (a->old_writer)
		writer_end(a->old_writer);
	for (size_t i = 0; i < writer_endpoint_count(a->writer); i++) {
		writer_stats(a->writer, i, &stats);
		left += stats.waiting.profiles;
		lost -= stats.dropped[WRITE_DROP_SHUTDOWN].profiles;
	}
	writer_end(a->writer);
	for (size_t i = 0; i < writer_endpoint_count(a->writer); i++) {
		writer_stats(a->writer, i, &stats);
		lost += stats.dropped[WRITE_DROP_SHUTDOWN].profiles;
	}
	if (lost)
		log_warn("export", "stopping with profiles that could not be delivered",
			LOG_INT("profiles", lost));
	if (left > lost)
		log_info("export", "undelivered profiles are on disk, the next run sends them",
			LOG_INT("profiles", left - lost));
}

static bool all_idle(const struct agent *a)
{
	return writer_idle(a->writer) && (!a->old_writer || writer_idle(a->old_writer));
}

static void on_drain(struct loop_timer *t)
{
	struct agent *a = container_of(t, struct agent, drain_timer);

	if (!all_idle(a) && clock_monotonic_ns() - a->stop_ns < DRAIN_NS) {
		loop_timer_start(&a->drain_timer, 20 * NSEC_PER_MSEC);
		return;
	}
	end_writer(a);
	request_stop(a, EXIT_OK);
}

static void begin_stop(struct agent *a)
{
	if (a->stopping) {
		log_warn("agent", "stopping at once, on a second signal");
		request_stop(a, EXIT_OK);
		return;
	}
	a->stopping = true;
	a->stop_ns = clock_monotonic_ns();
	log_info("agent", "stopping: delivering the last interval");
	loop_timer_stop(&a->round_timer);
	loop_timer_stop(&a->early_timer);
	round_now(a);
	if (a->old_writer)
		writer_drain(a->old_writer);
	writer_drain(a->writer);
	loop_timer_start(&a->drain_timer, 0);
}

/* Reload. */

static void replace_writer(struct agent *a, struct writer *next)
{
	writer_take_over(next, a->writer);
	writer_free(a->old_writer);
	a->old_writer = a->writer;
	a->writer = next;
}

/*
 * The interval so far is finished under the old rules first, so nothing of it is lost or renamed. Then all
 * that can fail, and last what cannot be undone: a configuration that is refused has changed nothing.
 */
static int apply(struct agent *a, struct config *next, struct error *err)
{
	struct writer *w;

	round_now(a);
	int r = writer_prepare(a->loop, a->pipeline.http, &next->write, &writer_ops, a, a->writer,
		&w, err);

	if (r < 0)
		return r;
	r = pipeline_apply(&a->pipeline, next, err);
	if (r < 0) {
		writer_free(w);
		return r;
	}
	replace_writer(a, w);
	status_interrupt(a->status);
	config_release(&a->config);
	a->config = *next;
	*next = (struct config){0};
	return 0;
}

static int try_reload(struct agent *a, struct error *err)
{
	struct config next = {0};

	if (a->stopping)
		return error_set(err, -ESHUTDOWN, "dockprof is stopping");
	if (load_config(&a->options, &next) != EXIT_OK)
		return error_set(err, -EINVAL, "the configuration has mistakes");
	int r = apply(a, &next, err);

	if (r < 0) {
		bool in_part = !next.rules; /* discover has them: there is no way back */

		config_release(&next);
		if (in_part)
			request_stop(a, EXIT_FAILED);
		return r;
	}
	setup_log(a);
	schedule(a);
	agent_control_apply(&a->control, a->config.control.socket);
	log_info("config", "new configuration in force",
		LOG_STR("config", a->config.path ? a->config.path : "none (defaults)"),
		LOG_INT("rules", relabel_rules_count(discover_rules(a->pipeline.discover))));
	return 0;
}

static int reload(struct agent *a, struct error *err)
{
	int r = try_reload(a, err);

	if (r < 0)
		log_error("config",
			a->exit_code == EXIT_FAILED
				? "stopping: the new configuration is in force only in part"
				: "the configuration in force stays",
			LOG_STR("reason", err->message));
	face_reloaded(a->face, r == 0);
	return r;
}

/* What the face can ask for. */

static int64_t on_face_round(void *ctx)
{
	struct agent *a = ctx;
	int64_t since = clock_monotonic_ns() - a->last_round_ns;

	if (a->stopping || since < ASKED_GAP_NS)
		return since;
	round_now(a);
	return 0;
}

static int on_face_reload(void *ctx, struct error *err)
{
	return reload(ctx, err);
}

static const struct face_ops face_ops = {.round = on_face_round, .reload = on_face_reload};

static void on_signal(struct loop_signal *s, int signo)
{
	struct agent *a = container_of(s, struct agent, signals);
	struct error err = {0};

	if (signo == SIGHUP)
		reload(a, &err);
	else
		begin_stop(a);
}

int agent_new(const struct agent_options *options, struct agent **ret)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, 0};
	struct agent *a = xcalloc(1, sizeof(*a));
	struct error err = {0};

	a->options = *options;
	target_news_init(&a->news);
	log_setup(options->log_level, options->log_format);
	int code = load_config(options, &a->config);

	if (code != EXIT_OK) {
		agent_free(a);
		return code;
	}
	setup_log(a);
	a->signals.on_signal = on_signal;
	int r = loop_new(&a->loop);

	if (r == 0)
		r = loop_watch_signals(a->loop, &a->signals, signals);
	if (r == 0)
		r = pipeline_init(&a->pipeline, a->loop, &a->config.ebpf, &discover_ops, a, &err);
	if (r == 0) {
		a->status = status_new(a->pipeline.discover, &a->pipeline.attribution, "/proc");
		agent_log_start(&a->config);
		r = writer_new(a->loop, a->pipeline.http, &a->config.write, &writer_ops, a, NULL,
			&a->writer, &err);
	}
	if (r < 0) {
		log_error("agent", err.message[0] ? err.message : strerror(-r));
		agent_free(a);
		return exit_code_of(r);
	}
	a->face = face_new(a->loop,
		&(struct face_view){
			.config = &a->config,
			.pipeline = &a->pipeline,
			.status = &a->status,
			.writer = &a->writer,
		},
		options->web_address, &face_ops, a);
	a->control = (struct agent_control){
		.loop = a->loop,
		.status = a->status,
		.discover = a->pipeline.discover,
		.writer = &a->writer,
		.interp = &a->pipeline.languages.interp,
	};
	agent_control_apply(&a->control, a->config.control.socket);
	loop_timer_init(a->loop, &a->round_timer, on_round);
	loop_timer_init(a->loop, &a->early_timer, on_early);
	loop_timer_init(a->loop, &a->drain_timer, on_drain);
	*ret = a;
	return EXIT_OK;
}

int agent_run(struct agent *a)
{
	struct error err = {0};
	int r = pipeline_apply(&a->pipeline, &a->config, &err);

	if (r == 0)
		r = pipeline_start(&a->pipeline, &err);
	if (r < 0) {
		log_error("agent", err.message);
		return exit_code_of(r);
	}
	log_info("profiler", "sampling all CPUs", LOG_INT("cpus", sysconf(_SC_NPROCESSORS_ONLN)),
		LOG_INT("hz", a->config.ebpf.sample_rate));
	face_apply(a->face);
	a->last_round_ns = clock_monotonic_ns();
	a->grid_ns = a->last_round_ns + FIRST_ROUND_NS;
	loop_timer_start_at(&a->round_timer, a->grid_ns);
	memory_trim();
	memory_drop_startup_pages();
	r = loop_run(a->loop);
	if (r < 0) {
		log_error("agent", "the event loop failed", LOG_STR("reason", strerror(-r)));
		return EXIT_FAILED;
	}
	return a->exit_code;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	face_free(a->face);
	writer_free(a->old_writer);
	writer_free(a->writer);
	agent_control_release(&a->control);
	status_free(a->status);
	pipeline_release(&a->pipeline);
	loop_free(a->loop);
	config_release(&a->config);
	target_news_release(&a->news);
	free(a);
}
