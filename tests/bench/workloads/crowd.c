// SPDX-License-Identifier: Apache-2.0
/*
 * usage: crowd COUNT BUSY
 *
 * COUNT processes that sleep and now and then do a little, and BUSY ones that never rest.
 */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "work.h"

#define WORK     2000
#define SLEEP_US 5000000u

static void live(unsigned number, int busy)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	usleep(busy ? 0 : number * 7919u % SLEEP_US);
	for (;;) {
		work(WORK_DEPTH, WORK);
		if (!busy)
			usleep(SLEEP_US);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: crowd COUNT BUSY");
	unsigned count = (unsigned)atoi(argv[1]), busy = (unsigned)atoi(argv[2]);

	for (unsigned i = 0; i < count + busy; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork of process %u", i);
		if (pid == 0)
			live(i, i >= count);
	}
	write(STDOUT_FILENO, "all are there\n", 14);
	for (;;)
		pause();
}
