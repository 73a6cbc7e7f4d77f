// SPDX-License-Identifier: Apache-2.0
/* Does nothing until SIGTERM, which as pid 1 of a container it must ask for. */
#include <signal.h>
#include <unistd.h>

static void end(int signo)
{
	(void)signo;
	_exit(0);
}

int main(void)
{
	signal(SIGTERM, end);
	for (;;)
		pause();
}
