// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "docker/readers.h"

struct container_reader {
	struct json *json;
	void (*on_container)(void *ctx, struct docker_summary *s);
	void *ctx;
	struct docker_summary now;
	/* The element of Networks and of Ports that is being read. */
	struct docker_endpoint endpoint;
	char ip4[INET6_ADDRSTRLEN], ip6[INET6_ADDRSTRLEN];
	struct docker_port port;
	bool tcp;
};

static void add_name(struct docker_summary *s, const char *name)
{
	if (!s->name)
		s->name = xstrdup(name);
	if (!s->plain_name && name[0] == '/' && name[1] && !strchr(name + 1, '/'))
		s->plain_name = xstrdup(name + 1);
}

static void set_state(struct docker_summary *s, const char *state)
{
	s->state = strcmp(state, "paused") ? DOCKER_RUNNING : DOCKER_PAUSED;
	s->running = !strcmp(state, "running") || !strcmp(state, "paused") ||
		!strcmp(state, "restarting");
}

static void read_field(struct docker_summary *s, const char *key, const char *text)
{
	if (!strcmp(key, "Id"))
		docker_id_set(s->id, text);
	else if (!strcmp(key, "Image"))
		docker_set_string(&s->image, text);
	else if (!strcmp(key, "ImageID"))
		docker_set_string(&s->image_id, text);
	else if (!strcmp(key, "State"))
		set_state(s, text);
}

static void read_port(struct container_reader *r, const char *key, const struct json_value *v)
{
	if (!strcmp(key, "PrivatePort"))
		r->port.private_port = (uint16_t)json_value_number(v, UINT16_MAX);
	else if (!strcmp(key, "PublicPort"))
		r->port.public_port = (uint16_t)json_value_number(v, UINT16_MAX);
	else if (!strcmp(key, "Type"))
		r->tcp = !strcmp(v->text, "tcp");
	else if (!strcmp(key, "IP"))
		docker_address(v->text, r->port.ip);
}

static void read_endpoint(struct container_reader *r, const char *key, const char *text)
{
	if (!strcmp(key, "NetworkID"))
		docker_set_string(&r->endpoint.network_id, text);
	else if (!strcmp(key, "IPAddress"))
		docker_address(text, r->ip4);
	else if (!strcmp(key, "GlobalIPv6Address"))
		docker_address(text, r->ip6);
}

static int on_value(void *ctx, const struct json *j, const struct json_value *v)
{
	struct container_reader *r = ctx;
	const char *key = json_last_key(j);

	if (json_at(j, "[].NetworkSettings.Networks.*"))
		r->now.endpoint.listed = true; /* null */
	if (json_at(j, "[].Ports.[].*"))
		read_port(r, key, v);
	if (v->type != JSON_STRING)
		return 0;
	if (v->cut || json_key_cut(j)) {
		r->now.labels.skipped++;
		return 0;
	}
	if (json_at(j, "[].Labels.*"))
		pairs_add(&r->now.labels, key, v->text);
	else if (json_at(j, "[].Names.[]"))
		add_name(&r->now, v->text);
	else if (json_at(j, "[].HostConfig.NetworkMode"))
		docker_set_string(&r->now.network_mode, v->text);
	else if (json_at(j, "[].NetworkSettings.Networks.*.*"))
		read_endpoint(r, key, v->text);
	else if (json_at(j, "[].*"))
		read_field(&r->now, key, v->text);
	return 0;
}

static int on_begin(void *ctx, const struct json *j)
{
	struct container_reader *r = ctx;

	if (json_at(j, "[]")) {
		docker_summary_release(&r->now);
		r->now.running = true; /* engines before 1.23 do not say */
	} else if (json_at(j, "[].NetworkSettings.Networks.*")) {
		docker_endpoint_release(&r->endpoint);
		r->ip4[0] = r->ip6[0] = '\0';
	} else if (json_at(j, "[].Ports.[]")) {
		r->port = (struct docker_port){0};
		r->tcp = false;
	}
	return 0;
}

static void choose_endpoint(struct container_reader *r, const char *network)
{
	struct docker_endpoint *best = &r->now.endpoint;

	best->listed = true;
	if (best->chosen && strcmp(network, best->network) > 0)
		return;
	docker_endpoint_release(best);
	*best = r->endpoint;
	r->endpoint = (struct docker_endpoint){0};
	best->listed = best->chosen = true;
	best->network = xstrdup(network);
	best->ip = xstrdup(r->ip4[0] ? r->ip4 : r->ip6);
	if (!best->network_id)
		best->network_id = xstrdup("");
}

static int on_end(void *ctx, const struct json *j)
{
	struct container_reader *r = ctx;

	if (json_at(j, "[].NetworkSettings.Networks.*")) {
		choose_endpoint(r, json_last_key(j));
	} else if (json_at(j, "[].Ports.[]")) {
		if (r->tcp && r->port.private_port &&
			(!r->now.port.private_port || docker_port_before(&r->port, &r->now.port)))
			r->now.port = r->port;
	} else if (json_at(j, "[]") && r->now.id[0]) {
		docker_summary_complete(&r->now);
		r->on_container(r->ctx, &r->now);
		docker_summary_release(&r->now);
	}
	return 0;
}

static const struct json_ops ops = {.value = on_value, .begin = on_begin, .end = on_end};

struct container_reader *container_reader_new(void (*on_container)(void *ctx,
						      struct docker_summary *s),
	void *ctx)
{
	struct container_reader *r = xcalloc(1, sizeof(*r));

	r->json = json_new(&ops, r);
	r->on_container = on_container;
	r->ctx = ctx;
	return r;
}

void container_reader_free(struct container_reader *r)
{
	if (!r)
		return;
	json_free(r->json);
	docker_summary_release(&r->now);
	docker_endpoint_release(&r->endpoint);
	free(r);
}

int container_reader_feed(struct container_reader *r, const char *data, size_t len)
{
	return json_feed(r->json, data, len);
}

int container_reader_finish(struct container_reader *r)
{
	return json_finish(r->json);
}
