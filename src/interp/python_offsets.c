// SPDX-License-Identifier: Apache-2.0
/*
 * From 3.13 on _PyRuntime begins with _Py_DebugOffsets: words in sections, each of which begins with the size
 * of the struct that it describes, for its offsets to stay below:
 *
 *	"xdebugpy" version free_threaded | size finalizing interpreters_head | size id next threads_head ... |
 *	size prev next interp current_frame ... thread_id native_thread_id ... | size previous executable ... | ...
 *
 * Versions insert fields, so all sections but the first two move. They are found by what they must hold:
 * a thread state begins with prev, next and interp, a frame with executable and previous (behind the
 * header, if at all), a code object has its file, name, qualified name and line table side by side, and so
 * on. A version that is not out yet will do, as long as its beginning of each section stays.
 */
#include "interp/python_offsets.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define COOKIE       0x7970677562656478 /* "xdebugpy" */
#define WORDS        192 /* 73 in 3.13; twice that in a few years' time */
#define STRUCT_MAX   (1u << 20) /* of an interpreter: 400 KiB in 3.13 */
#define FIELD_MAX    UINT16_MAX /* what we look at is at the beginning of each */
#define THREADS_MAX  16 /* looked at until one is found that has begun */
#define MEMBERS_MAX  64 /* of the code type: 18 */
#define MEMBER_NAME  16
#define TYPE_MEMBERS 240 /* PyTypeObject.tp_members, since 3.0 */

/* One line per version, in the order of struct python_offsets. */
struct known {
	uint8_t minor, lines, boundary, shift;
	struct {
		uint16_t frame, cframe, thread_id;
	} state;
	struct {
		uint16_t previous, code, instruction, mark;
	} frame;
	struct {
		uint16_t file, name, qualified, line_table, first_line, instructions;
	} code;
	struct {
		uint16_t interpreters, current, threads;
	} runtime;
	struct {
		uint16_t ascii, compact;
	} text;
};

#define NO_CFRAME PYTHON_NO_CFRAME
#define LNOTAB    PYTHON_LINES_LNOTAB
#define RANGES    PYTHON_LINES_RANGES
#define LOCATIONS PYTHON_LINES_LOCATIONS
#define ONE       PYTHON_ONE_FRAME
#define FLAG      PYTHON_ENTRY_FLAG
#define SHIM      PYTHON_SHIM

/* clang-format off */
static const struct known known_versions[] = {
	/*                     state                  frame               code                            runtime        text */
	{6, LNOTAB, ONE, 0,    {24, NO_CFRAME, 152},  {24, 32, 120, 0},   {96, 104, 0, 112, 36, 0},       {0, 0, 8},     {48, 72}},
	{7, LNOTAB, ONE, 0,    {24, NO_CFRAME, 176},  {24, 32, 104, 0},   {96, 104, 0, 112, 36, 0},       {24, 1480, 8}, {48, 72}},
	{8, LNOTAB, ONE, 0,    {24, NO_CFRAME, 176},  {24, 32, 104, 0},   {104, 112, 0, 120, 40, 0},      {32, 1368, 8}, {48, 72}},
	{9, LNOTAB, ONE, 0,    {24, NO_CFRAME, 176},  {24, 32, 104, 0},   {104, 112, 0, 120, 40, 0},      {32, 568, 8},  {48, 72}},
	{10, RANGES, ONE, 1,   {24, NO_CFRAME, 176},  {24, 32, 96, 0},    {104, 112, 0, 120, 40, 0},      {32, 568, 8},  {48, 72}},
	{11, LOCATIONS, FLAG, 0, {56, 8, 152},        {48, 32, 56, 68},   {112, 120, 128, 136, 72, 184},  {40, 576, 16}, {48, 72}},
	{12, LOCATIONS, SHIM, 0, {56, 0, 136},        {8, 0, 56, 70},     {112, 120, 128, 136, 68, 192},  {40, 0, 72},   {40, 56}},
};
/* clang-format on */

static struct python_layout layout_of(const struct known *k)
{
	return (struct python_layout){
		.state_frame = k->state.frame,
		.cframe_frame = k->state.cframe,
		.state_thread_id = k->state.thread_id,
		.frame_previous = k->frame.previous,
		.frame_code = k->frame.code,
		.frame_instruction = k->frame.instruction,
		.frame_mark = k->frame.mark,
		.code_name = k->code.name,
		.code_line_table = k->code.line_table,
		.code_first_line = k->code.first_line,
		.code_instructions = k->code.instructions,
		.boundary = k->boundary,
		.instruction = k->code.instructions ? PYTHON_POINTER : PYTHON_INDEX,
		.shift = k->shift,
	};
}

bool python_offsets_of(unsigned minor, struct python_offsets *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_versions); i++) {
		const struct known *k = &known_versions[i];

		if (k->minor != minor)
			continue;
		*ret = (struct python_offsets){
			.minor = k->minor,
			.lines = k->lines,
			.walk = layout_of(k),
			.runtime_interpreters = k->runtime.interpreters,
			.runtime_current = k->runtime.current,
			.interpreter_threads = k->runtime.threads,
			.state_next = 8,
			.code_file = k->code.file,
			.code_qualified_name = k->code.qualified,
			.bytes_size = 16,
			.bytes_data = 32,
			.text_length = 16,
			.text_state = 32,
			.text_ascii = k->text.ascii,
			.text_compact = k->text.compact,
		};
		return true;
	}
	return false;
}

/* The section that begins at w[at] with its size: whether `count` offsets behind it stay below. */
static bool is_section(const uint64_t *w, size_t at, size_t count)
{
	if (w[at] < 16 || w[at] > STRUCT_MAX)
		return false;
	for (size_t i = 1; i <= count; i++)
		if (w[at + i] > w[at] || w[at + i] > FIELD_MAX)
			return false;
	return true;
}

static bool is_state(const uint64_t *w, size_t at)
{
	return is_section(w, at, 6) && w[at + 1] == 0 && w[at + 2] == 8 && w[at + 3] == 16;
}

static bool is_frame(const uint64_t *w, size_t at)
{
	return is_section(w, at, 5) && w[at] <= PYTHON_WINDOW_SIZE && w[at + 1] == 8 &&
		w[at + 2] == 0;
}

static bool is_code(const uint64_t *w, size_t at)
{
	return is_section(w, at, 9) && w[at + 2] == w[at + 1] + 8 && w[at + 3] == w[at + 2] + 8 &&
		w[at + 4] == w[at + 3] + 8 && w[at + 9] > w[at + 4];
}

/* That of bytes and that of str, side by side: both have their size first behind the header. */
static bool is_text(const uint64_t *w, size_t at)
{
	return is_section(w, at, 2) && is_section(w, at + 3, 3) && w[at + 2] == w[at + 1] + 16 &&
		w[at + 5] == w[at + 1] && w[at + 4] == w[at + 2] && w[at + 6] > w[at + 4];
}

static size_t find(const uint64_t *w, size_t from, bool (*is)(const uint64_t *w, size_t at))
{
	for (size_t at = from; from && at + 10 < WORDS; at++)
		if (is(w, at))
			return at;
	return 0;
}

/*
 * thread_id is directly before native_thread_id, somewhere behind current_frame; it is the address of the
 * thread's control block, whose first word holds that address as well (x86-64: fs:0).
 */
static int find_thread_id(const struct interp_memory *memory, uint64_t state, const uint64_t *w,
	size_t at)
{
	for (size_t i = at + 4; i < at + 12; i++) {
		if (w[i + 1] != w[i] + 8 || w[i + 1] >= w[at])
			continue;
		uint64_t id = memory_word(memory, state + w[i]);

		if (id && memory_word(memory, id) == id)
			return (int)w[i];
	}
	return -EAGAIN;
}

static int find_state_fields(const struct interp_memory *memory, uint64_t runtime,
	const uint64_t *w, size_t at)
{
	uint64_t interpreter = memory_word(memory, runtime + w[5]);
	uint64_t state = memory_word(memory, interpreter + w[9]);
	int r = -EAGAIN;

	for (int i = 0; i < THREADS_MAX && state && r < 0; i++) {
		r = find_thread_id(memory, state, w, at);
		state = memory_word(memory, state + w[at + 2]);
	}
	return r;
}

static void take_sections(const uint64_t *w, size_t state, size_t frame, size_t code, size_t text,
	struct python_offsets *ret)
{
	*ret = (struct python_offsets){
		.minor = (uint8_t)(w[1] >> 16),
		.lines = PYTHON_LINES_LOCATIONS,
		.walk =
			{
				.state_frame = (uint16_t)w[state + 4],
				.cframe_frame = PYTHON_NO_CFRAME,
				.frame_previous = (uint16_t)w[frame + 1],
				.frame_code = (uint16_t)w[frame + 2],
				.frame_instruction = (uint16_t)w[frame + 3],
				.frame_mark = (uint16_t)w[frame + 5],
				.code_name = (uint16_t)w[code + 2],
				.code_line_table = (uint16_t)w[code + 4],
				.code_first_line = (uint16_t)w[code + 5],
				.code_instructions = (uint16_t)w[code + 9],
				.boundary = PYTHON_SHIM,
				.instruction = PYTHON_POINTER,
			},
		.runtime_interpreters = (uint16_t)w[5],
		.interpreter_next = (uint16_t)w[8],
		.interpreter_threads = (uint16_t)w[9],
		.state_next = (uint16_t)w[state + 2],
		.code_file = (uint16_t)w[code + 1],
		.code_qualified_name = (uint16_t)w[code + 3],
		.bytes_size = (uint16_t)w[text + 1],
		.bytes_data = (uint16_t)w[text + 2],
		.text_state = (uint16_t)w[text + 4],
		.text_length = (uint16_t)w[text + 5],
		.text_ascii = (uint16_t)w[text + 6],
		.text_compact = (uint16_t)(w[text + 6] + 16),
	};
}

int python_offsets_read(const struct interp_memory *memory, uint64_t runtime,
	struct python_offsets *ret)
{
	uint64_t w[WORDS] = {0};

	if (memory_read(memory, runtime, w, sizeof(w)) < 0 || w[0] != COOKIE)
		return -ENOENT;
	ret->minor = w[1] >> 24 == 3 ? (uint8_t)(w[1] >> 16) : 0;
	if (w[1] >> 24 != 3 || !is_section(w, 3, 2) || !is_section(w, 6, 3))
		return -ENOTSUP;
	size_t state = find(w, 10, is_state), frame = find(w, state, is_frame);
	size_t code = find(w, frame, is_code), text = find(w, code, is_text);

	if (!text)
		return -ENOTSUP;
	int thread_id = find_state_fields(memory, runtime, w, state);

	if (thread_id < 0)
		return thread_id;
	take_sections(w, state, frame, code, text, ret);
	ret->walk.state_thread_id = (uint16_t)thread_id;
	return 0;
}

/* PyMemberDef: name, type, offset, flags, documentation. */
struct member {
	uint64_t name, type, offset, flags, doc;
};

static unsigned refine_member(struct python_offsets *o, const char *name, uint64_t offset)
{
	const struct {
		const char *name;
		uint16_t *offset;
	} fields[] = {
		{"co_name", &o->walk.code_name},
		{"co_filename", &o->code_file},
		{"co_firstlineno", &o->walk.code_first_line},
		{o->lines == PYTHON_LINES_LNOTAB ? "co_lnotab" : "co_linetable",
			&o->walk.code_line_table},
		{"co_qualname", &o->code_qualified_name},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strcmp(name, fields[i].name) != 0 || !*fields[i].offset || offset > FIELD_MAX ||
			*fields[i].offset == offset)
			continue;
		*fields[i].offset = (uint16_t)offset;
		return 1;
	}
	return 0;
}

unsigned python_offsets_refine(struct python_offsets *offsets, const struct interp_memory *memory,
	uint64_t code_type)
{
	uint64_t at = memory_word(memory, code_type + TYPE_MEMBERS);
	unsigned differed = 0;
	struct member member;

	for (int i = 0; i < MEMBERS_MAX && at; i++, at += sizeof(member)) {
		char name[MEMBER_NAME + 1] = {0};

		if (memory_read(memory, at, &member, sizeof(member)) < 0 || !member.name ||
			memory_read(memory, member.name, name, MEMBER_NAME) < 0)
			break;
		differed += refine_member(offsets, name, member.offset);
	}
	return differed;
}

static bool in_frame(uint16_t offset, uint16_t size)
{
	return offset % size == 0 && offset <= PYTHON_WINDOW_SIZE - size;
}

static bool in_code(uint16_t offset, uint16_t size)
{
	return offset >= PYTHON_CODE_SKIP && in_frame((uint16_t)(offset - PYTHON_CODE_SKIP), size);
}

bool python_offsets_usable(const struct python_offsets *offsets)
{
	const struct python_layout *w = &offsets->walk;

	return in_frame(w->frame_previous, 8) && in_frame(w->frame_code, 8) &&
		in_frame(w->frame_instruction, w->instruction == PYTHON_INDEX ? 4 : 8) &&
		in_frame(w->frame_mark, 1) && in_code(w->code_name, 8) &&
		in_code(w->code_line_table, 8) && in_code(w->code_first_line, 4) &&
		w->state_thread_id % 8 == 0 && w->state_frame % 8 == 0;
}
