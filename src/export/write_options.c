// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/clock.h"
#include "export/window.h"
#include "export/writer.h"

void write_endpoint_options_init(struct write_endpoint_options *o)
{
	*o = (struct write_endpoint_options){
		.remote_timeout_ns = 10 * NSEC_PER_SEC,
		.min_backoff_ns = 500 * NSEC_PER_MSEC,
		.max_backoff_ns = 300 * NSEC_PER_SEC,
		.max_backoff_retries = 10,
		.retry_on_http_429 = true,
	};
	http_client_options_init(&o->http);
}

void write_options_init(struct write_options *o)
{
	*o = (struct write_options){
		.max_pending_bytes = (size_t)16 << 20,
		.spool.max_bytes = (uint64_t)256 << 20,
		.spool.max_age_ns = WINDOW_MAX_AGE_NS,
		.spool.sync_ns = NSEC_PER_SEC,
		.directory_max_bytes = (uint64_t)64 << 20,
	};
}

static void release_endpoint(struct write_endpoint_options *o)
{
	free(o->url);
	free(o->name);
	free(o->tenant_id);
	http_client_options_release(&o->http);
}

void write_options_release(struct write_options *o)
{
	for (size_t i = 0; i < o->endpoint_count; i++)
		release_endpoint(&o->endpoints[i]);
	free(o->endpoints);
	labels_release(&o->external_labels);
	for (size_t i = 0; i < o->external_label_removal_count; i++)
		free(o->external_label_removals[i]);
	free(o->external_label_removals);
	free(o->spool.path);
	free(o->directory);
	write_options_init(o);
}
