// SPDX-License-Identifier: Apache-2.0
/*
 * Stacks of stopped processes, walked with tables that live in plain memory: beside what is known of our own
 * children, and beside what eu-stack (elfutils) says of programs of the system.
 */
#include "unit/unwinder_bench.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "symbols/dso.h"
#include "temp_dir.h"
#include "unit.h"
#include "unwind/unwinder_inside.h"

#if defined(__x86_64__)

#define STACK_KEPT (128 << 10)
#define IPS_MAX    512

/* Stops it for good, and keeps its stack and registers. */
static struct kept_stack keep_stack(pid_t pid, uint8_t *buffer)
{
	struct user_regs_struct r;
	char *path = xasprintf("/proc/%d/mem", (int)pid);
	int status, mem = open(path, O_RDONLY);

	free(path);
	ck_assert_int_ge(mem, 0);
	kill(pid, SIGSTOP);
	ck_assert_int_eq(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	ck_assert_int_eq(waitpid(pid, &status, __WALL), pid);
	ck_assert_int_eq(ptrace(PTRACE_GETREGS, pid, NULL, &r), 0);
	uint64_t bottom = r.rsp -
		128; /* its red zone: rbp is read from where it was saved, also when it is popped */
	ssize_t size = pread(mem, buffer, STACK_KEPT, (off_t)bottom);

	ck_assert_int_gt(size, 0);
	close(mem);
	ptrace(PTRACE_DETACH, pid, NULL, SIGSTOP);
	struct kept_stack stack = {
		.regs = {.ip = r.rip, .sp = r.rsp, .fp = r.rbp},
		.exact = (long long)r.orig_rax == -1,
		.leaf_known = true,
		.stack_start = bottom,
		.stack_size = (size_t)size,
		.stack = buffer,
	};
	const uint64_t leaf[] = {r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9,
		r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};

	memcpy(stack.regs.leaf, leaf, sizeof(leaf));
	return stack;
}

/* Of what eu-stack prints ("#1  0x00007f... name"), the addresses of the first thread. */
static size_t stack_of_elfutils(pid_t pid, uint64_t *ips, size_t max)
{
	char *command = xasprintf("eu-stack -p %d 2>/dev/null", (int)pid), line[1024];
	FILE *f = popen(command, "r");
	size_t count = 0;
	int threads = 0;

	free(command);
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned number;
		unsigned long long ip;

		threads += strncmp(line, "TID ", 4) == 0;
		if (threads == 1 && count < max && sscanf(line, "#%u %llx", &number, &ip) == 2)
			ips[count++] = ip;
	}
	pclose(f);
	return count;
}

static const char *const python_sleeps[] = {"/usr/bin/python3", "-c",
	"import time\ndef f(n):\n  return f(n - 1) + 1 if n else time.sleep(60)\nf(30)", NULL};
static const char *const python_works[] = {"/usr/bin/python3", "-c",
	"import json\nwhile 1: json.dumps({str(i): i for i in range(999)})", NULL};
static const char *const shell[] = {"/bin/bash", "-c", "f() { while :; do :; done; }; f", NULL};
static const char *const perl[] = {"/usr/bin/perl", "-e",
	"sub f { while (1) { $x = sqrt(2) } } f()", NULL};
static const char *const sleeper[] = {"/bin/sleep", "60", NULL};
static const char *const sorter[] = {"/bin/sh", "-c", "exec sort -n /dev/zero --buffer-size=50M",
	NULL};
static const char *const *const programs[] = {python_sleeps, python_works, shell, perl, sleeper,
	sorter};

/* Whether it sleeps, or has worked for a while: what a machine is busy with may hold it up at its start. */
static bool has_begun(pid_t pid)
{
	char *path = xasprintf("/proc/%d/stat", (int)pid), state;
	unsigned long user = 0, system = 0;
	FILE *f = fopen(path, "r");

	free(path);
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%*d %*s %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				 &state, &user, &system),
		3);
	fclose(f);
	return state == 'S' || user + system >= (unsigned long)sysconf(_SC_CLK_TCK) / 5;
}

/* Until it is another program than ours, and has begun its work. */
static void wait_for_exec(pid_t pid)
{
	char *path = xasprintf("/proc/%d/exe", (int)pid), ours[4096] = "", its[4096] = "";

	ck_assert_int_gt(readlink("/proc/self/exe", ours, sizeof(ours) - 1), 0);
	do {
		usleep(10000);
		memset(its, 0, sizeof(its));
		ck_assert_int_gt(readlink(path, its, sizeof(its) - 1), 0);
	} while (strcmp(ours, its) == 0);
	free(path);
	usleep(200000);
	while (!has_begun(pid))
		usleep(10000);
}

START_TEST(stacks_equal_those_of_elfutils)
{
	const char *const *argv = programs[_i];
	uint8_t *buffer = xmalloc(STACK_KEPT);
	uint64_t ours[IPS_MAX], theirs[IPS_MAX];
	size_t count = 0, their_count;
	struct bench b;

	if (access(argv[0], X_OK) < 0 || access("/usr/bin/eu-stack", X_OK) < 0) {
		printf("SKIP: %s or eu-stack is not installed\n", argv[0]);
		free(buffer);
		return;
	}
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	wait_for_exec(pid);
	bench_init(&b, 8 << 20, UNWIND_RULES_MAX);
	b.id = bench_id_of(pid);
	struct kept_stack stack = keep_stack(pid, buffer);

	symbolizer_process_seen(b.symbolizer, &b.id);
	enum unwind_end end = unwinder_walk(b.unwinder, &b.id, &stack, ours, IPS_MAX, &count);

	their_count = stack_of_elfutils(pid, theirs, IPS_MAX);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(end, UNWIND_END_ROOT);
	ck_assert_uint_ge(count, 3);
	ck_assert_uint_eq(count, their_count);
	for (size_t i = 0; i < count; i++)
		ck_assert_msg(ours[i] == theirs[i], "frame %zu: %#lx, elfutils says %#lx", i,
			ours[i], theirs[i]);
	bench_release(&b);
	free(buffer);
}
END_TEST

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static size_t binaries(const struct bench *b)
{
	struct unwinder_stats stats;

	unwinder_stats(b->unwinder, &stats);
	return stats.binaries;
}

/* Two names of one file stand for two roots that it is mapped from. */
START_TEST(one_file_is_one_binary)
{
	struct temp_dir d;
	struct bench b;
	size_t count = 0;

	temp_dir_init(&d);
	char *make = xasprintf("cd %s && cp /bin/sleep 0 && ln 0 1 && cp 0 2", d.path);

	ck_assert_int_eq(system(make), 0);
	free(make);
	bench_init(&b, 8 << 20, UNWIND_RULES_MAX);
	for (int i = 0; i < 3; i++) {
		char *path = xasprintf("%s/%d", d.path, i);
		pid_t pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			execl(path, path, "60", NULL);
			_exit(127);
		}
		wait_for_exec(pid);
		b.id = bench_id_of(pid);
		symbolizer_process_seen(b.symbolizer, &b.id);
		end(pid);
		/* The linked one brings nothing, the copy itself alone. */
		ck_assert_uint_eq(binaries(&b), i == 0 ? binaries(&b) : count + (size_t)(i / 2));
		count = binaries(&b);
		ck_assert_uint_ge(count, 1);
		free(path);
	}
	bench_release(&b);
	temp_dir_release(&d);
}
END_TEST

/* A child that stops in a function far down, without frame pointers on the way. */
static volatile int sink;

static int compare(const void *a, const void *b)
{
	raise(SIGSTOP);
	return *(const int *)a - *(const int *)b;
}

static __attribute__((noinline)) int down(int n)
{
	int list[] = {3, 2, 1};

	if (n == 0) {
		qsort(list, 3, sizeof(list[0]), compare);
		return list[0];
	}
	int r = down(n - 1) + 1;

	sink = r;
	return r;
}

static pid_t start_down(int depth)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(down(depth));
	}
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	return pid;
}

/* How often a frame returns to where the one before it does. */
static size_t repeated(const uint64_t *ips, size_t count)
{
	size_t n = 0;

	for (size_t i = 1; i < count; i++)
		n += ips[i] == ips[i - 1];
	return n;
}

START_TEST(each_call_of_a_recursion_is_a_frame)
{
	uint8_t *buffer = xmalloc(STACK_KEPT);
	pid_t pid = start_down(40);
	uint64_t ips[IPS_MAX];
	size_t count = 0;
	struct bench b;

	bench_init(&b, 8 << 20, UNWIND_RULES_MAX);
	b.id = bench_id_of(pid);
	struct kept_stack stack = keep_stack(pid, buffer);

	symbolizer_process_seen(b.symbolizer, &b.id);
	ck_assert_uint_gt(b.told, 0);
	ck_assert_int_eq(unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count),
		UNWIND_END_ROOT);
	ck_assert_uint_eq(repeated(ips, count), 39);
	/* Room for fewer. */
	ck_assert_int_eq(unwinder_walk(b.unwinder, &b.id, &stack, ips, 20, &count),
		UNWIND_END_TRUNCATED);
	ck_assert_uint_eq(count, 20);
	/* The upper part was not kept. */
	stack.stack_size = 1024;
	ck_assert_int_eq(unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count),
		UNWIND_END_CUT);
	end(pid);
	bench_release(&b);
	free(buffer);
}
END_TEST

START_TEST(a_process_that_nobody_told_of_is_walked_by_frame_pointers)
{
	uint8_t *buffer = xmalloc(STACK_KEPT);
	pid_t pid = start_down(3);
	uint64_t ips[IPS_MAX];
	size_t count = 0;
	struct bench b;

	bench_init(&b, 8 << 20, UNWIND_RULES_MAX);
	b.id = bench_id_of(pid);
	struct kept_stack stack = keep_stack(pid, buffer);
	enum unwind_end how = unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count);

	ck_assert_int_ne(how, UNWIND_END_NOT_LOADED);
	ck_assert_uint_ge(count, 1);
	ck_assert_uint_eq(ips[0], stack.regs.ip);
	end(pid);
	bench_release(&b);
	free(buffer);
}
END_TEST

/* A script starts the same program again and again. */
START_TEST(tables_outlive_a_process_for_some_rounds)
{
	uint8_t *buffer = xmalloc(STACK_KEPT);
	uint64_t ips[IPS_MAX];
	struct unwinder_stats stats;
	struct bench b;
	size_t count;

	bench_init(&b, 8 << 20, UNWIND_RULES_MAX);
	for (int i = 0; i < 3; i++) {
		pid_t pid = start_down(5);

		b.id = bench_id_of(pid);
		struct kept_stack stack = keep_stack(pid, buffer);

		symbolizer_process_seen(b.symbolizer, &b.id);
		ck_assert_int_eq(unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count),
			UNWIND_END_ROOT);
		unwinder_stats(b.unwinder, &stats);
		ck_assert_uint_eq(stats.processes, 1);
		ck_assert_uint_gt(stats.pages, 3);
		ck_assert_uint_eq(stats.pages_evicted, 0);
		unwinder_forget_process(b.unwinder, &b.id);
		end(pid);
		symbolizer_end_round(b.symbolizer);
		unwinder_end_round(b.unwinder);
	}
	unwinder_stats(b.unwinder, &stats);
	/* The second and third found what the first had loaded. */
	ck_assert_uint_lt(stats.pages_loaded, 2 * stats.pages + 8);
	for (int i = 0; i < 12; i++) {
		symbolizer_end_round(b.symbolizer);
		unwinder_end_round(b.unwinder);
	}
	unwinder_stats(b.unwinder, &stats);
	ck_assert_uint_eq(stats.binaries, 0);
	ck_assert_uint_eq(stats.pages, 0);
	unwinder_end_round(b.unwinder);
	unwinder_stats(b.unwinder, &stats);
	ck_assert_uint_eq(stats.table_used, 0);
	bench_release(&b);
	free(buffer);
}
END_TEST

/* Instrumented code has more rows a page than pages of common code leave room for when they go. */
#if defined(__SANITIZE_ADDRESS__)
#define TIGHT (2 << 20)
#else
#define TIGHT (1 << 20)
#endif

/* From there on, so many pages of code are to be loaded. */
static uint64_t much_code(size_t *ret_pages)
{
	void *library = dlopen("libLLVM-14.so.1", RTLD_LAZY);
	void *function = library ? dlsym(library, "LLVMContextCreate") : NULL;

	*ret_pages = function ? 5000 : 200;
	return (uint64_t)(uintptr_t)(function ? function : (void *)qsort);
}

/* What programs need, with room for less than that. */
START_TEST(tables_make_room_for_others)
{
	static const struct {
		size_t bytes, rules;
	} cases[] = {{TIGHT, UNWIND_RULES_MAX}, {8 << 20, 96}};
	uint8_t *buffer = xmalloc(STACK_KEPT);
	uint64_t ips[IPS_MAX];
	struct unwinder_stats stats;
	struct bench b;
	size_t count, pages;
	uint64_t code = much_code(&pages);

	bench_init(&b, cases[_i].bytes, cases[_i].rules);
	for (size_t i = 0; i < 3; i++) {
		pid_t pid = start_down(5);

		b.id = bench_id_of(pid);
		struct kept_stack stack = keep_stack(pid, buffer);

		symbolizer_process_seen(b.symbolizer, &b.id);
		for (size_t page = 0; page < pages; page++)
			unwinder_load(b.unwinder, &b.id, code + page * UNWIND_PAGE_SIZE);
		unwinder_end_round(b.unwinder);
		ck_assert_int_eq(unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count),
			UNWIND_END_ROOT);
		end(pid);
		unwinder_end_round(b.unwinder);
	}
	unwinder_stats(b.unwinder, &stats);
	ck_assert_uint_eq(stats.restarts > 0, _i == 1);
	if (pages > 200 && _i == 0 && TIGHT == 1 << 20)
		ck_assert_uint_gt(stats.pages_evicted, 0);
	ck_assert_uint_le(stats.table_bytes, cases[_i].bytes);
	bench_release(&b);
	free(buffer);
}
END_TEST

/* A child whose tables are loaded as far as its stack needs them. */
static pid_t walked_child(struct bench *b, uint8_t *buffer, struct kept_stack *ret)
{
	pid_t pid = start_down(5);
	uint64_t ips[IPS_MAX];
	size_t count;

	b->id = bench_id_of(pid);
	*ret = keep_stack(pid, buffer);
	symbolizer_process_seen(b->symbolizer, &b->id);
	ck_assert_int_eq(unwinder_walk(b->unwinder, &b->id, ret, ips, IPS_MAX, &count),
		UNWIND_END_ROOT);
	return pid;
}

/* All that is left of the tables' memory. */
static void use_up(struct bench *b)
{
	for (size_t size = SLAB_CHUNK_SIZE / 2; size; size /= 2)
		while (slab_take(unwinder_slab(b->unwinder), size))
			;
}

/* Binaries come and go between evictions, and their numbers come back. */
START_TEST(the_hand_stays_within_the_binary_it_stands_at)
{
	uint8_t *buffer = xmalloc(STACK_KEPT);
	struct unwinder_stats stats;
	struct kept_stack stack;
	struct bench b;

	bench_init(&b, 1 << 20, UNWIND_RULES_MAX);
	pid_t pid = walked_child(&b, buffer, &stack);
	struct unwinder *u = b.unwinder;
	uint32_t number = 1;

	while (!u->by_number[number] || u->by_number[number]->page_count < 2)
		number++;
	u->hand_binary = number;
	u->hand_page = u->by_number[number]->page_count - 1;
	unwinder_forget_process(u, &b.id);
	for (int i = 0; i < 12; i++)
		unwinder_end_round(u);
	ck_assert_ptr_null(u->by_number[number]);
	ck_assert_uint_eq(u->hand_page, 0);
	end(pid);

	pid = walked_child(&b, buffer, &stack);
	while (!u->by_number[number])
		number++;
	u->hand_binary = number;
	u->hand_page = 1u << 28;
	use_up(&b);
	for (uint64_t page = 0; page < 64; page++)
		unwinder_load(u, &b.id, (uint64_t)(uintptr_t)qsort + page * UNWIND_PAGE_SIZE);
	unwinder_stats(u, &stats);
	ck_assert_uint_gt(stats.pages_evicted, 0);
	end(pid);
	bench_release(&b);
	free(buffer);
}
END_TEST

/* A process with so many mappings, as seen in /proc: whether there is room for them. */
static bool has_tables(struct bench *b, uint32_t pid, size_t count)
{
	struct mapping *list = xcalloc(count, sizeof(*list));
	struct process_maps maps = {.list = list, .count = count};
	uint32_t ref, told;

	for (size_t i = 0; i < count; i++) {
		list[i].start = (i + 1) << 20;
		list[i].end = list[i].start + UNWIND_PAGE_SIZE;
	}
	b->id = (struct process_id){.pid = pid, .start_ns = 1};
	unwinder_set_process(b->unwinder, &b->id, &maps);
	ck_assert(unwinder_mappings(b->unwinder, &b->id, &ref, &told));
	free(list);
	return ref != 0;
}

START_TEST(a_new_process_makes_room_for_its_mappings)
{
	struct bench b;

	bench_init(&b, 1 << 20, UNWIND_RULES_MAX);
	struct slab *slab = unwinder_slab(b.unwinder);
	uint32_t piece = slab_take(slab, 8192);

	use_up(&b);
	slab_give(slab, piece, 8192); /* it rests, as what is evicted does */
	ck_assert(has_tables(&b, 1, 100));
	ck_assert_uint_eq(b.quiesced, 1);
	/* In vain: not again in this round, but smaller ones may fit. */
	for (uint32_t i = 0; i < 50; i++)
		ck_assert(!has_tables(&b, 2 + i, 1000));
	ck_assert_uint_eq(b.quiesced, 2);
	ck_assert(has_tables(&b, 60, 100));
	/* However it is asked. */
	use_up(&b);
	for (uint32_t i = 900; i > 800; i--)
		ck_assert(!has_tables(&b, i, i));
	ck_assert_uint_lt(b.quiesced, 40);
	unwinder_end_round(b.unwinder);
	size_t before = b.quiesced;

	ck_assert(!has_tables(&b, 1000, 1000));
	ck_assert_uint_eq(b.quiesced, before + 1);
	bench_release(&b);
}
END_TEST

/* Pages of the binaries known, no two with the same rows, until there is no room. */
static void fill_with_pages(struct unwinder *u, uint16_t rows_each)
{
	struct page_rows rows = {.count = 100};
	uint16_t kind = 0;

	for (uint32_t number = 1; number < UNWIND_BINARIES_MAX; number++) {
		struct binary *b = u->by_number[number];

		for (uint32_t i = 0; b && i < b->page_count; i++) {
			uint32_t *refs = unwind_page_refs(u, b);

			if (refs[i])
				continue;
			rows.rule[0] = ++kind;
			rows.count = (uint16_t)(rows_each + kind % 7 * 50);
			refs[i] = page_table_take(u->pages, &rows);
			unwind_page_used(u, b)[i] = i % 3 == 0;
		}
	}
}

/* What pages leave is small pieces. */
START_TEST(pages_make_room_for_a_process_of_many_mappings)
{
	uint8_t *buffer = xmalloc(STACK_KEPT);
	struct kept_stack stack;
	struct bench b;

	bench_init(&b, 1 << 20, UNWIND_RULES_MAX);
	pid_t pid = walked_child(&b, buffer, &stack);

	fill_with_pages(b.unwinder, 400);
	use_up(&b);
	ck_assert(has_tables(&b, 1, 100));
	ck_assert(has_tables(&b, 2, 1000));
	ck_assert_uint_gt(page_table_count(b.unwinder->pages), 0);
	/* Not for one that would take all. */
	size_t before = b.quiesced;

	ck_assert(!has_tables(&b, 3, 16000));
	ck_assert_uint_eq(b.quiesced, before);
	end(pid);
	bench_release(&b);
	free(buffer);
}
END_TEST

/* What it was told with is there still, wherever it lies by now. */
static void check_tables(struct bench *b, uint32_t pid, uint32_t count)
{
	struct process_id id = {.pid = pid, .start_ns = 1};
	uint32_t ref, told;

	ck_assert(unwinder_mappings(b->unwinder, &id, &ref, &told));
	ck_assert_uint_eq(told, count);
	const uint64_t *starts = slab_at(unwinder_slab(b->unwinder), ref);
	const struct unwind_mapping *m = (const void *)(starts + count);

	for (uint32_t i = 0; i < count; i++) {
		ck_assert_uint_eq(starts[i], (uint64_t)(i + 1) << 20);
		ck_assert_uint_eq(m[i].end, starts[i] + UNWIND_PAGE_SIZE);
	}
}

/* Mappings of processes and indexes of binaries lie in all chunks, and pages between. */
START_TEST(a_chunk_is_cleared_for_a_large_piece)
{
	enum { PROCESSES = 100, MAPPINGS = 40, MANY = 12000 };
	uint8_t *buffer = xmalloc(STACK_KEPT);
	uint64_t ips[IPS_MAX];
	struct kept_stack stack;
	struct bench b;
	size_t count;

	bench_init(&b, 3 << 20, UNWIND_RULES_MAX);
	b.many = true;
	pid_t pid = walked_child(&b, buffer, &stack);
	struct process_id child = b.id;

	fill_with_pages(b.unwinder, 1700);
	for (uint32_t i = 0; i < PROCESSES; i++)
		ck_assert(has_tables(&b, 1 + i, MAPPINGS));
	fill_with_pages(b.unwinder, 600);
	size_t told = b.told, quiesced = b.quiesced;

	ck_assert(has_tables(&b, 1000, MANY));
	ck_assert_uint_gt(b.told, told + PROCESSES); /* of where things are now */
	ck_assert_uint_eq(b.quiesced, quiesced + 2);
	ck_assert_uint_gt(page_table_count(b.unwinder->pages), 0);
	for (uint32_t i = 0; i < PROCESSES; i++)
		check_tables(&b, 1 + i, MAPPINGS);
	check_tables(&b, 1000, MANY);
	for (uint32_t i = 1; i < UNWIND_BINARIES_MAX; i++)
		ck_assert_uint_eq(b.binaries[i].pages,
			b.unwinder->by_number[i] ? b.unwinder->by_number[i]->pages : 0);
	/* Those are not to have all. */
	for (uint32_t i = 0; i < 4; i++)
		count = has_tables(&b, 1001 + i, 16000);
	ck_assert_uint_eq(count, 0);
	ck_assert(has_tables(&b, 1005, MAPPINGS));
	b.id = child;
	unwinder_end_round(b.unwinder);
	unwinder_walk(b.unwinder, &child, &stack, ips, IPS_MAX, &count);
	for (uint32_t i = 1000; i < 1005; i++)
		unwinder_forget_process(b.unwinder, &(struct process_id){.pid = i, .start_ns = 1});
	fill_with_pages(b.unwinder, 600);
	/* A process's own may move while its new ones are written. */
	for (uint32_t i = 0; i < PROCESSES / 10; i++)
		ck_assert(has_tables(&b, 1 + i, 2200));
	for (uint32_t i = 1; i <= 1005; i++)
		unwinder_forget_process(b.unwinder, &(struct process_id){.pid = i, .start_ns = 1});
	unwinder_forget_process(b.unwinder, &child);
	for (int i = 0; i < 12; i++)
		unwinder_end_round(b.unwinder);
	ck_assert_uint_eq(slab_used(unwinder_slab(b.unwinder)), 0);
	end(pid);
	bench_release(&b);
	free(buffer);
}
END_TEST

/* Each drops pages of all others. */
START_TEST(few_chunks_are_cleared_in_a_round)
{
	uint8_t *buffer = xmalloc(STACK_KEPT);
	struct kept_stack stack;
	struct bench b;
	size_t had = 0;

	bench_init(&b, 8 << 20, UNWIND_RULES_MAX);
	b.many = true;
	pid_t pid = walked_child(&b, buffer, &stack);

	for (int i = 0; i < 4; i++)
		fill_with_pages(b.unwinder, (uint16_t)(1700 - 400 * i));
	use_up(&b);
	for (uint32_t i = 0; i < 8; i++)
		had += has_tables(&b, 1 + i, 16000 - 500 * i);
	ck_assert_uint_gt(had, 1);
	ck_assert_uint_le(b.quiesced, 4);
	ck_assert_uint_gt(page_table_count(b.unwinder->pages), 0);
	end(pid);
	bench_release(&b);
	free(buffer);
}
END_TEST

/* Gives up all descriptors, as when there are too many. */
static void close_files(struct bench *b)
{
	list_for_each_safe(n, &symbolizer_dsos(b->symbolizer)->files.open)
		dso_files_close(list_entry(n, struct dso_files, open_node));
}

START_TEST(a_page_whose_file_cannot_be_read_is_asked_for_again)
{
	uint8_t *buffer = xmalloc(STACK_KEPT);
	uint64_t ips[IPS_MAX];
	struct kept_stack stack;
	struct bench b;
	size_t count;

	bench_init(&b, 8 << 20, UNWIND_RULES_MAX);
	pid_t pid = start_down(5);

	b.id = bench_id_of(pid);
	stack = keep_stack(pid, buffer);
	symbolizer_process_seen(b.symbolizer, &b.id);
	close_files(&b);
	b.no_files = true;
	for (int i = 0; i < 2; i++) {
		ck_assert_int_ne(unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count),
			UNWIND_END_ROOT);
		ck_assert_uint_gt(b.unwinder->unread_count, 0);
		unwinder_end_round(b.unwinder);
	}
	b.no_files = false;
	ck_assert_int_eq(unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count),
		UNWIND_END_ROOT);
	ck_assert_uint_eq(b.unwinder->unread_count, 0);
	end(pid);
	bench_release(&b);
	free(buffer);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("unwinder");

	tcase_add_loop_test(tcase, stacks_equal_those_of_elfutils, 0,
		(int)(sizeof(programs) / sizeof(programs[0])));
	tcase_add_test(tcase, one_file_is_one_binary);
	tcase_add_test(tcase, each_call_of_a_recursion_is_a_frame);
	tcase_add_test(tcase, a_process_that_nobody_told_of_is_walked_by_frame_pointers);
	tcase_add_test(tcase, tables_outlive_a_process_for_some_rounds);
	tcase_add_loop_test(tcase, tables_make_room_for_others, 0, 2);
	tcase_add_test(tcase, the_hand_stays_within_the_binary_it_stands_at);
	tcase_add_test(tcase, a_new_process_makes_room_for_its_mappings);
	tcase_add_test(tcase, pages_make_room_for_a_process_of_many_mappings);
	tcase_add_test(tcase, a_chunk_is_cleared_for_a_large_piece);
	tcase_add_test(tcase, few_chunks_are_cleared_in_a_round);
	tcase_add_test(tcase, a_page_whose_file_cannot_be_read_is_asked_for_again);
	return unit_run("unwinder", tcase);
}

#else

int main(void)
{
	puts("SKIP: registers are read on x86-64 only");
	return 0;
}

#endif
