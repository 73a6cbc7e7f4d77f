// SPDX-License-Identifier: Apache-2.0
/* The table of contents: which word on the command line runs what. */
#include <commit.h> /* made by the Makefile */
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "commands.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} commands[] = {
	{"run", cmd_run, "profile all containers until stopped, and push (the default)"},
	{"record", cmd_record, "profile for some seconds and show or save the result"},
	{"top", cmd_top, "show which containers and functions use the CPU right now"},
	{"targets", cmd_targets, "list the containers and what the rules make of them"},
	{"explain", cmd_explain, "why a container is (not) there, and what it is doing"},
	{"doctor", cmd_doctor, "check everything that dockprof needs, and say what to mend"},
	{"check", cmd_check, "find every mistake in a configuration file"},
	{"relabel", cmd_relabel, "try the rules on label sets from standard input"},
	{"push", cmd_push, "send pprof files to the server, after an outage or to try credentials"},
	{"unwind", cmd_unwind, "how stacks are walked through a file, or one address of it"},
	{"symbolize", cmd_symbolize, "name addresses of an ELF file as a profile would"},
	{"buildid", cmd_buildid, "the build id of an ELF file"},
};

static int help(void)
{
	puts("dockprof profiles the CPU use of Docker containers, under the names people know them by.\n"
	     "\nUsage: dockprof [COMMAND] [OPTIONS]\n\nCommands:");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].about);
	puts("\nOptions:\n"
	     "  --version  version, commit\n"
	     "  --help     this text; `dockprof COMMAND --help` for a command\n"
	     "\nExamples:\n"
	     "  dockprof record -d 10s           what is each container doing?\n"
	     "  dockprof run                     run as an agent\n"
	     "\nManual: dockprof(1), dockprof.yml(5)");
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "run";

	if (strcmp(word, "--version") == 0) {
		puts("dockprof " DOCKPROF_VERSION " (commit " DOCKPROF_COMMIT ")");
		return EXIT_OK;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return help();
	if (word[0] == '-' || argc < 2)
		return cmd_run(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "dockprof: there is no command \"%s\"; dockprof --help lists them\n", word);
	return EXIT_USAGE;
}
