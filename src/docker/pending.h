// SPDX-License-Identifier: Apache-2.0
/*
 * Containers that events spoke of since they were last looked at. An event says only: look again. What
 * it tells beyond that is kept for one case, a container that is gone before anybody could look.
 */
#ifndef DOCKER_PENDING_H
#define DOCKER_PENDING_H

#include "base/hashmap.h"
#include "docker/readers.h"

/* More at once make a full list necessary anyway; the rest is only counted then. */
#define PENDING_MAX       4096
/* Of attributes kept; a storm of containers with large labels must not cost more. */
#define PENDING_MAX_BYTES ((size_t)8 << 20)

struct pending_entry {
	struct hashmap_entry entry;
	char id[DOCKER_ID_LEN + 1];
	bool started;
	bool found; /* by the look that handles it */
	struct pairs attributes; /* of its start event */
};

/* Zero-initialising is not enough: pending_init(). */
struct pending {
	struct hashmap by_id;
	size_t bytes; /* of attributes */
	size_t overflow; /* events that found no room */
};

void pending_init(struct pending *p);
void pending_release(struct pending *p);
/* Moves everything from `from` to the empty `to`. */
void pending_move(struct pending *to, struct pending *from);
void pending_clear(struct pending *p);

struct pending_entry *pending_get(const struct pending *p, const char *id);
/* Notes that e spoke of its container; with `keep` takes the attributes of a start. */
void pending_add(struct pending *p, struct docker_event *e, bool keep);
static inline bool pending_any(const struct pending *p)
{
	return p->by_id.count > 0 || p->overflow > 0;
}

/* A container from the attributes of its start: labels, name, image. *s must be empty. */
void pending_summary(const struct pending_entry *p, struct docker_summary *s);

#endif
