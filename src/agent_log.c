// SPDX-License-Identifier: Apache-2.0
/*
 * A steady agent is silent. Containers that come and go are told together, at most every three minutes
 * (20 lines an hour); a workload that restarts itself in a loop cannot make more of them.
 */
#include "agent_log.h"

#include <commit.h> /* made by the Makefile */
#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"

#define NEWS_INTERVAL_NS   (180 * NSEC_PER_SEC)
#define LOSS_INTERVAL_NS   (3600 * NSEC_PER_SEC)
#define TROUBLED_INTERVALS 3 /* before that it may only be starting */
#define MAX_NAMES          200 /* bytes of names in one line */

void agent_log_start(const struct config *config)
{
	struct utsname kernel;

	if (uname(&kernel) < 0)
		kernel.release[0] = '\0';
	log_info("agent", "starting", LOG_STR("version", DOCKPROF_VERSION),
		LOG_STR("commit", DOCKPROF_COMMIT), LOG_STR("kernel", kernel.release),
		LOG_STR("config", config->path ? config->path : "none (defaults)"),
		LOG_INT("rules", relabel_rules_count(config->rules)));
	for (size_t i = 0; i < config->write.endpoint_count; i++)
		log_info("export", "profiles go to Pyroscope",
			LOG_STR("endpoint", config->write.endpoints[i].url));
	if (config->write.directory)
		log_info("export", "profiles are kept as files, open them with go tool pprof",
			LOG_STR("directory", config->write.directory));
}

void agent_log_problems(const char *path, const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->count && i < 10; i++) {
		struct strbuf text cleanup_strbuf = STRBUF_INIT;

		config_problem_format(&text, path, &problems->list[i]);
		log_error("config", text.buf);
	}
	if (problems->count > 10)
		log_error("config", "more mistakes follow: see dockprof check",
			LOG_INT("count", problems->count - 10));
}

void agent_log_engine(const struct docker_discovery *d, enum docker_connection state,
	const struct error *err, size_t profiled, size_t other)
{
	const char *host = docker_discovery_host(d);

	switch (state) {
	case DOCKER_CONNECTED:
		log_info("docker", "following the containers of this engine", LOG_STR("host", host),
			LOG_STR("engine", docker_discovery_engine_version(d)),
			LOG_STR("api", docker_discovery_api_version(d)),
			LOG_INT("profiled", profiled), LOG_INT("not_profiled", other));
		break;
	case DOCKER_CONNECTING:
		if (err)
			log_warn("docker", "the engine cannot be reached, waiting for it",
				LOG_STR("host", host), LOG_STR("reason", err->message));
		break;
	case DOCKER_LOST:
		log_warn("docker",
			"lost the connection to the engine; known containers are still profiled, "
			"trying again",
			LOG_STR("host", host), LOG_STR("reason", err ? err->message : ""));
		break;
	}
}

void agent_log_target(const struct target *t)
{
	log_debug("targets", t->gone ? "target went" : "target came", LOG_STR("name", t->name),
		LOG_INT("profiled", t->verdict == TARGET_PROFILED), LOG_STR("origin", t->origin));
}

void agent_log_writer(enum writer_event event, const char *endpoint, const struct error *err)
{
	const char *reason = err ? err->message : "";

	switch (event) {
	case WRITER_FIRST_DELIVERY:
		log_info("export", "the first profiles were delivered",
			LOG_STR("endpoint", endpoint));
		break;
	case WRITER_UNREACHABLE:
		log_warn("export", "profiles cannot be delivered, they wait",
			LOG_STR("endpoint", endpoint), LOG_STR("reason", reason));
		break;
	case WRITER_REACHABLE_AGAIN:
		log_info("export", "profiles are delivered again", LOG_STR("endpoint", endpoint),
			LOG_STR("waited", reason));
		break;
	case WRITER_REJECTED:
		log_error("export", "the server refuses profiles, they are dropped",
			LOG_STR("endpoint", endpoint), LOG_STR("reason", reason));
		break;
	case WRITER_LABELS_REPAIRED:
		log_warn("export", "labels were changed to what the server accepts",
			LOG_STR("detail", reason));
		break;
	case WRITER_DROPPED:
		log_warn("export", "profiles were dropped", LOG_STR("endpoint", endpoint),
			LOG_STR("reason", reason));
		break;
	case WRITER_SPOOL_FOUND:
		log_info("export", "profiles of an earlier run wait in the spool, they are sent",
			LOG_STR("endpoint", endpoint), LOG_STR("waiting", reason));
		break;
	case WRITER_SPOOL_FAILED:
		log_error("export", "profiles cannot be put on disk, they wait in memory",
			LOG_STR("endpoint", endpoint), LOG_STR("reason", reason));
		break;
	case WRITER_SPOOL_LEFT:
		log_warn("export",
			"the configuration has a spool no more in which profiles wait: put it back "
			"and reload to have them sent, or remove the directory",
			LOG_STR("endpoint", endpoint), LOG_STR("left", reason));
		break;
	}
}

/* What an engine out of reach does to its containers is told by the line about the engine. */
static bool worth_telling(const struct status_entry *e)
{
	return e->troubled >= TROUBLED_INTERVALS &&
		(e->state == STATUS_NOT_SAMPLED || e->state == STATUS_NOT_RESOLVED);
}

void agent_log_troubled(struct status *status, struct log_limit *limit)
{
	struct strbuf names cleanup_strbuf = STRBUF_INIT, reason cleanup_strbuf = STRBUF_INIT;
	const struct status_entry *const *list;
	size_t count = status_list(status, &list), troubled = 0;

	for (size_t i = 0; i < count; i++) {
		if (!worth_telling(list[i]))
			continue;
		if (!troubled++)
			status_add_reason(&reason, status, list[i]);
		if (names.len + strlen(list[i]->name) + 2 <= MAX_NAMES)
			strbuf_addf(&names, names.len ? ", %s" : "%s", list[i]->name);
	}
	if (!troubled || !log_limit_allow(limit, LOSS_INTERVAL_NS, NULL))
		return;
	log_warn("targets",
		"containers should be profiled and are not; `dockprof explain NAME` says what can be "
		"done",
		LOG_INT("containers", troubled), LOG_STR("names", names.buf),
		LOG_STR("reason", reason.buf));
}

static uint64_t lost(const struct collect_tally *t)
{
	uint64_t sum = t->unknown;

	for (int i = 0; i < LOSS_COUNT; i++)
		sum += t->lost[i];
	return sum;
}

void agent_log_round(const struct collect_tally *t, struct log_limit *loss_limit)
{
	struct log_field fields[9 + LOSS_COUNT] = {
		LOG_INT("duration_ms", t->duration_ns / NSEC_PER_MSEC),
		LOG_INT("ticks", t->ticks),
		LOG_INT("exported", t->exported),
		LOG_INT("filtered", t->filtered),
		LOG_INT("carried_in", t->carried_in),
		LOG_INT("carried_out", t->carried_out),
		LOG_INT("unknown_container", t->unknown),
	};

	for (int i = 0; i < LOSS_COUNT; i++)
		fields[7 + i] = (struct log_field)LOG_INT(profiler_loss_names[i], t->lost[i]);
	if (log_enabled(LOG_LEVEL_DEBUG))
		log_write(LOG_LEVEL_DEBUG, "collect", "interval", fields);
	if (lost(t) * 100 > t->ticks && log_limit_allow(loss_limit, LOSS_INTERVAL_NS, NULL))
		log_write(LOG_LEVEL_WARN, "collect",
			"more than one tick in a hundred was lost in an interval; this is told once "
			"an hour, --log.level=debug tells of each interval",
			fields);
}

void target_news_init(struct target_news *news)
{
	*news = (struct target_news){0};
	strbuf_init(&news->came);
	strbuf_init(&news->went);
}

void target_news_release(struct target_news *news)
{
	strbuf_release(&news->came);
	strbuf_release(&news->went);
}

void target_news_add(struct target_news *news, const struct target *t)
{
	struct strbuf *names = t->gone ? &news->went : &news->came;

	(*(t->gone ? &news->went_count : &news->came_count))++;
	if (names->len + strlen(t->name) + 2 > MAX_NAMES)
		return;
	strbuf_addf(names, names->len ? ", %s" : "%s", t->name);
}

void target_news_tell(struct target_news *news, size_t profiled, size_t other)
{
	if (!news->came_count && !news->went_count)
		return;
	if (!log_limit_allow(&news->limit, NEWS_INTERVAL_NS, NULL))
		return;
	log_info("targets", "containers came and went", LOG_INT("came", news->came_count),
		LOG_STR("names", news->came.buf), LOG_INT("went", news->went_count),
		LOG_STR("gone", news->went.buf), LOG_INT("profiled", profiled),
		LOG_INT("not_profiled", other));
	news->came_count = news->went_count = 0;
	strbuf_reset(&news->came);
	strbuf_reset(&news->went);
}
