// SPDX-License-Identifier: Apache-2.0
#include "export/write_stats.h"

#include "base/clock.h"
#include "base/macros.h"

const char *const write_drop_names[WRITE_DROP_COUNT] = {
	[WRITE_DROP_REJECTED] = "rejected",
	[WRITE_DROP_RETRIES] = "retries",
	[WRITE_DROP_MEMORY] = "memory",
	[WRITE_DROP_SPOOL] = "spool",
	[WRITE_DROP_AGE] = "age",
	[WRITE_DROP_FUTURE] = "future",
	[WRITE_DROP_SIZE] = "size",
	[WRITE_DROP_DAMAGED] = "damaged",
	[WRITE_DROP_SHUTDOWN] = "shutdown",
	[WRITE_DROP_LEFT] = "left",
};

const int64_t write_latency_bounds_ns[WRITE_LATENCY_BOUNDS] = {
	5 * NSEC_PER_MSEC,
	10 * NSEC_PER_MSEC,
	25 * NSEC_PER_MSEC,
	50 * NSEC_PER_MSEC,
	100 * NSEC_PER_MSEC,
	250 * NSEC_PER_MSEC,
	500 * NSEC_PER_MSEC,
	1000 * NSEC_PER_MSEC,
	2500 * NSEC_PER_MSEC,
	5000 * NSEC_PER_MSEC,
	10000 * NSEC_PER_MSEC,
	30000 * NSEC_PER_MSEC,
};

void write_count_add(struct write_count *to, const struct write_count *c)
{
	to->profiles += c->profiles;
	to->bytes += c->bytes;
	to->value += c->value;
}

void write_count_sub(struct write_count *from, const struct write_count *c)
{
	from->profiles -= c->profiles;
	from->bytes -= c->bytes;
	from->value -= c->value;
}

struct write_count write_stats_dropped(const struct write_stats *s)
{
	struct write_count sum = {0};

	for (int i = 0; i < WRITE_DROP_COUNT; i++)
		write_count_add(&sum, &s->dropped[i]);
	return sum;
}

void write_stats_add(struct write_stats *to, const struct write_stats *s)
{
	write_count_add(&to->added, &s->added);
	write_count_add(&to->recovered, &s->recovered);
	write_count_add(&to->sent, &s->sent);
	write_count_add(&to->waiting, &s->waiting);
	for (int i = 0; i < WRITE_DROP_COUNT; i++)
		write_count_add(&to->dropped[i], &s->dropped[i]);
	to->retries += s->retries;
	for (int i = 0; i <= WRITE_LATENCY_BOUNDS; i++)
		to->latency[i] += s->latency[i];
	to->latency_sum_ns += s->latency_sum_ns;
	to->last_success_ns = MAX(to->last_success_ns, s->last_success_ns);
}

void write_stats_latency(struct write_stats *s, int64_t ns)
{
	int i = 0;

	while (i < WRITE_LATENCY_BOUNDS && ns > write_latency_bounds_ns[i])
		i++;
	s->latency[i]++;
	s->latency_sum_ns += ns;
}
