// SPDX-License-Identifier: Apache-2.0
/*
 * One turn: wait in epoll until a descriptor is ready or the first timer is due, run the ready
 * descriptors, then the timers that are due. Timers stand in a list sorted by due time: there are a
 * few dozen at most, and the order of equal ones is the order of starting.
 *
 * A callback may remove a descriptor whose event is still in this turn's batch; `ready` lets
 * loop_fd_remove() blank it there, so that a freed owner is never called.
 */
#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

#define BATCH 64

struct loop {
	int epoll_fd;
	bool stop;
	struct list_node timers;
	struct epoll_event ready[BATCH];
	int ready_count;
	struct loop_fd signal_fd;
	struct loop_signal *signal_handler;
};

int loop_new(struct loop **ret)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	struct loop *loop = xcalloc(1, sizeof(*loop));

	loop->epoll_fd = fd;
	loop->signal_fd.fd = -1;
	list_init(&loop->timers);
	*ret = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->signal_fd.fd >= 0)
		close(loop->signal_fd.fd);
	list_for_each_safe(n, &loop->timers)
		list_remove(n);
	close(loop->epoll_fd);
	free(loop);
}

int loop_fd_add(struct loop *loop, struct loop_fd *fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = fd};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd->fd, &ev) < 0)
		return -errno;
	fd->loop = loop;
	return 0;
}

int loop_fd_modify(struct loop_fd *fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = fd};

	return epoll_ctl(fd->loop->epoll_fd, EPOLL_CTL_MOD, fd->fd, &ev) < 0 ? -errno : 0;
}

void loop_fd_remove(struct loop_fd *fd)
{
	struct loop *loop = fd->loop;

	if (!loop)
		return;
	/* Fails only where the owner closed it already, which took it out of epoll as well. */
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd->fd, NULL);
	for (int i = 0; i < loop->ready_count; i++)
		if (loop->ready[i].data.ptr == fd)
			loop->ready[i].data.ptr = NULL;
	fd->loop = NULL;
}

void loop_timer_init(struct loop *loop, struct loop_timer *timer,
	void (*on_expire)(struct loop_timer *timer))
{
	*timer = (struct loop_timer){.on_expire = on_expire, .loop = loop};
	list_init(&timer->node);
}

void loop_timer_start_at(struct loop_timer *timer, int64_t due_ns)
{
	struct list_node *head = &timer->loop->timers;

	list_remove(&timer->node);
	timer->due_ns = due_ns;
	list_for_each(n, head) {
		if (list_entry(n, struct loop_timer, node)->due_ns > due_ns) {
			list_insert_before(n, &timer->node);
			return;
		}
	}
	list_append(head, &timer->node);
}

void loop_timer_start(struct loop_timer *timer, int64_t after_ns)
{
	loop_timer_start_at(timer, clock_monotonic_ns() + MAX(after_ns, INT64_C(0)));
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (timer->loop)
		list_remove(&timer->node);
}

bool loop_timer_running(const struct loop_timer *timer)
{
	return timer->loop && !list_empty(&timer->node);
}

static void on_signal_fd(struct loop_fd *fd, uint32_t events)
{
	struct loop *loop = container_of(fd, struct loop, signal_fd);
	struct signalfd_siginfo info;

	(void)events;
	while (read(fd->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		loop->signal_handler->on_signal(loop->signal_handler, (int)info.ssi_signo);
}

int loop_watch_signals(struct loop *loop, struct loop_signal *handler, const int *signals)
{
	sigset_t set;

	sigemptyset(&set);
	for (; *signals; signals++)
		sigaddset(&set, *signals);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	loop->signal_fd.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (loop->signal_fd.fd < 0)
		return -errno;
	loop->signal_fd.on_event = on_signal_fd;
	loop->signal_handler = handler;
	return loop_fd_add(loop, &loop->signal_fd, EPOLLIN);
}

/* In milliseconds for epoll, rounded up so that the timer is due when it returns. */
static int wait_ms(const struct loop *loop, int64_t max_wait_ns)
{
	int64_t wait = max_wait_ns;

	if (!list_empty(&loop->timers)) {
		const struct loop_timer *first =
			list_entry(loop->timers.next, struct loop_timer, node);
		int64_t until = MAX(first->due_ns - clock_monotonic_ns(), INT64_C(0));

		wait = wait < 0 ? until : MIN(wait, until);
	}
	if (wait < 0)
		return -1;
	return (int)MIN((wait + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, INT64_C(3600000));
}

/* Timers started by a callback for "now" run in the next turn, so a turn always ends. */
static void run_timers(struct loop *loop)
{
	int64_t now = clock_monotonic_ns();

	while (!list_empty(&loop->timers)) {
		struct loop_timer *t = list_entry(loop->timers.next, struct loop_timer, node);

		if (t->due_ns > now)
			return;
		list_remove(&t->node);
		t->on_expire(t);
	}
}

int loop_turn(struct loop *loop, int64_t max_wait_ns)
{
	int n = epoll_wait(loop->epoll_fd, loop->ready, BATCH, wait_ms(loop, max_wait_ns));

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	loop->ready_count = n;
	for (int i = 0; i < n; i++) {
		struct loop_fd *fd = loop->ready[i].data.ptr;

		if (fd)
			fd->on_event(fd, loop->ready[i].events);
	}
	loop->ready_count = 0;
	run_timers(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	loop->stop = false;
	while (!loop->stop) {
		int r = loop_turn(loop, -1);

		if (r < 0)
			return r;
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
