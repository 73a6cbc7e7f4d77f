// SPDX-License-Identifier: Apache-2.0
/* The subcommands. Each takes its own argc and argv (argv[0] is its name) and returns the exit code. */
#ifndef COMMANDS_H
#define COMMANDS_H

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2, /* usage or configuration */
	EXIT_ENVIRONMENT = 3, /* the machine or the container lacks something */
};

int cmd_run(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_relabel(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_push(int argc, char **argv);
int cmd_targets(int argc, char **argv);
int cmd_unwind(int argc, char **argv);
int cmd_symbolize(int argc, char **argv);
int cmd_buildid(int argc, char **argv);

#endif
