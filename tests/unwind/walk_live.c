// SPDX-License-Identifier: Apache-2.0
/* walk_live ROUNDS PROGRAM [ARGUMENT...]: which share of a program's stacks reaches the root by rows alone. */
#include "lib/live_walk.h"

int main(int argc, char **argv)
{
	struct live_program p = {.verbose = true};

	if (argc < 3)
		return 2;
	live_run(&p, argv + 2, strtoul(argv[1], NULL, 10));
	printf("%s %s: %zu stacks, %zu reach the root, %.1f frames each, %zu signal frames\n",
		argv[2], argc > 3 ? argv[3] : "", p.walked, p.rooted,
		p.walked ? (double)p.frames / (double)p.walked : 0, p.signal_frames);
	return p.rooted < p.walked;
}
