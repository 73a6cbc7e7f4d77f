// SPDX-License-Identifier: Apache-2.0
/*
 * What the walker in the kernel finds where frame pointers alone do not lead: in system calls, on a
 * signal handler's own stack, through libc; and beside the kernel's own walker.
 */
#include <dlfcn.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "sampling.h"
#include "unwind/unwinder_inside.h"

#define FRAMES_KEPT 32

/* The sample of the watched process with the most ticks, of those that `wanted` accepts. */
struct best {
	uint32_t pid;
	bool (*wanted)(const struct profiler_sample *s);
	uint64_t count, all;
	size_t user_count, kernel_count;
	uint64_t user_ips[FRAMES_KEPT];
};

static void keep_best(void *ctx, const struct profiler_sample *s)
{
	struct best *b = ctx;

	if (s->process.pid != b->pid || !b->wanted(s))
		return;
	b->all += s->count;
	if (s->count <= b->count)
		return;
	b->count = s->count;
	b->kernel_count = s->kernel_count;
	b->user_count = MIN(s->user_count, (size_t)FRAMES_KEPT);
	memcpy(b->user_ips, s->user_ips, b->user_count * sizeof(b->user_ips[0]));
}

static struct best best_of(struct fixture *f, bool (*wanted)(const struct profiler_sample *s))
{
	struct best best = {.pid = f->watched, .wanted = wanted};
	struct profiler_tally tally;
	struct error err = {0};

	turn_for(f, NSEC_PER_SEC);
	ck_assert_int_eq(profiler_round(f->profiler, keep_best, &best, &tally, &err), 0);
	return best;
}

static bool in_kernel(const struct profiler_sample *s)
{
	return s->kernel_count > 0;
}

static bool in_user_space(const struct profiler_sample *s)
{
	return s->kernel_count == 0;
}

static pid_t start_watched(struct fixture *f, void (*work)(void))
{
	f->work = work;
	pid_t pid = start_spinner(f, NULL);

	ck_assert_int_eq(profiler_set_pid(f->profiler, f->watched, true), 0);
	return pid;
}

#if defined(__x86_64__)

#define CHUNK (1 << 20)

/* Two of libc's kinds of stubs; in both the kernel has something to do. */
static __attribute__((noinline)) void read_zeros(void)
{
	static char buffer[CHUNK];
	int fd = open("/dev/zero", O_RDONLY);

	KEEP_FRAME();
	shared->into_middle = (uint64_t)(uintptr_t)__builtin_return_address(0);
	while (!shared->stop)
		shared->laps += (uint64_t)read(fd, buffer, sizeof(buffer));
	close(fd);
}

static __attribute__((noinline)) void touch_pages(void)
{
	char *p = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	KEEP_FRAME();
	shared->into_middle = (uint64_t)(uintptr_t)__builtin_return_address(0);
	while (!shared->stop)
		shared->laps += (uint64_t)(madvise(p, CHUNK, MADV_POPULATE_WRITE) +
			madvise(p, CHUNK, MADV_DONTNEED));
}

/* The sanitizers put functions of their own between us and libc. */
#if defined(__SANITIZE_ADDRESS__)
#define STUBS 1
#else
#define STUBS 2
#endif
static void (*const into_stubs[])(void) = {touch_pages, read_zeros};

START_TEST(the_caller_of_a_system_call_is_found_though_libc_has_no_frame)
{
	struct fixture f;

	if (!setup(&f))
		return;
	pid_t pid = start_watched(&f, into_stubs[_i]);

	struct best best = best_of(&f, in_kernel);
	uint64_t start = (uint64_t)(uintptr_t)f.work;

	stop_spinner(pid);
	ck_assert_uint_ge(best.user_count, 4);
	/* the stub, the work, middle, outer, ... */
	ck_assert_uint_gt(best.user_ips[1], start);
	ck_assert_uint_lt(best.user_ips[1], start + 1024);
	ck_assert_uint_eq(best.user_ips[2], shared->into_middle);
	ck_assert_uint_eq(best.user_ips[3], shared->into_outer);
	teardown(&f);
}
END_TEST
#endif

static void spin_in_handler(int signo)
{
	(void)signo;
	KEEP_FRAME();
	while (!shared->stop)
		shared->laps++;
}

static __attribute__((noinline)) void spin_on_another_stack(void)
{
	const size_t size = 1 << 16;
	stack_t stack = {.ss_sp = xmalloc(size), .ss_size = size};
	struct sigaction action = {.sa_handler = spin_in_handler, .sa_flags = SA_ONSTACK};
	struct itimerval soon = {.it_value.tv_usec = 1000};

	KEEP_FRAME();
	shared->into_middle = (uint64_t)(uintptr_t)__builtin_return_address(0);
	sigaltstack(&stack, NULL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	while (!shared->stop)
		shared->laps++;
}

/* The tables of a stack are learnt one after the other, on a slow machine slowly. */
static void spell_until_complete(struct fixture *f)
{
	spell(f);
	for (int i = 0; i < 10 && (f->of_watched < SOME || f->with_chain < f->of_watched); i++)
		spell(f);
}

START_TEST(a_signal_handler_on_its_own_stack_leads_back_to_what_it_interrupted)
{
	struct fixture f;

	if (!setup(&f))
		return;
	pid_t pid = start_watched(&f, spin_on_another_stack);

	spell_until_complete(&f);
	stop_spinner(pid);
	ck_assert_uint_ge(f.of_watched, SOME);
	ck_assert_uint_ge(f.with_chain * 100, f.of_watched * 90);
	teardown(&f);
}
END_TEST

static int compare_slowly(const void *a, const void *b)
{
	for (int i = 0; i < 200; i++)
		shared->laps++;
	return *(const int *)a - *(const int *)b;
}

/* libc's sort has no frame pointers. */
static __attribute__((noinline)) void sort_things(void)
{
	int things[512];

	KEEP_FRAME();
	shared->into_middle = (uint64_t)(uintptr_t)__builtin_return_address(0);
	while (!shared->stop) {
		for (int i = 0; i < 512; i++)
			things[i] = (i * 7919) % 512;
		qsort(things, 512, sizeof(things[0]), compare_slowly);
	}
}

static void keep_complete(void *ctx, const struct profiler_sample *s)
{
	struct best *b = ctx;

	if (s->process.pid != b->pid)
		return;
	b->all += s->count;
	if (s->user_end == UNWIND_END_ROOT)
		b->count += s->count;
}

START_TEST(stacks_reach_their_root_through_code_without_frame_pointers)
{
	struct fixture f;
	struct profiler_tally tally;
	struct error err = {0};

	if (!setup(&f))
		return;
	pid_t pid = start_watched(&f, sort_things);
	struct best best = {.pid = f.watched};

	spell_until_complete(&f);
	ck_assert_uint_ge(f.with_chain * 100, f.of_watched * 95);
	turn_for(&f, NSEC_PER_SEC / 2);
	ck_assert_int_eq(profiler_round(f.profiler, keep_complete, &best, &tally, &err), 0);
	stop_spinner(pid);
	ck_assert_uint_ge(best.all, SOME);
	ck_assert_uint_ge(best.count * 1000, best.all * 995);
	teardown(&f);
}
END_TEST

/* Pages that nobody has asked for get rows, no two the same, until the tables have so many chunks, or (true) are full. */
static bool fill_tables(struct unwinder *u, size_t chunks)
{
	static struct page_rows rows = {.count = 1800};

	for (uint32_t number = 1; number < UNWIND_BINARIES_MAX; number++) {
		struct binary *b = u->by_number[number];

		for (uint32_t i = 0; b && i < b->page_count; i++) {
			uint32_t *refs = unwind_page_refs(u, b);

			if (refs[i])
				continue;
			if (slab_bytes(u->slab) / SLAB_CHUNK_SIZE >= chunks)
				return false;
			rows.at[1]++;
			refs[i] = page_table_take(u->pages, &rows);
			if (!refs[i])
				return true;
		}
	}
	return false;
}

static void drop_pages(struct unwinder *u)
{
	for (uint32_t number = 1; number < UNWIND_BINARIES_MAX; number++) {
		struct binary *b = u->by_number[number];

		for (uint32_t i = 0; b && i < b->page_count; i++)
			if (unwind_page_refs(u, b)[i])
				unwind_drop_page(u, b, i);
	}
	unwind_quiesce(u);
}

static void clear_marks(struct unwinder *u)
{
	for (uint32_t number = 1; number < UNWIND_BINARIES_MAX; number++) {
		const struct binary *b = u->by_number[number];

		if (b)
			memset(unwind_page_used(u, b), 0, b->page_count);
	}
}

static size_t count_marks(struct unwinder *u)
{
	size_t marked = 0;

	for (uint32_t number = 1; number < UNWIND_BINARIES_MAX; number++) {
		const struct binary *b = u->by_number[number];

		for (uint32_t i = 0; b && i < b->page_count; i++)
			marked += unwind_page_used(u, b)[i];
	}
	return marked;
}

/* The kernel keeps what it has found; but who clears marks to see which pages are used learns of all that are. */
START_TEST(pages_in_use_are_marked_again_after_marks_were_cleared)
{
	struct fixture f;

	if (!setup(&f))
		return;
	pid_t pid = start_watched(&f, sort_things);
	struct unwinder *u = profiler_unwinder(f.profiler);

	spell_until_complete(&f);
	spell(&f);
	clear_marks(u);
	unwind_quiesce(u);
	spell(&f);
	stop_spinner(pid);
	ck_assert_uint_ge(count_marks(u), 3); /* qsort(), its caller, and what called main() */
	teardown(&f);
}
END_TEST

static void tell_of_another(struct unwinder *u, uint32_t number, size_t count)
{
	struct mapping *list = xcalloc(count, sizeof(*list));
	struct process_id id = {.pid = (5u << 20) + number, .start_ns = 1};
	uint32_t ref, told;

	for (size_t i = 0; i < count; i++) {
		list[i].start = (i + 1) << 20;
		list[i].end = list[i].start + UNWIND_PAGE_SIZE;
	}
	unwinder_set_process(u, &id, &(struct process_maps){.list = list, .count = count});
	unwinder_mappings(u, &id, &ref, &told);
	ck_assert_uint_ne(ref, 0);
	free(list);
}

/* Its tables are moved while the kernel walks by them. */
START_TEST(stacks_stay_complete_when_tables_move)
{
	struct profiler_options options = defaults();
	struct unwinder_stats before, after;
	struct fixture f;
	uint32_t ref, moved, count;

	options.unwind_max_bytes = 3 << 20;
	if (!setup_with(&f, &options))
		return;
	pid_t pid = start_watched(&f, sort_things);
	struct unwinder *u = profiler_unwinder(f.profiler);

	spell_until_complete(&f);
	ck_assert(unwinder_mappings(u, &f.process, &ref, &count));
	for (uint32_t chunks = 2; chunks <= 3; chunks++) {
		fill_tables(u, chunks);
		tell_of_another(u, chunks, 9000);
	}
	bool full = fill_tables(u, SIZE_MAX);

	tell_of_another(u, 0, 12000);
	ck_assert(unwinder_mappings(u, &f.process, &moved, &count));
	ck_assert(!full || moved != ref); /* nearly all systems have as much code */
	drop_pages(u);
	spell_until_complete(&f);
	/* Soon the kernel finds all it needs. */
	for (int i = 0; i < 20; i++) {
		unwinder_stats(u, &before);
		spell(&f);
		unwinder_stats(u, &after);
		ck_assert_uint_ge(f.with_chain * 100, f.of_watched * 95);
		if (f.of_watched >= SOME && after.walks == before.walks)
			break;
	}
	ck_assert_uint_eq(after.walks, before.walks);
	stop_spinner(pid);
	teardown(&f);
}
END_TEST

/* The longest user call chain that perf itself samples of a process in some time. */
static size_t perf_chain(pid_t pid, uint64_t *ips, size_t max, struct fixture *f)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 64 * page;
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.freq = 1,
		.sample_freq = RATE,
		.sample_type = PERF_SAMPLE_CALLCHAIN,
		.exclude_callchain_kernel = 1,
		.exclude_kernel = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	struct perf_event_mmap_page *ring =
		mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	size_t longest = 0;

	ck_assert_ptr_ne(ring, MAP_FAILED);
	turn_for(f, NSEC_PER_SEC / 4);
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);

	ck_assert_uint_lt(head, size); /* it has not wrapped */
	for (uint64_t at = 0; at < head;) {
		const struct perf_event_header *h = (const void *)((const char *)ring + page + at);
		const uint64_t *chain = (const uint64_t *)(const void *)(h + 1);

		/* chain[0]: how many follow; the first of them says that these are user space's. */
		if (h->type == PERF_RECORD_SAMPLE && chain[0] > longest && chain[0] - 1 <= max) {
			longest = chain[0] - 1;
			memcpy(ips, chain + 2, longest * sizeof(*ips));
		}
		at += h->size;
	}
	munmap(ring, page + size);
	close(fd);
	return longest;
}

START_TEST(it_finds_what_the_kernels_own_walker_finds)
{
	struct fixture f;
	uint64_t ips[FRAMES_KEPT];
	size_t same = 0;

	if (!setup(&f))
		return;
	pid_t pid = start_spinner(&f, NULL);

	ck_assert_int_eq(profiler_set_pid(f.profiler, f.watched, true), 0);
	size_t count = perf_chain(pid, ips, ARRAY_SIZE(ips), &f);
	struct best best = best_of(&f, in_user_space);

	stop_spinner(pid);
	ck_assert_uint_ge(count, 4);
	ck_assert_uint_ge(best.user_count, 4);
	/*
	 * All but the leaf, which moves in its loop; as far as the kernel goes by frame pointers. Where
	 * libc or check have none it may go on with what is no code.
	 */
	for (size_t i = 1; i < count && i < best.user_count && best.user_ips[i] == ips[i]; i++)
		same++;
	ck_assert_uint_ge(same, 3);
	for (size_t i = 1 + same; i < count; i++)
		ck_assert_int_eq(dladdr((const void *)(uintptr_t)ips[i], &(Dl_info){0}), 0);
	teardown(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("profiler_stacks");
	TCase *tcase = tcase_create("profiler_stacks");

	tcase_set_timeout(tcase, UNIT_TIMEOUT_S);
#if defined(__x86_64__)
	tcase_add_loop_test(tcase, the_caller_of_a_system_call_is_found_though_libc_has_no_frame, 0,
		STUBS);
#endif
	tcase_add_test(tcase, a_signal_handler_on_its_own_stack_leads_back_to_what_it_interrupted);
	tcase_add_test(tcase, stacks_reach_their_root_through_code_without_frame_pointers);
	tcase_add_test(tcase, pages_in_use_are_marked_again_after_marks_were_cleared);
	tcase_add_test(tcase, stacks_stay_complete_when_tables_move);
	tcase_add_test(tcase, it_finds_what_the_kernels_own_walker_finds);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
