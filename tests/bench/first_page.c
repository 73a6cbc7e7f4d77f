// SPDX-License-Identifier: Apache-2.0
/*
 * usage: first_page FILE ADDRESS
 *
 * The CPU time, in ms, from opening a file that was never seen until the rows of the page of code around
 * the address are there: what a tick in it waits for.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "bpf/unwind.h"
#include "symbols/eh_frame.h"
#include "symbols/elf_image.h"
#include "unwind/rows.h"

static int read_page(const char *path, uint64_t page, struct unwind_rows *rows)
{
	struct elf_image image;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	struct byte_source source = byte_source_fd(fd, (uint64_t)st.st_size);
	int r = elf_image_read(&source, &image);

	if (r == 0) {
		struct eh_frame *ef = eh_frame_new(&source, &image);

		r = unwind_rows_read(ef, page, page + UNWIND_PAGE_SIZE, rows);
		eh_frame_free(ef);
		elf_image_release(&image);
	}
	close(fd);
	return r;
}

int main(int argc, char **argv)
{
	struct unwind_rows rows = {0};

	if (argc != 3) {
		fprintf(stderr, "usage: first_page FILE ADDRESS\n");
		return 2;
	}
	uint64_t page = strtoull(argv[2], NULL, 16) & ~(uint64_t)(UNWIND_PAGE_SIZE - 1);
	int64_t begin_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	int r = read_page(argv[1], page, &rows);
	int64_t end_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	if (r < 0 || rows.count < 4) {
		fprintf(stderr, "first_page: no rows of %s at %s\n", argv[1], argv[2]);
		return 1;
	}
	unwind_rows_release(&rows);
	printf("%.3f\n", (double)(end_ns - begin_ns) / 1e6);
	return 0;
}
