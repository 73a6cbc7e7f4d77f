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
#include "symbols/dso.h"
#include "symbols/symbolizer.h"
#include "unit/frames.h"
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

struct seen {
	uint32_t pid;
	size_t own_symbols, files, mappings;
};

static void on_file(void *ctx, const struct symbolizer_file *file)
{
	struct seen *seen = ctx;

	seen->files++;
	if (strcmp(file->module->name, "test_symbolizer") == 0)
		seen->own_symbols = file->symbols;
}

static void on_process(void *ctx, const struct symbolizer_process *process)
{
	struct seen *seen = ctx;

	ck_assert_uint_eq(process->pid, seen->pid);
	seen->mappings = process->mappings;
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

	name_user(s, &id, ips, 4, true, frames);
	ck_assert_str_eq(frames[0].function, "dockprof_test_local");
	ck_assert_str_eq(frames[1].function, "dockprof_test_outer");
	ck_assert_int_eq(frames[0].module->kind, MODULE_FILE);
	ck_assert_str_eq(frames[0].module->name, "test_symbolizer");
	ck_assert_ptr_nonnull(strstr(frames[2].function, "getppid"));
	ck_assert_ptr_nonnull(strstr(frames[2].module->path, "libc"));
	ck_assert_int_eq(frames[3].module->kind, MODULE_UNKNOWN);
	ck_assert_ptr_null(frames[3].function);
	ck_assert_int_eq(frames[0].origin, NAME_SYMTAB);
	ck_assert_int_eq(frames[0].missing, MISSING_NOT);
	ck_assert_int_eq(frames[3].missing, MISSING_MAPPING);
	ck_assert_uint_eq(symbolizer_stats(s)->frames_named, 3);
	ck_assert_uint_eq(symbolizer_stats(s)->missing[MISSING_MAPPING], 1);
	struct seen seen = {.pid = (uint32_t)pid};

	symbolizer_visit_files(s, on_file, &seen);
	symbolizer_visit_processes(s, on_process, &seen);
	ck_assert_uint_gt(seen.own_symbols, 10);
	ck_assert_uint_ge(seen.files, 2);
	ck_assert_uint_ge(seen.mappings, 2);
	end_child(pid);
	symbolizer_free(s);
}
END_TEST

/* As deep as stacks are, and ever new ones: what is named stays in its place until the next stack. */
START_TEST(a_flood_of_addresses_is_told_as_it_is)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	pid_t pid = start_child();
	struct process_id id = identity_of(pid);
	static uint64_t ips[600];
	static struct frame *frames[ARRAY_SIZE(ips)];

	for (uint64_t stack = 0; stack < 20; stack++) {
		for (uint64_t i = 0; i < ARRAY_SIZE(ips); i++)
			ips[i] = 0x1000 + (stack * ARRAY_SIZE(ips) + i) * 16;
		ips[1] = ips[0] =
			address_of(dockprof_test_local); /* one is where a call returns to */
		symbolizer_user(s, &id, ips, ARRAY_SIZE(ips), true, frames);
		ck_assert_str_eq(frames[0]->function, "dockprof_test_local");
		ck_assert(!frames[1]->function ||
			strcmp(frames[1]->function, "dockprof_test_local") != 0);
		for (size_t i = 2; i < ARRAY_SIZE(ips); i++)
			ck_assert_uint_eq(frames[i]->address, ips[i]);
	}
	ck_assert_uint_eq(symbolizer_stats(s)->missing[MISSING_MAPPING],
		20 * (ARRAY_SIZE(ips) - 2));
	end_child(pid);
	symbolizer_free(s);
}
END_TEST

/* As a compiler of C++ would name it. */
int dockprof_test_cplus(int x) __asm__("_ZN3foo3barIiE3bazIcEEvT_");
__attribute__((noinline)) int dockprof_test_cplus(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x;
}

static const char *shown_as(struct symbolizer *s, const struct process_id *id)
{
	uint64_t ip = address_of(dockprof_test_cplus);
	struct frame frame;

	name_user(s, id, &ip, 1, true, &frame);
	return frame.function;
}

START_TEST(names_are_demangled_as_wanted)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	pid_t pid = start_child();
	struct process_id id = identity_of(pid);

	ck_assert_str_eq(shown_as(s, &id), "_ZN3foo3barIiE3bazIcEEvT_");
	symbolizer_set_demangle(s, DEMANGLE_SIMPLIFIED);
	symbolizer_end_round(s);
	ck_assert_str_eq(shown_as(s, &id), "foo::bar::baz");
	symbolizer_end_round(s);
	ck_assert_str_eq(shown_as(s, &id), "foo::bar::baz");
	symbolizer_set_demangle(s, DEMANGLE_FULL);
	symbolizer_end_round(s);
	ck_assert_str_eq(shown_as(s, &id), "void foo::bar<int>::baz<char>(char)");
	end_child(pid);
	symbolizer_free(s);
}
END_TEST

START_TEST(lines_are_there_if_asked_for)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	pid_t pid = start_child();
	struct process_id id = identity_of(pid);
	uint64_t ip = address_of(dockprof_test_local) + 1;
	struct frame frame;

	name_user(s, &id, &ip, 1, true, &frame);
	ck_assert_ptr_null(frame.file);
	ck_assert_uint_eq(frame.line, 0);
	symbolizer_set_lines(s, true);
	symbolizer_end_round(s);
	/* Where the round's work is done, the next one knows. */
	symbolizer_dsos(s)->files.work_left = 0;
	name_user(s, &id, &ip, 1, true, &frame);
	ck_assert_uint_eq(frame.line, 0);
	symbolizer_end_round(s);
	name_user(s, &id, &ip, 1, true, &frame);
	ck_assert_ptr_nonnull(frame.file);
	ck_assert_ptr_nonnull(strstr(frame.file, "test_symbolizer.c"));
	ck_assert_uint_ge(frame.line, frame.first_line);
	ck_assert_uint_gt(frame.first_line, 0);
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
	name_user(s, &id, &ip, 1, true, &frame);
	ck_assert_ptr_nonnull(frame.function);
	ck_assert_str_eq(frame.function, "dockprof_test_local");
	symbolizer_end_round(s);
	name_user(s, &id, &ip, 1, true, &frame);
	ck_assert_str_eq(frame.function, "dockprof_test_local");
	symbolizer_free(s);
}
END_TEST

static size_t processes_after_round(struct symbolizer *s)
{
	symbolizer_end_round(s);
	return symbolizer_stats(s)->processes;
}

/* On a host that starts 1,000 a second they would be most of what is held. */
START_TEST(a_process_that_is_gone_is_kept_until_its_samples_have_names)
{
	struct symbolizer *s = new_symbolizer(8 << 20);
	pid_t pid = start_child(), other = start_child();
	struct process_id id = identity_of(pid), other_id = identity_of(other);
	uint64_t ip = address_of(dockprof_test_local);
	struct frame frame;

	symbolizer_process_seen(s, &id);
	symbolizer_process_seen(s, &other_id);
	symbolizer_begin_round(s);
	end_child(pid); /* its last samples may be the next round's */
	ck_assert_uint_eq(processes_after_round(s), 2);
	symbolizer_begin_round(s);
	symbolizer_keep_process(s, &id); /* and one of them waits for yet another */
	ck_assert_uint_eq(processes_after_round(s), 2);
	symbolizer_begin_round(s);
	name_user(s, &id, &ip, 1, true, &frame);
	ck_assert_str_eq(frame.function, "dockprof_test_local");
	name_user(s, &other_id, &ip, 1, true, &frame);
	ck_assert_uint_eq(processes_after_round(s), 1);
	end_child(other);
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
	name_user(s, &id, &ip, 1, true, &frame);
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
	name_user(s, &id, &ip, 1, true, &frame);
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
		struct frame *frames[2];

		symbolizer_kernel(s, ips, 2, frames);
		ck_assert_str_eq(frames[0]->function, "vfs_read");
		ck_assert_str_eq(frames[1]->function, "vfs_read");
		ck_assert_str_eq(frames[1]->module->path, "[kernel]");
	}
	symbolizer_free(s);
}
END_TEST

UNIT_MAIN("symbolizer", functions_of_a_living_process_are_named,
	a_flood_of_addresses_is_told_as_it_is, lines_are_there_if_asked_for,
	names_are_demangled_as_wanted, a_dead_process_is_named_if_it_was_seen_alive,
	a_process_that_is_gone_is_kept_until_its_samples_have_names,
	another_process_with_the_pid_is_not_read, a_process_whose_main_thread_has_ended_is_named,
	kernel_functions_are_named)
