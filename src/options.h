// SPDX-License-Identifier: Apache-2.0
/* Command line options, described by a table: parsing, --help and mistakes come from it. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum option_kind { OPTION_FLAG, OPTION_STRING, OPTION_LIST };

/* Texts given with a repeatable option; the strings are argv's. */
struct option_list {
	const char **values;
	size_t count;
};

struct option_spec {
	const char *name; /* long name without dashes; NULL ends the table */
	char letter; /* short name, 0: none */
	enum option_kind kind;
	const char *value; /* what to call the value in --help: "FILE" */
	const char *help;
	void *dest; /* bool *, const char **, struct option_list * (the caller frees .values) */
};

struct command_spec {
	const char *usage; /* "dockprof check --config.file=FILE" */
	const char *about; /* a paragraph, may hold newlines */
	const char *examples; /* lines, NULL: none */
	const struct option_spec *options;
	struct option_list
		*arguments; /* what is no option; the caller frees .values. NULL: a mistake */
	size_t max_arguments;
};

enum options_outcome {
	OPTIONS_RUN = -1, /* go on */
	OPTIONS_HELP = 0, /* --help was printed: exit 0 */
	OPTIONS_WRONG = 2, /* a mistake was reported on stderr: exit 2 */
};

/* argv[0] is the command's name. Arguments that are no options are a mistake, unless the command takes some. */
enum options_outcome options_parse(const struct command_spec *command, int argc, char **argv);

#endif
