// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <string.h>

#include "base/macros.h"
#include "web/metrics.h"

static const double bounds[] = {0.5, 1};
static const uint64_t counts[] = {3, 0, 2};

static void write_all(struct metrics *m)
{
	metrics_family(m, METRIC_COUNTER, "a_ticks", "Ticks.");
	metrics_add(m, 12, "outcome", "lost", "cpu", "0", NULL);
	metrics_add(m, 1.5, NULL);
	metrics_family(m, METRIC_INFO, "a_build", "Which it is.");
	metrics_add(m, 1, "version", "1\"\\\n\xff", NULL);
	metrics_family(m, METRIC_HISTOGRAM, "a_seconds", "How long.");
	metrics_add_histogram(m,
		&(struct metrics_histogram){.bounds = bounds,
			.counts = counts,
			.bound_count = 2,
			.sum = 7.25},
		"to", "x", NULL);
	metrics_family(m, METRIC_GAUGE, "a_bytes", "Bytes.");
	metrics_add(m, 9007199254740992.0, NULL);
	metrics_end(m);
}

START_TEST(prometheus_text)
{
	struct metrics m;

	metrics_init(&m, false);
	write_all(&m);
	ck_assert_str_eq(m.out.buf,
		"# HELP a_ticks_total Ticks.\n# TYPE a_ticks_total counter\n"
		"a_ticks_total{outcome=\"lost\",cpu=\"0\"} 12\na_ticks_total 1.5\n"
		"# HELP a_build_info Which it is.\n# TYPE a_build_info gauge\n"
		"a_build_info{version=\"1\\\"\\\\\\n\xef\xbf\xbd\"} 1\n"
		"# HELP a_seconds How long.\n# TYPE a_seconds histogram\n"
		"a_seconds_bucket{to=\"x\",le=\"0.5\"} 3\n"
		"a_seconds_bucket{to=\"x\",le=\"1\"} 3\n"
		"a_seconds_bucket{to=\"x\",le=\"+Inf\"} 5\n"
		"a_seconds_sum{to=\"x\"} 7.25\na_seconds_count{to=\"x\"} 5\n"
		"# HELP a_bytes Bytes.\n# TYPE a_bytes gauge\na_bytes 9.007199254741e+15\n");
	strbuf_release(&m.out);
}
END_TEST

START_TEST(openmetrics)
{
	struct metrics m;

	metrics_init(&m, true);
	write_all(&m);
	ck_assert_ptr_nonnull(strstr(m.out.buf, "# TYPE a_ticks counter\na_ticks_total{"));
	ck_assert_ptr_nonnull(strstr(m.out.buf, "# TYPE a_build info\na_build_info{"));
	ck_assert_str_eq(m.out.buf + m.out.len - 6, "# EOF\n");
	strbuf_release(&m.out);
}
END_TEST

START_TEST(a_long_value_is_cut)
{
	static char value[100000];
	struct metrics m;

	memset(value, 'a', sizeof(value) - 1);
	metrics_init(&m, false);
	metrics_family(&m, METRIC_GAUGE, "a", "A.");
	metrics_add(&m, 1, "name", value, NULL);
	ck_assert_uint_lt(m.out.len, 600);
	strbuf_release(&m.out);
}
END_TEST

START_TEST(who_asks_for_openmetrics_gets_it)
{
	ck_assert(
		metrics_wants_open("application/openmetrics-text;version=1.0.0;q=0.5,text/plain"));
	ck_assert(!metrics_wants_open("text/plain;version=0.0.4"));
	ck_assert(!metrics_wants_open(""));
}
END_TEST

UNIT_MAIN("web_metrics", prometheus_text, openmetrics, a_long_value_is_cut,
	who_asks_for_openmetrics_gets_it)
