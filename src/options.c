// SPDX-License-Identifier: Apache-2.0
/* The table becomes what getopt_long(3) wants; everything a person reads is made from the table. */
#include "options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

#define HELP_OPTION 256 /* above any letter; table entries follow */

static void print_help(const struct command_spec *command)
{
	printf("Usage: %s\n\n%s\n", command->usage, command->about);
	puts("\nOptions:");
	for (const struct option_spec *o = command->options; o->name; o++) {
		struct strbuf left cleanup_strbuf = STRBUF_INIT;

		if (o->letter)
			strbuf_addf(&left, "-%c, ", o->letter);
		strbuf_addf(&left, "--%s", o->name);
		if (o->kind != OPTION_FLAG)
			strbuf_addf(&left, "=%s", o->value);
		printf("  %-32s %s\n", left.buf, o->help);
	}
	printf("  %-32s %s\n", "-h, --help", "this text");
	if (command->examples)
		printf("\nExamples:\n%s", command->examples);
}

static void store(const struct option_spec *spec, const char *value)
{
	struct option_list *list = spec->dest;

	switch (spec->kind) {
	case OPTION_FLAG:
		*(bool *)spec->dest = true;
		break;
	case OPTION_STRING:
		*(const char **)spec->dest = value;
		break;
	case OPTION_LIST:
		list->values = xreallocarray(list->values, list->count + 1, sizeof(char *));
		list->values[list->count++] = value;
		break;
	}
}

static enum options_outcome wrong(const struct command_spec *command, const char *fmt, ...)
	PRINTF_LIKE(2, 3);

static enum options_outcome wrong(const struct command_spec *command, const char *fmt, ...)
{
	va_list ap;

	fputs("dockprof: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nUsage: %s\nTry --help for all options.\n", command->usage);
	return OPTIONS_WRONG;
}

static size_t count_options(const struct option_spec *options)
{
	size_t n = 0;

	while (options[n].name)
		n++;
	return n;
}

static const struct option_spec *spec_of(const struct command_spec *command, int code)
{
	if (code > HELP_OPTION)
		return &command->options[code - HELP_OPTION - 1];
	for (const struct option_spec *o = command->options; o->name; o++)
		if (o->letter && o->letter == code)
			return o;
	return NULL;
}

static enum options_outcome take_arguments(const struct command_spec *command, int argc,
	char **argv)
{
	struct option_list *list = command->arguments;

	for (; optind < argc; optind++) {
		if (!list || list->count == command->max_arguments)
			return wrong(command, "\"%s\" is not expected here", argv[optind]);
		list->values = xreallocarray(list->values, list->count + 1, sizeof(char *));
		list->values[list->count++] = argv[optind];
	}
	return OPTIONS_RUN;
}

static enum options_outcome parse(const struct command_spec *command, int argc, char **argv,
	const struct option *longs, const char *shorts)
{
	int code;

	optind = 1;
	opterr = 0;
	while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_spec *spec = spec_of(command, code);
		const char *given = argv[optind > 1 ? optind - 1 : 1];

		if (code == HELP_OPTION || code == 'h') {
			print_help(command);
			return OPTIONS_HELP;
		}
		if (code == ':')
			return wrong(command, "%s needs a value", given);
		if (!spec)
			return wrong(command, "there is no option %s here", given);
		store(spec, optarg);
	}
	return take_arguments(command, argc, argv);
}

enum options_outcome options_parse(const struct command_spec *command, int argc, char **argv)
{
	size_t count = count_options(command->options);
	struct option *longs cleanup_free = xcalloc(count + 2, sizeof(struct option));
	struct strbuf shorts cleanup_strbuf = STRBUF_INIT;

	strbuf_add_str(&shorts, ":h");
	for (size_t i = 0; i < count; i++) {
		const struct option_spec *o = &command->options[i];
		bool has_value = o->kind != OPTION_FLAG;

		longs[i] = (struct option){
			.name = o->name,
			.has_arg = has_value ? required_argument : no_argument,
			.val = HELP_OPTION + 1 + (int)i,
		};
		if (o->letter)
			strbuf_addf(&shorts, "%c%s", o->letter, has_value ? ":" : "");
	}
	longs[count] = (struct option){.name = "help", .val = HELP_OPTION};
	return parse(command, argc, argv, longs, shorts.buf);
}
