// SPDX-License-Identifier: Apache-2.0
/*
 * The one event loop: file descriptors (epoll), timers and signals. One thread; callbacks run from
 * loop_run() and may add and remove anything, themselves included.
 *
 *	static void on_input(struct loop_fd *fd, uint32_t events) { ... }
 *	static void on_tick(struct loop_timer *t) { ... loop_timer_start(t, NSEC_PER_SEC); }
 *
 * The structs are embedded in their owner, which finds itself with container_of() and keeps them
 * alive while they are added.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/macros.h"

struct loop;

struct loop_fd {
	int fd; /* the owner closes it, after loop_fd_remove() */
	void (*on_event)(struct loop_fd *fd, uint32_t events); /* EPOLLIN and so on */
	struct loop *loop; /* NULL while not added */
};

struct loop_timer {
	void (*on_expire)(struct loop_timer *timer);
	struct loop *loop; /* set by loop_timer_init() */
	int64_t due_ns; /* CLOCK_MONOTONIC */
	struct list_node node;
};

struct loop_signal {
	void (*on_signal)(struct loop_signal *s, int signo);
};

/* 0 or -errno. */
int loop_new(struct loop **ret) MUST_CHECK;
void loop_free(struct loop *loop);

/* Level-triggered. 0 or -errno. */
int loop_fd_add(struct loop *loop, struct loop_fd *fd, uint32_t events) MUST_CHECK;
int loop_fd_modify(struct loop_fd *fd, uint32_t events) MUST_CHECK;
/* Harmless where it is not added. No callback of it runs afterwards, not even one that is due. */
void loop_fd_remove(struct loop_fd *fd);

void loop_timer_init(struct loop *loop, struct loop_timer *timer,
	void (*on_expire)(struct loop_timer *timer));
/* Fires once, `after_ns` from now (0: in the next turn); a running timer is moved. */
void loop_timer_start(struct loop_timer *timer, int64_t after_ns);
void loop_timer_start_at(struct loop_timer *timer, int64_t due_ns);
/* Harmless where it is not running. */
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_running(const struct loop_timer *timer);

/* Blocks the signals (a list that 0 ends) for the process and delivers them to `handler`. Once. */
int loop_watch_signals(struct loop *loop, struct loop_signal *handler,
	const int *signals) MUST_CHECK;

/* Runs until loop_stop(). 0 or -errno. */
int loop_run(struct loop *loop) MUST_CHECK;
void loop_stop(struct loop *loop);
/* One turn, waiting at most max_wait_ns (-1: until something happens). For tests and commands. */
int loop_turn(struct loop *loop, int64_t max_wait_ns) MUST_CHECK;

#endif
