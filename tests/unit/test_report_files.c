// SPDX-License-Identifier: Apache-2.0
/* The formats of profiles that other programs draw. */
#include "unit/unit.h"

#include <string.h>

#include "base/clock.h"
#include "export/report.h"

static const struct pprof_options options = {
	.time_ns = INT64_C(1767323045678000000),
	.duration_ns = 10 * NSEC_PER_SEC,
	.period_ns = 10 * NSEC_PER_MSEC,
};
static struct strbuf out;

static void setup(void)
{
	strbuf_init(&out);
}

static void teardown(void)
{
	strbuf_release(&out);
}

static struct pprof *example(const char *leaf)
{
	const struct pprof_frame stack[] = {
		{.name = "vfs_read", .module = "[kernel]", .kernel = true},
		{.name = leaf, .module = "web"},
		{.name = "main", .module = "web"},
		{.name = "comm", .module = ""},
	};
	struct pprof *p = pprof_new(&options);

	pprof_add_named(p, stack + 1, 3, 60);
	pprof_add_named(p, stack, 4, 15);
	pprof_add_named(p, stack + 1, 3, 25);
	return p;
}

START_TEST(a_tree_is_numbers)
{
	struct pprof *p = example("serve<int>");

	report_tree(&out, p);
	ck_assert_str_eq(out.buf,
		"{\"from\":1767323045678,\"durationNanos\":10000000000,\"periodNanos\":10000000,"
		"\"ticks\":100,\"frames\":[[\"comm\",\"\",0],[\"main\",\"web\",0],"
		"[\"serve\\u003cint>\",\"web\",0],[\"vfs_read\",\"[kernel]\",1]],"
		"\"nodes\":[0,0,0,1,1,0,2,2,85,3,3,15]}");
	pprof_free(p);
}
END_TEST

START_TEST(an_empty_tree_is_one_too)
{
	struct pprof *p = pprof_new(&options);

	report_tree(&out, p);
	ck_assert_ptr_nonnull(strstr(out.buf, "\"ticks\":0,\"frames\":[],\"nodes\":[]}"));
	pprof_free(p);
}
END_TEST

START_TEST(speedscope_shares_frames_among_profiles)
{
	struct report_speedscope s;
	struct pprof *a = example("serve"), *b = example("query");

	report_speedscope_init(&s);
	report_speedscope_add(&s, a, "web");
	report_speedscope_add(&s, b, "d\"b");
	report_speedscope_end(&s, &out);
	ck_assert_str_eq(out.buf,
		"{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\","
		"\"exporter\":\"dockprof\",\"shared\":{\"frames\":[{\"name\":\"comm\"},"
		"{\"name\":\"main\",\"file\":\"web\"},{\"name\":\"serve\",\"file\":\"web\"},"
		"{\"name\":\"vfs_read\",\"file\":\"[kernel]\"},"
		"{\"name\":\"query\",\"file\":\"web\"}]},\"profiles\":["
		"{\"type\":\"sampled\",\"name\":\"web\",\"unit\":\"nanoseconds\",\"startValue\":0,"
		"\"endValue\":1000000000,\"samples\":[[0,1,2],[0,1,2,3]],"
		"\"weights\":[850000000,150000000]},"
		"{\"type\":\"sampled\",\"name\":\"d\\\"b\",\"unit\":\"nanoseconds\","
		"\"startValue\":0,\"endValue\":1000000000,\"samples\":[[0,1,4],[0,1,4,3]],"
		"\"weights\":[850000000,150000000]}]}\n");
	pprof_free(a);
	pprof_free(b);
}
END_TEST

START_TEST(speedscope_ends_where_it_is_told_to)
{
	struct report_speedscope s;
	struct pprof *a = example("serve");

	report_speedscope_init(&s);
	s.max = 10;
	report_speedscope_add(&s, a, "web");
	ck_assert(s.cut);
	report_speedscope_end(&s, &out);
	strbuf_reset(&out);
	report_speedscope_init(&s);
	s.max = 1000;
	report_speedscope_add(&s, a, "web");
	ck_assert(!s.cut);
	report_speedscope_end(&s, &out);
	pprof_free(a);
}
END_TEST

START_TEST(how_long_a_folded_text_is_is_known_before)
{
	struct pprof *a = example("serve");

	report_folded(&out, a, "web");
	ck_assert(report_folded_fits(a, "web", out.len));
	ck_assert(!report_folded_fits(a, "web", out.len - 1));
	strbuf_reset(&out);
	report_folded(&out, a, NULL);
	ck_assert(report_folded_fits(a, NULL, out.len));
	ck_assert(!report_folded_fits(a, NULL, out.len - 1));
	pprof_free(a);
}
END_TEST

static unsigned count(const char *part)
{
	unsigned n = 0;

	for (const char *at = out.buf; (at = strstr(at, part)); at++)
		n++;
	return n;
}

START_TEST(a_picture_has_a_rectangle_per_frame)
{
	struct pprof *p = example("serve");

	report_svg(&out, p, "web");
	ck_assert_uint_eq(count("<g>"), 5);
	ck_assert_ptr_nonnull(strstr(out.buf, "<title>serve (1.00 s, 100.00 %)</title>"));
	ck_assert_ptr_nonnull(strstr(out.buf, "<title>vfs_read (0.15 s, 15.00 %)</title>"));
	ck_assert_ptr_nonnull(strstr(out.buf, "1.00 s of CPU, 100 samples"));
	/* The root stands at the bottom, its callees above. */
	ck_assert_ptr_nonnull(strstr(out.buf,
		"<title>web (1.00 s, 100.00 %)</title>"
		"<rect x=\"10.0\" y=\"118.0\""));
	ck_assert_ptr_nonnull(strstr(out.buf,
		"<title>comm (1.00 s, 100.00 %)</title>"
		"<rect x=\"10.0\" y=\"100.0\""));
	pprof_free(p);
}
END_TEST

START_TEST(names_cannot_break_out_of_a_picture)
{
	struct pprof *p = example("</text><script>alert(1)</script>&\"\x01");

	report_svg(&out, p, "<script>");
	ck_assert_ptr_null(strstr(out.buf, "<script"));
	ck_assert_ptr_null(strchr(out.buf, '\x01'));
	ck_assert_ptr_nonnull(strstr(out.buf, "&#60;script&#62;"));
	pprof_free(p);
}
END_TEST

START_TEST(an_empty_picture_is_one_too)
{
	struct pprof *p = pprof_new(&options);

	report_svg(&out, p, "idle");
	ck_assert_ptr_nonnull(strstr(out.buf, "0 samples"));
	ck_assert_ptr_nonnull(strstr(out.buf, "</svg>\n"));
	pprof_free(p);
}
END_TEST

UNIT_MAIN_FIXTURE("report_files", setup, teardown, a_tree_is_numbers, an_empty_tree_is_one_too,
	speedscope_shares_frames_among_profiles, a_picture_has_a_rectangle_per_frame,
	names_cannot_break_out_of_a_picture, an_empty_picture_is_one_too,
	speedscope_ends_where_it_is_told_to, how_long_a_folded_text_is_is_known_before)
