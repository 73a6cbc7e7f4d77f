// SPDX-License-Identifier: Apache-2.0
/* What explain is made of: differences of labels, /proc/PID/stat, module counts. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "explanation.h"
#include "label_changes.h"
#include "proc/process_stat.h"
#include "quality.h"
#include "unit/frames.h"

START_TEST(sentences_keep_their_quotes_and_do_nothing_to_a_terminal)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	text_add_sentence(&out, "as \"w\x1b[2J\nb\" \\", 100);
	ck_assert_str_eq(out.buf, "as \"w\\x1b[2J\\nb\" \\");
	strbuf_reset(&out);
	text_add_sentence(&out, "0123456789", 8);
	ck_assert_str_eq(out.buf, "01234...");
}
END_TEST

static void on_change(void *ctx, const char *name, const char *before, const char *after)
{
	strbuf_addf(ctx, "%s:%s>%s ", name, before ? before : "-", after ? after : "-");
}

START_TEST(differences_of_labels)
{
	struct labels a cleanup_labels = {0}, b cleanup_labels = {0};
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	ck_assert(!label_changes(&a, &b, on_change, &out));
	labels_set(&a, "gone", "1");
	labels_set(&a, "same", "1");
	labels_set(&a, "other", "1");
	labels_set(&b, "same", "1");
	labels_set(&b, "other", "2");
	labels_set(&b, "zzz", "3");
	ck_assert(label_changes(&a, &b, on_change, &out));
	ck_assert_str_eq(out.buf, "gone:1>- other:1>2 zzz:->3 ");
	ck_assert(!label_changes(&a, &a, on_change, &out));
}
END_TEST

START_TEST(a_process_is_read_whatever_its_name)
{
	struct process_stat s;

	ck_assert(process_stat_parse(
		"42 (a) R 9 (x) S 1 42 42 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 7 0 1 2 3", &s));
	ck_assert_uint_eq(s.pid, 42);
	ck_assert_str_eq(s.comm, "a) R 9 (x");
	ck_assert_int_eq(s.state, 'S');
	ck_assert_uint_eq(s.cpu_ticks, 42);
	ck_assert_uint_eq(s.threads, 7);
	ck_assert(!process_stat_parse("", &s));
	ck_assert(!process_stat_parse("42 (a", &s));
	ck_assert(!process_stat_parse("42 )a(", &s));
	ck_assert(!process_stat_parse("42 (a) S 1 2", &s));
	ck_assert_int_eq(process_stat_read("/proc", (uint32_t)getpid(), &s), 0);
	ck_assert_uint_eq(s.threads, 1);
	ck_assert_int_eq(process_stat_read("/proc", 4194304, &s), -ESRCH);
}
END_TEST

static struct module modules[TARGET_MODULES + 10];

static void count(struct target_quality *q, size_t module, enum name_missing missing,
	uint64_t ticks)
{
	struct profiler_sample s = {.count = ticks, .user_count = 1};
	struct target_quality all = {0};
	struct frame frame = {.module = &modules[module],
		.origin = missing ? NAME_NONE : NAME_SYMTAB,
		.missing = missing};

	quality_count(q, &all, &s, frame_pointers(&frame, 1), 1);
	ck_assert_uint_eq(all.module_count, 0);
}

START_TEST(frames_are_counted_by_module_and_cause)
{
	struct target_quality q = {0};
	char paths[TARGET_MODULES + 10][16];

	for (size_t i = 0; i < TARGET_MODULES + 10; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/m%zu", i);
		modules[i] = (struct module){.id = (uint32_t)i + 1, .path = paths[i]};
	}
	count(&q, 0, MISSING_NOT, 100);
	count(&q, 1, MISSING_STRIPPED, 900);
	count(&q, 1, MISSING_SYMBOL, 50);
	modules[1].id = 1000; /* the file was opened anew */
	count(&q, 1, MISSING_NOT, 50);
	const struct target_module **sorted cleanup_free = modules_sorted(&q);

	ck_assert_uint_eq(q.module_count, 2);
	ck_assert_str_eq(sorted[0]->path, "/m1");
	ck_assert_uint_eq(sorted[0]->frames, 1000);
	ck_assert_uint_eq(sorted[0]->named, 50);
	ck_assert_uint_eq(module_cause(sorted[0]), MISSING_STRIPPED);
	ck_assert_ptr_nonnull(strstr(module_advice(MISSING_STRIPPED), "strip"));
	ck_assert(!module_is_fine(sorted[0], &q));
	ck_assert(module_is_fine(sorted[1], &q));
	for (size_t i = 2; i < TARGET_MODULES + 10; i++)
		count(&q, i, MISSING_NOT, 1);
	ck_assert_uint_eq(q.module_count, TARGET_MODULES);
	ck_assert_uint_eq(q.other_frames, 10);
	target_quality_release(&q);
}
END_TEST

START_TEST(names_are_counted_by_source)
{
	static const enum name_origin origins[] = {NAME_SYMTAB, NAME_PERF_MAP, NAME_PSEUDO,
		NAME_NONE, NAME_PERF_MAP};
	struct frame frames[ARRAY_SIZE(origins)];
	struct profiler_sample s = {.count = 3};
	struct target_quality q = {0}, all = {0};

	modules[0] = (struct module){.path = "/m"};
	for (size_t i = 0; i < ARRAY_SIZE(origins); i++)
		frames[i] = (struct frame){.module = &modules[0],
			.origin = origins[i],
			.missing = name_is_real(origins[i]) ? MISSING_NOT : MISSING_STRIPPED};
	quality_count(&q, &all, &s, frame_pointers(frames, ARRAY_SIZE(origins)),
		ARRAY_SIZE(origins));
	ck_assert_mem_eq(&all.frames, &q.frames,
		offsetof(struct target_quality, modules) - offsetof(struct target_quality, frames));
	ck_assert_uint_eq(q.frames, 15);
	ck_assert_uint_eq(q.frames_named, 9);
	ck_assert_uint_eq(q.origins[NAME_SYMTAB], 3);
	ck_assert_uint_eq(q.origins[NAME_PERF_MAP], 6);
	ck_assert_uint_eq(q.origins[NAME_PSEUDO], 0);
	ck_assert_uint_eq(q.unnamed[MISSING_STRIPPED], 6);
	target_quality_release(&q);
}
END_TEST

START_TEST(kernel_frames_are_nobodys_module)
{
	struct target_quality q = {0};

	modules[0] = (struct module){.kind = MODULE_KERNEL, .path = "[kernel]"};
	count(&q, 0, MISSING_KERNEL, 5);
	ck_assert_uint_eq(q.module_count, 0);
	ck_assert_uint_eq(q.frames, 5);
}
END_TEST

UNIT_MAIN("explain_parts", sentences_keep_their_quotes_and_do_nothing_to_a_terminal,
	differences_of_labels, a_process_is_read_whatever_its_name,
	frames_are_counted_by_module_and_cause, names_are_counted_by_source,
	kernel_frames_are_nobodys_module)
