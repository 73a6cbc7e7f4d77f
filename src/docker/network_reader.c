// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "docker/readers.h"

struct network_reader {
	struct json *json;
	void (*on_network)(void *ctx, struct docker_network *n);
	void *ctx;
	struct docker_network now;
};

static void release(struct docker_network *n)
{
	free(n->id);
	free(n->name);
	free(n->scope);
	pairs_release(&n->labels);
	*n = (struct docker_network){0};
}

static void read_field(struct docker_network *n, const char *key, const struct json_value *v)
{
	if (v->type == JSON_BOOL && !strcmp(key, "Internal"))
		n->internal = v->truth;
	else if (v->type == JSON_BOOL && !strcmp(key, "Ingress"))
		n->ingress = v->truth;
	else if (v->type != JSON_STRING)
		return;
	else if (!strcmp(key, "Id"))
		docker_set_string(&n->id, v->text);
	else if (!strcmp(key, "Name"))
		docker_set_string(&n->name, v->text);
	else if (!strcmp(key, "Scope"))
		docker_set_string(&n->scope, v->text);
}

static int on_value(void *ctx, const struct json *j, const struct json_value *v)
{
	struct network_reader *r = ctx;

	if (v->cut || json_key_cut(j))
		return 0;
	if (json_at(j, "[].*"))
		read_field(&r->now, json_last_key(j), v);
	else if (v->type == JSON_STRING && json_at(j, "[].Labels.*"))
		pairs_add(&r->now.labels, json_last_key(j), v->text);
	return 0;
}

static int on_begin(void *ctx, const struct json *j)
{
	struct network_reader *r = ctx;

	if (json_at(j, "[]"))
		release(&r->now);
	return 0;
}

static int on_end(void *ctx, const struct json *j)
{
	struct network_reader *r = ctx;

	if (!json_at(j, "[]") || !r->now.id)
		return 0;
	pairs_sort(&r->now.labels);
	r->on_network(r->ctx, &r->now);
	release(&r->now);
	return 0;
}

static const struct json_ops ops = {.value = on_value, .begin = on_begin, .end = on_end};

struct network_reader *network_reader_new(void (*on_network)(void *ctx, struct docker_network *n),
	void *ctx)
{
	struct network_reader *r = xcalloc(1, sizeof(*r));

	r->json = json_new(&ops, r);
	r->on_network = on_network;
	r->ctx = ctx;
	return r;
}

void network_reader_free(struct network_reader *r)
{
	if (!r)
		return;
	json_free(r->json);
	release(&r->now);
	free(r);
}

int network_reader_feed(struct network_reader *r, const char *data, size_t len)
{
	return json_feed(r->json, data, len);
}

int network_reader_finish(struct network_reader *r)
{
	return json_finish(r->json);
}
