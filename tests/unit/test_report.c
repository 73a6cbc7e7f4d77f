// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <string.h>

#include "base/clock.h"
#include "export/columns.h"
#include "export/report.h"
#include "unit/frames.h"

static const struct pprof_options options = {
	.time_ns = INT64_C(1767323045678000000),
	.duration_ns = 10 * NSEC_PER_SEC,
	.period_ns = 10 * NSEC_PER_MSEC,
};
static const struct module web = {.kind = MODULE_FILE,
	.id = 1,
	.path = "/srv/web",
	.name = "web",
	.build_id = ""};
static const struct module kernel = {.kind = MODULE_KERNEL,
	.id = 2,
	.path = "[kernel]",
	.name = "[kernel]",
	.build_id = ""};

/* "leaf;...;root", names with "k:" are of the kernel. */
static void add(struct pprof *p, const char *stack, uint64_t ticks)
{
	struct frame frames[32];
	char *copy = strdup(stack), *rest = copy;
	size_t n = 0;

	for (char *name; (name = strsep(&rest, ";")) && n < 32; n++) {
		bool in_kernel = strncmp(name, "k:", 2) == 0;

		frames[n] = (struct frame){
			.module = in_kernel ? &kernel : &web,
			.address = 0x1000 + n,
			.function = in_kernel ? name + 2 : name,
		};
	}
	pprof_add(p,
		&(struct pprof_sample){.frames = frame_pointers(frames, n),
			.frame_count = n,
			.count = ticks});
	free(copy);
}

static struct pprof *example(void)
{
	struct pprof *p = pprof_new(&options);

	add(p, "sha256_block;sha256_update;handle;serve;main", 60);
	add(p, "parse;handle;serve;main", 20);
	add(p, "k:vfs_read;k:do_syscall_64;read;serve;main", 15);
	add(p, "fib;fib;fib;main", 4);
	add(p, "gc;main", 1);
	return p;
}

static void report(struct strbuf *out, unsigned width, bool color)
{
	struct pprof *p = example();

	report_text(out, p,
		&(struct report_options){.title = "shop-web", .width = width, .color = color});
	pprof_free(p);
}

START_TEST(folded_stacks_go_from_root_to_leaf)
{
	struct pprof *p = example();
	struct strbuf out = STRBUF_INIT;

	report_folded(&out, p, NULL);
	ck_assert_str_eq(out.buf,
		"main;serve;handle;sha256_update;sha256_block 60\n"
		"main;serve;handle;parse 20\n"
		"main;serve;read;do_syscall_64;vfs_read 15\n"
		"main;fib;fib;fib 4\n"
		"main;gc 1\n");
	strbuf_reset(&out);
	report_folded(&out, p, "we;b\n");
	ck_assert_int_eq(strncmp(out.buf, "we:b ;main;serve;", 17), 0);
	strbuf_release(&out);
	pprof_free(p);
}
END_TEST

START_TEST(folded_names_cannot_break_a_line)
{
	struct pprof *p = pprof_new(&options);
	struct frame evil = {.module = &web, .address = 1, .function = "a;b 1\nc 2\r"};
	struct strbuf out = STRBUF_INIT;

	pprof_add(p,
		&(struct pprof_sample){.frames = frame_pointers(&evil, 1),
			.frame_count = 1,
			.count = 7});
	report_folded(&out, p, NULL);
	ck_assert_str_eq(out.buf, "a:b 1 c 2  7\n");
	strbuf_release(&out);
	pprof_free(p);
}
END_TEST

START_TEST(json_holds_frames_once_and_stacks_by_number)
{
	struct pprof *p = pprof_new(&options);
	struct labels labels cleanup_labels = {0};
	struct strbuf out = STRBUF_INIT;

	add(p, "a;main", 2);
	add(p, "k:b\"\n;a;main", 1);
	labels_set(&labels, "service_name", "w\\eb");
	labels_set(&labels, "a", "1");
	report_json(&out, p, &labels);
	ck_assert_str_eq(out.buf,
		"{\"labels\":{\"a\":\"1\",\"service_name\":\"w\\\\eb\"},"
		"\"startTime\":\"2026-01-02T03:04:05.678Z\",\"durationNanos\":10000000000,"
		"\"periodNanos\":10000000,\"ticks\":3,"
		"\"frames\":[{\"name\":\"main\",\"module\":\"web\",\"kernel\":false},"
		"{\"name\":\"a\",\"module\":\"web\",\"kernel\":false},"
		"{\"name\":\"b\\\"\\n\",\"module\":\"[kernel]\",\"kernel\":true}],"
		"\"stacks\":[{\"ticks\":2,\"frames\":[0,1]},{\"ticks\":1,\"frames\":[0,1,2]}]}");
	strbuf_release(&out);
	pprof_free(p);
}
END_TEST

START_TEST(text_names_the_hottest_functions)
{
	struct strbuf out = STRBUF_INIT;

	report(&out, 80, false);
	ck_assert_int_eq(
		strncmp(out.buf,
			"shop-web  1.00 s of CPU in 10.0 s (0.10 cores), 100 samples, 5 stacks\n",
			70),
		0);
	const char *table = strstr(out.buf, "FUNCTION\n") + strlen("FUNCTION\n");
	static const char expected[] = " 60.0%   600 ms   60.0%   600 ms  sha256_block\n"
				       " 20.0%   200 ms   20.0%   200 ms  parse\n"
				       " 15.0%   150 ms   15.0%   150 ms  vfs_read\n"
				       "  4.0%    40 ms    4.0%    40 ms  fib\n"
				       "  1.0%    10 ms    1.0%    10 ms  gc\n\n";

	ck_assert_msg(strncmp(table, expected, strlen(expected)) == 0, "%s", table);
	strbuf_release(&out);
}
END_TEST

START_TEST(the_flame_graph_branches_where_calls_do)
{
	struct strbuf out = STRBUF_INIT;
	static const char *const rows[] = {
		"100.0% shop-web › main\n",
		"95.0%   serve\n",
		"80.0%     handle\n",
		"60.0%       sha256_update › sha256_block\n",
		"20.0%       parse\n",
		"15.0%     read › do_syscall_64 › vfs_read\n",
		"4.0%   fib › fib › fib\n",
		"1.0%   gc\n",
		"(calls below 1% are not shown)\n",
	};

	report(&out, 80, false);
	const char *at = out.buf;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		at = strstr(at, rows[i]);
		ck_assert_msg(at, "%zu: no \"%s\" in\n%s", i, rows[i], out.buf);
		at += strlen(rows[i]);
	}
	ck_assert_ptr_null(strchr(out.buf, '\x1b'));
	strbuf_release(&out);
}
END_TEST

START_TEST(bars_stand_below_their_caller)
{
	struct strbuf out = STRBUF_INIT;

	report(&out, 80, false);
	/* 24 columns: sha256_update has 60 % of them, parse begins where it ends. */
	ck_assert_ptr_nonnull(strstr(out.buf, "  ██████████████▍           60.0%"));
	ck_assert_ptr_nonnull(strstr(out.buf, "                ████▊       20.0%"));
	strbuf_release(&out);
}
END_TEST

/* The columns of the widest line, colour codes not counted. */
static size_t widest(const char *text)
{
	size_t widest = 0;

	while (*text) {
		struct strbuf line = STRBUF_INIT;

		for (; *text && *text != '\n'; text++) {
			if (*text == '\x1b')
				text = strchr(text, 'm');
			else
				strbuf_add_char(&line, *text);
		}
		text += *text == '\n';
		widest = MAX(widest, columns_of(line.buf));
		strbuf_release(&line);
	}
	return widest;
}

START_TEST(no_line_is_wider_than_the_terminal)
{
	static const char *const names[] = {
		"std::vector<std::basic_string<char>, std::allocator<char>>::_M_realloc_insert",
		"日本語の関数名がとても長い場合でも一行に収まらなければならないのである",
		"\x1b[2J\x1b[31m\n\r\xff\xfe",
		"x",
	};
	struct pprof *p = pprof_new(&options);

	for (size_t i = 0; i < 200; i++) {
		struct frame frames[20];

		for (size_t k = 0; k < ARRAY_SIZE(frames); k++)
			frames[k] = (struct frame){.module = &web,
				.address = k,
				.function = names[(i * (k + 1) / 7) % 4]};
		pprof_add(p,
			&(struct pprof_sample){.frames = frame_pointers(frames, i % 20 + 1),
				.frame_count = i % 20 + 1,
				.count = 1});
	}
	for (unsigned width = 40; width <= 200; width += 20) {
		struct strbuf out = STRBUF_INIT;

		report_text(&out, p,
			&(struct report_options){.title = "s\x1b[0m",
				.width = width,
				.color = width % 40 != 0});
		ck_assert_uint_le(widest(out.buf), width < 80 ? 80 : width);
		ck_assert_ptr_null(strstr(out.buf, "\x1b[2J"));
		strbuf_release(&out);
	}
	pprof_free(p);
}
END_TEST

START_TEST(a_large_tree_is_cut_to_the_rows_there_are)
{
	struct pprof *p = pprof_new(&options);
	struct strbuf out = STRBUF_INIT;
	size_t lines = 0;

	for (size_t i = 0; i < 90; i++) {
		char name[] = {(char)('a' + i % 26), (char)('a' + i / 26), '\0'};

		add(p, name, 100 + i);
	}
	report_text(&out, p, &(struct report_options){.title = "t", .functions = 3, .rows = 10});
	for (const char *c = out.buf; *c; c++)
		lines += *c == '\n';
	ck_assert_uint_le(lines, 1 + 2 + 3 + 1 + 10 + 1);
	ck_assert_ptr_nonnull(strstr(out.buf, "(calls below 2% are not shown)"));
	strbuf_release(&out);
	pprof_free(p);
}
END_TEST

START_TEST(colour_is_asked_for)
{
	struct strbuf out = STRBUF_INIT;

	report(&out, 80, true);
	ck_assert_ptr_nonnull(strstr(out.buf, "\x1b[38;5;214mvfs_read\x1b[0m"));
	strbuf_release(&out);
}
END_TEST

START_TEST(an_empty_profile_is_one_line)
{
	struct pprof *p = pprof_new(&options);
	struct strbuf out = STRBUF_INIT;

	report_text(&out, p, &(struct report_options){.title = "idle"});
	ck_assert_str_eq(out.buf,
		"idle  0 ms of CPU in 10.0 s (0.00 cores), 0 samples, 0 stacks\n");
	strbuf_release(&out);
	pprof_free(p);
}
END_TEST

UNIT_MAIN("report", folded_stacks_go_from_root_to_leaf, folded_names_cannot_break_a_line,
	json_holds_frames_once_and_stacks_by_number, text_names_the_hottest_functions,
	the_flame_graph_branches_where_calls_do, bars_stand_below_their_caller,
	no_line_is_wider_than_the_terminal, a_large_tree_is_cut_to_the_rows_there_are,
	colour_is_asked_for, an_empty_profile_is_one_line)
