// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"

#define SIZE (4 << 20)

/* Where /tmp is a tmpfs its files count as shared memory. */
static long resident_file_kib(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long kib, sum = 0;

	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "RssFile: %ld", &kib) == 1 ||
			sscanf(line, "RssShmem: %ld", &kib) == 1)
			sum += kib;
	fclose(status);
	return sum;
}

START_TEST(clean_file_pages_go_and_written_ones_stay)
{
	char path[] = "/tmp/dockprof-test-memory-XXXXXX";
	int fd = mkstemp(path);
	volatile char sum = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	unlink(path);
	const char *clean = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	char *written = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	ck_assert(clean != MAP_FAILED && written != MAP_FAILED);
	strcpy(written, "relocated");
	ck_assert_int_eq(mprotect(written, SIZE, PROT_READ), 0);
	for (size_t i = 0; i < SIZE; i += 4096)
		sum = (char)(sum + clean[i]);
	long before = resident_file_kib();

	memory_drop_startup_pages();
	ck_assert_int_lt(resident_file_kib(), before - SIZE / 1024 / 2);
	ck_assert_str_eq(written, "relocated");
	close(fd);
}
END_TEST

UNIT_MAIN("memory", clean_file_pages_go_and_written_ones_stay)
