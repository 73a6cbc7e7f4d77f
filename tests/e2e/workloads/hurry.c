// SPDX-License-Identifier: Apache-2.0
/*
 * A library to preload: time passes SPEED times as fast. The clocks of timers and of the day run ahead from
 * the first look on, and what is waited for in them is waited for less; CPU time and CLOCK_BOOTTIME,
 * which the kernel's own stamps are in, stay.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef SPEED
#define SPEED 40
#endif
#define SECOND 1000000000LL

static int64_t truly(clockid_t id)
{
	struct timespec t;

	syscall(SYS_clock_gettime, id, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	static int64_t begun[2];
	int64_t now, *first;

	if (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, t);
	first = &begun[id == CLOCK_MONOTONIC];
	now = truly(id);
	if (!*first)
		*first = now;
	now = *first + (now - *first) * SPEED;
	t->tv_sec = now / SECOND;
	t->tv_nsec = now % SECOND;
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (ret)
		*ret = t.tv_sec;
	return t.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec t;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &t);
	tv->tv_sec = t.tv_sec;
	tv->tv_usec = t.tv_nsec / 1000;
	return 0;
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
	int less = timeout > 0 ? (timeout + SPEED - 1) / SPEED : timeout;

	return (int)syscall(SYS_epoll_pwait, fd, events, count, less, NULL, 8);
}
