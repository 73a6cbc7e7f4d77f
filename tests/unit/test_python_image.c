// SPDX-License-Identifier: Apache-2.0
/*
 * What Python holds in memory, from recordings of each version: the names and lines of a thread's frames; what
 * becomes of them when the memory is not as it should be; and the line tables by themselves.
 */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>

#include "base/file.h"
#include "interp/python_lines.h"
#include "interp/python_names.h"
#include "interp/python_process.h"
#include "lib/memory_image.h"
#include "lib/python_chain.h"

#define SEEDS      "tests/fuzz/seeds/python/3.*[0-9tl]" /* 3.13t: free-threaded */
#define FRAMES_MAX 64

struct recording {
	struct strbuf bytes, frames; /* the latter as the program wrote them */
	struct image_head head;
	struct memory_image image;
	struct python_attached attached;
	struct interp_process process;
};

static void open_recording(struct recording *r, const char *path)
{
	char frames[512];

	*r = (struct recording){.bytes = STRBUF_INIT, .frames = STRBUF_INIT};
	ck_assert_int_eq(file_read_at(AT_FDCWD, path, 1 << 20, &r->bytes), 0);
	snprintf(frames, sizeof(frames), "%s.frames", path);
	ck_assert_int_eq(file_read_at(AT_FDCWD, frames, 1 << 16, &r->frames), 0);
	ck_assert(image_open(&r->image, r->bytes.buf, r->bytes.len, &r->head));
}

static void close_recording(struct recording *r)
{
	strbuf_release(&r->bytes);
	strbuf_release(&r->frames);
}

static int attach(struct recording *r)
{
	return python_attach(&r->head.binary, &r->image.memory, 0, &r->attached, &r->process);
}

/* All frames of the thread that can be named, as the program writes them. */
static void add_frames(const struct recording *r, struct strbuf *out)
{
	struct interp_name name = {.function = STRBUF_INIT, .file = STRBUF_INIT};
	struct interp_frame records[FRAMES_MAX];
	size_t calls,
		count = python_chain(&r->image.memory, &r->process.python, r->head.thread_pointer,
			0, records, FRAMES_MAX, &calls);

	for (size_t i = 0; i < count; i++)
		if (python_name_read(&r->attached.offsets, &r->image.memory, &records[i], &name) ==
			0)
			strbuf_addf(out, "%u %s %s\n", name.line, name.function.buf, name.file.buf);
	strbuf_release(&name.function);
	strbuf_release(&name.file);
}

static void each_recording(void (*check)(struct recording *r))
{
	glob_t found;
	size_t count = 0;

	ck_assert_int_eq(glob(SEEDS, 0, NULL, &found), 0);
	for (; count < found.gl_pathc; count++) {
		struct recording r;

		open_recording(&r, found.gl_pathv[count]);
		check(&r);
		close_recording(&r);
	}
	globfree(&found);
	ck_assert_uint_ge(count, 12); /* 3.6 to 3.15, 3.13t, 3.11-musl */
}

static void check_frames(struct recording *r)
{
	struct strbuf frames = STRBUF_INIT;

	ck_assert_int_eq(attach(r), 0);
	add_frames(r, &frames);
	ck_assert_str_eq(frames.buf, r->frames.buf);
	strbuf_release(&frames);
}

START_TEST(each_version_is_read_as_it_wrote)
{
	each_recording(check_frames);
}
END_TEST

/* The block that holds the address, to be changed. */
static uint8_t *byte_of(const struct recording *r, uint64_t address)
{
	for (size_t i = 0; i < r->image.count; i++)
		if (address - r->image.blocks[i].address < IMAGE_BLOCK)
			return (uint8_t *)(uintptr_t)r->image.blocks[i].bytes +
				(address - r->image.blocks[i].address);
	ck_abort_msg("not recorded");
	return NULL;
}

static void check_recycled(struct recording *r)
{
	struct interp_name name = {.function = STRBUF_INIT, .file = STRBUF_INIT};
	struct interp_frame frames[FRAMES_MAX];
	size_t calls;

	ck_assert_int_eq(attach(r), 0);
	size_t count = python_chain(&r->image.memory, &r->process.python, r->head.thread_pointer, 0,
		frames, FRAMES_MAX, &calls);
	const struct python_layout *layout = &r->process.python.layout;

	ck_assert_uint_ge(count, 3);
	ck_assert_int_eq(python_name_read(&r->attached.offsets, &r->image.memory, &frames[0],
				 &name),
		0);
	byte_of(r, frames[0].code + layout->code_first_line)[0] ^= 1;
	ck_assert_int_eq(python_name_read(&r->attached.offsets, &r->image.memory, &frames[0],
				 &name),
		-ESTALE);
	byte_of(r, frames[1].code + layout->code_name)[1] ^= 1;
	ck_assert_int_eq(python_name_read(&r->attached.offsets, &r->image.memory, &frames[1],
				 &name),
		-ESTALE);
	byte_of(r, frames[2].code + layout->code_line_table)[2] ^= 0x10;
	ck_assert_int_eq(python_name_read(&r->attached.offsets, &r->image.memory, &frames[2],
				 &name),
		-ESTALE);
	strbuf_release(&name.function);
	strbuf_release(&name.file);
}

START_TEST(another_code_object_has_no_name)
{
	each_recording(check_recycled);
}
END_TEST

static void check_unknown_version(struct recording *r)
{
	struct python_binary *b = &r->head.binary;

	ck_assert_int_eq(attach(r), 0);
	if (r->attached.offsets.minor >= 13)
		byte_of(r, b->runtime + 11)[0] = 4; /* of the word 0x030dxxxx: Python 4 */
	else if (b->version)
		byte_of(r, b->version + 2)[0] = 99;
	else
		b->minor = 99;
	ck_assert_int_eq(attach(r), -ENOTSUP);
}

START_TEST(an_unknown_version_is_left_alone)
{
	each_recording(check_unknown_version);
}
END_TEST

static void check_newer_minor(struct recording *r)
{
	struct strbuf frames = STRBUF_INIT;

	ck_assert_int_eq(attach(r), 0);
	if (r->attached.offsets.minor >= 13) {
		byte_of(r, r->head.binary.runtime + 10)[0] = 77;
		ck_assert_int_eq(attach(r), 0);
		ck_assert_uint_eq(r->attached.offsets.minor, 77);
		add_frames(r, &frames);
		ck_assert_str_eq(frames.buf, r->frames.buf);
	}
	strbuf_release(&frames);
}

START_TEST(a_version_that_describes_itself_need_not_be_known)
{
	each_recording(check_newer_minor);
}
END_TEST

static void check_unbegun(struct recording *r)
{
	ck_assert_int_eq(attach(r), 0);
	memset(byte_of(r, r->attached.interpreters), 0, 8);
	ck_assert_int_eq(attach(r), -EAGAIN);
}

START_TEST(an_interpreter_without_threads_is_asked_again)
{
	each_recording(check_unbegun);
}
END_TEST

static void check_circle(struct recording *r)
{
	struct interp_thread threads[32];
	struct interp_frame frames[FRAMES_MAX];
	size_t calls;

	ck_assert_int_eq(attach(r), 0);
	ck_assert_uint_ge(python_threads(&r->attached, &r->image.memory, threads, 32), 2);
	/* The second thread's successor is itself. */
	memcpy(byte_of(r, threads[1].state + r->attached.offsets.state_next), &threads[1].state, 8);
	ck_assert_uint_eq(python_threads(&r->attached, &r->image.memory, threads, 32), 32);
	/* The innermost frame's caller is itself. */
	struct python_walk walk = {.thread_pointer = r->head.thread_pointer};

	ck_assert(python_begin(&r->image.memory, &r->process.python, &walk));
	memcpy(byte_of(r, walk.frame + r->process.python.layout.frame_previous), &walk.frame, 8);
	ck_assert_uint_eq(python_chain(&r->image.memory, &r->process.python, r->head.thread_pointer,
				  0, frames, FRAMES_MAX, &calls),
		FRAMES_MAX);
}

START_TEST(chains_that_lead_nowhere_end)
{
	each_recording(check_circle);
}
END_TEST

/* Each word points 16 bytes further: chains without an end, of states that are no living thread's. */
struct endless {
	struct interp_memory memory;
	size_t calls;
};

static int read_endless(const struct interp_memory *memory, uint64_t address, void *buf, size_t len)
{
	((struct endless *)(uintptr_t)container_of(memory, struct endless, memory))->calls++;
	for (size_t i = 0; i + 8 <= len; i += 8)
		memcpy((char *)buf + i, &(uint64_t){address + i + 16}, 8);
	return 0;
}

START_TEST(all_interpreters_states_count_together)
{
	struct endless endless = {.memory = {.read = read_endless}};
	struct python_attached attached = {.interpreters = 4096};
	struct interp_thread thread;

	ck_assert(python_offsets_of(12, &attached.offsets));
	ck_assert_uint_eq(python_threads(&attached, &endless.memory, &thread, 1), 0);
	ck_assert_uint_ge(endless.calls, 4096);
	ck_assert_uint_le(endless.calls, 3 * 10000);
}
END_TEST

static int read_empty(const struct interp_memory *memory, uint64_t address, void *buf, size_t len)
{
	(void)memory, (void)address;
	memset(buf, 0, len);
	return 0;
}

/* 3.15 has no key, but a variable of whoever has the GIL. */
START_TEST(an_empty_key_tells_that_a_thread_is_none_of_pythons)
{
	const struct interp_memory memory = {.read = read_empty};
	const struct {
		struct python_path path;
		int never;
	} cases[] = {
		{{.first = 808}, 1},
		{{.first = 1296, .next = {24}, .derefs = 1}, 1},
		{{.first = -16}, 0},
		{{.first = 8, .next = {16, 64}, .derefs = 2}, 0},
		{{.derefs = PYTHON_NO_PATH}, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_int_eq(python_never_ran(&memory, &cases[i].path, 4096), cases[i].never);
}
END_TEST

START_TEST(lines_of_each_table)
{
	/* Objects/lnotab_notes.txt: its own example, and a step back. */
	static const uint8_t lnotab[] = {0, 1, 6, 1, 44, 5, 250, 127, 50, 0xfe};
	/* 0-4 line 10, 4-8 line 12, 8-12 none, 12-14 line 11 */
	static const uint8_t ranges[] = {4, 0, 4, 2, 4, 0x80, 2, 0xff};
	/* none for 1 unit; line +0 (short) 2 units; +2 columns 1 unit; -3 no columns 1; long +300 8 */
	static const uint8_t locations[] = {0xf8, 0x81, 0x12, 0xe0, 1, 2, 0xe8, 7, 0xf7, 0x58, 0x09,
		0, 1, 2};
	const struct {
		enum python_lines kind;
		const uint8_t *table;
		size_t len;
		uint32_t at, line;
	} cases[] = {
		{PYTHON_LINES_LNOTAB, lnotab, sizeof(lnotab), 0, 11},
		{PYTHON_LINES_LNOTAB, lnotab, sizeof(lnotab), 5, 11},
		{PYTHON_LINES_LNOTAB, lnotab, sizeof(lnotab), 6, 12},
		{PYTHON_LINES_LNOTAB, lnotab, sizeof(lnotab), 50, 17},
		{PYTHON_LINES_LNOTAB, lnotab, sizeof(lnotab), 300, 144},
		{PYTHON_LINES_LNOTAB, lnotab, sizeof(lnotab), 9999, 142},
		{PYTHON_LINES_LNOTAB, lnotab, 1, 3, 10},
		{PYTHON_LINES_RANGES, ranges, sizeof(ranges), 0, 10},
		{PYTHON_LINES_RANGES, ranges, sizeof(ranges), 7, 12},
		{PYTHON_LINES_RANGES, ranges, sizeof(ranges), 8, 0},
		{PYTHON_LINES_RANGES, ranges, sizeof(ranges), 12, 11},
		{PYTHON_LINES_RANGES, ranges, sizeof(ranges), 14, 0},
		{PYTHON_LINES_LOCATIONS, locations, sizeof(locations), 0, 0},
		{PYTHON_LINES_LOCATIONS, locations, sizeof(locations), 2, 10},
		{PYTHON_LINES_LOCATIONS, locations, sizeof(locations), 5, 10},
		{PYTHON_LINES_LOCATIONS, locations, sizeof(locations), 6, 12},
		{PYTHON_LINES_LOCATIONS, locations, sizeof(locations), 8, 9},
		{PYTHON_LINES_LOCATIONS, locations, sizeof(locations), 10, 309},
		{PYTHON_LINES_LOCATIONS, locations, sizeof(locations), 25, 309},
		{PYTHON_LINES_LOCATIONS, locations, sizeof(locations), 26, 0},
		{PYTHON_LINES_LOCATIONS, lnotab, sizeof(lnotab), 0,
			0}, /* no first byte of an entry */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(python_line(cases[i].kind, cases[i].table, cases[i].len, 10,
				      cases[i].at) == cases[i].line,
			"case %zu: %u", i,
			python_line(cases[i].kind, cases[i].table, cases[i].len, 10, cases[i].at));
}
END_TEST

/* Counts what is read of another; what was not recorded is zeros, as what a process has there may be anything. */
struct counted {
	struct interp_memory memory;
	const struct interp_memory *from;
	size_t calls;
};

static int read_counted(const struct interp_memory *memory, uint64_t address, void *buf, size_t len)
{
	struct counted *c = (void *)(uintptr_t)container_of(memory, struct counted, memory);

	c->calls++;
	for (size_t i = 0; i < len; i++)
		if (memory_read(c->from, address + i, (char *)buf + i, 1) < 0)
			((char *)buf)[i] = 0;
	return 0;
}

static void check_reads(struct recording *r)
{
	struct counted counted = {.memory = {.read = read_counted}, .from = &r->image.memory};
	struct interp_name name = {.function = STRBUF_INIT, .file = STRBUF_INIT},
			   line = {.only_line = true, .function = STRBUF_INIT, .file = STRBUF_INIT};
	struct interp_frame records[FRAMES_MAX];
	size_t calls;

	ck_assert_int_eq(attach(r), 0);
	size_t count = python_chain(&r->image.memory, &r->process.python, r->head.thread_pointer, 0,
		records, FRAMES_MAX, &calls);

	for (size_t i = 0; i < count; i++) {
		counted.calls = 0;
		int whole =
			python_name_read(&r->attached.offsets, &counted.memory, &records[i], &name);

		/* The code object before and after, two strings and the table; one of them may be long. */
		ck_assert_uint_le(counted.calls, 6);
		counted.calls = 0;
		ck_assert_int_eq(python_name_read(&r->attached.offsets, &counted.memory,
					 &records[i], &line),
			whole);
		ck_assert_uint_le(counted.calls, 4);
		ck_assert_uint_eq(line.line, name.line);
		ck_assert_uint_eq(line.first_line, name.first_line);
		ck_assert_uint_eq(line.function.len + line.file.len, 0);
	}
	strbuf_release(&name.function);
	strbuf_release(&name.file);
}

START_TEST(a_name_takes_few_reads_and_a_line_fewer)
{
	each_recording(check_reads);
}
END_TEST

UNIT_MAIN("python_image", each_version_is_read_as_it_wrote, another_code_object_has_no_name,
	an_unknown_version_is_left_alone, a_version_that_describes_itself_need_not_be_known,
	an_interpreter_without_threads_is_asked_again, chains_that_lead_nowhere_end,
	all_interpreters_states_count_together, an_empty_key_tells_that_a_thread_is_none_of_pythons,
	lines_of_each_table, a_name_takes_few_reads_and_a_line_fewer)
