// SPDX-License-Identifier: Apache-2.0
/* docker_sd_configs: the keys of Prometheus. */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "config/sections.h"
#include "config/url.h"
#include "docker/discovery.h"

#define AT(field)  offsetof(struct docker_sd_options, field)
#define MAX_PERIOD (365 * 24 * 3600 * NSEC_PER_SEC)

static const struct config_key filter_keys[] = {
	{.name = "name",
		.type = KEY_STRING,
		.flags = KEY_REQUIRED,
		.offset = offsetof(struct docker_filter, name),
		.help = "The filter's name, such as label, name or network."},
	{.name = "values",
		.type = KEY_STRINGS,
		.flags = KEY_REQUIRED,
		.offset = offsetof(struct docker_filter, values),
		.count_offset = offsetof(struct docker_filter, value_count),
		.help = "Its values; a container with any of them is selected."},
	{0},
};

static void init_filter(void *item)
{
	*(struct docker_filter *)item = (struct docker_filter){0};
}

static const struct list_type filter_list = {
	.section = &docker_filter_section,
	.item_size = sizeof(struct docker_filter),
	.init = init_filter,
};

static const struct config_key docker_keys[] = {
	{.name = "host",
		.type = KEY_STRING,
		.offset = AT(host),
		.help = "unix:///PATH, tcp://HOST:PORT, http://HOST:PORT or https://HOST:PORT. "
			"Default: the environment variable DOCKER_HOST, else "
			"unix:///var/run/docker.sock."},
	{.name = "refresh_interval",
		.type = KEY_DURATION,
		.offset = AT(refresh_interval_ns),
		.min = NSEC_PER_SEC,
		.max = MAX_PERIOD,
		.def = "1m",
		.help = "How often the whole list is read again, beside following the events."},
	{.name = "filters",
		.type = KEY_SECTIONS,
		.list = &filter_list,
		.offset = AT(filters),
		.count_offset = AT(filter_count),
		.help = "Only containers that Docker's own filters select."},
	{.name = "match_first_network",
		.type = KEY_BOOL,
		.offset = AT(match_first_network),
		.def = "true",
		.help = "Accepted; a container is one target in any case, with the labels of its "
			"first "
			"network."},
	{.name = "port",
		.type = KEY_UINT,
		.offset = AT(port),
		.min = 1,
		.max = 65535,
		.def = "80",
		.help = "The port in `__address__` of a container that exposes none."},
	{.name = "host_networking_host",
		.type = KEY_STRING,
		.offset = AT(host_networking_host),
		.def = "localhost",
		.help = "The host in `__address__` of a container in the host's network."},
	{.type = KEY_INLINE, .name = "HTTP keys", .section = &http_section, .offset = AT(http)},
	{0},
};

static void check_socket(struct config_reader *r, const struct node *value, const char *path)
{
	if (*path != '/')
		reader_problem(r, value,
			"`host`: a socket's path starts with /, as in unix:///var/run/docker.sock");
	else if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		reader_problem(r, value,
			"`host`: the socket's path is too long: the kernel takes 107 bytes");
}

static void check_host(struct config_reader *r, const struct node *map, void *object)
{
	static const char *const schemes[] = {"tcp", "http", "https", NULL};
	const struct docker_sd_options *o = object;
	const struct node *value = node_get(map, "host");
	struct error err = {0};

	if (!value || !o->host)
		return;
	if (strncmp(o->host, "unix://", 7) == 0) {
		check_socket(r, value, o->host + 7);
		return;
	}
	if (*o->host == '/')
		reader_problem(r, value, "`host`: write unix:// before the path of a socket");
	else if (strncmp(o->host, "ssh://", 6) == 0)
		reader_problem(r, value,
			"`host`: ssh:// is not supported; forward the socket, or use tcp:// with "
			"TLS");
	else if (url_check(o->host, schemes, &err) < 0)
		reader_problem(r, value, "`host`: %s%s", err.message,
			strstr(o->host, "://") ? "" : ", or unix:// for a socket");
}

static void init_docker(void *item)
{
	docker_sd_options_init(item);
}

const struct list_type docker_list = {
	.section = &docker_section,
	.item_size = sizeof(struct docker_sd_options),
	.init = init_docker,
};

const struct config_section docker_filter_section = {
	.name = "`filters`",
	.help = "As `docker ps --filter` has them. Filters with different names must all match.",
	.keys = filter_keys,
};
const struct config_section docker_section = {
	.name = "`docker_sd_configs`",
	.help = "A list of Docker Engines whose containers are targets. Without this section, "
		"`targets` and `file_sd_configs` it is the engine of this machine.",
	.keys = docker_keys,
	.check = check_host,
};

void docker_default(struct config *config)
{
	config->docker = xcalloc(1, sizeof(*config->docker));
	config->docker_count = 1;
	docker_sd_options_init(config->docker);
}
