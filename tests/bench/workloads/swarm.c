// SPDX-License-Identifier: Apache-2.0
/*
 * usage: swarm RATE COMMAND ARGUMENT...
 *
 * What a busy shell script does: forks and execs the command RATE times a second, and says each second
 * how many it has started. Where the machine cannot keep up, it starts as many as it can.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIVING_MAX 200

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: swarm RATE COMMAND ARGUMENT...");
	double rate = atof(argv[1]), begin_s = now_s(), told_s = begin_s, due_s = begin_s;
	unsigned long started = 0, living = 0;

	for (;;) {
		pid_t pid = living < LIVING_MAX ? fork() : -1;

		if (pid == 0) {
			execv(argv[2], argv + 2);
			_exit(127);
		}
		started += pid > 0;
		living += pid > 0;
		if (pid < 0 && living && waitpid(-1, NULL, 0) > 0)
			living--;
		while (living && waitpid(-1, NULL, WNOHANG) > 0)
			living--;
		due_s += 1 / rate;
		double now = now_s();

		if (now < due_s)
			usleep((useconds_t)((due_s - now) * 1e6));
		else if (now > due_s + 0.1)
			due_s = now; /* what was not started then is not made up for */
		if (now >= told_s + 1) {
			printf("%lu\n", started);
			fflush(stdout);
			told_s = now;
		}
	}
}
