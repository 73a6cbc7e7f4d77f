/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of calls that are made up at run time: each function calls the next link's. */
#ifndef LINK_H
#define LINK_H

struct link;

typedef long link_fn(const struct link *l);

struct link {
	link_fn *call;
	const struct link *next; /* NULL: the last one, which works */
};

#endif
