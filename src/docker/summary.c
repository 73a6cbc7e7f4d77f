// SPDX-License-Identifier: Apache-2.0
#include "docker/summary.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hex.h"

#define SHORT_ID 12

void docker_endpoint_release(struct docker_endpoint *e)
{
	free(e->network);
	free(e->network_id);
	free(e->ip);
	*e = (struct docker_endpoint){0};
}

void docker_summary_release(struct docker_summary *s)
{
	free(s->name);
	free(s->plain_name);
	free(s->image);
	free(s->image_id);
	free(s->network_mode);
	pairs_release(&s->labels);
	docker_endpoint_release(&s->endpoint);
	*s = (struct docker_summary){0};
}

bool docker_id_set(char *id, const char *text)
{
	if (strlen(text) != DOCKER_ID_LEN || !hex_is_lower(text, DOCKER_ID_LEN))
		return false;
	memcpy(id, text, DOCKER_ID_LEN + 1);
	return true;
}

void docker_set_string(char **to, const char *text)
{
	char *copy = xstrdup(text);

	free(*to);
	*to = copy;
}

void docker_summary_complete(struct docker_summary *s)
{
	if (!s->name)
		s->name = xasprintf("/%.*s", SHORT_ID, s->id);
	if (!s->plain_name)
		s->plain_name = xstrdup(s->name[0] == '/' ? s->name + 1 : s->name);
	if (!*s->plain_name) {
		free(s->plain_name);
		s->plain_name = xstrndup(s->id, SHORT_ID);
	}
	pairs_sort(&s->labels);
}

/* glibc writes ::a.b.c.d for the long dead IPv4-compatible addresses; Go and RFC 5952 do not. */
static void write_v6(const struct in6_addr *a, char *ret)
{
	inet_ntop(AF_INET6, a, ret, INET6_ADDRSTRLEN);
	if (IN6_IS_ADDR_V4MAPPED(a) || !strchr(ret, '.'))
		return;
	unsigned high = (unsigned)a->s6_addr[12] << 8 | a->s6_addr[13];
	unsigned low = (unsigned)a->s6_addr[14] << 8 | a->s6_addr[15];

	snprintf(ret, INET6_ADDRSTRLEN, "::%x:%x", high, low);
}

void docker_address(const char *text, char ret[INET6_ADDRSTRLEN])
{
	struct in_addr v4;
	struct in6_addr v6;

	ret[0] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
		inet_ntop(AF_INET, &v4, ret, INET6_ADDRSTRLEN);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		write_v6(&v6, ret);
}

bool docker_port_before(const struct docker_port *a, const struct docker_port *b)
{
	if (a->private_port != b->private_port)
		return a->private_port < b->private_port;
	if (!a->public_port != !b->public_port)
		return a->public_port;
	if (a->public_port != b->public_port)
		return a->public_port < b->public_port;
	bool a6 = strchr(a->ip, ':'), b6 = strchr(b->ip, ':');

	return a6 != b6 ? b6 : strcmp(a->ip, b->ip) < 0;
}
