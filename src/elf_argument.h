// SPDX-License-Identifier: Apache-2.0
/* An ELF file that a user names on the command line: opened like any file of theirs, links and all. */
#ifndef ELF_ARGUMENT_H
#define ELF_ARGUMENT_H

#include "base/error.h"
#include "options.h"
#include "symbols/byte_source.h"
#include "symbols/elf_image.h"

struct elf_argument {
	int fd;
	struct byte_source source;
	struct elf_image image;
};

/* 0, -errno with words. To be released after success only. */
int elf_argument_open(const char *path, struct elf_argument *ret, struct error *err) MUST_CHECK;
void elf_argument_release(struct elf_argument *argument);
/*
 * A whole command whose first argument is such a file: `run` gets command->arguments, at least one; without any the
 * user is asked for it. An exit code.
 */
int elf_argument_command(const struct command_spec *command, int argc, char **argv,
	int (*run)(void *ctx, const struct option_list *arguments), void *ctx);
/* Hexadecimal, with or without 0x, as tools print addresses. False where it is none. */
bool elf_argument_address(const char *text, uint64_t *ret);

#endif
