// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "symbols/symbolizer.h"
#include "unit.h"

/* Functions with names to be found. They are not inlined, and their bodies differ. */
__attribute__((noinline)) int dockprof_test_outer(int x);
__attribute__((noinline)) int dockprof_test_outer(int x)
{
	return x * 3 + 1;
}

static __attribute__((noinline)) int dockprof_test_local(int x)
{
	return x * 5 + dockprof_test_outer(x);
}

static struct symbolizer *new_symbolizer(size_t max_bytes)
{
	struct symbolizer_options options = {.proc = "/proc",
		.max_bytes = max_bytes,
		.max_processes = 64};
	struct symbolizer *s = NULL;
	struct error err = {0};

	ck_assert_msg(symbolizer_new(&options, &s, &err) == 0, "%s", err.message);
	return s;
}

/* A child that does nothing, with the parent's memory layout. */
static pid_t start_child(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static struct process_id identity_of(pid_t pid)
{
	struct strbuf text = STRBUF_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	ck_assert_int_eq(file_read_at(-1, path, 4096, &text), 0);
	unsigned long long start = 0;
	const char *end = strrchr(text.buf, ')');

	ck_assert_int_eq(
		sscanf(end,
			") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
			"%*d %*d %*d %llu",
			&start),
		1);
	strbuf_release(&text);
	return (struct process_id){.pid = (uint32_t)pid,
		.exec_id = 1,
		.start_ns = start * 10000000 + 1234567};
}

static uint64_t address_of(int (*function)(int))
{
	return (uint64_t)(uintptr_t)function;
}

START_TEST(functions_of_a_living_process_are_named)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	pid_t pid = start_child();
	struct process_id id = identity_of(pid);
	uint64_t ips[] = {
		address_of(dockprof_test_local),
		address_of(dockprof_test_outer) + 1,
		(uint64_t)(uintptr_t)getppid + 1,
		(uint64_t)(uintptr_t) & (int){0},
	};
	struct frame frames[4];

	symbolizer_user(s, &id, ips, 4, true, frames);
	ck_assert_str_eq(frames[0].function, "dockprof_test_local");
	ck_assert_str_eq(frames[1].function, "dockprof_test_outer");
	ck_assert_int_eq(frames[0].module->kind, MODULE_FILE);
	ck_assert_str_eq(frames[0].module->name, "test_symbolizer");
	ck_assert_ptr_nonnull(strstr(frames[2].function, "getppid"));
	ck_assert_ptr_nonnull(strstr(frames[2].module->path, "libc"));
	ck_assert_int_eq(frames[3].module->kind, MODULE_UNKNOWN);
	ck_assert_ptr_null(frames[3].function);
	ck_assert_uint_eq(symbolizer_stats(s)->frames_named, 3);
	end_child(pid);
	symbolizer_free(s);
}
END_TEST

START_TEST(a_dead_process_is_named_if_it_was_seen_alive)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	pid_t pid = start_child();
	struct process_id id = identity_of(pid);
	uint64_t ip = address_of(dockprof_test_local);
	struct frame frame;

	symbolizer_process_seen(s, &id);
	end_child(pid);
	symbolizer_user(s, &id, &ip, 1, true, &frame);
	ck_assert_ptr_nonnull(frame.function);
	ck_assert_str_eq(frame.function, "dockprof_test_local");
	symbolizer_end_round(s);
	symbolizer_user(s, &id, &ip, 1, true, &frame);
	ck_assert_str_eq(frame.function, "dockprof_test_local");
	symbolizer_free(s);
}
END_TEST

START_TEST(another_process_with_the_pid_is_not_read)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	pid_t pid = start_child();
	struct process_id id = identity_of(pid);
	uint64_t ip = address_of(dockprof_test_local);
	struct frame frame;

	id.start_ns -= (uint64_t)(5 * NSEC_PER_SEC);
	symbolizer_process_seen(s, &id);
	symbolizer_user(s, &id, &ip, 1, true, &frame);
	ck_assert_int_eq(frame.module->kind, MODULE_UNKNOWN);
	ck_assert_ptr_null(frame.function);
	ck_assert_uint_ge(symbolizer_stats(s)->maps_unreadable, 1);
	end_child(pid);
	symbolizer_free(s);
}
END_TEST

static void *stay(void *unused)
{
	for (;;)
		pause();
	return unused;
}

START_TEST(a_process_whose_main_thread_has_ended_is_named)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		pthread_t thread;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pthread_create(&thread, NULL, stay, NULL) != 0)
			_exit(1);
		pthread_exit(NULL);
	}
	struct process_id id = identity_of(pid);
	uint64_t ip = address_of(dockprof_test_local);
	struct frame frame = {0};
	char state = ' ';

	for (int i = 0; i < 1000 && state != 'Z'; i++) {
		char path[64];
		struct strbuf text = STRBUF_INIT;

		usleep(1000);
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		ck_assert_int_eq(file_read_at(-1, path, 4096, &text), 0);
		state = strrchr(text.buf, ')')[2];
		strbuf_release(&text);
	}
	ck_assert_int_eq(state, 'Z');
	symbolizer_user(s, &id, &ip, 1, true, &frame);
	ck_assert_ptr_nonnull(frame.function);
	ck_assert_str_eq(frame.function, "dockprof_test_local");
	end_child(pid);
	symbolizer_free(s);
}
END_TEST

START_TEST(kernel_functions_are_named)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	FILE *f = popen("grep -m1 ' T vfs_read$' /proc/kallsyms", "r");
	unsigned long long address = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%llx", &address), 1);
	pclose(f);
	if (address) {
		uint64_t ips[] = {address, address + 5};
		struct frame frames[2];

		symbolizer_kernel(s, ips, 2, frames);
		ck_assert_str_eq(frames[0].function, "vfs_read");
		ck_assert_str_eq(frames[1].function, "vfs_read");
		ck_assert_str_eq(frames[1].module->path, "[kernel]");
	}
	symbolizer_free(s);
}
END_TEST

UNIT_MAIN("symbolizer", functions_of_a_living_process_are_named,
	a_dead_process_is_named_if_it_was_seen_alive, another_process_with_the_pid_is_not_read,
	a_process_whose_main_thread_has_ended_is_named, kernel_functions_are_named)
