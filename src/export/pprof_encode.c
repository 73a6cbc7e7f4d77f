// SPDX-License-Identifier: Apache-2.0
/*
 * profile.proto, field by field. Elements are numbered from 1 in their array's order. Mappings are an
 * exception: readers take the first one for the main program (pprof prints its name, Pyroscope files
 * symbols under it), so that one is moved to the front and the others behind it:
 *
 *	array     0 libc.so.6   1 web   2 [kernel]
 *	id        2             1       3
 */
#include <string.h>

#include "export/gzip.h"
#include "export/pprof.h"
#include "export/pprof_tables.h"
#include "export/protobuf.h"

enum profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
};
enum value_type_field { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2 };
enum sample_field { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE = 2 };
enum mapping_field {
	MAPPING_ID = 1,
	MAPPING_START = 2,
	MAPPING_LIMIT = 3,
	MAPPING_OFFSET = 4,
	MAPPING_FILENAME = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
};
enum location_field {
	LOCATION_ID = 1,
	LOCATION_MAPPING_ID = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4,
};
enum line_field { LINE_FUNCTION_ID = 1, LINE_LINE = 2 };
enum function_field {
	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_FILENAME = 4,
	FUNCTION_START_LINE = 5,
};

/* Of one element with its tag, its length, and each of its numbers at its largest. */
enum encoded_max {
	SAMPLE_MAX_BYTES = 4 + 4 + 2 + 10,
	MAPPING_MAX_BYTES = 4 + 3 * 11 + 4 * 6,
	LOCATION_MAX_BYTES = 2 + 2 * 6 + 11 + 2 + 2 * 6,
	FUNCTION_MAX_BYTES = 2 + 4 * 6,
	STRING_MAX_BYTES = 3, /* beside its text, whose NUL is counted */
	REST_MAX_BYTES = 2 * 16 + 3 * 11,
};

/* The program's own file rather than a library, where there is one. */
static size_t main_mapping(const struct pprof *p)
{
	size_t first_file = p->mapping_count;

	for (size_t i = 0; i < p->mapping_count; i++) {
		const struct pprof_mapping *m = &p->mappings[i];

		if (m->kind != MODULE_FILE)
			continue;
		if (!strstr(string_table_get(&p->strings, m->path), ".so"))
			return i;
		if (first_file == p->mapping_count)
			first_file = i;
	}
	return first_file < p->mapping_count ? first_file : 0;
}

static uint64_t mapping_id(uint32_t i, size_t main)
{
	if (i == NO_MAPPING)
		return 0;
	return i == main ? 1 : i < main ? i + 2 : i + 1;
}

static void encode_value_type(struct strbuf *out, unsigned field, uint32_t type, uint32_t unit)
{
	size_t start = protobuf_begin(out, field);

	protobuf_add_uint(out, VALUE_TYPE_TYPE, type);
	protobuf_add_uint(out, VALUE_TYPE_UNIT, unit);
	protobuf_end(out, start);
}

/* Comparisons instead of protobuf_varint_size(): there are no branches to mispredict. */
static size_t locations_size(const uint32_t *frames, uint32_t depth)
{
	int more = 0; /* than one byte each */

	for (uint32_t k = 0; k < depth; k++) {
		uint64_t id = (uint64_t)frames[k] + 1;

		more += (id >> 7 != 0) + (id >> 14 != 0) + (id >> 21 != 0) + (id >> 28 != 0);
	}
	return depth + (size_t)more;
}

/* Most of a profile are these numbers: sizes are counted first, so that each is written once. */
static void encode_sample(const struct pprof *p, const struct pprof_stack *s, struct strbuf *out)
{
	const uint32_t *frames = &p->frames[s->first];
	uint64_t value = s->ticks * (uint64_t)p->options.period_ns;
	size_t locations = locations_size(frames, s->depth);
	size_t values = protobuf_varint_size(value);
	size_t len = 1 + protobuf_varint_size(locations) + locations + 2 + values;

	strbuf_grow(out, SAMPLE_MAX_BYTES + len);
	char *to = out->buf + out->len;

	to = protobuf_put_length(to, PROFILE_SAMPLE, len);
	to = protobuf_put_length(to, SAMPLE_LOCATION_ID, locations);
	for (uint32_t k = 0; k < s->depth; k++)
		to = protobuf_put_varint(to, (uint64_t)frames[k] + 1);
	to = protobuf_put_length(to, SAMPLE_VALUE, values);
	to = protobuf_put_varint(to, value);
	strbuf_set_len(out, (size_t)(to - out->buf));
}

static void encode_samples(const struct pprof *p, struct strbuf *out)
{
	for (size_t i = 0; i < p->stack_count; i++)
		encode_sample(p, &p->stacks[i], out);
}

static void encode_mapping(const struct pprof_mapping *m, uint64_t id, struct strbuf *out)
{
	size_t start = protobuf_begin(out, PROFILE_MAPPING);

	protobuf_add_uint(out, MAPPING_ID, id);
	protobuf_add_uint(out, MAPPING_START, m->start);
	protobuf_add_uint(out, MAPPING_LIMIT, m->end);
	protobuf_add_uint(out, MAPPING_OFFSET, m->file_offset);
	protobuf_add_uint(out, MAPPING_FILENAME, m->path);
	protobuf_add_uint(out, MAPPING_BUILD_ID, m->build_id);
	protobuf_add_uint(out, MAPPING_HAS_FUNCTIONS, m->has_functions);
	protobuf_end(out, start);
}

static void encode_mappings(const struct pprof *p, size_t main, struct strbuf *out)
{
	if (p->mapping_count)
		encode_mapping(&p->mappings[main], 1, out);
	for (uint32_t i = 0; i < p->mapping_count; i++)
		if (i != main)
			encode_mapping(&p->mappings[i], mapping_id(i, main), out);
}

static void encode_locations(const struct pprof *p, size_t main, struct strbuf *out)
{
	for (size_t i = 0; i < p->location_count; i++) {
		const struct pprof_location *l = &p->locations[i];
		size_t location = protobuf_begin(out, PROFILE_LOCATION);

		protobuf_add_uint(out, LOCATION_ID, i + 1);
		protobuf_add_uint(out, LOCATION_MAPPING_ID, mapping_id(l->mapping, main));
		protobuf_add_uint(out, LOCATION_ADDRESS, l->address);
		size_t line = protobuf_begin(out, LOCATION_LINE);

		protobuf_add_uint(out, LINE_FUNCTION_ID, (uint64_t)l->function + 1);
		protobuf_add_uint(out, LINE_LINE, l->line);
		protobuf_end(out, line);
		protobuf_end(out, location);
	}
}

static void encode_functions(const struct pprof *p, struct strbuf *out)
{
	for (size_t i = 0; i < p->function_count; i++) {
		size_t start = protobuf_begin(out, PROFILE_FUNCTION);

		protobuf_add_uint(out, FUNCTION_ID, i + 1);
		protobuf_add_uint(out, FUNCTION_NAME, p->functions[i].name);
		protobuf_add_uint(out, FUNCTION_FILENAME, p->functions[i].file);
		protobuf_add_uint(out, FUNCTION_START_LINE, p->functions[i].first_line);
		protobuf_end(out, start);
	}
}

static void encode_strings(const struct pprof *p, struct strbuf *out)
{
	for (uint32_t i = 0; i < p->strings.count; i++) {
		const char *s = string_table_get(&p->strings, i);

		protobuf_add_bytes(out, PROFILE_STRING_TABLE, s, strlen(s));
	}
}

size_t pprof_encoded_bound(const struct pprof *p)
{
	size_t number = p->location_count < 1 << 14 ? 2 : p->location_count < 1 << 21 ? 3 : 5;

	return REST_MAX_BYTES + p->stack_count * SAMPLE_MAX_BYTES + p->frame_count * number +
		p->mapping_count * MAPPING_MAX_BYTES + p->location_count * LOCATION_MAX_BYTES +
		p->function_count * FUNCTION_MAX_BYTES + p->strings.count * STRING_MAX_BYTES +
		p->strings.bytes.len;
}

void pprof_encode(const struct pprof *p, struct strbuf *out)
{
	pprof_encode_at(p, p->options.time_ns, out);
}

void pprof_encode_at(const struct pprof *p, int64_t time_ns, struct strbuf *out)
{
	size_t main = main_mapping(p);

	strbuf_grow(out, pprof_encoded_bound(p));
	encode_value_type(out, PROFILE_SAMPLE_TYPE, p->cpu, p->nanoseconds);
	encode_samples(p, out);
	encode_mappings(p, main, out);
	encode_locations(p, main, out);
	encode_functions(p, out);
	encode_strings(p, out);
	protobuf_add_uint(out, PROFILE_TIME_NANOS, (uint64_t)time_ns);
	protobuf_add_uint(out, PROFILE_DURATION_NANOS, (uint64_t)p->options.duration_ns);
	encode_value_type(out, PROFILE_PERIOD_TYPE, p->cpu, p->nanoseconds);
	protobuf_add_uint(out, PROFILE_PERIOD, (uint64_t)p->options.period_ns);
}

void pprof_encode_gzip(const struct pprof *p, struct strbuf *out)
{
	struct strbuf plain cleanup_strbuf = STRBUF_INIT;

	pprof_encode(p, &plain);
	gzip_add(out, plain.buf, plain.len);
}
