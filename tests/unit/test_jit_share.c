// SPDX-License-Identifier: Apache-2.0
/* What processes of one container may take of the time for their runtimes' files. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "symbols/jit_names.h"
#include "temp_dir.h"
#include "unit.h"

static void write_map(const char *path)
{
	FILE *f = fopen(path, "w");

	for (unsigned k = 0; f && k < 60000; k++)
		fprintf(f, "%x 10 f\n", 0x1000 + k * 16);
	if (f)
		fclose(f);
}

/* Of a container. */
enum { OWN_MOUNTS = 1, OWN_ROOT = 2 };

/* With a map beneath its root. */
static void be_a_container(const char *root, int has)
{
	char *path cleanup_free = xasprintf("/tmp/perf-%d.map", (int)getpid());

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if ((has & OWN_MOUNTS) && unshare(CLONE_NEWNS) < 0)
		_exit(1);
	if ((has & OWN_ROOT) &&
		(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			mount("tmpfs", root, "tmpfs", 0, NULL) < 0 || chroot(root) < 0 ||
			mkdir("/tmp", 0755) < 0))
		_exit(1);
	write_map(path);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

static pid_t start_container(const char *root, int has)
{
	char word[8] = "";
	int out[2];

	ck_assert_int_eq(pipe(out), 0);
	pid_t pid = fork();

	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		be_a_container(root, has);
	}
	close(out[1]);
	ck_assert_int_ge(read(out[0], word, sizeof(word) - 1), 0);
	close(out[0]);
	return *word ? pid : 0;
}

static bool is_named_by(struct jit_names *j, uint64_t round)
{
	struct frame frame = {0};

	return jit_names_resolve(j, 0x1008, round, &frame);
}

/*
 * Of processes with a long map each, and one more: of another container, also where that is on the same file system; or
 * of this one with another root.
 */
START_TEST(one_container_does_not_take_all_time_for_maps)
{
	enum { MANY = 25 };
	char *own cleanup_free = xasprintf("/tmp/perf-%d.map", (int)getpid());
	const struct process_maps none = {0};
	struct jit_names *j[MANY + 1];
	struct jit_store store;
	struct temp_dir dir;
	size_t named = 0, later = 0;

	if (unshare(CLONE_NEWNS) < 0)
		return;
	temp_dir_init(&dir);
	jit_store_init(&store, 64 << 20);
	write_map(own);
	pid_t pid = start_container(dir.path, _i);
	char *others cleanup_free = xasprintf("/tmp/perf-%d.map", (int)pid);
	char *process cleanup_free = xasprintf("/proc/%d", (int)pid);

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
	if (pid)
		ck_assert_int_eq(is_named_by(j[MANY], 1), (_i & OWN_MOUNTS) != 0);
	jit_store_end_round(&store);
	for (int i = 0; i < MANY; i++)
		later += is_named_by(j[i], 2);
	ck_assert_uint_eq(later, MANY);
	for (int i = 0; i <= MANY; i++)
		jit_names_free(j[i]);
	jit_store_release(&store);
	if (pid) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		unlink(others);
	}
	if (_i == OWN_ROOT)
		umount2(dir.path, MNT_DETACH);
	unlink(own);
	temp_dir_release(&dir);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("jit_share");

	tcase_add_loop_test(tcase, one_container_does_not_take_all_time_for_maps, OWN_MOUNTS,
		(OWN_MOUNTS | OWN_ROOT) + 1);
	return unit_run("jit_share", tcase);
}
