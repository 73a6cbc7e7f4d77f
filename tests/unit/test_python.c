// SPDX-License-Identifier: Apache-2.0
/*
 * Every CPython at hand, as a living process: what we read from outside must be, frame by frame and line by line,
 * what it says itself.
 */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "interp/binaries.h"
#include "interp/interp_inside.h"
#include "interp/python_names.h"
#include "interp/python_process.h"
#include "proc/process_dir.h"
#include "lib/memory_image.h"
#include "lib/python_chain.h"
#include "unit/python_process.h"

#define PYTHONS_MAX 32
#define WALK_MAX    400

/* What interp told the kernel side. */
struct told {
	struct interp_process process;
	struct interp_thread threads[PYTHON_THREADS_MAX];
	size_t described, forgotten, thread_count, unsupported;
};

static void on_describe(void *ctx, const struct process_id *id,
	const struct interp_process *process)
{
	struct told *told = ctx;

	(void)id;
	if (process)
		told->process = *process;
	*(process ? &told->described : &told->forgotten) += 1;
}

static void on_thread(void *ctx, const struct process_id *id, const struct interp_thread *thread)
{
	struct told *told = ctx;

	(void)id;
	if (told->thread_count < PYTHON_THREADS_MAX)
		told->threads[told->thread_count++] = *thread;
}

static void on_unsupported(void *ctx, const struct process_id *id, const char *label,
	const char *version)
{
	struct told *told = ctx;

	(void)id;
	ck_assert_str_eq(label, "python");
	ck_assert_str_eq(version, "3.99");
	told->unsupported++;
}

static const struct interp_ops ops = {
	.describe = on_describe,
	.thread = on_thread,
	.unsupported = on_unsupported,
};

static struct interp *new_interp(struct told *told, size_t max_bytes)
{
	struct interp_options options = {
		.proc = "/proc",
		.max_bytes = max_bytes,
		.max_processes = 8,
		.full_paths = true,
	};
	struct interp *in = NULL;
	struct error err = {0};

	*told = (struct told){0};
	ck_assert_msg(interp_new(&options, &ops, told, &in, &err) == 0, "%s", err.message);
	return in;
}

static struct process_memory memory_of(const struct process_id *id)
{
	struct process_memory memory = {0};
	struct proc_root proc;

	ck_assert_int_eq(proc_root_init(&proc, "/proc"), 0);
	int dir = process_dir_open(&proc, id);

	ck_assert_int_ge(dir, 0);
	ck_assert_int_eq(process_memory_open(&memory, dir), 0);
	close(dir);
	proc_root_release(&proc);
	return memory;
}

/* "line name file", as parked.py writes it. */
static void describe_frame(const struct frame *f, char *ret, size_t size)
{
	size_t file = f->file ? strlen(f->file) : 0;

	/* The function's name has the file in front. */
	snprintf(ret, size, "%u %s %s", f->line, f->function + (file ? file + 1 : 0),
		f->file ? f->file : "");
}

static void compare_thread(struct interp *in, const struct process_id *id,
	const struct interp_frame *records, size_t count, const struct python_thread *expected)
{
	const struct frame *frame;
	char text[4096];
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		frame = interp_name(in, id, &records[i]);
		if (!frame)
			continue;
		describe_frame(frame, text, sizeof(text));
		ck_assert_msg(at < expected->frame_count, "one too many: %s", text);
		ck_assert_msg(strcmp(text, expected->frames[at]) == 0,
			"frame %zu is \"%s\", not \"%s\"", at, text, expected->frames[at]);
		at++;
	}
	ck_assert_msg(at == expected->frame_count, "%zu of %zu frames", at, expected->frame_count);
}

static void compare(struct interp *in, const struct told *told, const struct process_id *id,
	const struct python_says *says)
{
	struct process_memory memory = memory_of(id);
	struct interp_frame records[WALK_MAX];

	for (size_t i = 0; i < says->thread_count; i++) {
		const struct python_thread *t = &says->threads[i];
		uint64_t state = 0;
		size_t calls,
			count = python_chain(&memory.memory, &told->process.python, t->ident, 0,
				records, WALK_MAX, &calls);

		ck_assert_msg(count > 0, "thread %zu is not found by the path", i);
		compare_thread(in, id, records, count, t);
		for (size_t k = 0; k < told->thread_count; k++)
			if (told->threads[k].thread_pointer == t->ident)
				state = told->threads[k].state;
		ck_assert_msg(state != 0, "thread %zu has not been told of", i);
		/* Without a path, by what user space tells. */
		struct python_process pathless = told->process.python;

		pathless.path.derefs = PYTHON_NO_PATH;
		pathless.current = 0;
		count = python_chain(&memory.memory, &pathless, t->ident, state, records, WALK_MAX,
			&calls);
		compare_thread(in, id, records, count, t);
		ck_assert_uint_ge(calls, 1);
		ck_assert_uint_eq(python_chain(&memory.memory, &pathless, t->ident, 0, records,
					  WALK_MAX, &calls),
			0);
		ck_assert_uint_eq(python_chain(&memory.memory, &pathless, t->ident + 64, state,
					  records, WALK_MAX, &calls),
			0);
	}
	process_memory_close(&memory);
}

struct search {
	struct binaries binaries;
	int process_dir;
	struct python_binary binary;
	bool found;
};

static void search_mapping(void *ctx, const struct map_entry *entry)
{
	struct search *s = ctx;
	uint64_t bias = 0;
	const struct binary *binary = s->found || !entry->executable || !entry->inode
		? NULL
		: binaries_get(&s->binaries, s->process_dir, entry, &bias);

	if (!binary)
		return;
	s->found = true;
	s->binary = *(const struct python_binary *)binary->found;
	uint64_t *addresses[] = {&s->binary.runtime, &s->binary.version, &s->binary.code_type,
		&s->binary.interpreter_head, &s->binary.current};

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		*addresses[i] += *addresses[i] ? bias : 0;
	for (size_t i = 0; i < s->binary.range_count; i++) {
		s->binary.ranges[i].start += bias;
		s->binary.ranges[i].end += bias;
	}
}

/* Keeps what reading the thread's names reads, for test_python_image.c and the fuzzer. */
static void record(const char *directory, const struct process_id *id,
	const struct python_thread *t)
{
	struct search s = {0};
	struct process_memory memory = memory_of(id);
	struct memory_recorder recorder = recorder_of(&memory.memory);
	struct python_attached attached;
	struct interp_process process;
	struct interp_frame records[WALK_MAX];
	struct interp_name name = {.function = STRBUF_INIT, .file = STRBUF_INIT};
	char path[512];
	size_t calls;

	snprintf(path, sizeof(path), "/proc/%u", id->pid);
	s.process_dir = open(path, O_PATH | O_DIRECTORY);
	binaries_init(&s.binaries);
	ck_assert_int_eq(maps_read(s.process_dir, search_mapping, &s), 0);
	ck_assert(s.found);
	ck_assert_int_eq(python_attach(&s.binary, &recorder.memory, 0, &attached, &process), 0);
	size_t count = python_chain(&recorder.memory, &process.python, t->ident, 0, records,
		WALK_MAX, &calls);

	for (size_t i = 0; i < count; i++)
		ck_assert_int_le(python_name_read(&attached.offsets, &recorder.memory, &records[i],
					 &name),
			0);
	snprintf(path, sizeof(path), "%s/3.%u", directory, attached.offsets.minor);
	struct image_head head = {IMAGE_MAGIC, t->ident, s.binary};

	ck_assert(recorder_save(&recorder, &head, path));
	strbuf_release(&name.function);
	strbuf_release(&name.file);
	binaries_release(&s.binaries);
	process_memory_close(&memory);
	close(s.process_dir);
	strcat(path, ".frames");
	FILE *f = fopen(path, "w");

	for (size_t i = 0; i < t->frame_count; i++)
		fprintf(f, "%s\n", t->frames[i]);
	fclose(f);
}

static void try_python(const char *python)
{
	const char *script = getenv("DOCKPROF_PARKED");
	struct python_says *says = calloc(1, sizeof(*says));
	char command[1024];
	struct told told;
	struct interp *in = new_interp(&told, 1 << 20);

	snprintf(command, sizeof(command), "exec %s %s sub", python,
		script ? script : "tests/data/python/parked.py");
	start_python(says, command);
	ck_assert_msg(listen_to_python(says), "%s does not run the program", python);
	struct process_id id = python_id(says->pid);

	interp_process_seen(in, &id);
	ck_assert_msg(told.described == 1, "%s is not recognised", python);
	compare(in, &told, &id, says);
	/* The same from the cache, and again when that has been dropped. */
	compare(in, &told, &id, says);
	for (int i = 0; i < 4; i++)
		interp_end_round(in);
	ck_assert_uint_eq(interp_stats(in)->bytes, 0);
	compare(in, &told, &id, says);
	if (getenv("DOCKPROF_RECORD"))
		record(getenv("DOCKPROF_RECORD"), &id, &says->threads[3]);
	printf("%s: %zu threads, %zu names, path %d/%u\n", python, says->thread_count,
		(size_t)interp_stats(in)->named, told.process.python.path.first,
		told.process.python.path.derefs);
	ck_assert_uint_eq(interp_stats(in)->gone, 0);
	end_python(says);
	for (int i = 0; i < 6; i++)
		interp_end_round(in);
	ck_assert_uint_eq(told.forgotten, 1);
	interp_free(in);
	free(says);
}

START_TEST(frames_are_those_that_python_shows)
{
	char *pythons[PYTHONS_MAX];
	size_t count = find_pythons(pythons, PYTHONS_MAX);

	if (_i < (int)count)
		try_python(pythons[_i]);
	for (size_t i = 0; i < count; i++)
		free(pythons[i]);
}
END_TEST

/* Without descriptors to look into files: one is for the process, one for its mappings. */
static void tell_without_descriptors(struct interp *in, const struct process_id *id,
	const struct process_maps *maps)
{
	struct rlimit before, few;
	int next = dup(0);

	ck_assert_int_ge(next, 0);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){(rlim_t)next + 2, before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	interp_process_mapped(in, id, maps);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* All that is known of a process is what it has mapped. rounds: to wait, where it cannot be looked into at first. */
static void tell_mappings(struct interp *in, const struct process_id *id, int rounds)
{
	static uint32_t next_module = 1; /* a module's id is never used again */
	struct dso_cache dsos;
	struct process_maps maps = {0};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u", id->pid);
	int dir = open(path, O_PATH | O_DIRECTORY);

	ck_assert_int_ge(dir, 0);
	dso_cache_init(&dsos,
		&(struct dso_cache_options){.max_bytes = 1 << 20,
			.next_module_id = &next_module,
			.host_dir = -1});
	ck_assert_int_eq(process_maps_read(&maps, &dsos, dir), 0);
	if (rounds)
		tell_without_descriptors(in, id, &maps);
	for (int i = 0; i < rounds; i++)
		interp_end_round(in);
	interp_process_mapped(in, id, &maps);
	interp_process_mapped(in, id, &maps);
	process_maps_release(&maps, &dsos);
	dso_cache_release(&dsos);
	close(dir);
}

START_TEST(a_runtime_may_be_mapped_later)
{
	struct python_says says = {0};
	struct process_id self = python_id(getpid());
	struct told told;
	struct interp *in = new_interp(&told, 1 << 20);

	start_python(&says, "exec python3 tests/data/python/busy.py 60");
	ck_assert_int_eq(fgetc(says.out), 'b');
	tell_mappings(in, &self, 0);
	ck_assert_uint_eq(told.described, 0);
	struct process_id id = python_id(says.pid);

	tell_mappings(in, &id, 0);
	ck_assert_uint_eq(told.described, 1);
	ck_assert_uint_ge(told.thread_count, 1);
	end_python(&says);
	/* Of a process that is gone nothing is learnt about its files. */
	interp_process_seen(in, &id);
	ck_assert_uint_eq(told.described, 1);
	interp_free(in);
	ck_assert_uint_eq(told.forgotten, 1);
}
END_TEST

START_TEST(a_file_that_could_not_be_had_is_looked_into_later)
{
	struct python_says says = {0};
	struct told told;
	struct interp *in = new_interp(&told, 1 << 20);

	start_python(&says, "exec python3 tests/data/python/busy.py 60");
	ck_assert_int_eq(fgetc(says.out), 'b');
	struct process_id id = python_id(says.pid);

	tell_mappings(in, &id, 8);
	ck_assert_uint_eq(told.described, 1);
	end_python(&says);
	interp_free(in);
}
END_TEST

START_TEST(an_interpreter_that_begins_is_looked_at_again)
{
	struct python_says says = {0};
	struct told told;
	struct interp *in = new_interp(&told, 1 << 20);
	int64_t wait = 0, longest = 0, first = 0;

	ck_assert_int_eq(interp_poll(in), 0);
	start_python(&says, "exec python3 tests/data/python/busy.py 60");
	for (int tries = 0; !told.described && tries < 20000; tries++) {
		struct process_id id = python_id(says.pid);

		interp_process_seen(in, &id);
		wait = interp_poll(in);
		first = first ? first : wait;
		longest = MAX(longest, wait);
		usleep(wait ? (unsigned)(wait / 1000) : 100);
	}
	ck_assert_uint_eq(told.described, 1);
	/* At first after some 2 ms: who waits longer misses the first samples. Never seen at all is fine, too. */
	ck_assert_int_le(first, 2000000);
	ck_assert_int_le(longest, 50000000);
	/* Nobody waits any more. */
	ck_assert_int_eq(interp_poll(in), 0);
	end_python(&says);
	interp_free(in);
}
END_TEST

START_TEST(a_process_is_read_within_its_budget)
{
	struct process_id self = python_id(getpid());
	struct process_memory memory = memory_of(&self);
	struct read_budget shared = {.calls = 5, .bytes = 100};
	struct read_budget left = {.calls = 3, .bytes = 100, .of = &shared};
	uint64_t words[3] = {1, 2, 3}, got[3];

	/* Without one nothing is counted. */
	ck_assert_int_eq(memory_read(&memory.memory, (uintptr_t)words, got, sizeof(got)), 0);
	memory.left = &left;
	for (uint64_t i = 0; i < 3; i++)
		ck_assert_uint_eq(memory_word(&memory.memory, (uintptr_t)&words[i]), i + 1);
	ck_assert_int_eq(memory_read(&memory.memory, (uintptr_t)words, got, 1), -EAGAIN);
	/* What is not read costs nobody anything. */
	ck_assert_uint_eq(shared.calls, 2);
	ck_assert_uint_eq(shared.bytes, 100 - 3 * sizeof(uint64_t));
	/* Nor is what is smaller read where something did not fit. */
	left = (struct read_budget){.calls = 3, .bytes = 20};
	ck_assert_int_eq(memory_read(&memory.memory, (uintptr_t)words, got, 21), -EAGAIN);
	ck_assert_int_eq(memory_read(&memory.memory, (uintptr_t)words, got, 8), -EAGAIN);
	ck_assert(read_budget_is_spent(&left));
	/* All that it is a part of count. */
	left = (struct read_budget){.calls = 3, .bytes = 200, .of = &shared};
	ck_assert_int_eq(memory_read(&memory.memory, (uintptr_t)words, got, 8), 0);
	ck_assert_int_eq(memory_read(&memory.memory, (uintptr_t)words, got, 8), 0);
	ck_assert_int_eq(memory_read(&memory.memory, (uintptr_t)words, got, 8), -EAGAIN);
	ck_assert_uint_eq(left.calls, 1);
	ck_assert(read_budget_is_spent(&left));
	process_memory_close(&memory);
}
END_TEST

/* A Python that has been seen, standing in a function of a function. Its main thread's frames. */
static struct process_id start_parked(struct python_says *says, struct interp *in,
	const struct told *told, struct interp_frame records[WALK_MAX])
{
	size_t calls;

	start_python(says, "exec python3 tests/data/python/parked.py sub");
	ck_assert(listen_to_python(says));
	struct process_id id = python_id(says->pid);

	interp_process_seen(in, &id);
	struct process_memory memory = memory_of(&id);

	ck_assert_uint_ge(python_chain(&memory.memory, &told->process.python,
				  says->threads[0].ident, 0, records, WALK_MAX, &calls),
		2);
	process_memory_close(&memory);
	return id;
}

/* What a program may do that makes up its stacks: ever other places in the same function. */
START_TEST(names_of_a_round_are_read_within_a_budget)
{
	struct python_says says = {0};
	struct told told;
	struct interp *in = new_interp(&told, 1 << 20);
	struct interp_frame records[WALK_MAX], made_up;
	const struct frame *frame;

	struct process_id id = start_parked(&says, in, &told, records);

	made_up = records[0];
	for (uint32_t i = 0; i < 60000; i++) {
		made_up.at = 1000000 + i;
		interp_name(in, &id, &made_up);
	}
	ck_assert_uint_eq(interp_stats(in)->named, 60000);
	/* What has a name keeps it; the line is read no more, nor is another name, until the next round. */
	frame = interp_name(in, &id, &records[0]);
	ck_assert_uint_eq(frame->line, frame->first_line);
	ck_assert_int_eq(interp_name(in, &id, &records[1])->origin, NAME_PSEUDO);
	interp_end_round(in);
	frame = interp_name(in, &id, &records[0]);
	ck_assert_uint_gt(frame->line, frame->first_line);
	ck_assert_int_eq(interp_name(in, &id, &records[1])->origin, NAME_INTERPRETER);
	end_python(&says);
	interp_free(in);
}
END_TEST

/* Each within its own: images of one process, as good as so many processes here. */
START_TEST(processes_of_a_container_share_a_budget)
{
	struct python_says says = {0};
	struct told told;
	struct interp *in = new_interp(&told, 16 << 20);
	struct interp_frame records[WALK_MAX], made_up;

	struct process_id id = start_parked(&says, in, &told, records);

	made_up = records[0];
	for (uint32_t image = 0; image < 20; image++) {
		id.exec_id = 2 + image;
		interp_process_seen(in, &id);
		for (uint32_t i = 0; i < 40000; i++) {
			made_up.at = 1000000 + i;
			interp_name(in, &id, &made_up);
		}
	}
	/* None of them is new in this round any more. */
	size_t described = told.described;

	ck_assert_uint_gt(described, 8);
	ck_assert_uint_lt(described, 20);
	usleep(5000); /* when the first of them would be looked at again */
	interp_poll(in);
	interp_end_round(in);
	/* All that had to wait. */
	described = told.described;
	ck_assert_uint_eq(described, 21);
	id.exec_id++;
	interp_process_seen(in, &id);
	ck_assert_uint_eq(told.described, described + 1);
	ck_assert_int_eq(interp_name(in, &id, &records[1])->origin, NAME_INTERPRETER);
	/* And all containers share one. */
	in->round_left.calls = 0;
	id.exec_id++;
	interp_process_seen(in, &id);
	ck_assert_uint_eq(told.described, described + 1);
	interp_end_round(in);
	ck_assert_uint_eq(told.described, described + 2);
	end_python(&says);
	interp_free(in);
}
END_TEST

#define OLDEST 6
#define NEWEST 15

static unsigned minor_of(const char *python)
{
	char command[600];
	unsigned minor = 0;

	snprintf(command, sizeof(command), "%s -c 'import sys; print(sys.version_info[1])'",
		python);
	FILE *f = popen(command, "r");

	if (!f || fscanf(f, "%u", &minor) != 1)
		minor = 0;
	if (f)
		pclose(f);
	return minor;
}

/* So that nobody takes a machine without interpreters for a proof. */
static void tell_coverage(char *const *pythons, int count)
{
	char line[512] = "COVERED CPython", missing[256] = "";
	unsigned long found = 0;

	for (int i = 0; i < count; i++)
		found |= 1UL << (minor_of(pythons[i]) & 63);
	for (int minor = OLDEST; minor <= NEWEST; minor++) {
		char *list = found >> minor & 1 ? line : missing;

		sprintf(list + strlen(list), " 3.%d", minor);
	}
	printf("%s as processes; not here:%s\n", line, *missing ? missing : " none");
}

int main(void)
{
	TCase *tcase = tcase_create("python");
	char *pythons[PYTHONS_MAX];
	int count = (int)find_pythons(pythons, PYTHONS_MAX);

	tcase_add_loop_test(tcase, frames_are_those_that_python_shows, 0, count);
	tcase_add_test(tcase, a_runtime_may_be_mapped_later);
	tcase_add_test(tcase, a_file_that_could_not_be_had_is_looked_into_later);
	tcase_add_test(tcase, an_interpreter_that_begins_is_looked_at_again);
	tcase_add_test(tcase, a_process_is_read_within_its_budget);
	tcase_add_test(tcase, names_of_a_round_are_read_within_a_budget);
	tcase_add_test(tcase, processes_of_a_container_share_a_budget);
	tell_coverage(pythons, count);
	for (int i = 0; i < count; i++)
		free(pythons[i]);
	return unit_run("python", tcase);
}
