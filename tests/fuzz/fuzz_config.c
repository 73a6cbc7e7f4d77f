// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a configuration, and as a file of targets: no crash, no leak, no endless time; either options or at least one
 * problem, and problems are sorted, within the file, printable, one line each.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_problem(const struct config_problem *p, const struct config_problem *before,
	size_t lines)
{
	require(p->line <= lines && (p->line > 0) == (p->column > 0));
	require(!strpbrk(p->message, "\n\r\x1b") && *p->message);
	require(!before || before->line < p->line ||
		(before->line == p->line && before->column <= p->column));
}

static void parse_config(const char *text, size_t len, size_t lines)
{
	struct config_problems problems = {0};
	struct config config;
	int r = config_parse("/dir/fuzz.yml", text, len, &config, &problems);

	require((r == 0) == (problems.count == 0));
	for (size_t i = 0; i < problems.count; i++)
		check_problem(&problems.list[i], i ? &problems.list[i - 1] : NULL, lines);
	if (r == 0) {
		require(config.rules &&
			config.docker_count + config.target_count + config.file_sd_count);
		config_release(&config);
	}
	config_problems_release(&problems);
}

static void parse_targets(const char *text, size_t len)
{
	struct labels *sets = NULL;
	struct error err = {0};
	size_t count = 0;
	int r = config_parse_target_file("fuzz.yml", text, len, &sets, &count, &err);

	require(r == 0 || (*err.message && !count));
	for (size_t i = 0; i < count; i++)
		labels_release(&sets[i]);
	free(sets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t lines = 2; /* an end is a line further, libyaml ends lines also at other bytes */

	for (size_t i = 0; i < size; i++)
		lines += data[i] < 0x20 || data[i] >= 0x80;
	parse_config((const char *)data, size, lines);
	parse_targets((const char *)data, size);
	return 0;
}
