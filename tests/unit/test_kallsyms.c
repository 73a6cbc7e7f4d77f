// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "proc/kallsyms.h"
#include "symbols/kernel_symbols.h"
#include "symbols/packed_names.h"
#include "temp_dir.h"
#include "unit.h"

#define BASE UINT64_C(0xffffffff81000000)
#define MODS UINT64_C(0xffffffffc0000000)

static const char text[] = "ffffffff81000000 T _stext\n"
			   "ffffffff81000000 T _text\n"
			   "ffffffff81000100 t __pfx_local_fn\n"
			   "ffffffff81000110 t local_fn\n"
			   "ffffffff81000200 T __x64_sys_read\n"
			   "ffffffff81000200 T sys_read_alias\n"
			   "ffffffff81000300 D some_data\n"
			   "ffffffff81000400 W weak_fn\n"
			   "ffffffff81000500 T _etext\n"
			   "ffffffff81000600 R rodata\n"
			   "ffffffff81000700 T start_kernel\n"
			   "not a line\n"
			   "ffffffff81000800 T \n"
			   "ffffffffc0001000 t xfs_read\t[xfs]\n"
			   "ffffffffc0000000 t ext_open\t[ext]\n"
			   "ffffffffc0002000 t bpf_prog_6deef7357e7b4530_x\t[bpf]\n"
			   "ffffffffc0003000 t ftrace_trampoline\t[__builtin__ftrace]\n";

struct fixture {
	struct temp_dir proc;
	uint32_t next_id;
	struct kernel_symbols *symbols;
};

static void write_file(const struct fixture *f, const char *name, const char *content)
{
	temp_dir_write(&f->proc, name, content, strlen(content));
}

static void setup(struct fixture *f, const char *content)
{
	temp_dir_init(&f->proc);
	f->next_id = 1;
	if (content)
		write_file(f, "kallsyms", content);
	f->symbols = kernel_symbols_new(f->proc.fd, &f->next_id);
}

static void teardown(struct fixture *f)
{
	kernel_symbols_free(f->symbols);
	temp_dir_release(&f->proc);
}

START_TEST(addresses_have_names_and_modules)
{
	static const struct {
		uint64_t address;
		const char *function, *module;
	} cases[] = {
		{BASE - 1, NULL, "[kernel]"},
		{BASE, "_text", "[kernel]"},
		{BASE + 0x10f, "_text", "[kernel]"},
		{BASE + 0x110, "local_fn", "[kernel]"},
		{BASE + 0x1ff, "local_fn", "[kernel]"},
		{BASE + 0x2ff, "sys_read_alias", "[kernel]"},
		{BASE + 0x4ff, "weak_fn", "[kernel]"},
		{BASE + 0x500, NULL, "[kernel]"},
		{BASE + 0x710, NULL, "[kernel]"},
		{MODS, "ext_open", "[kernel:ext]"},
		{MODS + 0x1234, "xfs_read", "[kernel:xfs]"},
		{MODS + 0x2001, "bpf_prog_6deef7357e7b4530_x", "[bpf]"},
		{MODS + 0x3001, "ftrace_trampoline", "[ftrace]"},
		{MODS + 0x3000 + 65536, NULL, "[kernel]"},
		{UINT64_MAX, NULL, "[kernel]"},
		{0, NULL, "[kernel]"},
	};
	struct fixture f;

	setup(&f, text);
	for (int again = 0; again < 2; again++) /* from the caches the second time */
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct frame frame = kernel_symbols_resolve(f.symbols, cases[i].address, 0);

			ck_assert_msg(!frame.function == !cases[i].function &&
					(!frame.function ||
						!strcmp(frame.function, cases[i].function)),
				"%llx: %s, not %s", (unsigned long long)cases[i].address,
				frame.function, cases[i].function);
			ck_assert_str_eq(frame.module->path, cases[i].module);
			ck_assert_int_eq(frame.module->kind, MODULE_KERNEL);
			ck_assert_uint_eq(frame.address, cases[i].address);
		}
	teardown(&f);
}
END_TEST

START_TEST(hidden_addresses_give_no_names)
{
	struct fixture f;

	setup(&f, "0000000000000000 T _stext\n0000000000000000 T vfs_read\n");
	struct frame frame = kernel_symbols_resolve(f.symbols, BASE, 0);

	ck_assert_ptr_null(frame.function);
	ck_assert_str_eq(frame.module->name, "[kernel]");
	ck_assert_uint_eq(kernel_symbols_count(f.symbols), 0);
	teardown(&f);
	setup(&f, NULL); /* no such file */
	ck_assert_ptr_null(kernel_symbols_resolve(f.symbols, BASE, 0).function);
	teardown(&f);
}
END_TEST

START_TEST(an_unknown_address_has_it_read_again_but_seldom)
{
	static const char more[] = "ffffffff81000000 T only\nffffffffc0009000 t late\t[bpf]\n";
	const int64_t minute = 60 * NSEC_PER_SEC;
	struct fixture f;

	setup(&f, text);
	const char *old = kernel_symbols_resolve(f.symbols, MODS, 0).function;

	write_file(&f, "kallsyms", more);
	ck_assert_ptr_null(
		kernel_symbols_resolve(f.symbols, MODS + 0x9fff0000, minute - 1).function);
	ck_assert_str_eq(kernel_symbols_resolve(f.symbols, MODS + 0x9001, minute).function,
		"ftrace_trampoline");
	/* Unknown to the old table: now it is read again. */
	ck_assert_ptr_null(kernel_symbols_resolve(f.symbols, MODS + 0x9fff0000, minute).function);
	ck_assert_str_eq(kernel_symbols_resolve(f.symbols, MODS + 0x9002, minute).function, "late");
	ck_assert_str_eq(old, "ext_open"); /* still valid in this round */
	kernel_symbols_end_round(f.symbols);
	ck_assert_str_eq(kernel_symbols_resolve(f.symbols, MODS + 0x9002, minute).function, "late");

	/* It did not help, so the next time is later than a minute. */
	write_file(&f, "kallsyms", text);
	kernel_symbols_end_round(f.symbols);
	ck_assert_ptr_null(kernel_symbols_resolve(f.symbols, MODS + 1, 2 * minute).function);
	ck_assert_ptr_null(kernel_symbols_resolve(f.symbols, MODS + 1, 3 * minute - 1).function);
	ck_assert_str_eq(kernel_symbols_resolve(f.symbols, MODS + 1, 3 * minute).function,
		"ext_open");
	teardown(&f);
}
END_TEST

START_TEST(a_new_module_has_it_read_again)
{
	const int64_t minute = 60 * NSEC_PER_SEC;
	struct fixture f;

	setup(&f, text);
	write_file(&f, "modules", "xfs 100 1 - Live 0xffffffffc0001000\n");
	ck_assert_str_eq(kernel_symbols_resolve(f.symbols, MODS, 0).function, "ext_open");
	/* Only the use count changed: nothing is read, though the text would be another. */
	write_file(&f, "kallsyms", "ffffffffc0000000 t renamed\t[ext]\n");
	write_file(&f, "modules", "xfs 100 2 ext, Live 0xffffffffc0001000\n");
	ck_assert_str_eq(kernel_symbols_resolve(f.symbols, MODS + 4, minute).function, "ext_open");
	write_file(&f, "modules",
		"new 100 1 - Live 0xffffffffc0101000\n"
		"xfs 100 1 - Live 0xffffffffc0001000\n");
	ck_assert_str_eq(kernel_symbols_resolve(f.symbols, MODS + 8, 2 * minute).function,
		"renamed");
	teardown(&f);
}
END_TEST

START_TEST(lines_are_parsed)
{
	struct kallsyms_entry e;
	char good[] = "ffffffffc0001000 t a b\t[xfs]",
	     bad[][24] = {"", "x T f", "1 Tf", "1 T ", "1"};

	ck_assert_int_eq(kallsyms_parse_line(good, &e), 0);
	ck_assert_str_eq(e.name, "a b");
	ck_assert_str_eq(e.module, "xfs");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(kallsyms_parse_line(bad[i], &e) == -EINVAL, "%s", bad[i]);
}
END_TEST

START_TEST(packed_names_come_back)
{
	struct packed_names *n = packed_names_new();
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	enum { N = 20000 };
	static uint32_t refs[N];
	char name[2048], last[2048];

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "function_%d_%d", i, i * 7919);
		refs[i] = packed_names_add(n, name);
	}
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	uint32_t longest = packed_names_add(n, name);
	uint32_t empty = packed_names_add(n, "");

	packed_names_finish(n);
	for (int i = N - 1; i >= 0; i -= 37) {
		snprintf(last, sizeof(last), "function_%d_%d", i, i * 7919);
		strbuf_reset(&out);
		ck_assert_int_eq(packed_names_get(n, refs[i], &out), 0);
		ck_assert_str_eq(out.buf, last);
	}
	strbuf_reset(&out);
	ck_assert_int_eq(packed_names_get(n, longest, &out), 0);
	ck_assert_uint_eq(out.len, PACKED_NAME_MAX - 1);
	strbuf_reset(&out);
	ck_assert_int_eq(packed_names_get(n, empty, &out), 0);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(packed_names_get(n, UINT32_MAX, &out), -EINVAL);
	ck_assert_int_eq(packed_names_get(n, empty + 1, &out), -EINVAL);
	ck_assert_uint_lt(packed_names_bytes(n), N * 10 + 20000);
	packed_names_free(n);
}
END_TEST

UNIT_MAIN("kallsyms", addresses_have_names_and_modules, hidden_addresses_give_no_names,
	an_unknown_address_has_it_read_again_but_seldom, a_new_module_has_it_read_again,
	lines_are_parsed, packed_names_come_back)
