// SPDX-License-Identifier: Apache-2.0
/* Which image had what mapped: events made up, and those of real processes that nobody looked at alive. */
#include "symbols/process_history.h"

#include <sys/mman.h>

#include "base/clock.h"
#include "base/macros.h"
#include "process_feed.h"
#include "unit/frames.h"
#include "program.h"
#include "symbols/process_image.h"
#include "symbols/symbolizer.h"
#include "temp_dir.h"
#include "unit.h"

/* Pids beyond pid_max's largest value: no such process will ever be found in /proc. */
#define PID (5u << 20)

struct fixture {
	struct proc_root proc;
	struct dso_cache dsos;
	uint32_t next_module_id;
	struct process_history *history;
	uint64_t now_ns; /* of the made-up events */
};

static struct fixture f;

static void setup(void)
{
	f = (struct fixture){.now_ns = (uint64_t)(1000 * NSEC_PER_SEC), .next_module_id = 1};
	ck_assert_int_eq(proc_root_init(&f.proc, "/proc"), 0);
	dso_cache_init(&f.dsos,
		&(struct dso_cache_options){.max_bytes = 8 << 20,
			.next_module_id = &f.next_module_id,
			.host_dir = -1});
	f.history = process_history_new(&f.proc, &f.dsos);
}

static void teardown(void)
{
	process_history_free(f.history);
	dso_cache_release(&f.dsos);
	proc_root_release(&f.proc);
}

static uint64_t later(void)
{
	f.now_ns += (uint64_t)NSEC_PER_MSEC;
	return f.now_ns;
}

static struct process_id forked(uint32_t pid, uint32_t parent, uint32_t exec_id)
{
	uint64_t at_ns = later();

	process_history_forked(f.history, pid, parent, at_ns);
	return (struct process_id){.pid = pid, .exec_id = exec_id, .start_ns = at_ns - 2000};
}

static void mapped(uint32_t pid, uint64_t start, uint64_t end, const char *path, uint64_t inode)
{
	struct map_entry e = {
		.start = start,
		.end = end,
		.offset = 0x1000,
		.inode = inode,
		.dev_major = 250,
		.executable = true,
		.path = path,
	};

	process_history_mapped(f.history, pid, &e, 0, later());
}

/* "START-END+OFFSET name ..." of an image, "unknown" where there is no answer. */
static const char *shown(const struct process_id *id)
{
	static char text[1024];
	struct process_maps maps, none = {0};
	size_t len = 0;

	if (process_history_maps(f.history, id, &none, &maps) < 0)
		return "unknown";
	text[0] = '\0';
	for (size_t i = 0; i < maps.count; i++) {
		const struct mapping *m = &maps.list[i];

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llx-%llx+%llx %s",
			i ? ", " : "", (unsigned long long)m->start, (unsigned long long)m->end,
			(unsigned long long)m->offset, m->dso ? dso_module(m->dso)->name : "anon");
	}
	process_maps_release(&maps, &f.dsos);
	return text;
}

START_TEST(an_image_is_known_after_its_process_is_gone)
{
	struct process_id id = forked(PID, PID + 1, 1);

	process_history_execed(f.history, PID, later());
	mapped(PID, 0x1000, 0x3000, "/bin/x", 1);
	mapped(PID, 0x8000, 0x9000, "", 0);
	uint64_t ran_ns = later();

	process_history_exited(f.history, PID, PID, later());
	id.exec_id = 7;
	ck_assert_str_eq(shown(&id), "unknown"); /* which of the two images? */
	process_history_seen(f.history, &id, ran_ns);
	ck_assert_str_eq(shown(&id), "1000-3000+1000 x, 8000-9000+1000 anon");
	ck_assert_int_eq(process_history_age(f.history, &id), IMAGE_CURRENT);
	id.exec_id = 8;
	ck_assert_str_eq(shown(&id), "unknown");
}
END_TEST

START_TEST(each_image_has_its_own_mappings)
{
	struct process_id shell = forked(PID, PID + 1, 3), id;

	process_history_execed(f.history, PID, later());
	mapped(PID, 0x1000, 0x2000, "/bin/sh", 1);
	shell.exec_id = 4;
	process_history_seen(f.history, &shell, later());

	/* The child inherits the shell's mappings and its exec_id. */
	id = forked(PID + 2, PID, 4);
	ck_assert_str_eq(shown(&id), "1000-2000+1000 sh");
	process_history_execed(f.history, PID + 2, later());
	mapped(PID + 2, 0x1000, 0x2000, "/bin/wrapper", 2);
	process_history_execed(f.history, PID + 2, later());
	mapped(PID + 2, 0x1000, 0x2000, "/bin/program", 3);
	mapped(PID, 0x5000, 0x6000, "/lib/late.so", 4); /* is not the child's */
	ck_assert_str_eq(shown(&id), "1000-2000+1000 sh");
	ck_assert_int_eq(process_history_age(f.history, &id), IMAGE_PAST);
	id.exec_id = 5;
	ck_assert_str_eq(shown(&id), "1000-2000+1000 wrapper");
	id.exec_id = 6;
	ck_assert_str_eq(shown(&id), "1000-2000+1000 program");
	ck_assert_int_eq(process_history_age(f.history, &id), IMAGE_CURRENT);
	ck_assert_str_eq(shown(&shell), "1000-2000+1000 sh, 5000-6000+1000 late.so");
}
END_TEST

START_TEST(a_sample_at_the_time_of_an_exec_tells_nothing)
{
	struct process_id id = forked(PID, PID + 1, 1);
	uint64_t exec_ns = later();

	process_history_execed(f.history, PID, exec_ns);
	mapped(PID, 0x1000, 0x2000, "/bin/x", 1);
	process_history_seen(f.history, &id, exec_ns + 1000); /* exec_id changes about now */
	ck_assert_str_eq(shown(&id), "unknown");
	process_history_seen(f.history, &id, later());
	ck_assert_str_eq(shown(&id), "1000-2000+1000 x");
}
END_TEST

/* The pid comes back: neither life answers for the other. */
START_TEST(nothing_is_known_by_pid_alone)
{
	struct process_id first = forked(PID, PID + 1, 1), second;

	process_history_execed(f.history, PID, later());
	mapped(PID, 0x1000, 0x2000, "/bin/first", 1);
	process_history_seen(f.history, &first, later());
	process_history_exited(f.history, PID, PID, later());
	second = forked(PID, PID + 1, 1);
	process_history_execed(f.history, PID, later());
	mapped(PID, 0x1000, 0x2000, "/bin/second", 2);
	second.exec_id = 1;
	process_history_seen(f.history, &second, later());
	ck_assert_str_eq(shown(&second), "1000-2000+1000 second");
	ck_assert_str_eq(shown(&first), "unknown");
	second.start_ns -= (uint64_t)NSEC_PER_SEC;
	ck_assert_str_eq(shown(&second), "unknown");
}
END_TEST

START_TEST(mappings_replace_what_was_there)
{
	struct process_id id = forked(PID, PID + 1, 1);

	process_history_execed(f.history, PID, later());
	mapped(PID, 0x10000, 0x20000, "/lib/a", 1);
	process_history_seen(f.history, &id, later());
	mapped(PID, 0x14000, 0x15000, "/lib/b", 2);
	ck_assert_str_eq(shown(&id), "10000-14000+1000 a, 14000-15000+1000 b, 15000-20000+6000 a");
	mapped(PID, 0xf000, 0x15000, "/lib/c", 3);
	ck_assert_str_eq(shown(&id), "f000-15000+1000 c, 15000-20000+6000 a");
	mapped(PID, 0x1f000, 0x30000, "/lib/d", 4);
	ck_assert_str_eq(shown(&id), "f000-15000+1000 c, 15000-1f000+6000 a, 1f000-30000+1000 d");
	mapped(PID, 0x1000, 0x40000, "/lib/e", 5);
	ck_assert_str_eq(shown(&id), "1000-40000+1000 e");
	mapped(PID, 0x1000, 0x40000, "/lib/e", 5);
	ck_assert_str_eq(shown(&id), "1000-40000+1000 e");
}
END_TEST

/* A JIT that maps page by page, in both directions and over itself. */
START_TEST(memory_without_a_file_grows_together)
{
	struct process_id id = forked(PID, PID + 1, 1);

	process_history_execed(f.history, PID, later());
	mapped(PID, 0x100000, 0x101000, "/bin/x", 1);
	process_history_seen(f.history, &id, later());
	for (uint64_t i = 0; i < 5000; i++)
		mapped(PID, 0x200000 + i * 0x1000, 0x201000 + i * 0x1000, "", 0);
	mapped(PID, 0x202000, 0x204000, "", 0);
	ck_assert_str_eq(shown(&id), "100000-101000+1000 x, 200000-1588000+1000 anon");
}
END_TEST

START_TEST(a_loss_makes_it_forget_what_may_have_changed)
{
	struct process_id before = forked(PID, PID + 9, 1), lives = forked(PID + 1, PID + 9, 1);
	struct process_id during = forked(PID + 2, PID + 9, 1);
	uint64_t since_ns;

	for (uint32_t pid = PID; pid < PID + 3; pid++) {
		process_history_execed(f.history, pid, later());
		mapped(pid, 0x1000, 0x2000, "/bin/x", 1);
	}
	process_history_seen(f.history, &before, later());
	process_history_seen(f.history, &lives, later());
	process_history_seen(f.history, &during, later());
	process_history_exited(f.history, PID, PID, later());
	since_ns = later();
	process_history_exited(f.history, PID + 2, PID + 2, later());
	ck_assert_str_eq(shown(&during), "1000-2000+1000 x");
	process_history_lost(f.history, since_ns);
	ck_assert_str_eq(shown(&before), "1000-2000+1000 x");
	ck_assert_str_eq(shown(&lives), "unknown");
	ck_assert_str_eq(shown(&during), "unknown");
}
END_TEST

START_TEST(what_has_mapped_nothing_is_unchanged)
{
	uint64_t now = process_history_now(f.history);
	struct map_entry e = {.start = 0x1000, .end = 0x2000, .executable = true, .path = ""};

	ck_assert(!process_history_unchanged(f.history, PID, now + 1)); /* nobody tells of it */
	process_history_follow(f.history);
	now = process_history_now(f.history);
	ck_assert(!process_history_unchanged(f.history, PID, now - (uint64_t)NSEC_PER_SEC));
	ck_assert(process_history_unchanged(f.history, PID, now + 1));
	process_history_mapped(f.history, PID, &e, 0, now + 10);
	ck_assert(!process_history_unchanged(f.history, PID, now + 10));
	ck_assert(process_history_unchanged(f.history, PID, now + 11));
	ck_assert(process_history_unchanged(f.history, PID + 1, now + 1));
	process_history_execed(f.history, PID, now + 20);
	ck_assert(!process_history_unchanged(f.history, PID, now + 11));
	process_history_lost(f.history, now);
	ck_assert(!process_history_unchanged(f.history, PID + 1, now + 1));
}
END_TEST

START_TEST(what_ended_is_kept_until_its_samples_have_names)
{
	struct process_id id = forked(PID, PID + 1, 1);
	struct process_history_stats stats;

	process_history_execed(f.history, PID, later());
	mapped(PID, 0x1000, 0x2000, "/bin/x", 1);
	process_history_seen(f.history, &id, later());
	process_history_begin_round(f.history);
	process_history_exited(f.history, PID, PID, later()); /* while the round goes on */
	process_history_end_round(f.history);
	process_history_begin_round(f.history);
	ck_assert_str_eq(shown(&id), "1000-2000+1000 x");
	process_history_end_round(f.history);
	ck_assert_str_eq(shown(&id), "unknown");
	process_history_end_round(f.history);
	process_history_end_round(f.history);
	process_history_stats(f.history, &stats);
	ck_assert_uint_eq(stats.files, 0);
}
END_TEST

/* A host that starts a hundred thousand processes, each with a program of its own. */
START_TEST(memory_is_bounded_whatever_happens)
{
	struct process_history_stats stats;
	char path[2048];

	for (uint32_t i = 0; i < 100000; i++) {
		forked(PID + i, PID + i / 2, 1);
		process_history_execed(f.history, PID + i, later());
		snprintf(path, sizeof(path), "/bin/%01000u", i);
		for (uint64_t k = 0; k < 3; k++)
			mapped(PID + i, 0x1000 + k * 0x2000, 0x2000 + k * 0x2000, path, i + 1);
	}
	process_history_stats(f.history, &stats);
	ck_assert_uint_le(stats.processes, 4096);
	ck_assert_uint_le(stats.bytes, 8 << 20);
	ck_assert_uint_gt(stats.evicted, 90000);

	/* One alone with too many mappings. */
	for (uint64_t k = 0; k < 100000; k++)
		mapped(PID, 0x1000 + k * 0x2000, 0x2000 + k * 0x2000, "/bin/x", 1);
	process_history_stats(f.history, &stats);
	ck_assert_uint_le(stats.bytes, 8 << 20);
}
END_TEST

/* The real thing: events of this machine feed a symbolizer. */
struct live {
	struct loop *loop;
	struct symbolizer *symbolizer;
	struct process_events *events;
};

static struct live live_new(void)
{
	struct live l = {0};
	struct error err = {0};
	struct symbolizer_options options = {
		.proc = "/proc",
		.max_bytes = 8 << 20,
		.max_processes = 64,
	};

	ck_assert_int_eq(loop_new(&l.loop), 0);
	ck_assert_int_eq(symbolizer_new(&options, &l.symbolizer, &err), 0);
	ck_assert_msg(process_events_new(l.loop, "/proc", "/sys", &process_feed,
			      symbolizer_history(l.symbolizer), &l.events, &err) == 0,
		"%s", err.message);
	return l;
}

static void live_free(struct live *l)
{
	process_events_free(l->events);
	symbolizer_free(l->symbolizer);
	loop_free(l->loop);
}

static uint64_t now_ns(void)
{
	return (uint64_t)clock_ns(CLOCK_BOOTTIME);
}

/* As if a tick had hit the address when it was at_ns. */
static struct frame sampled(struct live *l, const struct process_id *id, uint64_t at_ns,
	uint64_t address)
{
	struct frame frame;

	process_events_drain(l->events);
	process_history_seen(symbolizer_history(l->symbolizer), id, at_ns);
	name_user(l->symbolizer, id, &address, 1, true, &frame);
	return frame;
}

__attribute__((noinline, used)) static int dockprof_test_function(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 1;
}

/* A child of a process that was there before, without an exec: its mappings are the parent's. */
START_TEST(a_child_that_was_never_seen_alive_is_named)
{
	struct live l = live_new();
	struct process_id id = {.exec_id = 17, .start_ns = now_ns()};
	uint64_t address = (uint64_t)(uintptr_t)dockprof_test_function;
	pid_t pid = fork();

	if (pid == 0)
		_exit(dockprof_test_function(0) - 1);
	id.pid = (uint32_t)pid;
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	struct frame frame = sampled(&l, &id, now_ns(), address);

	ck_assert_ptr_nonnull(frame.function);
	ck_assert_str_eq(frame.function, "dockprof_test_function");
	ck_assert_uint_eq(symbolizer_stats(l.symbolizer)->maps_unreadable, 0);
	live_free(&l);
}
END_TEST

/* The fixture prints its addresses and ends; only then does anybody look. */
START_TEST(a_program_that_was_never_seen_alive_is_named)
{
	struct live l = live_new();
	char *path cleanup_free = fixture_path("pie");
	uint64_t start_ns = now_ns();
	struct program p = start(path, NULL);
	uint64_t at_ns = now_ns();

	stop(&p);
	p.id.start_ns = start_ns;
	struct frame frame = sampled(&l, &p.id, at_ns, p.local);

	ck_assert_str_eq(frame.module->name, "pie");
	ck_assert_ptr_nonnull(frame.function);
	ck_assert_str_eq(frame.function, "fixture_local");
	live_free(&l);
}
END_TEST

/* Two images of one process, both over when they are asked about. */
START_TEST(images_before_and_after_an_exec_are_told_apart)
{
	struct live l = live_new();
	char *first cleanup_free = fixture_path("nopie");
	char *second cleanup_free = fixture_path("static");
	uint64_t start_ns = now_ns();
	struct program p = start(first, second), next = p;

	p.id.start_ns = start_ns;
	uint64_t first_ns = now_ns();

	ck_assert_int_eq(write(p.input, "x", 1), 1);
	read_addresses(&next);
	next.id = p.id;
	next.id.exec_id++;
	uint64_t second_ns = now_ns();

	/* While the second one runs, /proc would show its mappings for the first. */
	struct frame frame = sampled(&l, &p.id, first_ns, p.local);

	ck_assert_str_eq(frame.module->name, "nopie");
	ck_assert_str_eq(frame.function, "fixture_local");
	stop(&next);
	frame = sampled(&l, &next.id, second_ns, next.local);
	ck_assert_str_eq(frame.module->name, "static");
	ck_assert_str_eq(frame.function, "fixture_local");
	live_free(&l);
}
END_TEST

/* Gone with its file: the path and the offset remain, and no other file is taken for it. */
START_TEST(a_file_that_was_replaced_is_not_another)
{
	struct live l = live_new();
	struct temp_dir d;
	char *path cleanup_free = NULL, *from cleanup_free = fixture_path("pie");
	char *other cleanup_free = fixture_path("static-pie"), *copy cleanup_free = NULL;

	temp_dir_init(&d);
	path = xasprintf("%s/program", d.path);
	copy = xasprintf("cp %s %s", from, path);
	ck_assert_int_eq(system(copy), 0);
	uint64_t start_ns = now_ns();
	struct program p = start(path, NULL);
	uint64_t at_ns = now_ns();

	stop(&p);
	free(copy);
	copy = xasprintf("cp %s %s.new && mv %s.new %s", other, path, path, path);
	ck_assert_int_eq(system(copy), 0);
	p.id.start_ns = start_ns;
	struct frame frame = sampled(&l, &p.id, at_ns, p.local);

	ck_assert_str_eq(frame.module->name, "program");
	ck_assert_ptr_null(frame.function);
	unlink(path);
	rmdir(d.path);
	live_free(&l);
}
END_TEST

/* A file that was deleted while the process lived is found as long as it does, and then remembered. */
START_TEST(a_deleted_file_is_named_if_it_was_opened_in_time)
{
	struct live l = live_new();
	struct temp_dir d;
	char *path cleanup_free = NULL, *copy cleanup_free = NULL,
		   *from cleanup_free = fixture_path("pie");

	temp_dir_init(&d);
	path = xasprintf("%s/program", d.path);
	copy = xasprintf("cp %s %s", from, path);
	ck_assert_int_eq(system(copy), 0);
	uint64_t start_ns = now_ns();
	struct program p = start(path, NULL);
	uint64_t at_ns = now_ns();

	ck_assert_int_eq(unlink(path), 0);
	process_events_drain(l.events);
	stop(&p);
	p.id.start_ns = start_ns;
	struct frame frame = sampled(&l, &p.id, at_ns, p.local);

	ck_assert_ptr_nonnull(frame.function);
	ck_assert_str_eq(frame.function, "fixture_local");
	rmdir(d.path);
	live_free(&l);
}
END_TEST

UNIT_MAIN_FIXTURE("process_history", setup, teardown, an_image_is_known_after_its_process_is_gone,
	each_image_has_its_own_mappings, a_sample_at_the_time_of_an_exec_tells_nothing,
	nothing_is_known_by_pid_alone, mappings_replace_what_was_there,
	memory_without_a_file_grows_together, a_loss_makes_it_forget_what_may_have_changed,
	what_has_mapped_nothing_is_unchanged, what_ended_is_kept_until_its_samples_have_names,
	memory_is_bounded_whatever_happens, a_child_that_was_never_seen_alive_is_named,
	a_program_that_was_never_seen_alive_is_named,
	images_before_and_after_an_exec_are_told_apart, a_file_that_was_replaced_is_not_another,
	a_deleted_file_is_named_if_it_was_opened_in_time)
