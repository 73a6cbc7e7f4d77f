// SPDX-License-Identifier: Apache-2.0
/* What a made-up file costs others, whose tables lie in the same memory. */
#include "unit/unwinder_bench.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "temp_dir.h"
#include "unit.h"
#include "unwind/unwinder_inside.h"

/* A page of code that asks for as much memory as a binary may have. */
static void *map_code_of_a_file(const struct temp_dir *dir, uint64_t memory_size)
{
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p;
	} file = {
		.e = {.e_ident = ELFMAG,
			.e_type = ET_DYN,
			.e_machine = EM_X86_64,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1},
		.p = {.p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_filesz = UNWIND_PAGE_SIZE,
			.p_memsz = memory_size},
	};
	char *path cleanup_free = xasprintf("%s/code", dir->path);
	int fd cleanup_close = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0755);

	file.e.e_ident[EI_CLASS] = ELFCLASS64;
	file.e.e_ident[EI_DATA] = ELFDATA2LSB;
	ck_assert_int_eq(write(fd, &file, sizeof(file)), sizeof(file));
	ck_assert_int_eq(ftruncate(fd, UNWIND_PAGE_SIZE), 0);
	void *code = mmap(NULL, UNWIND_PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	ck_assert(code != MAP_FAILED);
	return code;
}

START_TEST(a_binary_has_no_more_code_than_its_file)
{
	uint64_t most = (uint64_t)(SLAB_SIZE_MAX + 5) / 5 << UNWIND_PAGE_BITS;
	struct unwinder_stats stats;
	struct temp_dir dir;
	struct bench b;

	temp_dir_init(&dir);
	void *code = map_code_of_a_file(&dir, _i ? most : UINT64_C(400) << 20);

	bench_init(&b, 8 << 20, UNWIND_RULES_MAX);
	b.id = bench_id_of(getpid());
	symbolizer_process_seen(b.symbolizer, &b.id);
	unwinder_load(b.unwinder, &b.id, (uint64_t)(uintptr_t)qsort);
	ck_assert(unwinder_load(b.unwinder, &b.id, (uint64_t)(uintptr_t)code));
	unwinder_stats(b.unwinder, &stats);
	ck_assert_uint_eq(stats.pages_evicted, 0);
	ck_assert_uint_lt(stats.table_used, 400 << 10);
	munmap(code, UNWIND_PAGE_SIZE);
	bench_release(&b);
	temp_dir_release(&dir);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("unwind_files");

	tcase_add_loop_test(tcase, a_binary_has_no_more_code_than_its_file, 0, 2);
	return unit_run("unwind_files", tcase);
}
