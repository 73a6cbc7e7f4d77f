// SPDX-License-Identifier: Apache-2.0
/*
 * dockprof symbolize: addresses of a file to names, as the profiler gives them, with where each name comes
 * from or why there is none. For frames without a name in a profile (module+0xADDRESS), once there are debug
 * files, and for people who wonder about a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "commands.h"
#include "elf_argument.h"
#include "options.h"
#include "symbols/file_names.h"

#define MAX_ADDRESSES 65536 /* on the command line; more come from standard input */
#define MAX_SHOWN     8192 /* of one name on a terminal */

struct symbolize {
	const char *root, *demangle;
	bool json;
	struct file_names *names;
	size_t count; /* answered */
};

static bool demangle_mode_of(const char *text, enum demangle_mode *ret)
{
	static const char *const modes[] = {
		[DEMANGLE_NONE] = "none",
		[DEMANGLE_SIMPLIFIED] = "simplified",
		[DEMANGLE_TEMPLATES] = "templates",
		[DEMANGLE_FULL] = "full",
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(text, modes[i]) == 0) {
			*ret = (enum demangle_mode)i;
			return true;
		}
	return false;
}

static void add_json(struct strbuf *out, uint64_t address, const struct file_name *name)
{
	strbuf_addf(out, "{\"address\": \"0x%" PRIx64 "\"", address);
	if (name->function) {
		strbuf_add_str(out, ", \"function\": ");
		text_add_json(out, name->function, strlen(name->function));
		strbuf_addf(out, ", \"offset\": %" PRIu64 ", \"source\": \"%s\"", name->offset,
			name_origin_text(name->origin));
	}
	if (name->file) {
		strbuf_add_str(out, ", \"file\": ");
		text_add_json(out, name->file, strlen(name->file));
		strbuf_addf(out, ", \"line\": %u", name->line);
	}
	if (name->missing != MISSING_NOT)
		strbuf_addf(out, ", \"missing\": \"%s\"", name_missing_text(name->missing));
	strbuf_add_char(out, '}');
}

static void add_function(struct strbuf *out, const struct file_name *name)
{
	if (!name->function) {
		strbuf_addf(out, "-  (%s)",
			name->missing == MISSING_MAPPING ? "not in the code"
							 : name_missing_text(name->missing));
		return;
	}
	text_add_safe(out, name->function, strlen(name->function), MAX_SHOWN);
	strbuf_addf(out, "+0x%" PRIx64 "  (%s", name->offset, name_origin_text(name->origin));
	if (name->missing != MISSING_NOT)
		strbuf_addf(out, ": %s", name_missing_text(name->missing));
	strbuf_add_char(out, ')');
}

static void add_text(struct strbuf *out, uint64_t address, const struct file_name *name)
{
	strbuf_addf(out, "0x%-12" PRIx64 " ", address);
	add_function(out, name);
	if (!name->file)
		return;
	strbuf_add_str(out, "  ");
	text_add_safe(out, name->file, strlen(name->file), MAX_SHOWN);
	strbuf_addf(out, ":%u", name->line);
}

static void answer(struct symbolize *s, uint64_t address)
{
	struct strbuf line cleanup_strbuf = STRBUF_INIT;
	struct file_name name;

	file_names_find(s->names, address, &name);
	if (s->json)
		strbuf_add_str(&line, s->count ? ",\n" : "[");
	(s->json ? add_json : add_text)(&line, address, &name);
	if (!s->json)
		strbuf_add_char(&line, '\n');
	fputs(line.buf, stdout);
	s->count++;
}

static bool take(struct symbolize *s, const char *text)
{
	uint64_t address;

	if (!elf_argument_address(text, &address)) {
		struct strbuf shown cleanup_strbuf = STRBUF_INIT;

		text_add_safe(&shown, text, strlen(text), 80);
		fprintf(stderr, "dockprof: \"%s\" is no address; write it as 0x1190\n", shown.buf);
		return false;
	}
	answer(s, address);
	return true;
}

static int answer_all(struct symbolize *s, const struct option_list *arguments)
{
	char *line cleanup_free = NULL;
	bool good = true;
	size_t room = 0;

	for (size_t i = 1; i < arguments->count; i++)
		good &= take(s, arguments->values[i]);
	while (arguments->count == 1 && getline(&line, &room, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		char *word = line + strspn(line, " \t");

		word[strcspn(word, " \t\r")] = '\0';
		if (*word)
			good &= take(s, word);
	}
	if (s->json)
		puts(s->count ? "]" : "[]");
	return good ? EXIT_OK : EXIT_USAGE;
}

/* The file: beneath --root, whose links lead nowhere outside, or any file of the user's. */
static int open_file(const struct symbolize *s, const struct file_root *root, const char *path)
{
	struct file_identity identity;

	if (s->root)
		return file_root_open(root, "", path, &identity);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

static int fail(const char *path, int r)
{
	const char *why = r == -ENOEXEC ? "not an ELF file of this machine's byte order"
		: r == -EINVAL || r == -ENODATA
		? "its ELF headers are damaged, or it is no regular file"
		: strerror(-r);

	fprintf(stderr, "dockprof: %s: %s\n", path, why);
	return EXIT_FAILED;
}

static int symbolize(void *ctx, const struct option_list *arguments)
{
	struct symbolize *s = ctx;
	struct file_root root cleanup_file_root = {.fd = -1};
	struct file_root host cleanup_file_root = {.fd = -1};
	const char *path = arguments->values[0];
	enum demangle_mode demangle;

	if (!demangle_mode_of(s->demangle, &demangle)) {
		fprintf(stderr, "dockprof: --demangle=%s: none, simplified, templates or full\n",
			s->demangle);
		return EXIT_USAGE;
	}
	int r = file_root_of_directory(s->root ? s->root : "/", &root);

	if (r == 0 && s->root)
		r = file_root_of_directory("/", &host);
	if (r < 0)
		return fail(s->root ? s->root : "/", r);
	char *real cleanup_free =
		s->root ? xasprintf("/%s", path + strspn(path, "/")) : realpath(path, NULL);
	int fd = open_file(s, &root, path);

	if (fd < 0 || !real)
		return fail(path, fd < 0 ? fd : -errno);
	r = file_names_new(fd,
		&(struct file_names_options){.root = &root,
			.host = s->root ? &host : NULL,
			.path = real,
			.demangle = demangle},
		&s->names);
	if (r < 0)
		return fail(path, r);
	int status = answer_all(s, arguments);

	file_names_free(s->names);
	return status;
}

int cmd_symbolize(int argc, char **argv)
{
	struct symbolize s = {.demangle = "none"};
	struct option_list arguments = {0};
	const struct option_spec specs[] = {
		{"root", 0, OPTION_STRING, "DIR",
			"where FILE and its debug files are, as a container sees them", &s.root},
		{"demangle", 0, OPTION_STRING, "MODE",
			"none (the default), simplified, templates or full", &s.demangle},
		{"json", 0, OPTION_FLAG, NULL, "an array, one object per address", &s.json},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage = "dockprof symbolize [--root=DIR] [--json] FILE [ADDRESS...]",
		.about =
			"Names addresses of an ELF file as a profile would, each with the source of the name\n"
			"or why there is none. Addresses are the file's own, in hexadecimal, as nm(1) shows\n"
			"them; without any, they are read from standard input, one a line.\n"
			"Exit status: 0; 1 where the file cannot be read; 2 where an address is none.",
		.examples = "  dockprof symbolize /usr/lib/x86_64-linux-gnu/libc.so.6 0x9f8a0\n",
		.options = specs,
		.arguments = &arguments,
		.max_arguments = MAX_ADDRESSES,
	};

	return elf_argument_command(&command, argc, argv, symbolize, &s);
}
