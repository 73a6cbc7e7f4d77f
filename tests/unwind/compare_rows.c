// SPDX-License-Identifier: Apache-2.0
/*
 * compare_rows [-v] [FILE...]: every row of each ELF file against libdw; files from standard input, one a line,
 * where none are given. Other files are passed over. Exit status 1 where rows differ.
 */
#include "base/cleanup.h"
#include "lib/row_oracle.h"
#include "unwind/describe.h"

static void check_listed(struct row_counts *counts, bool verbose)
{
	char *line cleanup_free = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		check_file(line, counts, verbose);
	}
}

int main(int argc, char **argv)
{
	struct row_counts counts = {0};
	bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	int first = 1 + verbose;

	elf_version(EV_CURRENT);
	for (int i = first; i < argc; i++)
		check_file(argv[i], &counts, verbose);
	if (first == argc)
		check_listed(&counts, verbose);
	printf("%zu files, %zu rows, %zu answers of libdw\n", counts.files, counts.rows,
		counts.checks);
	printf("%10zu answers known by machine code where libdw has none\n", counts.gaps_known);
	printf("%10zu answers with an odd column for the return address (row_oracle.h)\n",
		counts.odd_column);
	printf("%10zu rows without the frame pointer\n", counts.fp_unknown);
	for (uint8_t i = 0; i < UNWIND_UNSUPPORTED_COUNT; i++)
		printf("%10zu rows unsupported: %s\n", counts.unsupported[i],
			describe_unsupported(i));
	printf("unwind: %zu passed, %zu failed\n", counts.checks - counts.differences,
		counts.differences);
	return counts.differences || !counts.rows;
}
