// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/backoff.h"
#include "loop/loop.h"

struct fixture {
	struct loop *loop;
	struct loop_timer first, second;
	struct loop_fd a, b;
	struct loop_signal signals;
	int order[8];
	int count;
};

static struct fixture f;

static void note(int what)
{
	f.order[f.count++] = what;
}

static void on_first(struct loop_timer *t)
{
	(void)t;
	note(1);
}

static void on_second(struct loop_timer *t)
{
	(void)t;
	note(2);
	loop_stop(f.loop);
}

START_TEST(timers_fire_in_order_of_their_time)
{
	ck_assert_int_eq(loop_new(&f.loop), 0);
	loop_timer_init(f.loop, &f.first, on_first);
	loop_timer_init(f.loop, &f.second, on_second);
	int64_t start = clock_monotonic_ns();

	loop_timer_start(&f.second, 20 * NSEC_PER_MSEC);
	loop_timer_start(&f.first, 500 * NSEC_PER_MSEC);
	loop_timer_start(&f.first, 5 * NSEC_PER_MSEC); /* moved */
	ck_assert_int_eq(loop_run(f.loop), 0);
	ck_assert_int_ge(clock_monotonic_ns() - start, 20 * NSEC_PER_MSEC);
	ck_assert_int_eq(f.count, 2);
	ck_assert_int_eq(f.order[0], 1);
	ck_assert(!loop_timer_running(&f.first));
	loop_free(f.loop);
}
END_TEST

static void remove_other(struct loop_fd *fd, uint32_t events)
{
	(void)events;
	note(fd == &f.a ? 1 : 2);
	loop_fd_remove(fd == &f.a ? &f.b : &f.a);
}

START_TEST(a_removed_descriptor_is_not_called_in_the_same_turn)
{
	int pa[2], pb[2];

	ck_assert_int_eq(loop_new(&f.loop), 0);
	ck_assert(pipe(pa) == 0 && pipe(pb) == 0);
	ck_assert(write(pa[1], "x", 1) == 1 && write(pb[1], "x", 1) == 1);
	f.a = (struct loop_fd){.fd = pa[0], .on_event = remove_other};
	f.b = (struct loop_fd){.fd = pb[0], .on_event = remove_other};
	ck_assert_int_eq(loop_fd_add(f.loop, &f.a, EPOLLIN), 0);
	ck_assert_int_eq(loop_fd_add(f.loop, &f.b, EPOLLIN), 0);
	ck_assert_int_eq(loop_turn(f.loop, 0), 0);
	ck_assert_int_eq(f.count, 1);
	loop_fd_remove(&f.a);
	loop_fd_remove(&f.b);
	loop_free(f.loop);
}
END_TEST

static void on_signal(struct loop_signal *s, int signo)
{
	(void)s;
	note(signo);
	loop_stop(f.loop);
}

START_TEST(signals_arrive_in_the_loop)
{
	ck_assert_int_eq(loop_new(&f.loop), 0);
	f.signals.on_signal = on_signal;
	ck_assert_int_eq(loop_watch_signals(f.loop, &f.signals, (const int[]){SIGHUP, 0}), 0);
	raise(SIGHUP);
	ck_assert_int_eq(loop_run(f.loop), 0);
	ck_assert_int_eq(f.order[0], SIGHUP);
	loop_free(f.loop);
}
END_TEST

START_TEST(backoff_doubles_within_its_bounds)
{
	struct backoff b;

	backoff_init(&b, 100, 1000);
	for (int i = 0; i < 20; i++) {
		int64_t ns = backoff_next_ns(&b);

		ck_assert_int_ge(ns, i == 0 ? 100 : i == 1 ? 200 : i == 2 ? 400 : 500);
		ck_assert_int_le(ns, 1000);
	}
	backoff_reset(&b);
	ck_assert_int_lt(backoff_next_ns(&b), 200);
}
END_TEST

UNIT_MAIN("loop", timers_fire_in_order_of_their_time,
	a_removed_descriptor_is_not_called_in_the_same_turn, signals_arrive_in_the_loop,
	backoff_doubles_within_its_bounds)
