// SPDX-License-Identifier: Apache-2.0
#include "elf_argument.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "commands.h"

int elf_argument_open(const char *path, struct elf_argument *ret, struct error *err)
{
	/* A FIFO that somebody left there must not make us wait. */
	int fd cleanup_close = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s: not a regular file", path);
	*ret = (struct elf_argument){.source = byte_source_fd(fd, (uint64_t)st.st_size)};
	int r = elf_image_read(&ret->source, &ret->image);

	if (r == -ENOEXEC)
		return error_set(err, r, "%s: not an ELF file of this machine's byte order", path);
	if (r == -EINVAL || r == -ENODATA)
		return error_set(err, r, "%s: its ELF headers are damaged", path);
	if (r < 0)
		return error_set_errno(err, r, "%s", path);
	ret->fd = steal_fd(&fd);
	return 0;
}

void elf_argument_release(struct elf_argument *argument)
{
	elf_image_release(&argument->image);
	close(argument->fd);
}

bool elf_argument_address(const char *text, uint64_t *ret)
{
	char *end;

	if (*text == '-' || *text == '+' || *text == ' ')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 16);
	return end != text && !*end && !errno;
}

int elf_argument_command(const struct command_spec *command, int argc, char **argv,
	int (*run)(void *ctx, const struct option_list *arguments), void *ctx)
{
	enum options_outcome outcome = options_parse(command, argc, argv);
	int status = (int)outcome;

	if (outcome == OPTIONS_RUN && command->arguments->count) {
		status = run(ctx, command->arguments);
	} else if (outcome == OPTIONS_RUN) {
		fprintf(stderr, "dockprof: which file?\nUsage: %s\n", command->usage);
		status = EXIT_USAGE;
	}
	free(command->arguments->values);
	return status;
}
