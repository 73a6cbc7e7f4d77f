// SPDX-License-Identifier: Apache-2.0
/* Code that programs generate: what runtimes write about it, and processes that do. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "program.h"
#include "proc/perf_map_file.h"
#include "proc/status.h"
#include "symbols/jit_file.h"
#include "symbols/jit_names.h"
#include "symbols/symbolizer.h"
#include "unit/frames.h"
#include "unit.h"

/* "START+SIZE=NAME ..." */
static const char *shown(const struct jit_map *map)
{
	static char text[2048];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < map->count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llx+%x=%u",
			i ? " " : "", (unsigned long long)map->list[i].start, map->list[i].size,
			map->list[i].name);
	return text;
}

START_TEST(the_latest_range_owns_its_addresses)
{
	struct jit_map map = {0};
	struct jit_range first[] = {{0x100, 0x80, 1}, {0x120, 0x10, 2}, {0x300, 0x10, 3}};
	struct jit_range inner[] = {{0x130, 0x10, 4}, {0x305, 0x20, 5}};
	struct jit_range all[] = {{0x0, 0x1000, 6}};

	jit_map_add(&map, first, 3);
	ck_assert_str_eq(shown(&map), "100+20=1 120+10=2 130+50=1 300+10=3");
	jit_map_add(&map, inner, 2);
	ck_assert_str_eq(shown(&map), "100+20=1 120+10=2 130+10=4 140+40=1 300+5=3 305+20=5");
	ck_assert_uint_eq(jit_map_find(&map, 0x13f)->name, 4);
	ck_assert_uint_eq(jit_map_find(&map, 0x140)->name, 1);
	ck_assert_ptr_null(jit_map_find(&map, 0x180));
	ck_assert_ptr_null(jit_map_find(&map, 0xff));
	jit_map_add(&map, all, 1);
	ck_assert_str_eq(shown(&map), "0+1000=6");
	jit_map_release(&map);
}
END_TEST

/* Against a byte per address. */
START_TEST(ranges_in_any_order_are_as_if_painted)
{
	static uint32_t painted[4096];
	unsigned seed = 1;

	for (int round = 0; round < 50; round++) {
		struct jit_map map = {0};
		uint32_t name = 0;

		memset(painted, 0, sizeof(painted));
		for (int batch = 0; batch < 5; batch++) {
			struct jit_range ranges[40];
			size_t n = (size_t)(rand_r(&seed) % 40);

			for (size_t i = 0; i < n; i++) {
				uint32_t start = (uint32_t)rand_r(&seed) % 4000;
				uint32_t size = 1 + (uint32_t)rand_r(&seed) % (i % 3 ? 12 : 90);

				ranges[i] = (struct jit_range){start, size, ++name};
				for (uint32_t k = 0; k < size; k++)
					painted[start + k] = name;
			}
			jit_map_add(&map, ranges, n);
		}
		for (uint64_t a = 0; a < 4096; a++) {
			const struct jit_range *r = jit_map_find(&map, a);

			ck_assert_uint_eq(r ? r->name : 0, painted[a]);
		}
		jit_map_release(&map);
	}
}
END_TEST

static const char *name_in(const struct jit_format *format, const struct byte_source *source,
	const struct jit_map *map, uint64_t address)
{
	static char text[JIT_NAME_MAX + 1];
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	const struct jit_range *range = jit_map_find(map, address);

	if (!range || format->name(source, range->name, address, &name) < 0)
		return "";
	ck_assert_uint_le(name.len, JIT_NAME_MAX);
	strcpy(text, name.buf);
	return text;
}

START_TEST(a_perf_map_is_read_as_it_grows)
{
	static const char text[] = "1000 10 first\n"
				   "0x2000 20 two words\n"
				   "garbage\n"
				   "3000 0 empty\n"
				   "ffffffffffffffff 10 over the end\n"
				   "4000 10 \n"
				   "1000 10 later\n"
				   "5000 10 not compl";
	struct jit_reading r = {0};
	size_t complete = (size_t)(strrchr(text, '\n') + 1 - text);

	for (size_t size = 0; size <= strlen(text); size++) {
		struct byte_source source = byte_source_memory(text, size);

		ck_assert_int_eq(perf_map_format.read(&source, &r), 0);
		ck_assert_uint_le(r.offset, size);
		if (size == 20)
			ck_assert_str_eq(name_in(&perf_map_format, &source, &r.map, 0x1005),
				"first");
	}
	struct byte_source source = byte_source_memory(text, strlen(text));

	ck_assert_uint_eq(r.offset, complete);
	ck_assert_uint_eq(r.map.count, 2);
	ck_assert_str_eq(name_in(&perf_map_format, &source, &r.map, 0x1005), "later");
	ck_assert_str_eq(name_in(&perf_map_format, &source, &r.map, 0x201f), "two words");
	jit_map_release(&r.map);
}
END_TEST

START_TEST(a_name_is_believed_while_the_line_covers_the_address)
{
	char text[] = "1000 10 right\n";
	struct byte_source source = byte_source_memory(text, strlen(text));
	struct jit_reading r = {0};

	ck_assert_int_eq(perf_map_format.read(&source, &r), 0);
	memcpy(text, "2000 10 wrong\n", strlen(text));
	ck_assert_str_eq(name_in(&perf_map_format, &source, &r.map, 0x1005), "");
	jit_map_release(&r.map);
}
END_TEST

START_TEST(a_perf_map_cannot_take_all_memory)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct jit_reading r = {0};
	int err;

	for (unsigned i = 0; i < JIT_RANGES_MAX + 100000; i++)
		strbuf_addf(&text, "%x 8 f\n", 0x10000 + i * 16);
	struct byte_source source = byte_source_memory(text.buf, text.len);

	while ((err = perf_map_format.read(&source, &r)) == -EAGAIN)
		;
	ck_assert_int_eq(err, -E2BIG);
	ck_assert_uint_le(r.map.count, JIT_RANGES_MAX);
	ck_assert_str_eq(name_in(&perf_map_format, &source, &r.map, 0x10000 + 999 * 16), "f");
	jit_map_release(&r.map);

	/* One endless line. */
	memset(text.buf, '1', text.len);
	r = (struct jit_reading){0};
	while ((err = perf_map_format.read(&source, &r)) == -EAGAIN)
		;
	ck_assert_int_eq(err, 0);
	ck_assert_uint_eq(r.map.count, 0);
}
END_TEST

/* A jitdump under construction. */
static void dump_begin(struct strbuf *out)
{
	uint32_t head[] = {0x4A695444, 1, 40, 62, 0, 1, 0, 0, 0, 0};

	strbuf_add(out, head, sizeof(head));
}

static void dump_record(struct strbuf *out, uint32_t id, const void *body, size_t size)
{
	struct {
		uint32_t id, size;
		uint64_t time;
	} record = {id, (uint32_t)(sizeof(record) + size), 0};

	strbuf_add(out, &record, sizeof(record));
	strbuf_add(out, body, size);
}

static void dump_load(struct strbuf *out, uint64_t address, uint64_t size, const char *name)
{
	struct strbuf body cleanup_strbuf = STRBUF_INIT;
	uint64_t numbers[] = {0, address, address, size, 1};

	strbuf_add(&body, numbers, sizeof(numbers));
	strbuf_add(&body, name, strlen(name) + 1);
	for (uint64_t i = 0; i < size; i++)
		strbuf_add_char(&body, '\xc3');
	dump_record(out, 0, body.buf, body.len);
}

static void dump_move(struct strbuf *out, uint64_t from, uint64_t to, uint64_t size)
{
	uint64_t numbers[] = {0, to, from, to, size, 1};

	dump_record(out, 1, numbers, sizeof(numbers));
}

START_TEST(a_jitdump_is_read_as_it_grows)
{
	struct strbuf dump cleanup_strbuf = STRBUF_INIT;
	struct jit_reading r = {0};

	dump_begin(&dump);
	dump_load(&dump, 0x1000, 0x20, "first");
	dump_record(&dump, 2, "debug information", 17);
	dump_load(&dump, 0x2000, 0x20, "second");
	dump_move(&dump, 0x1010, 0x3000, 0x20);
	dump_load(&dump, 0x1000, 0x20, "in its place");
	size_t last = dump.len;

	dump_record(&dump, 3, "", 0);
	dump_load(&dump, 0x9000, 0x20, "after the end");
	for (size_t size = 0; size <= dump.len; size++) {
		struct byte_source source = byte_source_memory(dump.buf, size);

		ck_assert_int_eq(jitdump_format.read(&source, &r), 0);
		ck_assert_uint_le(r.offset, size);
	}
	struct byte_source source = byte_source_memory(dump.buf, dump.len);

	ck_assert_uint_eq(r.offset, last);
	ck_assert_str_eq(name_in(&jitdump_format, &source, &r.map, 0x101f), "in its place");
	ck_assert_str_eq(name_in(&jitdump_format, &source, &r.map, 0x2000), "second");
	ck_assert_str_eq(name_in(&jitdump_format, &source, &r.map, 0x3008), "first");
	ck_assert_ptr_null(jit_map_find(&r.map, 0x9000));
	jit_map_release(&r.map);
}
END_TEST

/* So many that there were before, with gaps in between. */
static void fill(struct jit_map *map, size_t count)
{
	struct jit_range *list = xcalloc(count, sizeof(*list));

	for (size_t i = 0; i < count; i++)
		list[i] = (struct jit_range){0x10000000 + i * 32, 16, 7};
	jit_map_add(map, list, count);
	free(list);
}

START_TEST(a_large_jitdump_is_read_bit_by_bit)
{
	struct strbuf dump cleanup_strbuf = STRBUF_INIT;
	struct jit_reading r = {0};
	int err = 0, reads = 0;

	dump_begin(&dump);
	for (uint64_t i = 0; i < 20000; i++)
		dump_load(&dump, 0x1000 + i * 16, 1, "f");
	struct byte_source source = byte_source_memory(dump.buf, dump.len);

	fill(&r.map, 800000);
	do {
		err = jitdump_format.read(&source, &r);
		reads++;
	} while (err == -EAGAIN);
	ck_assert_int_eq(err, 0);
	ck_assert_int_ge(reads, 2);
	ck_assert_int_le(reads, 6);
	ck_assert_uint_eq(r.map.count, 820000);
	jit_map_release(&r.map);
}
END_TEST

START_TEST(a_large_perf_map_is_read_bit_by_bit)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct jit_reading r = {0};
	int err, reads = 0;

	for (unsigned i = 0; i < 400000; i++)
		strbuf_addf(&text, "%x 1 f\n", 0x1000 + i % 100 * 16);
	struct byte_source source = byte_source_memory(text.buf, text.len);

	fill(&r.map, 800000);
	do {
		uint64_t before = r.work;

		err = perf_map_format.read(&source, &r);
		ck_assert_uint_le(r.work - before, 2 * JIT_READ_WORK);
		reads++;
	} while (err == -EAGAIN);
	ck_assert_int_eq(err, 0);
	ck_assert_int_ge(reads, 3);
	ck_assert_uint_eq(r.offset, text.len);
	ck_assert_uint_eq(r.map.count, 800100);
	jit_map_release(&r.map);
}
END_TEST

START_TEST(what_was_moved_is_found_without_rebuilding_the_map)
{
	struct strbuf dump cleanup_strbuf = STRBUF_INIT;
	struct jit_reading r = {0};
	enum { MOVES = 3000 };

	dump_begin(&dump);
	dump_load(&dump, 0x1000, 16, "moves");
	for (uint64_t i = 0; i < MOVES; i++)
		dump_move(&dump, 0x1000 + i * 16, 0x1010 + i * 16, 16);
	struct byte_source source = byte_source_memory(dump.buf, dump.len);
	struct timespec before, after;

	fill(&r.map, 500000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	ck_assert_int_eq(jitdump_format.read(&source, &r), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	ck_assert_str_eq(name_in(&jitdump_format, &source, &r.map, 0x1000 + MOVES * 16), "moves");
	ck_assert_int_lt(after.tv_sec - before.tv_sec, 3); /* a few ms; it was 10 s */
	jit_map_release(&r.map);
}
END_TEST

START_TEST(a_jitdump_that_is_none_is_refused)
{
	struct strbuf dump cleanup_strbuf = STRBUF_INIT;
	struct jit_reading r = {0};

	dump_begin(&dump);
	dump_load(&dump, 0x1000, 0x20, "first");
	for (size_t i = 0; i < 12; i++) { /* magic, version, size of the header */
		char *damaged cleanup_free = xmemdup(dump.buf, dump.len);
		struct byte_source source = byte_source_memory(damaged, dump.len);

		damaged[i] ^= 0x55;
		r.offset = 0;
		int err = jitdump_format.read(&source, &r);

		ck_assert(err == -ENOEXEC || (i >= 8 && err == 0));
		jit_map_release(&r.map);
	}
	/* A record that says it has no length would be read for ever. */
	memset(dump.buf + 44, 0, 4);
	struct byte_source source = byte_source_memory(dump.buf, dump.len);

	r.offset = 0;
	ck_assert_int_eq(jitdump_format.read(&source, &r), -ENOEXEC);
	jit_map_release(&r.map);
}
END_TEST

START_TEST(the_status_of_a_process)
{
	struct process_status s;
	char good[] = "Name:\tx\\nUid:\t9\n"
		      "Uid:\t1000\t1001\t1000\t1000\n"
		      "NSpid:\t7360\t12\t1\n";
	char outer[] = "Uid:\t0\t0\t0\t0\nNSpid:\t77\n";
	char old[] = "Uid:\t0\t0\t0\t0\n", odd[] = "Uid:\t-1\t-1\nNSpid:\t77\n";

	ck_assert_int_eq(process_status_parse(good, &s), 0);
	ck_assert_uint_eq(s.own_pid, 1);
	ck_assert_uint_eq(s.uid, 1001);
	ck_assert_int_eq(process_status_parse(outer, &s), 0);
	ck_assert_uint_eq(s.own_pid, 77);
	ck_assert_int_eq(process_status_parse(old, &s), -EINVAL);
	ck_assert_int_eq(process_status_parse(odd, &s), -EINVAL);
}
END_TEST

/* A child that has code without a file, and says whatever it is told to about it. */
struct jit_program {
	struct program p; /* its id alone */
	uint64_t code;
	char map_path[64]; /* as seen from here */
	struct symbolizer *symbolizer;
};

static uint64_t *shared_page(void)
{
	uint64_t *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(page, MAP_FAILED);
	return page;
}

static void generate_code(uint64_t *ret)
{
	void *code = mmap(NULL, 16384, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*ret = (uint64_t)(uintptr_t)code;
	for (;;)
		pause();
}

static struct jit_program start_jit(void)
{
	struct symbolizer_options options = {.proc = "/proc",
		.max_bytes = 8 << 20,
		.max_processes = 64};
	volatile uint64_t *page = shared_page();
	struct jit_program j = {0};
	struct error err = {0};

	j.p.pid = fork();
	if (j.p.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		generate_code((uint64_t *)(uintptr_t)page);
	}
	while (!*page)
		usleep(1000);
	j.code = *page;
	j.p.id = (struct process_id){.pid = (uint32_t)j.p.pid,
		.exec_id = 2,
		.start_ns = start_ns(j.p.pid)};
	snprintf(j.map_path, sizeof(j.map_path), "/tmp/perf-%d.map", (int)j.p.pid);
	ck_assert_int_eq(symbolizer_new(&options, &j.symbolizer, &err), 0);
	return j;
}

static void kill_jit(struct jit_program *j)
{
	kill(j->p.pid, SIGKILL);
	ck_assert_int_eq(waitpid(j->p.pid, NULL, 0), j->p.pid);
}

static void write_map(const struct jit_program *j, const char *mode, uint64_t at, const char *name)
{
	FILE *f = fopen(j->map_path, mode);

	ck_assert_ptr_nonnull(f);
	fprintf(f, "%llx 40 %s\n", (unsigned long long)(j->code + at), name);
	fclose(f);
}

/* In the next round. */
static const char *named(struct jit_program *j, uint64_t at)
{
	static char text[256];
	uint64_t ip = j->code + at;
	struct frame frame;

	symbolizer_end_round(j->symbolizer);
	name_user(j->symbolizer, &j->p.id, &ip, 1, true, &frame);
	ck_assert_str_eq(frame.module->path, "[anon]");
	if (!frame.function) {
		ck_assert_int_eq(frame.missing, MISSING_JIT);
		return "";
	}
	ck_assert_int_eq(frame.origin, NAME_PERF_MAP);
	snprintf(text, sizeof(text), "%s", frame.function);
	return text;
}

START_TEST(generated_code_is_named_as_its_map_says)
{
	struct jit_program j = start_jit();

	ck_assert_str_eq(named(&j, 0x10), "");
	write_map(&j, "w", 0x0, "add");
	ck_assert_str_eq(named(&j, 0x10), "add");
	ck_assert_str_eq(named(&j, 0x50), "");
	write_map(&j, "a", 0x40, "multiply");
	ck_assert_str_eq(named(&j, 0x50), "multiply");
	write_map(&j, "a", 0x0, "subtract");
	ck_assert_str_eq(named(&j, 0x10), "subtract");

	/* Written anew, shorter, then of the same length, then longer. */
	write_map(&j, "w", 0x0, "again");
	ck_assert_str_eq(named(&j, 0x10), "again");
	ck_assert_str_eq(named(&j, 0x50), "");
	write_map(&j, "w", 0x0, "AGAIN");
	ck_assert_str_eq(named(&j, 0x10), "AGAIN");
	write_map(&j, "w", 0x80, "something longer");
	ck_assert_str_eq(named(&j, 0x90), "something longer");
	ck_assert_str_eq(named(&j, 0x10), "");

	/* Another file in its place. */
	ck_assert_int_eq(unlink(j.map_path), 0);
	ck_assert_str_eq(named(&j, 0x90), "something longer");
	write_map(&j, "w", 0x0, "another");
	ck_assert_str_eq(named(&j, 0x10), "another");
	kill_jit(&j);
	unlink(j.map_path);
	symbolizer_free(j.symbolizer);
}
END_TEST

/* The file is held while the process lives: neither its end nor that of its /tmp matters. */
START_TEST(generated_code_is_named_after_its_process_has_ended)
{
	struct jit_program j = start_jit();

	write_map(&j, "w", 0x0, "add");
	symbolizer_process_seen(j.symbolizer, &j.p.id);
	write_map(&j, "a", 0x40, "its last words");
	kill_jit(&j);
	ck_assert_int_eq(unlink(j.map_path), 0);
	ck_assert_str_eq(named(&j, 0x10), "add");
	ck_assert_str_eq(named(&j, 0x50), "its last words");
	symbolizer_free(j.symbolizer);
}
END_TEST

START_TEST(a_map_that_is_not_the_processs_own_is_not_read)
{
	struct jit_program j = start_jit();
	struct file_identity found;
	char other[80];

	/* A stranger's. */
	write_map(&j, "w", 0x0, "add");
	ck_assert_int_eq(chown(j.map_path, 4711, 4711), 0);
	ck_assert_str_eq(named(&j, 0x10), "");
	/* A link to a good one. */
	snprintf(other, sizeof(other), "%s.other", j.map_path);
	ck_assert_int_eq(chown(j.map_path, 0, 0), 0);
	ck_assert_int_eq(rename(j.map_path, other), 0);
	ck_assert_int_eq(symlink(other, j.map_path), 0);
	ck_assert_str_eq(named(&j, 0x10), "");
	ck_assert_int_eq(unlink(j.map_path), 0);
	/* A pipe, which would make us wait. */
	ck_assert_int_eq(mkfifo(j.map_path, 0600), 0);
	ck_assert_str_eq(named(&j, 0x10), "");
	ck_assert_int_eq(unlink(j.map_path), 0);
	/* What it was all about. */
	ck_assert_int_eq(rename(other, j.map_path), 0);
	ck_assert_str_eq(named(&j, 0x10), "add");
	int dir cleanup_close = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(perf_map_file_find(dir, &found), -ENOENT);
	kill_jit(&j);
	unlink(j.map_path);
	symbolizer_free(j.symbolizer);
}
END_TEST

/* In a container: its own pids, its own /tmp. */
static void be_a_container(uint64_t *page)
{
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		_exit(1);
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0)
			_exit(1);
		char *code =
			mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		FILE *f = fopen("/tmp/perf-1.map", "w");

		fprintf(f, "%llx 40 inside\n", (unsigned long long)(uintptr_t)code);
		fclose(f);
		page[0] = (uint64_t)(uintptr_t)code;
		for (;;)
			pause();
	}
	page[1] = (uint64_t)pid;
	waitpid(pid, NULL, 0);
	_exit(0);
}

START_TEST(a_map_is_looked_for_where_the_process_sees_it)
{
	struct jit_program j = start_jit(); /* for its symbolizer */
	volatile uint64_t *page = shared_page();
	pid_t outer = fork();
	uint64_t ip;
	struct frame frame;

	if (outer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_a_container((uint64_t *)(uintptr_t)page);
	}
	for (int i = 0; i < 5000 && !(page[0] && page[1]); i++)
		usleep(1000);
	ck_assert_uint_ne(page[0], 0);
	struct process_id id = {.pid = (uint32_t)page[1],
		.exec_id = 3,
		.start_ns = start_ns((pid_t)page[1])};

	ip = page[0] + 5;
	name_user(j.symbolizer, &id, &ip, 1, true, &frame);
	ck_assert_ptr_nonnull(frame.function);
	ck_assert_str_eq(frame.function, "inside");
	kill((pid_t)page[1], SIGKILL);
	waitpid(outer, NULL, 0);
	kill_jit(&j);
	symbolizer_free(j.symbolizer);
}
END_TEST

/* The dump is where the process maps it, in a directory that nobody could guess. */
START_TEST(generated_code_is_named_as_its_dump_says)
{
	struct jit_program j = start_jit(); /* for its symbolizer */
	volatile uint64_t *page = shared_page();
	char path[] = "/tmp/dockprof-dump-XXXXXX", file[64];

	ck_assert_ptr_nonnull(mkdtemp(path));
	snprintf(file, sizeof(file), "%s/jit-77.dump", path);
	pid_t pid = fork();

	if (pid == 0) {
		struct strbuf dump = STRBUF_INIT;
		int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
		char *code =
			mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dump_begin(&dump);
		dump_load(&dump, (uint64_t)(uintptr_t)code, 0x40, "compiled");
		dump_move(&dump, (uint64_t)(uintptr_t)code, (uint64_t)(uintptr_t)code + 0x100, 64);
		if (write(fd, dump.buf, dump.len) != (ssize_t)dump.len ||
			mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
			_exit(1);
		*page = (uint64_t)(uintptr_t)code;
		for (;;)
			pause();
	}
	for (int i = 0; i < 5000 && !*page; i++)
		usleep(1000);
	struct process_id id = {.pid = (uint32_t)pid, .exec_id = 3, .start_ns = start_ns(pid)};
	uint64_t ips[] = {*page + 8, *page + 0x108, *page + 0x800};
	struct frame frames[3];

	name_user(j.symbolizer, &id, ips, 3, true, frames);
	ck_assert_str_eq(frames[0].function ? frames[0].function : "", "compiled");
	ck_assert_int_eq(frames[0].origin, NAME_JITDUMP);
	ck_assert_str_eq(frames[1].function ? frames[1].function : "", "compiled");
	ck_assert_ptr_null(frames[2].function);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(file);
	rmdir(path);
	kill_jit(&j);
	symbolizer_free(j.symbolizer);
}
END_TEST

/* A real runtime, which writes both kinds of files. */
static const char script[] =
	"function hotInner(n) { let s = 0; for (let i = 0; i < n; i++) s = (s * 31 + i) % 1000003; "
	"return s; } let x = 0; const end = Date.now() + 2000; while (Date.now() < end) x += "
	"hotInner(2000);";

static pid_t start_node(const char *dir)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(dir) < 0)
			_exit(1);
		execlp("node", "node", "--perf-basic-prof", "--perf-prof",
			"--no-logfile-per-isolate", "--logfile=v8.log", "-e", script, NULL);
		_exit(127);
	}
	return pid;
}

/* The range of the last line about the optimised function. 0 until there is one. */
static uint64_t hot_address(pid_t pid)
{
	char *path cleanup_free = xasprintf("/tmp/perf-%d.map", (int)pid);
	FILE *f cleanup_fclose = fopen(path, "r");
	unsigned long long start, size, found = 0;
	char line[4096];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "*hotInner") && sscanf(line, "%llx %llx", &start, &size) == 2)
			found = start + size / 2;
	return found;
}

START_TEST(node_is_named_by_both_of_its_files)
{
	struct jit_program j = start_jit(); /* for its symbolizer */
	char dir[] = "/tmp/dockprof-node-XXXXXX";
	uint64_t ip = 0;
	struct frame frame;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	pid_t pid = start_node(dir);

	for (int i = 0; i < 20000 && !ip && waitpid(pid, NULL, WNOHANG) == 0; i++) {
		usleep(1000);
		ip = hot_address(pid);
	}
	if (ip) {
		struct process_id id = {
			.pid = (uint32_t)pid,
			.exec_id = 3,
			.start_ns = start_ns(pid),
		};
		char *map cleanup_free = xasprintf("/tmp/perf-%d.map", (int)pid);
		char *dump cleanup_free = xasprintf("%s/jit-%d.dump", dir, (int)pid);
		char *log cleanup_free = xasprintf("%s/v8.log", dir);

		name_user(j.symbolizer, &id, &ip, 1, true, &frame);
		ck_assert_ptr_nonnull(frame.function);
		ck_assert_ptr_nonnull(strstr(frame.function, "hotInner"));
		/* It writes its dump in pieces of 2 MB, the last one when it ends. */
		waitpid(pid, NULL, 0);
		symbolizer_end_round(j.symbolizer);
		name_user(j.symbolizer, &id, &ip, 1, true, &frame);
		ck_assert_ptr_nonnull(frame.function);
		ck_assert_ptr_nonnull(strstr(frame.function, "hotInner"));
		ck_assert_int_eq(frame.origin, NAME_JITDUMP);
		unlink(map);
		unlink(dump);
		unlink(log);
	} else {
		fprintf(stderr, "SKIP: there is no node here\n");
	}
	rmdir(dir);
	kill_jit(&j);
	symbolizer_free(j.symbolizer);
}
END_TEST

UNIT_MAIN("jit", the_latest_range_owns_its_addresses, ranges_in_any_order_are_as_if_painted,
	a_perf_map_is_read_as_it_grows, a_name_is_believed_while_the_line_covers_the_address,
	a_perf_map_cannot_take_all_memory, a_jitdump_is_read_as_it_grows,
	a_large_jitdump_is_read_bit_by_bit, a_large_perf_map_is_read_bit_by_bit,
	what_was_moved_is_found_without_rebuilding_the_map, a_jitdump_that_is_none_is_refused,
	the_status_of_a_process, generated_code_is_named_as_its_map_says,
	generated_code_is_named_after_its_process_has_ended,
	a_map_that_is_not_the_processs_own_is_not_read,
	a_map_is_looked_for_where_the_process_sees_it, generated_code_is_named_as_its_dump_says,
	node_is_named_by_both_of_its_files)
