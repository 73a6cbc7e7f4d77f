// SPDX-License-Identifier: Apache-2.0
/* A container as the Engine's list tells it, reduced to what labels are made from. */
#ifndef DOCKER_SUMMARY_H
#define DOCKER_SUMMARY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "docker/discovery.h"
#include "docker/pairs.h"

/* Its place in a network. Of several, the first by name in byte order is taken, as Prometheus does. */
struct docker_endpoint {
	bool listed; /* the container has networks */
	bool chosen; /* one of them is usable (not null); then the rest is set */
	char *network; /* name */
	char *network_id;
	char *ip; /* v4, else v6, in the form Go writes them; "" where it has none */
};

/*
 * A TCP port. Prometheus makes a target of each; the one with the lowest private port is taken here,
 * of these the one that is published, at the lowest public port, on IPv4 before IPv6.
 */
struct docker_port {
	uint16_t private_port; /* 0: there is none */
	uint16_t public_port; /* 0: not published */
	char ip[INET6_ADDRSTRLEN];
};

struct docker_summary {
	char id[DOCKER_ID_LEN + 1];
	char *name; /* the first of its names as Docker has it, with the slash */
	char *plain_name; /* the first name with one slash, without it: no link alias */
	char *image, *image_id, *network_mode;
	enum docker_container_state state;
	bool running; /* or paused, or between two restarts */
	struct pairs labels;
	struct docker_endpoint endpoint;
	struct docker_port port;
};

void docker_endpoint_release(struct docker_endpoint *e);
/* Zero-initialised is empty. */
void docker_summary_release(struct docker_summary *s);
/* Sets *id where `text` is a container's full id. */
bool docker_id_set(char *id, const char *text);
/* Gives a container without names those that are made from its id, and sorts the labels. */
void docker_summary_complete(struct docker_summary *s);
/* `*to = text` as an owned copy. */
void docker_set_string(char **to, const char *text);

/* "" where text is no IP address; else as Go's netip writes it. */
void docker_address(const char *text, char ret[INET6_ADDRSTRLEN]);
bool docker_port_before(const struct docker_port *a, const struct docker_port *b);

#endif
