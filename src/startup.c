// SPDX-License-Identifier: Apache-2.0
#include "startup.h"

#include <errno.h>
#include <stdio.h>

#include "commands.h"

int config_load_or_report(const char *path, struct config *ret)
{
	struct config_problems problems = {0};
	struct error err = {0};
	int r = path ? config_load(path, ret, &problems, &err) : config_default(ret, &err);

	for (size_t i = 0; i < problems.count; i++) {
		struct strbuf text cleanup_strbuf = STRBUF_INIT;

		config_problem_format(&text, path, &problems.list[i]);
		fprintf(stderr, "%s\n", text.buf);
	}
	if (r < 0 && !problems.count)
		fprintf(stderr, "dockprof: %s\n", err.message);
	config_problems_release(&problems);
	return r;
}

int exit_code_of(int error)
{
	switch (error) {
	case 0:
		return EXIT_OK;
	case -EINVAL:
		return EXIT_USAGE;
	case -EPERM:
	case -EACCES:
	case -ENOSYS:
	case -ENOENT:
	case -EOPNOTSUPP:
	case -ECONNREFUSED:
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
	case -EPROTO:
	case -EPROTONOSUPPORT:
		return EXIT_ENVIRONMENT;
	default:
		return EXIT_FAILED;
	}
}
