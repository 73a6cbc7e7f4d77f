// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "commands.h"
#include "doctor.h"
#include "options.h"

#define DEFAULT_HZ 97 /* where the configuration does not say */

/* False where there is nothing to go on with. */
static bool check_config(struct doctor *d, const char *path, struct config *config)
{
	struct config_problems problems = {0};
	struct error err = {0};

	if (!path && access(CONFIG_DEFAULT_PATH, F_OK) == 0)
		path = CONFIG_DEFAULT_PATH;
	int r = path ? config_load(path, config, &problems, &err) : config_default(config, &err);

	d->environment = false;
	if (r == 0) {
		doctor_add(d, "configuration", CHECK_PASS, "", "%s is good",
			path ? path : "the zero configuration");
	} else if (problems.count) {
		struct strbuf text cleanup_strbuf = STRBUF_INIT;

		config_problem_format(&text, path, &problems.list[0]);
		doctor_add(d, "configuration", CHECK_FAIL,
			"correct it; `dockprof check` lists every mistake", "%s", text.buf);
	} else {
		doctor_add(d, "configuration", CHECK_FAIL, "", "%s", err.message);
	}
	config_problems_release(&problems);
	return r == 0;
}

static void examine(struct doctor *d, const char *path, bool quick)
{
	struct config config = {0};
	bool good = check_config(d, path, &config);
	unsigned hz = good ? config.ebpf.sample_rate : DEFAULT_HZ;

	doctor_check_host(d, "/proc", "/sys", hz);
	if (quick)
		doctor_add(d, "sample", CHECK_SKIP, "", "not tried (--quick)");
	else
		doctor_check_sampling(d, hz);
	if (!good) {
		doctor_add(d, "docker_engine", CHECK_SKIP, "", "not asked without a configuration");
		doctor_add(d, "server", CHECK_SKIP, "", "not asked without a configuration");
		return;
	}
	doctor_check_docker(d, &config);
	doctor_check_delivery(d, &config);
	doctor_check_agent(d, config.control.socket);
	config_release(&config);
}

int cmd_doctor(int argc, char **argv)
{
	const char *path = NULL;
	bool json = false, quick = false;
	const struct option_spec specs[] = {
		{"config.file", 0, OPTION_STRING, "FILE",
			"configuration (default " CONFIG_DEFAULT_PATH " if it is there)", &path},
		{"json", 0, OPTION_FLAG, NULL, "for machines", &json},
		{"quick", 0, OPTION_FLAG, NULL, "without the second of sampling", &quick},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage = "dockprof doctor [--config.file=FILE] [--json] [--quick]",
		.about =
			"Checks everything that dockprof needs, from the kernel up to the server, and says for\n"
			"each thing that is missing what to do. Takes some seconds, changes nothing.\n"
			"Exit status: 0 where nothing failed, 3 where this machine, this container or the\n"
			"Docker Engine lacks something, 1 where another thing failed (configuration, server).",
		.examples =
			"  dockprof doctor\n"
			"  docker exec dockprof dockprof doctor\n"
			"  dockprof doctor --json | jq '.checks[] | select(.outcome == \"fail\")'\n",
		.options = specs,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	struct doctor d = {0};

	if (outcome != OPTIONS_RUN)
		return (int)outcome;
	examine(&d, path, quick);
	if (json)
		doctor_add_json(&out, &d);
	else
		doctor_add_text(&out, &d, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
	fputs(out.buf, stdout);
	int code = doctor_exit_code(&d);

	doctor_release(&d);
	return code;
}
