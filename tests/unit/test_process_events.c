// SPDX-License-Identifier: Apache-2.0
/* Perf's side-band records: hand-made bytes, and the lives of real processes. */
#include "profiler/process_events.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "profiler/process_records.h"
#include "temp_dir.h"
#include "unit.h"

/* One record under construction. */
struct bytes {
	uint8_t data[512] __attribute__((aligned(8)));
	size_t size;
};

static void put(struct bytes *b, const void *data, size_t size)
{
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

static void put_u32(struct bytes *b, uint32_t value)
{
	put(b, &value, sizeof(value));
}

static void put_u64(struct bytes *b, uint64_t value)
{
	put(b, &value, sizeof(value));
}

static struct bytes begin_record(uint32_t type, uint16_t misc)
{
	struct bytes b = {0};
	struct perf_event_header header = {.type = type, .misc = misc};

	put(&b, &header, sizeof(header));
	return b;
}

static struct bytes *end_record(struct bytes *b, uint64_t at_ns)
{
	while (b->size % 8)
		b->data[b->size++] = '\0';
	put_u64(b, at_ns);
	uint16_t size = (uint16_t)b->size;

	memcpy(b->data + offsetof(struct perf_event_header, size), &size, sizeof(size));
	return b;
}

static struct bytes map_record(const char *path, uint64_t inode, uint64_t at_ns)
{
	struct bytes b = begin_record(PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER);

	put_u32(&b, 7);
	put_u32(&b, 8);
	put_u64(&b, 0x1000);
	put_u64(&b, 0x3000);
	put_u64(&b, 0x2000);
	put_u32(&b, 0xfe);
	put_u32(&b, 1);
	put_u64(&b, inode);
	put_u64(&b, 99);
	put_u32(&b, PROT_READ | PROT_EXEC);
	put_u32(&b, MAP_PRIVATE);
	put(&b, path, strlen(path) + 1);
	return *end_record(&b, at_ns);
}

static struct bytes fork_record(uint32_t pid, uint32_t tid, uint64_t at_ns)
{
	struct bytes b = begin_record(PERF_RECORD_FORK, 0);

	put_u32(&b, pid);
	put_u32(&b, 1);
	put_u32(&b, tid);
	put_u32(&b, 1);
	put_u64(&b, at_ns);
	return *end_record(&b, at_ns);
}

START_TEST(records_become_values)
{
	struct process_record r;
	struct bytes map = map_record("/usr/bin/x (deleted)", 1234, 55);
	struct bytes fork_of = fork_record(7, 7, 66);
	struct bytes comm = begin_record(PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC);
	struct bytes lost = begin_record(PERF_RECORD_LOST, 0);

	ck_assert(process_record_parse(map.data, map.size, &r));
	ck_assert_int_eq(r.kind, RECORD_MAP);
	ck_assert_uint_eq(r.pid, 7);
	ck_assert_uint_eq(r.at_ns, 55);
	ck_assert_uint_eq(r.generation, 99);
	ck_assert_uint_eq(r.mapping.start, 0x1000);
	ck_assert_uint_eq(r.mapping.end, 0x4000);
	ck_assert_uint_eq(r.mapping.offset, 0x2000);
	ck_assert_uint_eq(r.mapping.dev_major, 0xfe);
	ck_assert_uint_eq(r.mapping.inode, 1234);
	ck_assert(r.mapping.deleted);
	ck_assert_str_eq(r.mapping.path, "/usr/bin/x");

	ck_assert(process_record_parse(fork_of.data, fork_of.size, &r));
	ck_assert_int_eq(r.kind, RECORD_FORK);
	ck_assert_uint_eq(r.parent, 1);
	ck_assert_uint_eq(r.at_ns, 66);

	put_u32(&comm, 7);
	put_u32(&comm, 7);
	put(&comm, "make", 5);
	end_record(&comm, 77);
	ck_assert(process_record_parse(comm.data, comm.size, &r));
	ck_assert_int_eq(r.kind, RECORD_EXEC);
	ck_assert_str_eq(r.comm, "make");

	put_u64(&lost, 0);
	put_u64(&lost, 12);
	end_record(&lost, 88);
	ck_assert(process_record_parse(lost.data, lost.size, &r));
	ck_assert_int_eq(r.kind, RECORD_LOST);
	ck_assert_uint_eq(r.lost, 12);
}
END_TEST

START_TEST(memory_without_a_file_has_no_path)
{
	struct process_record r;
	struct bytes anon = map_record("//anon", 0, 1), lost_name = map_record("//toolong", 5, 1);

	ck_assert(process_record_parse(anon.data, anon.size, &r));
	ck_assert_str_eq(r.mapping.path, "");
	ck_assert(process_record_parse(lost_name.data, lost_name.size, &r));
	ck_assert_str_eq(r.mapping.path, "");
}
END_TEST

/* Whatever is cut off or changed, nothing beyond the record is read (the sanitizer watches). */
START_TEST(damaged_records_are_refused)
{
	struct process_record r;
	struct bytes good = map_record("/usr/lib/libc.so.6", 1, 1);

	for (size_t size = 0; size < good.size; size++) {
		uint8_t *cut = xmemdup(good.data, size);

		ck_assert(!process_record_parse(cut, size, &r));
		free(cut);
	}
	struct bytes endless = good, wraps = good, empty = good;

	memset(endless.data + 72, 'x', endless.size - 72 - 8);
	ck_assert(!process_record_parse(endless.data, endless.size, &r));
	memset(wraps.data + 16, 0xff, 16);
	ck_assert(!process_record_parse(wraps.data, wraps.size, &r));
	memset(empty.data + 24, 0, 8);
	ck_assert(!process_record_parse(empty.data, empty.size, &r));
}
END_TEST

/* Records are written one after the other, around the end of a small ring, many times. */
START_TEST(records_wrap_around_the_end_of_the_ring)
{
	uint8_t data[256] __attribute__((aligned(8))), record[PROCESS_RECORD_MAX];
	struct record_ring ring = {.data = data, .size = sizeof(data)};
	uint64_t at_ns;

	for (uint64_t i = 1; i < 200; i++) {
		struct bytes b = i % 2 ? map_record("/lib/x", i, i) : fork_record(3, 3, i);
		struct process_record r;

		for (size_t k = 0; k < b.size; k++)
			data[(ring.end + k) % sizeof(data)] = b.data[k];
		ring.end += b.size;
		ck_assert_int_eq(record_ring_peek(&ring, &at_ns), (int)b.size);
		ck_assert_uint_eq(at_ns, i);
		record_ring_take(&ring, b.size, record);
		ck_assert(process_record_parse(record, b.size, &r));
		ck_assert_uint_eq(r.at_ns, i);
		ck_assert_int_eq(record_ring_peek(&ring, &at_ns), 0);
	}
}
END_TEST

START_TEST(nonsense_in_a_ring_is_seen)
{
	uint64_t data[32] = {0}, at_ns;
	struct perf_event_header *header = (void *)data;
	struct record_ring ring = {.data = (void *)data, .size = sizeof(data), .end = 64};
	static const uint16_t sizes[] = {0, 8, 20, 72, 65528};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		header->size = sizes[i];
		ck_assert_int_eq(record_ring_peek(&ring, &at_ns), -EINVAL);
	}
	header->size = 64;
	ck_assert_int_eq(record_ring_peek(&ring, &at_ns), 64);
	ring.end = sizeof(data) + 8; /* overwritten */
	ck_assert_int_eq(record_ring_peek(&ring, &at_ns), -EINVAL);
}
END_TEST

/* What the callbacks heard of one process and its children, a word each. */
struct heard {
	struct strbuf text;
	uint32_t pid; /* of interest */
	uint64_t last_ns;
	bool disorder;
	uint64_t lost;
};

static void note(struct heard *h, uint64_t at_ns, const char *word)
{
	strbuf_add_str(&h->text, word);
	strbuf_add_char(&h->text, ' ');
	h->disorder |= at_ns < h->last_ns;
	h->last_ns = at_ns;
}

static void hear_fork(void *ctx, uint32_t pid, uint32_t parent, uint64_t at_ns)
{
	struct heard *h = ctx;

	if (!h->pid && parent == (uint32_t)getpid())
		h->pid = pid;
	if (pid == h->pid)
		note(h, at_ns, "fork");
}

static void hear_exec(void *ctx, uint32_t pid, const char *comm, uint64_t at_ns)
{
	if (pid == ((struct heard *)ctx)->pid)
		note(ctx, at_ns, comm);
}

static void hear_map(void *ctx, uint32_t pid, const struct map_entry *entry, uint64_t generation,
	uint64_t at_ns)
{
	struct heard *h = ctx;
	const char *slash = strrchr(entry->path, '/');

	(void)generation;
	ck_assert_uint_lt(entry->start, entry->end);
	if (pid != h->pid)
		return;
	note(ctx, at_ns, entry->path[0] ? slash ? slash + 1 : entry->path : "anon");
}

static void hear_exit(void *ctx, uint32_t pid, uint32_t tid, uint64_t at_ns)
{
	struct heard *h = ctx;

	if (pid != h->pid)
		return;
	note(h, at_ns, tid == pid ? "exit" : "thread-exit");
}

static void hear_loss(void *ctx, uint64_t count, uint64_t since_ns)
{
	struct heard *h = ctx;

	ck_assert_uint_gt(since_ns, 0);
	h->lost += count;
}

static const struct process_events_ops hear = {hear_fork, hear_exec, hear_map, hear_exit,
	hear_loss};

struct live {
	struct loop *loop;
	struct process_events *events;
	struct heard heard;
};

static void live_init_at(struct live *l, const char *sys)
{
	struct error err = {0};

	*l = (struct live){.heard.text = STRBUF_INIT};
	ck_assert_int_eq(loop_new(&l->loop), 0);
	ck_assert_msg(process_events_new(l->loop, "/proc", sys, &hear, &l->heard, &l->events,
			      &err) == 0,
		"%s", err.message);
}

static void live_init(struct live *l)
{
	live_init_at(l, "/sys");
}

static void live_end(struct live *l)
{
	process_events_free(l->events);
	loop_free(l->loop);
	strbuf_release(&l->heard.text);
}

static void run(struct live *l, void (*child)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		child();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	process_events_drain(l->events);
	ck_assert_uint_eq(l->heard.pid, (uint32_t)pid);
	ck_assert(!l->heard.disorder);
	ck_assert_uint_eq(l->heard.lost, 0);
}

static void exec_true(void)
{
	execl("/bin/true", "true", NULL);
	_exit(1);
}

/* It lives about a millisecond and a half; nobody looked at it meanwhile. */
START_TEST(a_short_life_is_seen_completely)
{
	struct live l;

	live_init(&l);
	run(&l, exec_true);
	ck_assert_msg(strstr(l.heard.text.buf, "fork true true ld-linux") == l.heard.text.buf, "%s",
		l.heard.text.buf);
	ck_assert_ptr_nonnull(strstr(l.heard.text.buf, " [vdso] "));
	ck_assert_ptr_nonnull(strstr(l.heard.text.buf, " libc.so.6 exit "));
	live_end(&l);
}
END_TEST

static void exec_twice(void)
{
	execl("/bin/sh", "sh", "-c", "exec sh -c 'exec true'", NULL);
	_exit(1);
}

START_TEST(exec_over_itself_is_seen_each_time)
{
	struct live l;
	const char *at;

	live_init(&l);
	run(&l, exec_twice);
	at = strstr(l.heard.text.buf, "fork sh ");
	ck_assert_ptr_nonnull(at);
	at = strstr(at + 5, " sh ");
	ck_assert_ptr_nonnull(at);
	ck_assert_ptr_nonnull(strstr(at, " true true "));
	live_end(&l);
}
END_TEST

static void map_things(void)
{
	int fd = memfd_create("jit", 0);

	if (ftruncate(fd, 4096) < 0)
		_exit(1);
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	dlopen("libm.so.6", RTLD_NOW);
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

START_TEST(memory_that_becomes_code_is_seen)
{
	struct live l;

	live_init(&l);
	run(&l, map_things);
	ck_assert_msg(strstr(l.heard.text.buf, "memfd:jit ") != NULL, "%s", l.heard.text.buf);
	ck_assert_ptr_nonnull(strstr(l.heard.text.buf, "anon exit"));
	live_end(&l);
}
END_TEST

static void *outlive(void *leader_done)
{
	(void)leader_done;
	usleep(20000);
	_exit(0);
}

static void leave_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, outlive, NULL);
	syscall(SYS_exit, 0); /* this thread alone */
}

START_TEST(threads_may_outlive_their_leader)
{
	struct live l;

	live_init(&l);
	run(&l, leave_thread);
	ck_assert_msg(strstr(l.heard.text.buf, "exit thread-exit") != NULL, "%s", l.heard.text.buf);
	live_end(&l);
}
END_TEST

/* Parent and child run on different CPUs, so their records are in different rings. */
START_TEST(what_happens_on_several_cpus_comes_in_order)
{
	struct live l;
	cpu_set_t set;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	live_init(&l);
	for (size_t i = 0; i < 50; i++) {
		CPU_ZERO(&set);
		CPU_SET(i % 2, &set);
		sched_setaffinity(0, sizeof(set), &set);
		pid_t pid = fork();

		if (pid == 0) {
			CPU_ZERO(&set);
			CPU_SET((i + 1) % 2, &set);
			sched_setaffinity(0, sizeof(set), &set);
			exec_true();
		}
		l.heard.pid = 0;
		strbuf_reset(&l.heard.text);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		process_events_drain(l.events);
		ck_assert_msg(strstr(l.heard.text.buf, "fork true true") == l.heard.text.buf, "%s",
			l.heard.text.buf);
		ck_assert(!l.heard.disorder);
	}
	live_end(&l);
}
END_TEST

static void fill_rings(void)
{
	for (int i = 0; i < 20000; i++) {
		void *p =
			mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(p, 4096);
	}
}

/* The kernel tells what was lost with the next record of that CPU. */
static void fork_everywhere(void)
{
	cpu_set_t set;

	for (size_t cpu = 0; cpu < (size_t)sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

/* Nobody reads while 20,000 mappings come: most are lost, and that is told. */
START_TEST(what_is_lost_is_told)
{
	struct live l;
	pid_t pid;

	live_init(&l);
	pid = fork();
	if (pid == 0) {
		fill_rings();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	process_events_drain(l.events);
	fork_everywhere();
	process_events_drain(l.events);
	ck_assert_uint_gt(l.heard.lost, 1000);
	ck_assert_uint_eq(process_events_stats(l.events)->lost, l.heard.lost);
	ck_assert_uint_eq(process_events_stats(l.events)->damaged, 0);
	live_end(&l);
}
END_TEST

/* The loop is woken when a ring is a quarter full, with nobody draining. */
START_TEST(a_ring_that_fills_wakes_the_loop)
{
	struct live l;
	int64_t end = clock_monotonic_ns() + 10 * NSEC_PER_SEC;
	pid_t pid;

	live_init(&l);
	pid = fork();
	if (pid == 0) {
		fill_rings();
		_exit(0);
	}
	while (!process_events_stats(l.events)->records && clock_monotonic_ns() < end)
		ck_assert_int_eq(loop_turn(l.loop, NSEC_PER_SEC), 0);
	ck_assert_uint_gt(process_events_stats(l.events)->records, 0);
	waitpid(pid, NULL, 0);
	live_end(&l);
}
END_TEST

static void follow(struct live *l)
{
	struct error err = {0};

	ck_assert_msg(process_events_follow(l->events, &err) == 0, "%s", err.message);
}

#define ONLINE "devices/system/cpu/online"

/* An event of a CPU that was away: what happened before it was opened is told as lost. */
START_TEST(an_event_that_is_opened_late_means_a_gap)
{
	struct temp_dir sys;
	struct live l;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("SKIP: one CPU only\n");
		return;
	}
	temp_dir_init(&sys);
	char *make cleanup_free = xasprintf("mkdir -p %s/devices/system/cpu", sys.path);

	ck_assert_int_eq(system(make), 0);
	temp_dir_write(&sys, ONLINE, "0\n", 2);
	live_init_at(&l, sys.path);
	follow(&l);
	ck_assert_uint_eq(l.heard.lost, 0);
	temp_dir_write(&sys, ONLINE, "0-1\n", 4);
	follow(&l);
	ck_assert_uint_eq(l.heard.lost, 1);
	l.heard.lost = 0;
	run(&l, exec_true);
	ck_assert_ptr_nonnull(strstr(l.heard.text.buf, "fork true true"));
	live_end(&l);
	temp_dir_release(&sys);
}
END_TEST

/* A CPU with nothing to do says nothing; that is no reason to look for another event. */
START_TEST(a_silent_cpu_is_no_gap)
{
	struct live l;

	live_init(&l);
	for (int i = 0; i < 1000; i++)
		follow(&l);
	ck_assert_uint_eq(l.heard.lost, 0);
	live_end(&l);
}
END_TEST

UNIT_MAIN("process_events", records_become_values, memory_without_a_file_has_no_path,
	damaged_records_are_refused, records_wrap_around_the_end_of_the_ring,
	nonsense_in_a_ring_is_seen, a_short_life_is_seen_completely,
	exec_over_itself_is_seen_each_time, memory_that_becomes_code_is_seen,
	threads_may_outlive_their_leader, what_happens_on_several_cpus_comes_in_order,
	what_is_lost_is_told, a_ring_that_fills_wakes_the_loop,
	an_event_that_is_opened_late_means_a_gap, a_silent_cpu_is_no_gap)
