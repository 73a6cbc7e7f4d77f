// SPDX-License-Identifier: Apache-2.0
/*
 * A dummy software event counts nothing; it is there for the records that come beside samples. Each
 * CPU has its own ring, and what happens to one process is spread over them: fork is written where the
 * parent runs, exec and mmap where the child does. Each record carries its time, so draining merges:
 *
 *	CPU 0 | fork 7 @10 | . . . | fork 8 @40 |            cutoff: what is later stays for the next time,
 *	CPU 1 |   exec 7 @20 | map 7 @21 | exit 7 @44 |      because another ring may yet get something earlier
 *
 * The cutoff is the time before the rings' ends are read. A record with an earlier time that is published
 * after that (its CPU, a virtual one, stood still between taking the time and writing) comes late, out of
 * order: receivers must bear that, and lose at most what they know of one process.
 *
 * The loop is woken when a ring is a quarter full, not for each record: whoever must know at once what a
 * process did drains. Files are told by device, inode and generation and not by build id, which a file may
 * forge. On overlayfs these are those of /proc/PID/maps (checked on 6.18: the overlay's own device and inode,
 * generation 0; kernels before 6.8 show the layer's file in both).
 *
 * Memory for rings is charged against kernel.perf_event_mlock_kb, then against RLIMIT_MEMLOCK. Where it is
 * refused, smaller ones are tried, down to a page.
 */
#include "profiler/process_events.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "proc/cpus.h"
#include "proc/process_dir.h"
#include "profiler/cpu_events.h"
#include "profiler/process_records.h"

/*
 * A fork, an exec and its mappings are about 1 KiB. 64 KiB hold what a CPU can start in 60 ms, if it
 * starts 1,000 processes a second; few CPUs get more, as each is then a greater part of the machine.
 */
#define RINGS_BYTES (512 << 10)
#define RING_MIN    (32u << 10)
#define RING_MAX    (128u << 10)

struct cpu_ring {
	struct loop_fd fd;
	struct process_events *owner;
	struct perf_event_mmap_page *page; /* the data follows it */
	struct record_ring ring;
	uint64_t next_ns; /* time of the record at the front, UINT64_MAX: none before the cutoff */
	uint64_t read_ns; /* time of the last one that was read */
};

struct process_events {
	struct cpu_events events;
	struct loop *loop;
	const struct process_events_ops *ops;
	void *ctx;
	char *sys;
	struct process_events_stats stats;
	int shortage; /* why rings are smaller than wanted, 0 or -errno */
	uint64_t followed_ns;
	int64_t boottime_offset_ns;
	bool draining;
	uint8_t record[PROCESS_RECORD_MAX] __attribute__((aligned(8)));
};

static uint64_t now_ns(const struct process_events *e)
{
	return (uint64_t)(clock_ns(CLOCK_BOOTTIME) - e->boottime_offset_ns);
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void lose(struct process_events *e, uint64_t count, uint64_t since_ns)
{
	e->stats.lost += count;
	e->ops->lost(e->ctx, count, since_ns);
}

static void deliver(struct process_events *e, const struct process_record *r, uint64_t since_ns)
{
	switch (r->kind) {
	case RECORD_FORK:
		if (r->pid == r->tid)
			e->ops->forked(e->ctx, r->pid, r->parent, r->at_ns);
		break;
	case RECORD_EXEC:
		e->ops->execed(e->ctx, r->pid, r->comm, r->at_ns);
		break;
	case RECORD_MAP:
		e->ops->mapped(e->ctx, r->pid, &r->mapping, r->generation, r->at_ns);
		break;
	case RECORD_EXIT:
		e->ops->exited(e->ctx, r->pid, r->tid, r->at_ns);
		break;
	case RECORD_LOST:
		lose(e, r->lost, since_ns);
		break;
	case RECORD_OTHER:
		break;
	}
}

/* Looks at the front. A ring whose bytes make no sense is given up as far as it is written. */
static void look(struct process_events *e, struct cpu_ring *c, uint64_t cutoff_ns)
{
	uint64_t at_ns = 0;
	int size = record_ring_peek(&c->ring, &at_ns);

	if (size < 0) {
		e->stats.damaged++;
		c->ring.at = c->ring.end;
		lose(e, 1, c->read_ns);
	}
	c->next_ns = size > 0 && at_ns <= cutoff_ns ? at_ns : UINT64_MAX;
}

static void take(struct process_events *e, struct cpu_ring *c)
{
	struct process_record record;
	uint64_t at_ns;
	int size = record_ring_peek(&c->ring, &at_ns);

	record_ring_take(&c->ring, (size_t)size, e->record);
	e->stats.records++;
	if (process_record_parse(e->record, (size_t)size, &record)) {
		deliver(e, &record, c->read_ns);
	} else {
		e->stats.damaged++;
		lose(e, 1, c->read_ns);
	}
	c->read_ns = at_ns;
}

/* The ring with the earliest record, and when the next of any other ring is. */
static struct cpu_ring *earliest(const struct process_events *e, uint64_t *ret_other_ns)
{
	struct cpu_ring *first = NULL;

	*ret_other_ns = UINT64_MAX;
	for (size_t i = 0; i < e->events.count; i++) {
		struct cpu_ring *c = e->events.list[i].more;

		if (!c || c->next_ns == UINT64_MAX)
			continue;
		if (!first || c->next_ns < first->next_ns) {
			*ret_other_ns = first ? first->next_ns : UINT64_MAX;
			first = c;
		} else {
			*ret_other_ns = MIN(*ret_other_ns, c->next_ns);
		}
	}
	return first;
}

void process_events_drain(struct process_events *e)
{
	uint64_t cutoff_ns = now_ns(e), other_ns;
	struct cpu_ring *c;

	if (e->draining)
		return;
	e->draining = true;
	for (size_t i = 0; i < e->events.count; i++) {
		c = e->events.list[i].more;
		if (!c)
			continue;
		c->ring.end = __atomic_load_n(&c->page->data_head, __ATOMIC_ACQUIRE);
		look(e, c, cutoff_ns);
	}
	while ((c = earliest(e, &other_ns))) {
		do {
			take(e, c);
			look(e, c, cutoff_ns);
		} while (c->next_ns <= other_ns && c->next_ns != UINT64_MAX);
		__atomic_store_n(&c->page->data_tail, c->ring.at, __ATOMIC_RELEASE);
	}
	e->draining = false;
}

static void on_ready(struct loop_fd *fd, uint32_t events)
{
	struct cpu_ring *c = container_of(fd, struct cpu_ring, fd);

	process_events_drain(c->owner);
	if (events & (EPOLLHUP | EPOLLERR))
		loop_fd_remove(fd); /* its CPU is offline; process_events_follow() replaces it */
}

static int map_ring(struct process_events *e, struct cpu_ring *c, int fd)
{
	size_t page = page_size();
	int r = -ENOMEM;

	for (size_t size = e->stats.wanted_bytes; size >= page; size /= 2) {
		void *map = mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (map != MAP_FAILED) {
			c->page = map;
			c->ring.data = (const uint8_t *)map + page;
			c->ring.size = size;
			e->stats.ring_bytes = MIN(e->stats.ring_bytes, size);
			return 0;
		}
		r = -errno;
		if (r != -EPERM && r != -ENOMEM)
			break;
		e->shortage = r;
	}
	return r;
}

static void ring_end(struct cpu_events *events, struct cpu_event *event)
{
	struct cpu_ring *c = event->more;

	(void)events;
	loop_fd_remove(&c->fd);
	if (c->page)
		munmap(c->page, page_size() + c->ring.size);
	free(c);
}

static int ring_begin(struct cpu_events *events, struct cpu_event *event, struct error *err)
{
	struct process_events *e = container_of(events, struct process_events, events);
	struct cpu_ring *c = xcalloc(1, sizeof(*c));

	event->more = c;
	c->owner = e;
	c->fd = (struct loop_fd){.fd = event->fd, .on_event = on_ready};
	c->read_ns = now_ns(e);
	c->next_ns = UINT64_MAX;
	int r = map_ring(e, c, event->fd);

	if (r < 0)
		return error_set_errno(err, r, "cannot map the ring of process events of CPU %u",
			event->cpu);
	r = loop_fd_add(e->loop, &c->fd, EPOLLIN);
	if (r < 0)
		return error_set_errno(err, r, "cannot watch process events");
	return 0;
}

static const struct cpu_events_ops ring_ops = {
	.what = "process events",
	.begin = ring_begin,
	.end = ring_end,
};

static size_t ring_size(size_t cpus)
{
	size_t size = RING_MAX;

	while (size > RING_MIN && size * cpus > RINGS_BYTES)
		size /= 2;
	return MAX(size, page_size());
}

static int open_rings(struct process_events *e, struct error *err)
{
	e->events = (struct cpu_events){
		.ops = &ring_ops,
		.sys = e->sys,
		.attr =
			{
				.type = PERF_TYPE_SOFTWARE,
				.size = sizeof(e->events.attr),
				.config = PERF_COUNT_SW_DUMMY,
				.sample_type = PERF_SAMPLE_TIME,
				.sample_id_all = 1,
				.use_clockid = 1,
				.clockid = CLOCK_BOOTTIME,
				.mmap = 1,
				.mmap2 = 1,
				.comm = 1,
				.comm_exec = 1,
				.task = 1,
				.watermark = 1,
			},
	};
	struct cpu_list online cleanup_cpu_list = {0};
	int r = cpu_list_read_online(e->sys, &online);

	e->stats.wanted_bytes = e->stats.ring_bytes = ring_size(r < 0 ? 1 : online.count);
	e->events.attr.wakeup_watermark = (uint32_t)e->stats.wanted_bytes / 4;
	r = cpu_events_open(&e->events, err);
	for (size_t i = 0; r == 0 && i < e->events.count; i++)
		r = cpu_events_begin(&e->events, &e->events.list[i], err);
	return r;
}

int process_events_new(struct loop *loop, const char *proc, const char *sys,
	const struct process_events_ops *ops, void *ctx, struct process_events **ret,
	struct error *err)
{
	struct proc_root root;
	int r = proc_root_init(&root, proc);

	if (r < 0)
		return error_set_errno(err, r, "cannot open %s", proc);
	struct process_events *e = xcalloc(1, sizeof(*e));

	e->boottime_offset_ns = root.boottime_offset_ns;
	proc_root_release(&root);
	e->loop = loop;
	e->ops = ops;
	e->ctx = ctx;
	e->sys = xstrdup(sys);
	e->followed_ns = now_ns(e);
	r = open_rings(e, err);
	if (r < 0) {
		process_events_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void process_events_free(struct process_events *e)
{
	if (!e)
		return;
	cpu_events_release(&e->events);
	free(e->sys);
	free(e);
}

int process_events_follow(struct process_events *e, struct error *err)
{
	uint64_t since_ns = e->followed_ns;
	size_t opened = 0;

	process_events_drain(e);
	e->followed_ns = now_ns(e);
	int r = cpu_events_follow(&e->events, &opened, err);

	if (opened)
		lose(e, 1, since_ns); /* what that CPU did until now */
	return r;
}

const struct process_events_stats *process_events_stats(const struct process_events *e)
{
	return &e->stats;
}

bool process_events_cramped(const struct process_events *e, struct error *ret)
{
	if (e->stats.ring_bytes == e->stats.wanted_bytes)
		return false;
	error_set_errno(ret, e->shortage,
		"rings of process events have %zu KiB instead of %zu KiB, some events may be lost; "
		"raise kernel.perf_event_mlock_kb or grant CAP_IPC_LOCK",
		e->stats.ring_bytes >> 10, e->stats.wanted_bytes >> 10);
	return true;
}
