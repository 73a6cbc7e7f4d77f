// SPDX-License-Identifier: Apache-2.0
/* What processes of one root may take of the time for their runtimes' files. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "proc/file_root.h"
#include "symbols/jit_names.h"
#include "temp_dir.h"
#include "unit.h"

/* The process has another root than ours. */
static void wait_for_root(const char *process)
{
	int own cleanup_close = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int dir cleanup_close = open(process, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct root_id ours, its;

	ck_assert_int_eq(root_id_of_process(own, &ours), 0);
	do {
		usleep(1000);
		ck_assert_int_eq(root_id_of_process(dir, &its), 0);
	} while (root_id_equal(&ours, &its));
}

static bool is_named_by(struct jit_names *j, uint64_t round)
{
	struct frame frame = {0};

	return jit_names_resolve(j, 0x1008, round, &frame);
}

/* Of processes of one root, each with a long map. */
START_TEST(one_root_does_not_take_all_time_for_maps)
{
	enum { MANY = 25 };
	char *own cleanup_free = xasprintf("/tmp/perf-%d.map", (int)getpid());
	const struct process_maps none = {0};
	struct jit_names *j[MANY + 1];
	struct jit_store store;
	struct temp_dir dir;
	size_t named = 0, later = 0;

	temp_dir_init(&dir);
	jit_store_init(&store, 64 << 20);
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chroot(dir.path) == 0)
			for (;;)
				pause();
	}
	char *other cleanup_free = xasprintf("%s/tmp/perf-%d.map", dir.path, (int)pid);
	char *sub cleanup_free = xasprintf("%s/tmp", dir.path);
	char *process cleanup_free = xasprintf("/proc/%d", (int)pid);

	ck_assert_int_eq(mkdir(sub, 0755), 0);
	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(i ? other : own, "w");

		for (unsigned k = 0; k < 60000; k++)
			fprintf(f, "%x 10 f\n", 0x1000 + k * 16);
		fclose(f);
	}
	wait_for_root(process);
	for (int i = 0; i <= MANY; i++) {
		int at cleanup_close =
			open(i == MANY ? process : "/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

		j[i] = jit_names_new(&store);
		jit_names_find_files(j[i], at, &none);
	}
	for (int i = 0; i < MANY; i++)
		named += is_named_by(j[i], 1);
	ck_assert_uint_gt(named, 5);
	ck_assert_uint_lt(named, MANY);
	ck_assert(is_named_by(j[MANY], 1));
	jit_store_end_round(&store);
	for (int i = 0; i < MANY; i++)
		later += is_named_by(j[i], 2);
	ck_assert_uint_eq(later, MANY);
	for (int i = 0; i <= MANY; i++)
		jit_names_free(j[i]);
	jit_store_release(&store);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(own);
	temp_dir_release(&dir);
}
END_TEST

UNIT_MAIN("jit_share", one_root_does_not_take_all_time_for_maps)
