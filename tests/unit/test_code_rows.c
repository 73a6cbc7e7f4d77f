// SPDX-License-Identifier: Apache-2.0
#include "unwind/code_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "lib/code_oracle.h"
#include "unit.h"

/* Follows code that begins with a function at its first byte; rows as "0:sp+8 1:sp+16" by offset. */
static const char *rows_of(const char *code, size_t len)
{
	static char text[512];
	struct code_flow *f = code_flow_new();
	struct unwind_rule last = {.cfa = UNWIND_CFA_COUNT};
	const struct flow_state *s;
	size_t insn_len, n = 0;

	text[0] = '\0';
	memcpy(code_flow_begin(f, len, 0x1000), code, len);
	code_flow_add_start(f, 0);
	code_flow_run(f, len);
	for (size_t at = 0; (at = code_flow_next(f, at, &s, &insn_len)) < len; at += insn_len) {
		struct unwind_rule r = code_rule_of(s);
		static const char *const cfa[] = {"none", "sp", "fp", "", "", "reg"};
		static const char *const fp[] = {"", "@", "", "", "?"};

		if (memcmp(&r, &last, sizeof(r)) == 0)
			continue;
		last = r;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%zx:%s", n ? " " : "", at,
			cfa[r.cfa]);
		if (r.cfa != UNWIND_CFA_NONE)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "+%d%s", r.cfa_offset,
				fp[r.fp]);
		if (r.fp == UNWIND_FP_AT_CFA)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%d", r.fp_offset);
	}
	code_flow_free(f);
	return text;
}

#define ROWS(code) rows_of((code), sizeof(code) - 1)

START_TEST(pushes_and_pops_are_counted)
{
	/* push %rbp; mov %edi,%ebp; push %rbx; sub $24,%rsp; add $24,%rsp; pop %rbx; pop %rbp; ret */
	ck_assert_str_eq(ROWS("\x55\x89\xfd\x53\x48\x83\xec\x18\x48\x83\xc4\x18\x5b\x5d\xc3"),
		"0:sp+8 1:sp+16@-16 4:sp+24@-16 8:sp+48@-16 c:sp+24@-16 d:sp+16@-16 e:sp+8");
	/* mov %rbp,-8(%rsp); mov %edi,%ebp; mov -8(%rsp),%rbp; ret: in the red zone */
	ck_assert_str_eq(ROWS("\x48\x89\x6c\x24\xf8\x89\xfd\x48\x8b\x6c\x24\xf8\xc3"),
		"0:sp+8 5:sp+8@-16 c:sp+8");
}
END_TEST

START_TEST(frame_pointers_survive_an_unknown_rsp)
{
	/* push %rbp; mov %rsp,%rbp; sub %rax,%rsp; leave; ret */
	ck_assert_str_eq(ROWS("\x55\x48\x89\xe5\x48\x29\xc4\xc9\xc3"),
		"0:sp+8 1:sp+16@-16 4:fp+16@-16 8:sp+8");
	/* The same without a frame: sub %rax,%rsp; nop; mov %rbx,%rsp; ret */
	ck_assert_str_eq(ROWS("\x48\x29\xc4\x90\xc3"), "0:sp+8 3:none");
}
END_TEST

START_TEST(a_call_that_does_not_come_back_is_found_out)
{
	/*
	 *  0: push %rbx; test; jne 0xb; pop %rbx; ret; ...
	 *  b: call outside, and right behind it a function that returns at once.
	 */
	ck_assert_str_eq(ROWS("\x53\x85\xff\x75\x02\x5b\xc3\xe8\x00\x10\x00\x00\x31\xc0\xc3"),
		"0:sp+8 1:sp+16 6:sp+8 7:sp+16 c:sp+8");
	/* Behind a call that does come back: push %rbx; call; pop %rbx; ret */
	ck_assert_str_eq(ROWS("\x53\xe8\x00\x10\x00\x00\x5b\xc3"), "0:sp+8 1:sp+16 7:sp+8");
}
END_TEST

/* push %rbx; call; padding; push %rbp; call; padding; call; jmp to the push of rbp. Nothing ever returns. */
START_TEST(a_function_that_only_jumps_lead_to_is_no_loop)
{
	ck_assert_str_eq(ROWS("\x53\xe8\x00\x10\x00\x00\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00"
			      "\x55\xe8\x00\x10\x00\x00\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00"
			      "\xe8\x00\x10\x00\x00\xeb\xe9"),
		"0:sp+8 1:sp+16 10:sp+8 11:sp+16@-16 20:sp+8");
}
END_TEST

START_TEST(what_a_jump_table_leads_to_has_the_depth_of_the_dispatch)
{
	/* sub $24,%rsp; jmp *%rax; inc %eax; add $24,%rsp; ret; dec %eax; jmp back to the add */
	ck_assert_str_eq(
		ROWS("\x48\x83\xec\x18\xff\xe0\xff\xc0\x48\x83\xc4\x18\xc3\xff\xc8\xeb\xf7"),
		"0:sp+8 4:sp+32 c:sp+8 d:sp+32");
}
END_TEST

START_TEST(a_large_frame_touched_page_by_page)
{
	/* lea -8192(%rsp),%r11; 1: sub $4096,%rsp; orq $0,(%rsp); cmp %r11,%rsp; jne 1b; add $8192,%rsp; ret */
	ck_assert_str_eq(
		ROWS("\x4c\x8d\x9c\x24\x00\xe0\xff\xff\x48\x81\xec\x00\x10\x00\x00"
		     "\x48\x83\x0c\x24\x00\x4c\x39\xdc\x75\xef\x48\x81\xc4\x00\x20\x00\x00\xc3"),
		"0:sp+8 8:reg+8200 19:sp+8200 20:sp+8");
}
END_TEST

START_TEST(contradictions_give_no_rows)
{
	/* push %rbx; ret: the return address is not there */
	ck_assert_str_eq(ROWS("\x53\xc3"), "");
	/* Two ways to a return, one of them with a push more. */
	ck_assert_str_eq(ROWS("\x85\xff\x75\x01\x53\x31\xc0\xc3"), "");
	ck_assert_str_eq(ROWS("\x06\x06\x06"), "");
}
END_TEST

/*
 * Functions that are but a jump to the same code: push %rbx; jne over a return at the wrong depth; call; padding up to
 * the end. Each of them goes over all the padding.
 */
START_TEST(padding_is_work)
{
	enum { LEN = 28 << 10, JUMPS = 1600, END = JUMPS * 5 };
	struct code_flow *f = code_flow_new();
	uint8_t *code = code_flow_begin(f, LEN, 0x1000);

	memset(code, 0x90, LEN);
	for (int32_t at = 0; at < END; at += 5) {
		int32_t distance = END - (at + 5);

		code[at] = 0xe9;
		memcpy(code + at + 1, &distance, sizeof(distance));
	}
	memcpy(code + END, "\x53\x75\x01\xc3\xe8\x00\x00\x10\x00", 9);
	code_flow_add_start(f, 0);
	ck_assert_uint_ge(code_flow_run(f, LEN), 10 * LEN); /* all that may be done */
	code_flow_free(f);
}
END_TEST

/* Handlers of a virtual machine, which go from one to the next and never return: what says nothing once is not asked again. */
START_TEST(what_nothing_leads_to_is_tried_once_with_each_state)
{
	enum { HANDLER = 64, LEN = 8 << 10 };
	struct code_flow *f = code_flow_new();
	uint8_t *code = code_flow_begin(f, LEN, 0x1000);

	/* inc %eax, for each two bytes; at the end of each handler jmp *%rcx */
	for (size_t at = 0; at < LEN; at += 2)
		memcpy(code + at, (at + 2) % HANDLER ? "\xff\xc0" : "\xff\xe1", 2);
	memcpy(code, "\x53", 1); /* push %rbx; nop */
	memcpy(code + 1, "\x90", 1);
	code_flow_add_start(f, 0);
	/* Once for its marks, once with the state of the dispatch before and once with a function's, once to skip it. */
	ck_assert_uint_le(code_flow_run(f, LEN), 5 * LEN / 2);
	code_flow_free(f);
}
END_TEST

/* Every page of a file without tables says the same alone as with its neighbours. */
START_TEST(rows_do_not_depend_on_what_was_asked_before)
{
	struct elf_image image;
	int fd cleanup_close = open("/lib/x86_64-linux-gnu/libm.so.6", O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	ck_assert_int_eq(fstat(fd, &st), 0);
	struct byte_source source = byte_source_fd(fd, (uint64_t)st.st_size);

	ck_assert_int_eq(elf_image_read(&source, &image), 0);
	const struct elf_segment *s = elf_image_code_segment(&image);
	struct code_gap gap = {&source, &image, s->address, s->address + s->file_size,
		code_flow_new()};

	for (uint64_t at = s->address + UNWIND_PAGE_SIZE; at < s->address + 8 * UNWIND_PAGE_SIZE;
		at += UNWIND_PAGE_SIZE) {
		struct unwind_rows whole cleanup_unwind_rows = {0}, parts cleanup_unwind_rows = {0};

		code_rows_add(&gap, at, at + UNWIND_PAGE_SIZE, &whole);
		code_rows_add(&gap, at, at + 1001, &parts);
		code_rows_add(&gap, at + 1001, at + UNWIND_PAGE_SIZE, &parts);
		ck_assert_uint_gt(whole.count, 3);
		ck_assert_uint_eq(whole.count, parts.count);
		ck_assert_int_eq(memcmp(whole.list, parts.list,
					 whole.count * sizeof(whole.list[0])),
			0);
	}
	code_flow_free(gap.flow);
	elf_image_release(&image);
}
END_TEST

/* make check-unwind-code does so for all files there are. C++ is not among these: its landing pads are found by tables only. */
START_TEST(rows_equal_those_of_call_frame_information)
{
	static const char *const files[] = {"/bin/bash", "/usr/bin/make", "/bin/sed",
		"/usr/bin/find", "/usr/lib/x86_64-linux-gnu/libcurl.so.4",
		"/usr/lib/x86_64-linux-gnu/libz.so.1"};
	struct code_counts counts = {0};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct code_oracle o = {.path = files[i], .counts = &counts};

		judge_file(&o);
	}
	size_t all = counts.right + counts.fp_unknown + counts.none + counts.wrong;

	printf("rows from code: %zu files, right %zu, none %zu, wrong %zu bytes\n", counts.files,
		counts.right, counts.none, counts.wrong);
	ck_assert_uint_ge(counts.right * 1000, all * 970);
	ck_assert_uint_le(counts.wrong * 1000, all * 2);
#ifdef __x86_64__
	ck_assert_uint_gt(all, 500000);
#endif
}
END_TEST

UNIT_MAIN("code_rows", pushes_and_pops_are_counted, frame_pointers_survive_an_unknown_rsp,
	a_call_that_does_not_come_back_is_found_out, a_function_that_only_jumps_lead_to_is_no_loop,
	what_a_jump_table_leads_to_has_the_depth_of_the_dispatch,
	a_large_frame_touched_page_by_page, contradictions_give_no_rows, padding_is_work,
	what_nothing_leads_to_is_tried_once_with_each_state,
	rows_do_not_depend_on_what_was_asked_before, rows_equal_those_of_call_frame_information)
