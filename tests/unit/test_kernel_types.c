// SPDX-License-Identifier: Apache-2.0
/* The kernel's types, made up and of the running kernel: what is chosen of them says the same as the whole. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/macros.h"
#include "profile.skel.h"
#include "profiler/kernel_types.h"
#include "unit.h"

static const char *const names[] = {"outer", "colour"};

/* struct outer { const pair list[3]; struct other *other; unsigned bits : 3; }; pair is a typedef; a type between has a tail. */
static struct btf *made_up(void)
{
	struct btf *btf = btf__new_empty();
	int word = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int other = btf__add_struct(btf, "other", 4);

	btf__add_field(btf, "unseen", word, 0, 0);
	btf__add_func_proto(btf, word);
	btf__add_func_param(btf, "p", word);
	int pointer = btf__add_ptr(btf, other);
	int array = btf__add_array(btf, word, word + 9, 3); /* the typedef below */
	int pair = btf__add_struct(btf, "pair", 8);

	btf__add_field(btf, "first", word, 0, 0);
	btf__add_field(btf, "second", word, 32, 0);
	int outer = btf__add_struct(btf, "outer", 40);

	btf__add_field(btf, "list", array, 0, 0);
	btf__add_field(btf, "other", pointer, 192, 0);
	btf__add_field(btf, "bits", word, 256, 3);
	btf__add_enum(btf, "colour", 4);
	btf__add_enum_value(btf, "RED", 7);
	int constant = btf__add_const(btf, pair);

	ck_assert_int_gt(outer, 0);
	ck_assert_int_eq(btf__add_typedef(btf, "pair_t", constant), word + 9);
	return btf;
}

static const struct btf_type *member_type(const struct btf *btf, const struct btf_type *t, int i)
{
	return btf__type_by_id(btf, btf_members(t)[i].type);
}

static struct btf *chosen_of(const struct btf *whole)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	uint32_t size;
	const void *data = btf__raw_data(whole, &size);

	ck_assert_int_eq(kernel_types_choose(data, size, names, ARRAY_SIZE(names), &out), 0);
	struct btf *btf = btf__new(out.buf, (uint32_t)out.len);

	ck_assert_ptr_nonnull(btf);
	return btf;
}

START_TEST(what_is_wanted_is_there_with_all_it_holds)
{
	struct btf *whole = made_up(), *btf = chosen_of(whole);
	int number = btf__find_by_name_kind(btf, "outer", BTF_KIND_STRUCT);

	ck_assert_int_gt(number, 0);
	const struct btf_type *outer = btf__type_by_id(btf, (uint32_t)number);

	ck_assert_uint_eq(btf_vlen(outer), 3);
	ck_assert_uint_eq(outer->size, 40);
	ck_assert_str_eq(btf__name_by_offset(btf, btf_members(outer)[1].name_off), "other");
	ck_assert_uint_eq(btf_member_bit_offset(outer, 1), 192);
	ck_assert_uint_eq(btf_member_bitfield_size(outer, 2), 3);
	ck_assert(btf_is_ptr(member_type(btf, outer, 1)));
	ck_assert_uint_eq(member_type(btf, outer, 1)->type, 0);
	const struct btf_array *list = btf_array(member_type(btf, outer, 0));

	ck_assert_uint_eq(list->nelems, 3);
	ck_assert_str_eq(btf__name_by_offset(btf, btf__type_by_id(btf, list->type)->name_off),
		"pair_t");
	ck_assert_int_eq(btf__resolve_size(btf, list->type), 8);
	number = btf__find_by_name_kind(btf, "colour", BTF_KIND_ENUM);
	ck_assert_int_gt(number, 0);
	const struct btf_enum *red = btf_enum(btf__type_by_id(btf, (uint32_t)number));

	ck_assert_str_eq(btf__name_by_offset(btf, red->name_off), "RED");
	ck_assert_int_eq(red->val, 7);
	ck_assert_int_lt(btf__find_by_name(btf, "other"), 0);
	btf__free(whole);
	btf__free(btf);
}
END_TEST

START_TEST(types_that_end_early_are_refused)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct btf *whole = made_up();
	uint32_t size;
	const void *data = btf__raw_data(whole, &size);

	for (uint32_t n = 0; n < size; n++) {
		void *part cleanup_free = xmemdup(data, n + 1);

		ck_assert_int_eq(kernel_types_choose(part, n, names, 2, &out), -EINVAL);
	}
	/* A header that says so, too. */
	for (uint32_t n = 0; n < size - sizeof(struct btf_header); n += 4) {
		struct btf_header *part cleanup_free = xmemdup(data, size);

		if (n == part->type_len)
			break;
		part->type_len = n;
		int r = kernel_types_choose(part, size, names, 2, &out);

		ck_assert(r == 0 || r == -EINVAL);
	}
	btf__free(whole);
}
END_TEST

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level, (void)format, (void)ap;
	return 0;
}

static struct profile_bpf *load_with(int types)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", types);
	opts.btf_custom_path = types >= 0 ? path : NULL;
	libbpf_set_print(quiet);
	struct profile_bpf *skel = profile_bpf__open_opts(&opts);

	ck_assert_ptr_nonnull(skel);
	bpf_program__set_autoload(skel->progs.profile,
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_loop, NULL) == 1);
	if (profile_bpf__load(skel) == 0)
		return skel;
	ck_assert_msg(errno == EPERM || errno == EACCES, "%s", strerror(errno));
	profile_bpf__destroy(skel);
	return NULL;
}

/* Constants are loaded by 64-bit instructions, as descriptors of maps are, which differ. */
static bool is_descriptor(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg;
}

static void assert_same(const struct bpf_program *a, const struct bpf_program *b)
{
	const struct bpf_insn *of_a = bpf_program__insns(a), *of_b = bpf_program__insns(b);

	ck_assert_uint_eq(bpf_program__insn_cnt(a), bpf_program__insn_cnt(b));
	for (size_t i = 0; i < bpf_program__insn_cnt(a); i++) {
		if (is_descriptor(&of_a[i]) && is_descriptor(&of_b[i]))
			i++;
		else
			ck_assert_mem_eq(&of_a[i], &of_b[i], sizeof(of_a[i]));
	}
}

START_TEST(programs_are_fitted_to_the_kernel_as_by_all_of_its_types)
{
	int types cleanup_close = kernel_types_open("/sys");

	if (types < 0)
		return; /* the kernel has none */
	struct profile_bpf *by_chosen = load_with(types), *by_all = load_with(-1);

	ck_assert_int_eq(!by_chosen, !by_all);
	if (by_chosen) {
		if (bpf_program__autoload(by_all->progs.profile))
			assert_same(by_chosen->progs.profile, by_all->progs.profile);
		assert_same(by_chosen->progs.profile_plain, by_all->progs.profile_plain);
		assert_same(by_chosen->progs.walk_plain, by_all->progs.walk_plain);
	}
	profile_bpf__destroy(by_chosen);
	profile_bpf__destroy(by_all);
}
END_TEST

static void write_object(const char *path)
{
	size_t size;
	const void *bytes = profile_bpf__elf_bytes(&size);
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
	ck_assert_int_eq(fclose(file), 0);
}

/* Of the kernel's types, those that the programs ask about, as bpftool finds them. */
static struct btf *asked_about(void)
{
	char dir[] = "/tmp/dockprof-types-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	char *object cleanup_free = xasprintf("%s/object", dir);
	char *types cleanup_free = xasprintf("%s/types", dir);
	char *command cleanup_free = xasprintf("PATH=$PATH:/usr/sbin bpftool gen min_core_btf "
					       "/sys/kernel/btf/vmlinux %s %s",
		types, object);

	write_object(object);
	ck_assert_int_eq(system(command), 0);
	struct btf *btf = btf__parse(types, NULL);

	ck_assert_ptr_nonnull(btf);
	unlink(object);
	unlink(types);
	rmdir(dir);
	return btf;
}

/* Without a type, whether it has a constant would be answered with no. */
START_TEST(whatever_the_programs_ask_about_is_wanted)
{
	int types cleanup_close = kernel_types_open("/sys");

	if (types < 0)
		return; /* the kernel has none */
	char *path cleanup_free = xasprintf("/proc/self/fd/%d", types);
	struct btf *chosen = btf__parse(path, NULL), *asked = asked_about();
	int compared = 0;

	for (uint32_t i = 1; i < btf__type_cnt(asked); i++) {
		const struct btf_type *t = btf__type_by_id(asked, i);
		const char *name = btf__name_by_offset(asked, t->name_off);

		if (!*name || !(btf_is_composite(t) || btf_is_any_enum(t)))
			continue;
		ck_assert_msg(btf__find_by_name_kind(chosen, name, btf_kind(t)) > 0, "%s", name);
		compared++;
	}
	ck_assert_int_ge(compared, 9);
	btf__free(chosen);
	btf__free(asked);
}
END_TEST

UNIT_MAIN("kernel_types", what_is_wanted_is_there_with_all_it_holds,
	types_that_end_early_are_refused, programs_are_fitted_to_the_kernel_as_by_all_of_its_types,
	whatever_the_programs_ask_about_is_wanted)
