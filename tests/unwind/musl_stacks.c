// SPDX-License-Identifier: Apache-2.0
/* Stacks of several kinds, for ever: recursion | qsort | threads | signals. Built with a C library without unwind tables. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define NOINLINE __attribute__((noinline))

#define THREADS 3

static volatile unsigned long sink;
static atomic_int begun;

static NOINLINE void burn(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		sink += i * i;
}

static NOINLINE int recurse(int depth)
{
	if (depth == 0) {
		burn(20000);
		return 1;
	}
	return recurse(depth - 1) + (int)sink;
}

static int compare(const void *a, const void *b)
{
	char text[64];

	burn(20);
	/* Into the library from a callback, and deep: printf of floating point. */
	snprintf(text, sizeof(text), "%.17g %s", (double)*(const int *)a / 3.0, "x");
	sink += strlen(text);
	return *(const int *)a - *(const int *)b;
}

static NOINLINE void sort(void)
{
	int list[500];

	for (int i = 0; i < 500; i++)
		list[i] = rand();
	qsort(list, 500, sizeof(list[0]), compare);
}

static void *thread(void *arg)
{
	begun++;
	for (;;) {
		recurse(10);
		sort();
	}
	return arg;
}

static void on_signal(int number)
{
	(void)number;
	for (int i = 0; i < 20; i++)
		recurse(5);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "recursion";

	if (strcmp(kind, "threads") == 0) {
		pthread_t t;

		for (int i = 0; i < THREADS; i++)
			pthread_create(&t, NULL, thread, NULL);
		/* Before its first call a thread has nothing on its stack that would tell where it comes from. */
		while (begun < THREADS)
			sched_yield();
	}
	if (strcmp(kind, "signals") == 0) {
		struct itimerval often = {{0, 1000}, {0, 1000}};
		struct sigaction action = {.sa_handler = on_signal};

		sigaction(SIGALRM, &action, NULL);
		setitimer(ITIMER_REAL, &often, NULL);
	}
	putchar('\n'); /* ready */
	fflush(stdout);
	for (;;) {
		if (strcmp(kind, "recursion") == 0)
			recurse(40);
		else
			sort();
	}
}
