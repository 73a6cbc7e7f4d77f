// SPDX-License-Identifier: Apache-2.0
/* A thread, a signal handler, a call of main: what musl has code for and no unwind tables. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

static void *in_thread(void *argument)
{
	raise(SIGUSR1);
	return argument;
}

static void handler(int number)
{
	(void)number;
	puts("handled");
}

int main(void)
{
	pthread_t thread;

	signal(SIGUSR1, handler);
	if (pthread_create(&thread, NULL, in_thread, NULL) != 0)
		return 1;
	return pthread_join(thread, NULL);
}
