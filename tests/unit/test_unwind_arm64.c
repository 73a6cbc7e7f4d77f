// SPDX-License-Identifier: Apache-2.0
/*
 * A stack of arm64, written down by tests/unwind/arm64_stacks.c with its return addresses signed, walked by the walker
 * of arm64 with rows made of that program's tables. A child of ours has the program mapped where it was.
 */
#define UNWIND_ARM64
#include "unwind/walk.c"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/file.h"
#include "lib/arm64_image.h"
#include "symbols/elf_image.h"
#include "unit/frames.h"
#include "unit.h"
#include "unit/unwinder_bench.h"

#define PROGRAM "tests/data/arm64/stacks"
#define IPS_MAX 64

/* Leaf first, as tests/unwind/arm64_stacks.c says. NULL: a byte before sigreturn, where its caller would be, is none. */
static const char *const expected[] = {"write_stack", "on_signal", NULL, "interrupted", "aligned",
	"deep", "deep", "deep", "deep", "deep", "deep", "deep", "deep", "deep", "deep", "deep",
	"deep", "deep", "main", "_start"};

static struct strbuf recorded = STRBUF_INIT;
static struct bench b;

static void map_program(void)
{
	int fd = open(PROGRAM, O_RDONLY | O_CLOEXEC);
	struct byte_source source = byte_source_fd(fd, 1 << 16);
	struct elf_image image;

	if (elf_image_read(&source, &image) < 0)
		_exit(1);
	const struct elf_segment *s = elf_image_code_segment(&image);
	uint64_t page = s->address & ~UINT64_C(4095);
	void *at = mmap((void *)(uintptr_t)page, s->address + s->file_size - page,
		PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd,
		(off_t)(s->offset - (s->address - page)));

	if (at == MAP_FAILED)
		_exit(2);
	raise(SIGSTOP);
}

static void setup(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		map_program();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	ck_assert_int_eq(file_read_at(AT_FDCWD, PROGRAM ".image", 1 << 20, &recorded), 0);
	bench_init(&b, 1 << 20, UNWIND_RULES_MAX);
	b.id = bench_id_of(pid);
	symbolizer_process_seen(b.symbolizer, &b.id);
}

static void teardown(void)
{
	kill((pid_t)b.id.pid, SIGKILL);
	waitpid((pid_t)b.id.pid, NULL, 0);
	bench_release(&b);
	strbuf_release(&recorded);
}

static struct kept_stack kept(void)
{
	struct arm64_image image;

	ck_assert_uint_gt(recorded.len, sizeof(image));
	memcpy(&image, recorded.buf, sizeof(image));
	struct kept_stack stack = {
		.regs = {.ip = image.pc, .sp = image.sp, .fp = image.x[29]},
		.exact = true,
		.leaf_known = true,
		.stack_start = image.sp,
		.stack = (const uint8_t *)recorded.buf + sizeof(image),
		.stack_size = recorded.len - sizeof(image),
	};

	memcpy(stack.regs.leaf, image.x, sizeof(image.x));
	stack.regs.leaf[31] = image.sp;
	return stack;
}

START_TEST(every_frame_to_the_root)
{
	struct kept_stack stack = kept();
	struct frame frames[IPS_MAX];
	uint64_t ips[IPS_MAX];
	size_t count = 0;

	ck_assert_int_eq(unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count),
		UNWIND_END_ROOT);
	ck_assert_uint_eq(count, ARRAY_SIZE(expected));
	name_user(b.symbolizer, &b.id, ips, count, true, frames);
	for (size_t i = 0; i < count; i++) {
		ck_assert_uint_eq(ips[i] >> USER_SPACE_BITS, 0);
		ck_assert_pstr_eq(frames[i].function, expected[i]);
	}
}
END_TEST

/* What is above the address of a return address: pointer authentication's code. Else there would be nothing to strip. */
START_TEST(its_return_addresses_are_signed)
{
	struct kept_stack stack = kept();
	size_t signed_count = 0;
	uint64_t word;

	for (size_t at = 0; at + sizeof(word) <= stack.stack_size; at += sizeof(word)) {
		memcpy(&word, stack.stack + at, sizeof(word));
		signed_count += word >> USER_SPACE_BITS && word >> 56 == 0 &&
			(word & ((UINT64_C(1) << USER_SPACE_BITS) - 1)) < 0x402000;
	}
	ck_assert_uint_ge(signed_count, 13);
}
END_TEST

START_TEST(a_stack_that_was_not_kept_whole_is_cut)
{
	struct kept_stack stack = kept();
	uint64_t ips[IPS_MAX];
	size_t count = 0;

	stack.stack_size -= 64;
	ck_assert_int_eq(unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count),
		UNWIND_END_CUT);
	ck_assert_uint_gt(count, 10);
	ck_assert_uint_lt(count, ARRAY_SIZE(expected));
}
END_TEST

/* Nobody knows the registers of the leaf, which has no frame. */
START_TEST(the_return_address_of_a_leaf_is_its_register)
{
	struct kept_stack stack = kept();
	uint64_t ips[IPS_MAX];
	size_t count = 0;

	stack.leaf_known = false;
	ck_assert_int_eq(unwinder_walk(b.unwinder, &b.id, &stack, ips, IPS_MAX, &count),
		UNWIND_END_STUCK);
	ck_assert_uint_eq(count, 1);
}
END_TEST

/* In a process that nobody told of. */
START_TEST(without_tables_frame_pointers_are_followed)
{
	struct process_id nobody = {.pid = 1, .start_ns = 1};
	uint64_t frames[] = {0x1010, 0x7c00000000400300, 0, 0x0f00000000400400}, ips[IPS_MAX];
	struct kept_stack stack = {
		.regs = {.ip = 0x400100, .sp = 0x1000, .fp = 0x1000},
		.exact = true,
		.stack_start = 0x1000,
		.stack = (const uint8_t *)frames,
		.stack_size = sizeof(frames),
	};
	size_t count = 0;

	ck_assert_int_eq(unwinder_walk(b.unwinder, &nobody, &stack, ips, IPS_MAX, &count),
		UNWIND_END_ROOT);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(ips[1], 0x400300);
	ck_assert_uint_eq(ips[2], 0x400400);
}
END_TEST

UNIT_MAIN_FIXTURE("unwind_arm64", setup, teardown, every_frame_to_the_root,
	its_return_addresses_are_signed, a_stack_that_was_not_kept_whole_is_cut,
	the_return_address_of_a_leaf_is_its_register, without_tables_frame_pointers_are_followed)
