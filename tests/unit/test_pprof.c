// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "export/pprof.h"
#include "export/string_table.h"
#include "unit/frames.h"
#include "unit/protobuf_reader.h"

#define PERIOD INT64_C(10309278)

static const struct pprof_options options = {
	.time_ns = INT64_C(1767323045678000000),
	.duration_ns = 15 * NSEC_PER_SEC,
	.period_ns = PERIOD,
};
static const struct module libc = {
	.kind = MODULE_FILE,
	.id = 7,
	.path = "/usr/lib/libc.so.6",
	.name = "libc.so.6",
	.build_id = "c0ffee",
	.start = 0x26000,
	.end = 0x17b000,
	.file_offset = 0x26000,
};
static const struct module web = {
	.kind = MODULE_FILE,
	.id = 9,
	.path = "/srv/web",
	.name = "web",
	.build_id = "",
	.start = 0x1000,
	.end = 0x9000,
	.file_offset = 0x1000,
};
static const struct module kernel = {
	.kind = MODULE_KERNEL,
	.id = 1,
	.path = "[kernel]",
	.name = "[kernel]",
	.build_id = "",
};

#define FRAME(module_, address_, function_)                                                        \
	{                                                                                          \
		.module = (module_), .address = (address_), .function = (function_)                \
	}

static const struct frame in_memcpy = FRAME(&libc, 0x30010, "memcpy");
static const struct frame in_read = FRAME(&kernel, 0xffffffff81000010, "vfs_read");
static const struct frame in_work = FRAME(&web, 0x2010, "work");
static const struct frame in_main = FRAME(&web, 0x2100, "main");
static const struct frame nameless = FRAME(&web, 0x2222, NULL);

/* One encoded profile and what refers to what in it. */
struct decoded {
	struct strbuf bytes;
	struct reader profile;
};

static void decode(struct decoded *d, const struct pprof *p)
{
	d->bytes = STRBUF_INIT;
	pprof_encode(p, &d->bytes);
	d->profile = reader_of(d->bytes.buf, d->bytes.len);
}

static char *string_at(const struct decoded *d, uint64_t number)
{
	return reader_string(get_field(d->profile, 6, number).bytes);
}

/* The element with that id; ids are fields 1 of mappings (3), locations (4), functions (5). */
static struct reader element(const struct decoded *d, unsigned field, uint64_t id)
{
	struct reader r = d->profile;
	struct field f;

	while (read_field(&r, &f))
		if (f.number == field && get_uint(f.bytes, 1) == id)
			return f.bytes;
	ck_abort_msg("no element %u with id %" PRIu64, field, id);
	return r;
}

static char *location_name(const struct decoded *d, uint64_t id)
{
	struct reader line = get_field(element(d, 4, id), 4, 0).bytes;

	return string_at(d, get_uint(element(d, 5, get_uint(line, 1)), 2));
}

/* "leaf;...;root value" of the sample. */
static char *sample_text(const struct decoded *d, size_t index)
{
	struct reader sample = get_field(d->profile, 2, index).bytes;
	struct reader ids = get_field(sample, 1, 0).bytes;
	struct reader values = get_field(sample, 2, 0).bytes;
	struct strbuf text = STRBUF_INIT;

	while (ids.at < ids.end) {
		char *name = location_name(d, read_varint(&ids));

		strbuf_addf(&text, "%s%s", text.len ? ";" : "", name);
		free(name);
	}
	strbuf_addf(&text, " %" PRIu64, read_varint(&values));
	ck_assert_ptr_eq(values.at, values.end);
	return strbuf_detach(&text);
}

static void assert_sample(const struct decoded *d, size_t index, const char *expected)
{
	char *text = sample_text(d, index);

	ck_assert_str_eq(text, expected);
	free(text);
}

static void assert_string(const struct decoded *d, uint64_t number, const char *expected)
{
	char *s = string_at(d, number);

	ck_assert_str_eq(s, expected);
	free(s);
}

static void add(struct pprof *p, const struct frame *frames, size_t n, uint64_t count)
{
	pprof_add(p,
		&(struct pprof_sample){.frames = frame_pointers(frames, n),
			.frame_count = n,
			.count = count});
}

START_TEST(a_profile_says_what_it_measures)
{
	struct pprof *p = pprof_new(&options);
	struct decoded d;

	add(p, &in_main, 1, 1);
	decode(&d, p);
	ck_assert_uint_eq(count_fields(d.profile, 1), 1);
	for (unsigned field = 1; field <= 11; field += 10) {
		struct reader type = get_field(d.profile, field, 0).bytes;

		assert_string(&d, get_uint(type, 1), "cpu");
		assert_string(&d, get_uint(type, 2), "nanoseconds");
	}
	assert_string(&d, 0, "");
	ck_assert_int_eq((int64_t)get_uint(d.profile, 9), options.time_ns);
	ck_assert_int_eq((int64_t)get_uint(d.profile, 10), options.duration_ns);
	ck_assert_int_eq((int64_t)get_uint(d.profile, 12), PERIOD);
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

START_TEST(equal_stacks_are_one_sample_with_the_sum)
{
	const struct frame a[] = {in_memcpy, in_work, in_main};
	const struct frame b[] = {in_work, in_main};
	struct pprof *p = pprof_new(&options);
	struct decoded d;

	add(p, a, 3, 2);
	add(p, b, 2, 5);
	add(p, a, 3, 3);
	add(p, a, 3, 0);
	ck_assert_uint_eq(pprof_sample_count(p), 2);
	ck_assert_uint_eq(pprof_total(p), 10);
	decode(&d, p);
	ck_assert_uint_eq(count_fields(d.profile, 2), 2);
	assert_sample(&d, 0, "memcpy;work;main 51546390");
	assert_sample(&d, 1, "work;main 51546390");
	ck_assert_uint_eq(count_fields(d.profile, 4), 3);
	ck_assert_uint_eq(count_fields(d.profile, 5), 3);
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

START_TEST(synthetic_frames_stand_at_the_root)
{
	const struct frame stack[] = {in_read, in_main};
	struct pprof *p = pprof_new(&options);
	struct decoded d;

	pprof_add(p,
		&(struct pprof_sample){.frames = frame_pointers(stack, 2),
			.frame_count = 2,
			.root = "nginx",
			.truncated = true,
			.count = 1});
	pprof_add(p, &(struct pprof_sample){.root = "", .count = 1});
	decode(&d, p);
	assert_sample(&d, 0, "vfs_read;main;[truncated];nginx 10309278");
	assert_sample(&d, 1, "[no stack] 10309278");
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

START_TEST(the_nameless_are_module_and_address)
{
	struct pprof *p = pprof_new(&options);
	struct decoded d;

	add(p, &nameless, 1, 1);
	add(p, &(struct frame)FRAME(&web, 0x2223, ""), 1, 1);
	decode(&d, p);
	assert_sample(&d, 0, "web+0x2222 10309278");
	assert_sample(&d, 1, "web+0x2223 10309278");
	ck_assert_uint_eq(get_uint(element(&d, 4, 1), 3), 0x2222);
	ck_assert_uint_eq(get_uint(element(&d, 3, 1), 7), 0);
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

START_TEST(a_frame_keeps_its_file_and_line)
{
	struct frame lines[] = {
		{.module = &web,
			.address = 0x5000,
			.function = "app.py work",
			.file = "/srv/app.py",
			.line = 12,
			.first_line = 10},
		{.module = &web,
			.address = 0x5000,
			.function = "app.py work",
			.file = "/srv/app.py",
			.line = 13,
			.first_line = 10},
		{.module = &web,
			.address = 0x5000,
			.function = "app.py work",
			.file = "/old/app.py",
			.line = 13,
			.first_line = 10},
	};
	struct pprof *p = pprof_new(&options), *merged = pprof_new(&options);
	struct decoded d;

	for (int round = 0; round < 2; round++)
		add(p, lines, ARRAY_SIZE(lines), 1);
	pprof_merge(merged, p, "[0]");
	decode(&d, merged);
	ck_assert_uint_eq(count_fields(d.profile, 5), 3); /* two functions and the root */
	for (uint64_t id = 1; id <= 3; id++) {
		struct reader line = get_field(element(&d, 4, id), 4, 0).bytes;
		struct reader function = element(&d, 5, get_uint(line, 1));

		ck_assert_uint_eq(get_uint(line, 2), lines[id - 1].line);
		ck_assert_uint_eq(get_uint(function, 5), 10);
		assert_string(&d, get_uint(function, 4), lines[id - 1].file);
	}
	strbuf_release(&d.bytes);
	pprof_free(p);
	pprof_free(merged);
}
END_TEST

START_TEST(mappings_carry_the_module_and_the_program_comes_first)
{
	const struct frame stack[] = {in_read, in_memcpy, in_main};
	struct pprof *p = pprof_new(&options);
	struct decoded d;

	add(p, stack, 3, 1);
	decode(&d, p);
	ck_assert_uint_eq(count_fields(d.profile, 3), 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(get_uint(get_field(d.profile, 3, i).bytes, 1), i + 1);
	assert_string(&d, get_uint(element(&d, 3, 1), 5), "/srv/web");
	struct reader leaf = element(&d, 4, 2);
	struct reader mapping = element(&d, 3, get_uint(leaf, 2));

	ck_assert_uint_eq(get_uint(leaf, 3), 0x30010);
	assert_string(&d, get_uint(mapping, 5), "/usr/lib/libc.so.6");
	assert_string(&d, get_uint(mapping, 6), "c0ffee");
	ck_assert_uint_eq(get_uint(mapping, 2), 0x26000);
	ck_assert_uint_eq(get_uint(mapping, 3), 0x17b000);
	ck_assert_uint_eq(get_uint(mapping, 4), 0x26000);
	ck_assert_uint_eq(get_uint(mapping, 7), 1);
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

START_TEST(every_string_is_repaired_and_bounded)
{
	char *huge = xmalloc(STRING_MAX + 100);
	struct pprof *p = pprof_new(&options);
	struct decoded d;

	memset(huge, 'x', STRING_MAX + 99);
	memcpy(huge + STRING_MAX - 4, "\xe2\x82\xac", 3);
	huge[STRING_MAX + 99] = '\0';
	add(p,
		&(struct frame)FRAME(&web, 1,
			"a\xff\xfe"
			"b"),
		1, 1);
	add(p, &(struct frame)FRAME(&web, 2, huge), 1, 1);
	decode(&d, p);
	assert_sample(&d, 0, "a" UTF8_REPLACEMENT UTF8_REPLACEMENT "b 10309278");
	for (size_t i = 0; i < count_fields(d.profile, 6); i++) {
		char *s = string_at(&d, i);

		ck_assert(utf8_valid(s, strlen(s)));
		ck_assert_uint_le(strlen(s), STRING_MAX);
		free(s);
	}
	char *name = location_name(&d, 2);

	ck_assert_uint_eq(strlen(name), STRING_MAX - 1);
	ck_assert_str_eq(name + STRING_MAX - 4, "...");
	free(name);
	free(huge);
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

START_TEST(a_flood_of_long_names_stays_within_bounds)
{
	struct pprof *p = pprof_new(&options);
	struct strbuf out = STRBUF_INIT;
	char name[STRING_MAX];

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, 9, "%08u", i);
		name[8] = 'n';
		add(p, &(struct frame)FRAME(&web, i, name), 1, 1);
	}
	pprof_encode(p, &out);
	ck_assert_uint_eq(pprof_total(p), 5000);
	ck_assert_uint_lt(out.len, STRING_TABLE_FULL + ((size_t)2 << 20));
	strbuf_release(&out);
	pprof_free(p);
}
END_TEST

START_TEST(a_stack_too_deep_keeps_its_leaf)
{
	size_t n = 2000;
	struct frame *frames = xcalloc(n, sizeof(*frames));
	struct pprof *p = pprof_new(&options);
	struct decoded d;

	for (size_t i = 0; i < n; i++)
		frames[i] = (struct frame)FRAME(&web, i, i ? "deep" : "leaf");
	add(p, frames, n, 1);
	decode(&d, p);
	char *text = sample_text(&d, 0);

	ck_assert_int_eq(strncmp(text, "leaf;deep;", 10), 0);
	ck_assert_ptr_nonnull(strstr(text, ";deep;[truncated] "));
	free(text);
	free(frames);
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

START_TEST(an_empty_profile_is_still_a_profile)
{
	struct pprof *p = pprof_new(&options);
	struct decoded d;

	decode(&d, p);
	ck_assert_uint_eq(count_fields(d.profile, 2), 0);
	ck_assert_uint_eq(count_fields(d.profile, 1), 1);
	assert_string(&d, 0, "");
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

/* Few places and shallow stacks, so that many of the 4,000 are equal. */
START_TEST(nothing_is_lost_or_invented_in_random_profiles)
{
	static const char *const names[] = {"a", "b", "c", "d", NULL};
	struct pprof *p = pprof_new(&options);
	struct decoded d;
	uint64_t sum = 0, decoded_sum = 0;

	srandom(1);
	for (size_t i = 0; i < 4000; i++) {
		struct frame frames[12];
		size_t depth = (size_t)random() % 12;

		for (size_t k = 0; k < depth; k++)
			frames[k] = (struct frame)FRAME(random() % 2 ? &web : &libc,
				(uint64_t)random() % 6, names[random() % 5]);
		uint64_t count = (uint64_t)random() % 1000;

		add(p, frames, depth, count);
		sum += count;
	}
	decode(&d, p);
	struct reader profile = d.profile;
	struct field f;

	while (read_field(&profile, &f)) {
		if (f.number != 2)
			continue;
		struct reader values = get_field(f.bytes, 2, 0).bytes;

		decoded_sum += read_varint(&values);
	}
	ck_assert_uint_eq(pprof_total(p), sum);
	ck_assert_uint_eq(decoded_sum, sum * (uint64_t)PERIOD);
	ck_assert_uint_eq(count_fields(d.profile, 2), pprof_sample_count(p));
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

START_TEST(gzip_holds_the_same_message)
{
	const struct frame stack[] = {in_memcpy, nameless, in_main};
	struct pprof *p = pprof_new(&options);
	struct strbuf plain = STRBUF_INIT, packed = STRBUF_INIT;
	unsigned char unpacked[4096];

	add(p, stack, 3, 4);
	pprof_encode(p, &plain);
	pprof_encode_gzip(p, &packed);
	z_stream z = {
		.next_in = (unsigned char *)packed.buf,
		.avail_in = (unsigned)packed.len,
		.next_out = unpacked,
		.avail_out = sizeof(unpacked),
	};

	ck_assert_int_eq(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
	ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(z.total_out, plain.len);
	ck_assert_mem_eq(unpacked, plain.buf, plain.len);
	inflateEnd(&z);
	strbuf_release(&plain);
	strbuf_release(&packed);
	pprof_free(p);
}
END_TEST

struct seen {
	struct strbuf text;
	const char *first_main;
};

static void on_stack(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct seen *seen = ctx;

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&seen->text, "%s(%s%s) ", frames[i].name, frames[i].module,
			frames[i].kernel ? ",k" : "");
	strbuf_addf(&seen->text, "%" PRIu64 "\n", ticks);
	if (!seen->first_main)
		seen->first_main = frames[count - 2].name;
	else
		ck_assert_ptr_eq(frames[count - 2].name, seen->first_main);
}

START_TEST(a_visitor_sees_each_stack_once)
{
	const struct frame a[] = {in_read, in_main}, b[] = {nameless, FRAME(&web, 0x2104, "main")};
	struct pprof *p = pprof_new(&options);
	struct seen seen = {.text = STRBUF_INIT};

	for (int i = 0; i < 2; i++) {
		pprof_add(p, &(struct pprof_sample){frame_pointers(a, 2), 2, "web", false, 3});
		pprof_add(p, &(struct pprof_sample){frame_pointers(b, 2), 2, "web", false, 1});
	}
	pprof_visit(p, on_stack, &seen);
	ck_assert_str_eq(seen.text.buf,
		"vfs_read([kernel],k) main(web) web() 6\n"
		"web+0x2222(web) main(web) web() 2\n");
	strbuf_release(&seen.text);
	pprof_free(p);
}
END_TEST

/* The names, or only how many where there are more than five. */
static void on_merged_stack(void *ctx, const struct pprof_frame *frames, size_t count,
	uint64_t ticks)
{
	struct seen *seen = ctx;

	for (size_t i = 0; i < count && count <= 5; i++)
		strbuf_addf(&seen->text, "%s ", frames[i].name);
	if (count > 5)
		strbuf_addf(&seen->text, "%s %zu ", frames[0].name, count);
	strbuf_addf(&seen->text, "%" PRIu64 "\n", ticks);
}

START_TEST(one_place_may_have_several_names)
{
	static const char *const names[] = {"a", NULL, "b", "", "x\xff", "a"};
	struct pprof *p = pprof_new(&options);
	struct decoded d;

	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			add(p, &(struct frame)FRAME(&web, 0x10, names[i]), 1, 1);
	decode(&d, p);
	ck_assert_uint_eq(count_fields(d.profile, 4), 4);
	assert_sample(&d, 0, "a 41237112");
	assert_sample(&d, 1, "web+0x10 41237112");
	assert_sample(&d, 2, "b 20618556");
	assert_sample(&d, 3, "x" UTF8_REPLACEMENT " 20618556");
	strbuf_release(&d.bytes);
	pprof_free(p);
}
END_TEST

START_TEST(merged_profiles_keep_their_stacks_under_their_roots)
{
	const struct frame stack[] = {in_read, nameless, in_main};
	struct pprof *one = pprof_new(&options), *two = pprof_new(&options);
	struct pprof *all = pprof_new(&options);
	struct seen seen = {.text = STRBUF_INIT};
	struct frame *deep = xcalloc(PPROF_MAX_DEPTH, sizeof(*deep));

	for (size_t i = 0; i < PPROF_MAX_DEPTH; i++)
		deep[i] = in_main;
	pprof_add(one, &(struct pprof_sample){frame_pointers(stack, 3), 3, "comm", false, 2});
	pprof_add(two, &(struct pprof_sample){frame_pointers(stack, 3), 3, "comm", false, 5});
	pprof_add(two,
		&(struct pprof_sample){frame_pointers(deep, PPROF_MAX_DEPTH), PPROF_MAX_DEPTH,
			"comm", true, 1});
	pprof_merge(all, one, "one");
	pprof_merge(all, two, "two");
	pprof_merge(all, one, "one");
	ck_assert_uint_eq(pprof_total(all), 10);
	ck_assert_uint_eq(pprof_sample_count(all), 3);
	pprof_visit(all, on_merged_stack, &seen);
	ck_assert_str_eq(seen.text.buf,
		"vfs_read web+0x2222 main comm one 4\n"
		"vfs_read web+0x2222 main comm two 5\n"
		"main 993 1\n");
	strbuf_release(&seen.text);
	free(deep);
	pprof_free(one);
	pprof_free(two);
	pprof_free(all);
}
END_TEST

/* The same objects in two profiles at once, in another order, then in later ones. */
START_TEST(frames_remember_their_place_in_one_profile_only)
{
	struct frame a = in_read, b = in_work, c = in_main;
	struct frame *const forth[] = {&a, &b, &c}, *const back[] = {&c, &b};
	struct pprof_options numbered = options;

	for (int round = 0; round < 2; round++) {
		struct pprof *profiles[2];

		for (size_t i = 0; i < 2; i++) {
			numbered.number++;
			profiles[i] = pprof_new(&numbered);
		}
		for (int i = 0; i < 2; i++) {
			pprof_add(profiles[0], &(struct pprof_sample){forth, 3, "one", false, 1});
			pprof_add(profiles[1], &(struct pprof_sample){back, 2, "two", false, 1});
			pprof_add(profiles[1], &(struct pprof_sample){forth, 3, "one", false, 1});
		}
		for (size_t i = 0; i < 2; i++) {
			struct seen seen = {.text = STRBUF_INIT};

			pprof_visit(profiles[i], on_merged_stack, &seen);
			ck_assert_str_eq(seen.text.buf,
				i ? "main work two 2\nvfs_read work main one 2\n"
				  : "vfs_read work main one 2\n");
			strbuf_release(&seen.text);
			pprof_free(profiles[i]);
		}
	}
}
END_TEST

/* One sample's root after the other's, some of them bytes that are no text. */
START_TEST(each_sample_has_its_own_root)
{
	static const char *const roots[] = {"a", "x\xff", "b", "x\xff", "x\xff", "a", "a"};
	struct pprof *p = pprof_new(&options);
	struct seen seen = {.text = STRBUF_INIT};

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		pprof_add(p, &(struct pprof_sample){.root = roots[i], .count = 1});
	pprof_visit(p, on_merged_stack, &seen);
	ck_assert_str_eq(seen.text.buf, "a 3\nx" UTF8_REPLACEMENT " 3\nb 1\n");
	strbuf_release(&seen.text);
	pprof_free(p);
}
END_TEST

UNIT_MAIN("pprof", a_profile_says_what_it_measures, equal_stacks_are_one_sample_with_the_sum,
	synthetic_frames_stand_at_the_root, the_nameless_are_module_and_address,
	a_frame_keeps_its_file_and_line, mappings_carry_the_module_and_the_program_comes_first,
	every_string_is_repaired_and_bounded, a_flood_of_long_names_stays_within_bounds,
	a_stack_too_deep_keeps_its_leaf, an_empty_profile_is_still_a_profile,
	nothing_is_lost_or_invented_in_random_profiles, gzip_holds_the_same_message,
	a_visitor_sees_each_stack_once, one_place_may_have_several_names,
	merged_profiles_keep_their_stacks_under_their_roots,
	frames_remember_their_place_in_one_profile_only, each_sample_has_its_own_root)
