// SPDX-License-Identifier: Apache-2.0
/* Intrusive doubly linked list. A head is a list_node that list_init() made point at itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>

#include "base/macros.h"

struct list_node {
	struct list_node *prev, *next;
};

static inline void list_init(struct list_node *n)
{
	n->prev = n->next = n;
}

static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}

/* Puts n before `pos`; with pos = head, n becomes the last. n must not be in a list. */
static inline void list_insert_before(struct list_node *pos, struct list_node *n)
{
	n->prev = pos->prev;
	n->next = pos;
	pos->prev->next = n;
	pos->prev = n;
}

static inline void list_append(struct list_node *head, struct list_node *n)
{
	list_insert_before(head, n);
}

/* Takes n out and makes it an empty list; harmless on a node that is in no list but was init'ed. */
static inline void list_remove(struct list_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_entry(n, type, member) container_of(n, type, member)

/* n is a struct list_node *; the list must not change in the body. */
#define list_for_each(n, head) for (struct list_node *n = (head)->next; n != (head); n = n->next)

/* The body may remove n. */
#define list_for_each_safe(n, head)                                                                \
	for (struct list_node *n = (head)->next, *n##_next_ = n->next; n != (head);                \
		n = n##_next_, n##_next_ = n->next)

#endif
