// SPDX-License-Identifier: Apache-2.0
/*
 * A ring buffer of BPF (Documentation/bpf/ringbuf.rst), mapped:
 *
 *	| consumer position | producer position | data | the same data |
 *
 * Positions only grow; a record is 8 bytes of header, then data, and starts at a multiple of 8. The
 * second mapping of the data lets a record that wraps around be read in one piece. Room is reserved
 * under a lock, then filled: while that lasts the header says busy, and we cannot read past it.
 */
#include "profiler/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define DRAIN_PATIENCE_NS NSEC_PER_SEC /* a writer takes a microsecond, unless its vCPU is off */

static void on_ready(struct loop_fd *fd, uint32_t events)
{
	(void)events;
	ring_consume(container_of(fd, struct ring, fd));
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int ring_init(struct ring *ring, struct loop *loop, int map_fd, size_t size,
	void (*on_record)(struct ring *ring, const void *data, size_t size))
{
	size_t page = page_size();
	void *map = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);

	*ring = (struct ring){.size = size, .on_record = on_record};
	if (map == MAP_FAILED)
		return -errno;
	ring->consumer = map;
	map = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, map_fd, (off_t)page);
	if (map == MAP_FAILED)
		return -errno;
	ring->producer = map;
	ring->fd.fd = map_fd;
	ring->fd.on_event = on_ready;
	return loop_fd_add(loop, &ring->fd, EPOLLIN);
}

void ring_release(struct ring *ring)
{
	loop_fd_remove(&ring->fd);
	if (ring->producer)
		munmap((void *)(uintptr_t)ring->producer, page_size() + 2 * ring->size);
	if (ring->consumer)
		munmap(ring->consumer, page_size());
	*ring = (struct ring){0};
}

static uint64_t producer_position(const struct ring *ring)
{
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
}

void ring_consume(struct ring *ring)
{
	const uint8_t *data = (const uint8_t *)ring->producer + page_size();
	uint64_t at = *ring->consumer, end = producer_position(ring);

	while (at < end) {
		const uint8_t *record = data + (at & (ring->size - 1));
		uint32_t header =
			__atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
		size_t size = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (header & BPF_RINGBUF_BUSY_BIT)
			return;
		if (!(header & BPF_RINGBUF_DISCARD_BIT))
			ring->on_record(ring, record + BPF_RINGBUF_HDR_SZ, size);
		at += (BPF_RINGBUF_HDR_SZ + size + 7) & ~(uint64_t)7;
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
}

int ring_drain(struct ring *ring)
{
	const struct timespec pause = {.tv_nsec = NSEC_PER_MSEC / 10};
	uint64_t end = producer_position(ring);
	int64_t give_up_ns = clock_monotonic_ns() + DRAIN_PATIENCE_NS;

	for (;;) {
		ring_consume(ring);
		if (*ring->consumer >= end)
			return 0;
		if (clock_monotonic_ns() > give_up_ns)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}
