// SPDX-License-Identifier: Apache-2.0
/* dockprof buildid: what a file says it is, as profiles and debug files know it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "commands.h"
#include "elf_argument.h"
#include "options.h"

#define FILES_MAX 4096 /* more do not fit a command line by far */

static int print_build_id(const char *path, bool with_path)
{
	struct strbuf line cleanup_strbuf = STRBUF_INIT;
	char id[2 * BUILD_ID_MAX + 1];
	struct elf_argument file;
	struct error err = {0};

	if (elf_argument_open(path, &file, &err) < 0) {
		fprintf(stderr, "dockprof: %s\n", err.message);
		return EXIT_FAILED;
	}
	const char *go = file.image.go_build_id;

	if (file.image.build_id_is_go) {
		text_add_safe(&line, go, strlen(go), ELF_GO_BUILD_ID_MAX);
	} else {
		hex_encode(id, file.image.build_id, file.image.build_id_len);
		strbuf_add_str(&line, id);
	}
	elf_argument_release(&file);
	if (!line.len) {
		fprintf(stderr,
			"dockprof: %s: has no build id; its linker can write one: --build-id\n",
			path);
		return EXIT_FAILED;
	}
	printf(with_path ? "%s  %s\n" : "%s\n", line.buf, path);
	return EXIT_OK;
}

static int print_all(void *ctx, const struct option_list *files)
{
	int status = EXIT_OK;

	(void)ctx;
	for (size_t i = 0; i < files->count; i++)
		if (print_build_id(files->values[i], files->count > 1) != EXIT_OK)
			status = EXIT_FAILED;
	return status;
}

int cmd_buildid(int argc, char **argv)
{
	struct option_list files = {0};
	const struct option_spec specs[] = {{NULL, 0, OPTION_FLAG, NULL, NULL, NULL}};
	const struct command_spec command = {
		.usage = "dockprof buildid FILE...",
		.about =
			"Prints the GNU build id of each ELF file, or the Go build id where there is only\n"
			"that; beside the file's name where there are several. In profiles a Go build id\n"
			"appears as its SHA-1.\n"
			"Exit status: 0; 1 where a file cannot be read or has none.",
		.examples = "  dockprof buildid /usr/bin/python3\n",
		.options = specs,
		.arguments = &files,
		.max_arguments = FILES_MAX,
	};

	return elf_argument_command(&command, argc, argv, print_all, NULL);
}
