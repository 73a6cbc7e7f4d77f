// SPDX-License-Identifier: Apache-2.0
#include "pid_targets.h"

#include <stdlib.h>

#include "base/alloc.h"

static uint32_t pid_of(const struct target *t)
{
	return target_selector_of(&t->labels).pid;
}

bool pid_targets_concern(const struct pid_targets *s, const struct target *t)
{
	return s->count || pid_of(t);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool contains(const uint32_t *pids, size_t count, uint32_t pid)
{
	return count && bsearch(&pid, pids, count, sizeof(*pids), by_number);
}

static size_t without_doubles(uint32_t *pids, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!kept || pids[kept - 1] != pids[i])
			pids[kept++] = pids[i];
	return kept;
}

static uint32_t *list_wanted(const struct target_table *table, size_t *ret_count)
{
	uint32_t *pids = NULL;
	size_t count = 0, capacity = 0;

	list_for_each(n, &table->targets) {
		const struct target *t = list_entry(n, struct target, in_table);
		uint32_t pid = t->gone || t->verdict != TARGET_PROFILED ? 0 : pid_of(t);

		if (!pid)
			continue;
		if (count == capacity) {
			capacity = grow_capacity(capacity, count + 1);
			pids = xreallocarray(pids, capacity, sizeof(*pids));
		}
		pids[count++] = pid;
	}
	if (count)
		qsort(pids, count, sizeof(*pids), by_number);
	*ret_count = without_doubles(pids, count);
	return pids;
}

int pid_targets_update(struct pid_targets *s, const struct target_table *table,
	int (*set)(struct profiler *p, uint32_t pid, bool record), struct profiler *profiler)
{
	size_t count, kept = 0;
	uint32_t *wanted = list_wanted(table, &count);
	int result = 0;

	/* First those that go: the others may need their room. */
	for (size_t i = 0; i < s->count; i++)
		if (!contains(wanted, count, s->pids[i]))
			set(profiler, s->pids[i], false);
	for (size_t i = 0; i < count; i++) {
		bool known = contains(s->pids, s->count, wanted[i]);
		int r = known ? 0 : set(profiler, wanted[i], true);

		if (r < 0)
			result = r;
		else
			wanted[kept++] = wanted[i];
	}
	free(s->pids);
	*s = (struct pid_targets){.pids = wanted, .count = kept, .refused = count - kept};
	return result;
}

void pid_targets_reset(struct pid_targets *s)
{
	free(s->pids);
	*s = (struct pid_targets){0};
}
