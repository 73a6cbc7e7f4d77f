// SPDX-License-Identifier: Apache-2.0
/* What the agent tells on its log, and how often. */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

#include "base/log.h"
#include "base/strbuf.h"
#include "collect.h"
#include "config/config.h"
#include "docker/discovery.h"
#include "export/writer.h"
#include "status.h"
#include "target/target.h"

/* Containers that came and went since the last line about them. Zero-initialised. */
struct target_news {
	struct strbuf came, went; /* names, comma-separated; bounded */
	size_t came_count, went_count;
	struct log_limit limit;
};

void agent_log_start(const struct config *config);
void agent_log_problems(const char *path, const struct config_problems *problems);
void agent_log_engine(const struct docker_discovery *d, enum docker_connection state,
	const struct error *err, size_t profiled, size_t other);
/* At debug: each target that comes, changes or goes. */
void agent_log_target(const struct target *t);
void agent_log_writer(enum writer_event event, const char *endpoint, const struct error *err);
/* Containers that should be profiled and have not been for some intervals; once an hour. */
void agent_log_troubled(struct status *status, struct log_limit *limit);
void agent_log_round(const struct collect_tally *tally, struct log_limit *loss_limit);

void target_news_init(struct target_news *news);
void target_news_release(struct target_news *news);
void target_news_add(struct target_news *news, const struct target *t);
/* Writes the line where there is news and the last one is long enough ago. */
void target_news_tell(struct target_news *news, size_t profiled, size_t other);

#endif
