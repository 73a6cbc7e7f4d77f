// SPDX-License-Identifier: Apache-2.0
/* Threads that come, sort, wait for each other and go; signals interrupt them. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#define THREADS 4
#define COUNT   4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile unsigned long total;

static int compare(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

static void on_alarm(int signo)
{
	(void)signo;
	for (int i = 0; i < 20000; i++)
		total++;
}

static void *work(void *arg)
{
	unsigned *list = malloc(COUNT * sizeof(*list));

	for (int round = 0; round < 20; round++) {
		for (unsigned i = 0; i < COUNT; i++)
			list[i] = (i + (unsigned)round) * 2654435761U;
		qsort(list, COUNT, sizeof(*list), compare);
		pthread_mutex_lock(&lock);
		total += list[0];
		pthread_mutex_unlock(&lock);
	}
	free(list);
	return arg;
}

int main(void)
{
	struct itimerval timer = {{0, 5000}, {0, 5000}};

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (;;) {
		pthread_t threads[THREADS];

		for (int i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, work, NULL);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
	}
}
