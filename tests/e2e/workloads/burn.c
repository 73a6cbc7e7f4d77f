// SPDX-License-Identifier: Apache-2.0
/*
 * Burns CPU time in a known chain of functions and says how much it was:
 *
 *	burn MS [THREADS [PROCESSES]]
 *
 * MS of CPU time in all, divided among PROCESSES one after the other, each with THREADS threads at
 * once; 0: for ever. The last line is "cpu_ns N": what the kernel charged since main(), children
 * included.
 * The stack of a busy moment: main > run_threads > (thread) > brew > grind > crush.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 64
#define ROUNDS      20000 /* some 50 us between two looks at the clock */

static int64_t cpu_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

__attribute__((noinline)) uint64_t crush(uint64_t x)
{
	for (int i = 0; i < ROUNDS; i++)
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	__asm__ volatile("" : "+r"(x));
	return x;
}

__attribute__((noinline)) uint64_t grind(int64_t until_ns)
{
	uint64_t x = 1;

	do {
		x ^= crush(x);
		__asm__ volatile("" : "+r"(x));
	} while (!until_ns || cpu_ns(CLOCK_THREAD_CPUTIME_ID) < until_ns);
	return x;
}

__attribute__((noinline)) void *brew(void *share_ns)
{
	int64_t share = *(int64_t *)share_ns;
	uint64_t x = grind(share ? cpu_ns(CLOCK_THREAD_CPUTIME_ID) + share : 0);

	__asm__ volatile("" : : "r"(x));
	return NULL;
}

__attribute__((noinline)) void run_threads(int64_t total_ns, int count)
{
	pthread_t threads[MAX_THREADS];
	int64_t share = total_ns / count;

	for (int i = 1; i < count; i++)
		if (pthread_create(&threads[i], NULL, brew, &share) != 0)
			abort();
	brew(&share);
	for (int i = 1; i < count; i++)
		pthread_join(threads[i], NULL);
}

static int64_t charged_ns(void)
{
	struct rusage children;

	getrusage(RUSAGE_CHILDREN, &children);
	return cpu_ns(CLOCK_PROCESS_CPUTIME_ID) +
		(children.ru_utime.tv_sec + children.ru_stime.tv_sec) * INT64_C(1000000000) +
		(children.ru_utime.tv_usec + children.ru_stime.tv_usec) * INT64_C(1000);
}

int main(int argc, char **argv)
{
	int64_t before = charged_ns();
	int64_t total_ns = (argc > 1 ? atoll(argv[1]) : 0) * 1000000;
	int threads = argc > 2 ? atoi(argv[2]) : 1;
	int processes = argc > 3 ? atoi(argv[3]) : 0;

	if (threads < 1 || threads > MAX_THREADS || processes < 0)
		return 2;
	for (int i = 0; i < processes; i++) {
		pid_t child = fork();

		if (child == 0) {
			run_threads(total_ns / processes, threads);
			_exit(0);
		}
		if (child < 0 || waitpid(child, NULL, 0) != child)
			return 1;
	}
	if (!processes)
		run_threads(total_ns, threads);
	printf("cpu_ns %lld\n", (long long)(charged_ns() - before));
	return 0;
}
