// SPDX-License-Identifier: Apache-2.0
#include "docker/meta_labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/utf8.h"

#define META "__meta_docker_"

struct network {
	struct hashmap_entry entry;
	char *id;
	struct labels labels;
};

static bool network_is(const struct hashmap_entry *e, const void *id)
{
	return !strcmp(container_of(e, struct network, entry)->id, id);
}

void network_table_init(struct network_table *t)
{
	hashmap_init(&t->by_id, network_is);
}

static void remove_network(struct network_table *t, struct network *n)
{
	hashmap_remove(&t->by_id, &n->entry);
	labels_release(&n->labels);
	free(n->id);
	free(n);
}

void network_table_release(struct network_table *t)
{
	hashmap_for_each(e, &t->by_id)
		remove_network(t, container_of(e, struct network, entry));
	hashmap_release(&t->by_id);
}

/*
 * Docker's keys are any text, Prometheus' names are not: each code point that is none of [a-zA-Z0-9_]
 * becomes "_". Where two keys become equal, the later in byte order wins (in Prometheus, chance).
 */
static void set_sanitized(struct labels *labels, const char *prefix, const struct pair *p)
{
	struct strbuf name cleanup_strbuf = STRBUF_INIT;
	const char *s = p->key;
	size_t len = strlen(s);

	strbuf_add_str(&name, prefix);
	while (len > 0) {
		uint32_t code_point;
		size_t n = utf8_decode(s, len, &code_point);
		bool fine = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			(*s >= '0' && *s <= '9');

		strbuf_add_char(&name, fine ? *s : '_');
		n = n ? n : 1;
		s += n;
		len -= n;
	}
	labels_set(labels, name.buf, p->value);
}

void network_table_add(struct network_table *t, const struct docker_network *n)
{
	struct hashmap_entry *old = hashmap_get(&t->by_id, hash_string(n->id), n->id);

	if (old)
		remove_network(t, container_of(old, struct network, entry));
	if (t->by_id.count == NETWORK_TABLE_MAX)
		return;
	struct network *new = xcalloc(1, sizeof(*new));

	new->id = xstrdup(n->id);
	labels_set(&new->labels, META "network_id", n->id);
	labels_set(&new->labels, META "network_name", n->name);
	labels_set(&new->labels, META "network_scope", n->scope);
	labels_set(&new->labels, META "network_internal", n->internal ? "true" : "false");
	labels_set(&new->labels, META "network_ingress", n->ingress ? "true" : "false");
	for (size_t i = 0; i < n->labels.count; i++)
		set_sanitized(&new->labels, META "network_label_", &n->labels.list[i]);
	hashmap_add(&t->by_id, &new->entry, hash_string(n->id));
}

const struct labels *network_table_get(const struct network_table *t, const char *id)
{
	struct hashmap_entry *e = hashmap_get(&t->by_id, hash_string(id), id);

	return e ? &container_of(e, struct network, entry)->labels : NULL;
}

static void set_address(struct labels *labels, const char *ip, unsigned port)
{
	labels_setf(labels, "__address__", strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
}

static void set_port(struct labels *labels, const struct docker_port *port, const char *ip)
{
	set_address(labels, ip, port->private_port);
	labels_setf(labels, META "port_private", "%u", port->private_port);
	if (!port->public_port)
		return;
	labels_setf(labels, META "port_public", "%u", port->public_port);
	labels_set(labels, META "port_public_ip", port->ip);
}

void docker_meta_labels(const struct docker_summary *c, const struct docker_endpoint *e,
	const struct labels *network, const struct docker_meta_options *options, struct labels *ret)
{
	const char *ip = e->chosen ? e->ip : "";

	for (size_t i = 0; i < c->labels.count; i++)
		set_sanitized(ret, META "container_label_", &c->labels.list[i]);
	labels_set(ret, META "container_id", c->id);
	labels_set(ret, META "container_name", c->name);
	labels_set(ret, META "container_network_mode", c->network_mode);
	labels_set(ret, META "container_image", c->image);
	labels_set(ret, META "container_image_id", c->image_id);
	labels_set(ret, META "network_ip", ip);
	if (c->port.private_port && e->chosen)
		set_port(ret, &c->port, ip);
	else if (c->network_mode && !strcmp(c->network_mode, "host"))
		labels_set(ret, "__address__", options->host_networking_host);
	else
		set_address(ret, ip, options->port);
	for (size_t i = 0; network && i < network->count; i++)
		labels_set(ret, network->list[i].name, network->list[i].value);
}
