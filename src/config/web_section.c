// SPDX-License-Identifier: Apache-2.0
/* web: the local view. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/sections.h"

#define AT(field)              offsetof(struct web_face_options, field)
#define DEFAULT_LISTEN_ADDRESS "127.0.0.1:4041"
#define DEFAULT_HISTORY_BYTES  (8U << 20)
#define MAX_HISTORY_BYTES      (INT64_C(1) << 30)

static const struct config_key web_keys[] = {
	{.name = "listen_address",
		.type = KEY_STRING,
		.flags = KEY_MAY_BE_EMPTY,
		.offset = AT(listen_address),
		.def = DEFAULT_LISTEN_ADDRESS,
		.help = "HOST:PORT of the page, metrics and API, or unix:/PATH; `\"\"` for none. "
			"`--web.listen-address` wins. In a container, `0.0.0.0:4041` and a "
			"published port; nothing there asks for a password."},
	{.name = "allowed_hosts",
		.type = KEY_STRINGS,
		.offset = AT(allowed_hosts),
		.count_offset = AT(allowed_host_count),
		.help = "Names under which browsers and scrapers may ask, beside addresses, "
			"localhost and names without a dot."},
	{.name = "enable_lifecycle",
		.type = KEY_BOOL,
		.offset = AT(enable_lifecycle),
		.def = "false",
		.help = "Let `POST /-/reload` apply a changed file, as SIGHUP does."},
	{.name = "history_max_bytes",
		.type = KEY_SIZE,
		.offset = AT(history_max_bytes),
		.max = MAX_HISTORY_BYTES,
		.def = "8MiB",
		.help = "Memory for the past intervals that the page shows; the oldest go first, and "
			"one that brings half of it is not kept. 0 keeps none."},
	{0},
};

static void check_web(struct config_reader *r, const struct node *map, void *object)
{
	const struct web_face_options *o = object;
	const struct node *value = node_get(map, "listen_address");
	const char *text = o->listen_address;

	if (!value || !*text || strncmp(text, "unix:/", 6) == 0)
		return;
	const char *colon = strrchr(text, ':');
	char *end = NULL;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

	if (port < 1 || port > 65535 || *end || strpbrk(text, "/@ \t"))
		reader_problem(r, value,
			"`listen_address` is HOST:PORT, such as " DEFAULT_LISTEN_ADDRESS
			" or :4041; \"\" is off");
}

const struct config_section web_section = {
	.name = "`web`",
	.help = "A page with what is profiled, metrics, and an API.",
	.keys = web_keys,
	.check = check_web,
};

void web_options_init(struct web_face_options *o)
{
	*o = (struct web_face_options){
		.listen_address = xstrdup(DEFAULT_LISTEN_ADDRESS),
		.history_max_bytes = DEFAULT_HISTORY_BYTES,
	};
}

void web_options_release(struct web_face_options *o)
{
	for (size_t i = 0; i < o->allowed_host_count; i++)
		free(o->allowed_hosts[i]);
	free(o->allowed_hosts);
	free(o->listen_address);
	*o = (struct web_face_options){0};
}
