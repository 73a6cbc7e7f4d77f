// SPDX-License-Identifier: Apache-2.0
/* The long-running agent: owns every room's object and the story between them. */
#ifndef AGENT_H
#define AGENT_H

#include "base/error.h"
#include "base/log.h"

struct agent_options {
	const char *
		config_path; /* NULL: the default file if it is there, else the zero configuration */
	bool log_level_given, log_format_given; /* on the command line: stronger than the file */
	enum log_level log_level;
	enum log_format log_format;
	const char *web_address; /* NULL: the file's; stronger than it otherwise. "": no page */
};

struct agent;

/* Returns an exit_code; on anything but EXIT_OK it has been logged and nothing is to be freed. */
int agent_new(const struct agent_options *options, struct agent **ret);
/* Until a signal ends it. Returns an exit_code. */
int agent_run(struct agent *agent);
void agent_free(struct agent *agent);

#endif
