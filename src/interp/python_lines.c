// SPDX-License-Identifier: Apache-2.0
/*
 * Three formats, each a sequence of steps through the instructions:
 *
 *	lnotab      | +bytes, +lines |...             the line changes at the byte; lines are signed
 *	ranges      | bytes, +lines  |...             the line holds for so many bytes; -128: no line
 *	locations   | 1 kind:4 units-1:3 | operands |...   a unit has two bytes; operands never have bit 7 set
 */
#include "interp/python_lines.h"

#include "base/cursor.h"

#define NO_LINE        (-128)
#define ENTRY          0x80 /* of a location: its first byte */
#define UNIT           2
/* Kinds of locations. */
#define ONE_LINE_FIRST 10 /* the line, or up to two further */
#define ONE_LINE_LAST  12
#define NO_COLUMNS     13
#define LONG           14
#define NONE           15

static uint32_t line_of_lnotab(struct cursor *c, int64_t line, uint32_t at)
{
	uint64_t byte = 0;
	const uint8_t *step;

	while ((step = cursor_take(c, 2))) {
		byte += step[0];
		if (byte > at)
			break;
		line += (int8_t)step[1];
	}
	return line > 0 ? (uint32_t)line : 0;
}

static uint32_t line_of_ranges(struct cursor *c, int64_t line, uint32_t at)
{
	uint64_t end = 0;
	const uint8_t *step;

	while ((step = cursor_take(c, 2))) {
		int8_t lines = (int8_t)step[1];

		end += step[0];
		if (lines != NO_LINE)
			line += lines;
		if (at < end)
			return lines == NO_LINE || line < 0 ? 0 : (uint32_t)line;
	}
	return 0;
}

/* Six bits a byte, the lowest first; bit 6 says that there is more. */
static int64_t signed_number(struct cursor *c)
{
	uint64_t value = 0;
	const uint8_t *byte;

	for (unsigned shift = 0; shift < 60 && (byte = cursor_take(c, 1)); shift += 6) {
		value |= (uint64_t)(*byte & 0x3f) << shift;
		if (!(*byte & 0x40))
			break;
	}
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static void skip_operands(struct cursor *c)
{
	while (c->left && !(*c->next & ENTRY))
		cursor_take(c, 1);
}

static uint32_t line_of_locations(struct cursor *c, int64_t line, uint32_t at)
{
	uint64_t end = 0;
	const uint8_t *head;

	while ((head = cursor_take(c, 1))) {
		unsigned kind = *head >> 3 & 15;

		if (!(*head & ENTRY))
			return 0;
		end += ((*head & 7u) + 1) * UNIT;
		if (kind >= ONE_LINE_FIRST && kind <= ONE_LINE_LAST)
			line += kind - ONE_LINE_FIRST;
		else if (kind == NO_COLUMNS || kind == LONG)
			line += signed_number(c);
		skip_operands(c);
		if (line < INT32_MIN || line > INT32_MAX)
			return 0;
		if (at < end)
			return kind == NONE || line < 0 ? 0 : (uint32_t)line;
	}
	return 0;
}

uint32_t python_line(enum python_lines kind, const uint8_t *table, size_t len, uint32_t first,
	uint32_t at)
{
	struct cursor c = cursor_over(table, len);

	switch (kind) {
	case PYTHON_LINES_LNOTAB:
		return line_of_lnotab(&c, first, at);
	case PYTHON_LINES_RANGES:
		return line_of_ranges(&c, first, at);
	case PYTHON_LINES_LOCATIONS:
		return line_of_locations(&c, first, at);
	}
	return 0;
}
