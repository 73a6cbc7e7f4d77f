// SPDX-License-Identifier: Apache-2.0
/*
 *	        flip          wait               take            (next flip)
 *	user    epoch = 1     counts[0] = same   read 0, clear
 *	CPU 0   0  0 | 1   1   1   1   1   1   1   1   1   1   1   1   1
 *	CPU 1     0  |0....0| 1   1   1   1   1   1   1   1   1   1   1
 *	              '- began before the flip, still ran
 *
 * A program reads `epoch` once, at its start. After the store, those that began before may run on for
 * a while. Writing an element of a map of maps makes the kernel wait (synchronize_rcu, in
 * maybe_wait_bpf_programs() of kernel/bpf/syscall.c, since 5.0) until every program that ran then has
 * ended; we write back what is there. After that the old epoch's maps are ours alone.
 */
#include "profiler/interval.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "profile.skel.h"
#include "profiler/cpu_values.h"

#define BATCH 1024 /* elements read per system call; more than one bucket ever holds */

static struct bpf_map *counts_of(const struct profile_bpf *skel, uint32_t epoch)
{
	return epoch ? skel->maps.counts_1 : skel->maps.counts_0;
}

static int write_back(struct profile_bpf *skel, uint32_t epoch)
{
	int fd = bpf_map__fd(counts_of(skel, epoch));

	return bpf_map_update_elem(bpf_map__fd(skel->maps.counts), &epoch, &fd, BPF_ANY) < 0
		? -errno
		: 0;
}

int interval_quiesce(struct profile_bpf *skel)
{
	return write_back(skel, 0);
}

int interval_flip(struct profile_bpf *skel, const struct cpu_values *cpus, uint32_t epoch)
{
	cpu_values_tell(cpus, CPU_EPOCH, epoch);
	return write_back(skel, !epoch);
}

int interval_take_counts(struct profile_bpf *skel, uint32_t epoch, struct stack_ticks **ret,
	size_t *ret_count)
{
	struct stack_key *keys cleanup_free = xreallocarray(NULL, BATCH, sizeof(*keys));
	struct stack_count *values cleanup_free = xreallocarray(NULL, BATCH, sizeof(*values));
	struct stack_ticks *taken cleanup_free = NULL;
	int fd = bpf_map__fd(counts_of(skel, epoch));
	size_t count = 0, capacity = 0;
	uint32_t position;
	bool more = true, first = true;

	while (more) {
		uint32_t n = BATCH;
		int r = bpf_map_lookup_and_delete_batch(fd, first ? NULL : &position, &position,
			keys, values, &n, NULL);

		if (r < 0 && errno != ENOENT)
			return -errno;
		more = r == 0; /* ENOENT: these were the last */
		first = false;
		if (count + n > capacity) {
			capacity = grow_capacity(capacity, count + n);
			taken = xreallocarray(taken, capacity, sizeof(*taken));
		}
		for (uint32_t i = 0; i < n; i++)
			taken[count++] = (struct stack_ticks){keys[i], values[i].ticks};
	}
	*ret_count = count;
	*ret = steal_ptr(&taken);
	return 0;
}

static void add_tally(struct tally *sum, const struct tally *t)
{
	sum->ticks += t->ticks;
	sum->filtered += t->filtered;
	sum->counted += t->counted;
	sum->uncounted += t->uncounted;
	sum->lost_full += t->lost_full;
	sum->lost_task += t->lost_task;
}

struct tally interval_take_tally(const struct cpu_values *cpus, uint32_t epoch)
{
	struct tally sum = {0};

	for (size_t i = 0; i < cpus->count; i++) {
		struct cpu_front *front = cpu_values_at(cpus, i);
		struct tally *tally = &front->tally[epoch];

		add_tally(&sum, tally);
		*tally = (struct tally){0};
	}
	return sum;
}
