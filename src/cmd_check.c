// SPDX-License-Identifier: Apache-2.0
/* dockprof check: every mistake of a configuration file, or one line that says what is in it. */
#include <stdbool.h>
#include <stdio.h>

#include "base/strbuf.h"
#include "commands.h"
#include "config/config.h"
#include "options.h"

static void add_count(struct strbuf *out, size_t n, const char *one, const char *many)
{
	strbuf_addf(out, ", %zu %s", n, n == 1 ? one : many);
}

static void print_summary(const char *path, const struct config *config)
{
	struct strbuf line cleanup_strbuf = STRBUF_INIT;

	strbuf_addf(&line, "%s: ok", path);
	add_count(&line, config->docker_count, "Docker engine", "Docker engines");
	if (config->target_count)
		add_count(&line, config->target_count, "target", "targets");
	if (config->file_sd_count)
		add_count(&line, config->file_sd_count, "file_sd entry", "file_sd entries");
	add_count(&line, relabel_rules_count(config->rules), "relabel rule", "relabel rules");
	add_count(&line, config->write.endpoint_count, "endpoint", "endpoints");
	if (config->write.directory)
		strbuf_addf(&line, ", files in %s", config->write.directory);
	puts(line.buf);
}

static void print_problems(const char *path, const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		struct strbuf line cleanup_strbuf = STRBUF_INIT;

		config_problem_format(&line, path, &problems->list[i]);
		fprintf(stderr, "%s\n", line.buf);
	}
}

static int check_file(const char *path)
{
	struct config_problems problems = {0};
	struct config config;
	struct error err = {0};
	int r = config_load(path, &config, &problems, &err);

	if (r == 0) {
		print_summary(path, &config);
		config_release(&config);
		return EXIT_OK;
	}
	if (problems.count)
		print_problems(path, &problems);
	else
		fprintf(stderr, "dockprof: %s\n", err.message);
	config_problems_release(&problems);
	return EXIT_USAGE;
}

static int print_reference(void)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	config_reference_add(&text);
	fputs(text.buf, stdout);
	return EXIT_OK;
}

int cmd_check(int argc, char **argv)
{
	const char *path = CONFIG_DEFAULT_PATH;
	bool reference = false;
	const struct option_spec specs[] = {
		{"config.file", 0, OPTION_STRING, "FILE", "default " CONFIG_DEFAULT_PATH, &path},
		{"reference", 0, OPTION_FLAG, NULL,
			"print what each key of the file means, its type and its default",
			&reference},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage = "dockprof check [--config.file=FILE | --reference]",
		.about = "Reads the file and lists every mistake on stderr, each as\n"
			 "FILE:LINE:COLUMN: what is wrong, and what to write instead.\n"
			 "Exit status: 0 where the file is good, 2 where it is not.",
		.examples = "  dockprof check --config.file=dockprof.yml\n",
		.options = specs,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);

	if (outcome != OPTIONS_RUN)
		return (int)outcome;
	return reference ? print_reference() : check_file(path);
}
