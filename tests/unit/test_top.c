// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "export/columns.h"
#include "top_table.h"
#include "unit/frames.h"

#define HZ 100

static struct top_table table;
static struct collect_tally tally = {.duration_ns = 2 * NSEC_PER_SEC,
	.ticks = 200,
	.exported = 150,
	.filtered = 50};
static const struct module module = {.path = "/bin/x", .name = "x", .build_id = ""};

static void add(const char *service, const char *container, const char *function, uint64_t ticks)
{
	struct target t = {.service_name = (char *)(uintptr_t)service,
		.name = (char *)(uintptr_t)container};
	struct pprof *p = pprof_new(&(struct pprof_options){.period_ns = NSEC_PER_SEC / HZ});
	struct frame leaf = {.module = &module, .function = function, .origin = NAME_SYMTAB};
	struct frame other = {.module = &module, .function = "other", .origin = NAME_SYMTAB};

	pprof_add(p,
		&(struct pprof_sample){.frames = frame_pointers(&leaf, 1),
			.frame_count = 1,
			.count = ticks - 1});
	pprof_add(p,
		&(struct pprof_sample){.frames = frame_pointers(&other, 1),
			.frame_count = 1,
			.count = 1});
	top_table_add(&table, &t, p);
	pprof_free(p);
}

static void render(struct strbuf *out, unsigned width, unsigned height, bool color)
{
	struct top_format f = {.width = width,
		.height = height,
		.hz = HZ,
		.cpus = 2,
		.color = color};

	top_table_render(out, &table, &tally, &f);
}

START_TEST(most_cpu_comes_first_in_percent_of_one_core)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	add("db", "shop-db-1", "scan", 50);
	add("web", "shop-web-1", "crush", 100);
	render(&out, 120, 0, false);
	ck_assert_ptr_nonnull(strstr(out.buf,
		"containers 75%, other processes 25%, idle 100% of one core; 2.0 s at 100 Hz\n"));
	const char *web = strstr(out.buf, "web "), *db = strstr(out.buf, "db ");

	ck_assert(web && db && web < db);
	ck_assert_ptr_nonnull(strstr(web, "  50.0   crush 99%, other 1%\n"));
	ck_assert_ptr_nonnull(strstr(db, "  25.0   scan 98%, other 2%\n"));
	ck_assert_ptr_null(strchr(out.buf, '\x1b'));
	top_table_release(&table);
}
END_TEST

START_TEST(it_fits_the_terminal)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	char name[32], longest[300];
	size_t lines = 0;

	memset(longest, 'f', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "container-%d-with-a-name", i);
		add("a-service-of-a-very-long-name", name, longest, 10);
	}
	render(&out, 80, 24, false);
	char *at = out.buf;

	strsep(&at, "\n"); /* the line about the machine may wrap */
	for (char *line; (line = strsep(&at, "\n")) && at; lines++)
		ck_assert_msg(columns_of(line) <= 80, "%s", line);
	ck_assert_uint_le(lines, 23);
	ck_assert_uint_ge(lines, 20);
	top_table_release(&table);
}
END_TEST

START_TEST(names_do_nothing_to_the_terminal)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	add("\x1b[2J", "a\nb", "\x1b]0;t\x07", 10);
	render(&out, 120, 0, true);
	ck_assert_ptr_nonnull(strstr(out.buf, "\x1b[1mSERVICE"));
	ck_assert_ptr_null(strstr(out.buf, "\x1b[2J"));
	ck_assert_ptr_null(strstr(out.buf, "\x1b]"));
	ck_assert_ptr_null(strstr(out.buf, "a\nb"));
	top_table_release(&table);
}
END_TEST

START_TEST(nobody_works)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	render(&out, 120, 0, false);
	ck_assert_ptr_nonnull(strstr(out.buf, "no container used the CPU"));
}
END_TEST

UNIT_MAIN("top", most_cpu_comes_first_in_percent_of_one_core, it_fits_the_terminal,
	names_do_nothing_to_the_terminal, nobody_works)
