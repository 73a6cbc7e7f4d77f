// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "agent.h"
#include "commands.h"
#include "options.h"

static int wrong_value(const char *option, const char *value, const char *choices)
{
	fprintf(stderr, "dockprof: %s=%s: choose one of %s\n", option, value, choices);
	return EXIT_USAGE;
}

int cmd_run(int argc, char **argv)
{
	struct agent_options options = {.log_level = LOG_LEVEL_INFO};
	const char *level = NULL, *format = NULL;
	const struct option_spec specs[] = {
		{"config.file", 0, OPTION_STRING, "FILE",
			"configuration (default /etc/dockprof/dockprof.yml if it is there)",
			&options.config_path},
		{"log.level", 0, OPTION_STRING, "LEVEL", "debug, info, warn or error", &level},
		{"log.format", 0, OPTION_STRING, "FORMAT", "logfmt or json", &format},
		{"web.listen-address", 0, OPTION_STRING, "ADDRESS",
			"of the page, metrics and API (default 127.0.0.1:4041; '' for none)",
			&options.web_address},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage =
			"dockprof run [--config.file=FILE] [--log.level=LEVEL] [--log.format=FORMAT] "
			"[--web.listen-address=ADDRESS]",
		.about =
			"Profiles all containers of the Docker Engine until it is stopped, and pushes the\n"
			"profiles to Pyroscope. Without a configuration file: to PYROSCOPE_SERVER_ADDRESS,\n"
			"or into /var/lib/dockprof/profiles where that is not set.",
		.examples = "  PYROSCOPE_SERVER_ADDRESS=http://localhost:4040 dockprof\n"
			    "  dockprof run --config.file=dockprof.yml --log.level=debug\n",
		.options = specs,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);
	struct agent *agent;

	if (outcome != OPTIONS_RUN)
		return (int)outcome;
	if (level && log_level_parse(level, &options.log_level) < 0)
		return wrong_value("--log.level", level, "debug, info, warn, error");
	if (format && log_format_parse(format, &options.log_format) < 0)
		return wrong_value("--log.format", format, "logfmt, json");
	options.log_level_given = level != NULL;
	options.log_format_given = format != NULL;
	int code = agent_new(&options, &agent);

	if (code != EXIT_OK)
		return code;
	code = agent_run(agent);
	agent_free(agent);
	return code;
}
