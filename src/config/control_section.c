// SPDX-License-Identifier: Apache-2.0
/* control: how commands reach the agent that runs. */
#include <string.h>
#include <sys/un.h>

#include "config/sections.h"

#define AT(field) offsetof(struct config, field)

static const struct config_key control_keys[] = {
	{.name = "socket",
		.type = KEY_STRING,
		.flags = KEY_MAY_BE_EMPTY,
		.offset = AT(control.socket),
		.def = CONTROL_DEFAULT_PATH,
		.help = "Path of the unix socket at which `dockprof explain` asks the agent; only root "
			"may use it. `\"\"` for none."},
	{0},
};

static void check_control(struct config_reader *r, const struct node *map, void *object)
{
	const struct config *config = object;
	const struct node *value = node_get(map, "socket");
	const char *path = config->control.socket;

	if (!value || !*path)
		return;
	if (*path != '/')
		reader_problem(r, value, "`socket` is a path that begins with a slash, or \"\"");
	else if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		reader_problem(r, value, "`socket` is too long: the kernel takes 107 bytes");
}

const struct config_section control_section = {
	.name = "`control`",
	.help = "How `dockprof explain` and other commands ask the agent that runs.",
	.keys = control_keys,
	.check = check_control,
};
