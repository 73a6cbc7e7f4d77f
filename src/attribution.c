// SPDX-License-Identifier: Apache-2.0
/*
 * Container runtimes name a container's cgroup after its id, on cgroup v1 and v2, under any parent and
 * whatever cgroup namespace we are in ourselves: the kernel tells names, not paths relative to somebody.
 *
 *	v2 chain, leaf first:  init   docker-4f0c...a1.scope   system.slice
 *	                       leaf   root of container 4f0c   host
 *
 * The nearest ancestor with a known id is the container; its cgroup gets the verdict, and the kernel
 * side lets everything below inherit it. An id nobody has told of yet (the Engine's event is still on
 * its way) leaves the cgroup pending: its ticks are recorded and sorted at the end of the interval.
 *
 * Whoever may create cgroups inside a container could name one after another container. Such a nested
 * claim is believed only while no cgroup of that hierarchy has been bound to the id; only the host's
 * root can create the outer ones.
 *
 * Every cgroup that carries an id is remembered here as long as the kernel side holds a verdict for
 * it; what is forgotten here is forgotten there, and asked about again.
 */
#include "attribution.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define MAX_CGROUPS 4096 /* a few per running container; 200 bytes each */
#define UNKNOWN_AFTER                                                                              \
	(10 * NSEC_PER_SEC) /* an Engine tells of a new container within milliseconds */

struct cgroup {
	struct hashmap_entry entry;
	struct list_node in_order;
	cgroup_key key; /* the leaf that was sampled, or the container's root */
	cgroup_key root; /* the level that carries the id */
	bool nested; /* another known container's cgroup lies above root */
	int64_t since_ns;
	enum cgroup_verdict verdict;
	char id[CONTAINER_ID_LEN + 1];
};

bool container_id_in_name(const char *name, char *ret_id)
{
	while (*name) {
		size_t run = strspn(name, "0123456789abcdef");

		if (run == CONTAINER_ID_LEN) {
			memcpy(ret_id, name, CONTAINER_ID_LEN);
			ret_id[CONTAINER_ID_LEN] = '\0';
			return true;
		}
		name += run;
		name += strcspn(name, "0123456789abcdef");
	}
	return false;
}

static bool cgroup_is(const struct hashmap_entry *e, const void *key)
{
	return container_of(e, struct cgroup, entry)->key == *(const cgroup_key *)key;
}

void attribution_init(struct attribution *a, const struct target_table *targets)
{
	*a = (struct attribution){.targets = targets};
	hashmap_init(&a->cgroups, cgroup_is);
	list_init(&a->order);
}

static void cgroup_free(struct attribution *a, struct cgroup *c)
{
	hashmap_remove(&a->cgroups, &c->entry);
	list_remove(&c->in_order);
	free(c);
}

void attribution_release(struct attribution *a)
{
	list_for_each_safe(n, &a->order)
		cgroup_free(a, list_entry(n, struct cgroup, in_order));
	hashmap_release(&a->cgroups);
}

static struct cgroup *find(const struct attribution *a, cgroup_key key)
{
	struct hashmap_entry *e = hashmap_get(&a->cgroups, hash_u64(key), &key);

	return e ? container_of(e, struct cgroup, entry) : NULL;
}

static struct cgroup *remember(struct attribution *a, cgroup_key key)
{
	struct cgroup *c = find(a, key);

	if (c)
		return c;
	if (a->cgroups.count >= MAX_CGROUPS) {
		struct cgroup *oldest = list_entry(a->order.next, struct cgroup, in_order);

		profiler_forget_cgroup(a->profiler, oldest->key);
		cgroup_free(a, oldest);
	}
	c = xcalloc(1, sizeof(*c));
	c->key = key;
	c->since_ns = clock_monotonic_ns();
	hashmap_add(&a->cgroups, &c->entry, hash_u64(key));
	list_append(&a->order, &c->in_order);
	return c;
}

static bool same_hierarchy(cgroup_key a, cgroup_key b)
{
	return (a & CGROUP_KEY_V1) == (b & CGROUP_KEY_V1);
}

/* Whether a cgroup outside of other containers already stands for this id in this hierarchy. */
static bool bound_elsewhere(const struct attribution *a, const char *id, cgroup_key root)
{
	list_for_each(n, &a->order) {
		const struct cgroup *c = list_entry(n, struct cgroup, in_order);

		if (c->root != root && !c->nested && same_hierarchy(c->root, root) &&
			strcmp(c->id, id) == 0)
			return true;
	}
	return false;
}

/* The level of the chain that stands for a container, and its id. */
struct claim {
	bool found, known, nested;
	cgroup_key root;
	char id[CONTAINER_ID_LEN + 1];
};

/* From the outside in: each known id replaces the one before; an unknown one counts only at first. */
static struct claim claim_of(const struct attribution *a, const struct cgroup_chain *chain)
{
	struct claim claim = {0};
	char id[CONTAINER_ID_LEN + 1];

	for (size_t i = chain->depth; i-- > 0;) {
		if (!container_id_in_name(chain->level[i].name, id))
			continue;
		bool known = target_table_by_container(a->targets, id) != NULL;

		if (claim.found && !known)
			continue;
		if (claim.known && bound_elsewhere(a, id, chain->level[i].key))
			continue;
		claim.nested = claim.known;
		claim.found = true;
		claim.known = known;
		claim.root = chain->level[i].key;
		memcpy(claim.id, id, sizeof(id));
	}
	return claim;
}

static enum cgroup_verdict verdict_of(const struct attribution *a, const char *id)
{
	const struct target *t = target_table_by_container(a->targets, id);

	if (!t)
		return a->sourceless ? CGROUP_DROP : CGROUP_PENDING;
	return t->verdict == TARGET_PROFILED ? CGROUP_KEEP : CGROUP_DROP;
}

/* Below a container's root the kernel side inherits; only the root is told of. */
static void judge(struct attribution *a, struct cgroup *c, enum cgroup_verdict verdict)
{
	static const char *const names[] = {
		[CGROUP_PENDING] = "pending",
		[CGROUP_KEEP] = "keep",
		[CGROUP_DROP] = "drop",
		[CGROUP_HOST] = "host",
	};

	c->verdict = verdict;
	log_debug("attribution", "cgroup", LOG_STR("verdict", names[verdict]),
		LOG_STR("container", c->id), LOG_INT("cgroup", c->key & ~CGROUP_KEY_V1),
		LOG_STR("hierarchy", c->key & CGROUP_KEY_V1 ? "v1" : "v2"),
		LOG_INT("root", c->key == c->root));
	if (c->key == c->root)
		profiler_set_cgroup(a->profiler, c->root, verdict);
}

static void note(struct attribution *a, cgroup_key key, const struct claim *claim)
{
	struct cgroup *c = remember(a, key);

	c->root = claim->root;
	c->nested = claim->nested;
	memcpy(c->id, claim->id, sizeof(c->id));
	judge(a, c, verdict_of(a, claim->id));
}

static void seen(struct attribution *a, const struct cgroup_chain *chain)
{
	if (!chain->depth)
		return;
	struct claim claim = claim_of(a, chain);
	cgroup_key leaf = chain->level[0].key;

	if (!claim.found) {
		profiler_set_cgroup(a->profiler, leaf, CGROUP_HOST);
		return;
	}
	note(a, claim.root, &claim);
	if (leaf != claim.root)
		note(a, leaf, &claim);
}

void attribution_seen(struct attribution *a, const struct cgroup_chain *v2,
	const struct cgroup_chain *v1)
{
	seen(a, v2);
	seen(a, v1);
}

void attribution_changed(struct attribution *a, const char *container_id)
{
	if (!a->profiler)
		return;
	list_for_each(n, &a->order) {
		struct cgroup *c = list_entry(n, struct cgroup, in_order);

		if (container_id && strcmp(c->id, container_id) != 0)
			continue;
		enum cgroup_verdict verdict = verdict_of(a, c->id);

		if (verdict != c->verdict)
			judge(a, c, verdict);
	}
}

void attribution_end_round(struct attribution *a, bool complete)
{
	int64_t now = clock_monotonic_ns();

	list_for_each(n, &a->order) {
		struct cgroup *c = list_entry(n, struct cgroup, in_order);
		bool known = target_table_by_container(a->targets, c->id) != NULL;

		/* Another engine's container, or one whose target was swept: not ours. */
		if (!known && complete && now - c->since_ns > UNKNOWN_AFTER &&
			c->verdict != CGROUP_DROP)
			judge(a, c, CGROUP_DROP);
	}
}

void attribution_for_each(const struct attribution *a,
	void (*visit)(void *ctx, const struct attributed_cgroup *c), void *ctx)
{
	list_for_each(n, &a->order) {
		const struct cgroup *c = list_entry(n, struct cgroup, in_order);

		if (c->key != c->root)
			continue;
		visit(ctx,
			&(struct attributed_cgroup){
				.id = c->id,
				.key = c->root,
				.nested = c->nested,
				.since_ns = c->since_ns,
				.verdict = c->verdict,
			});
	}
}

enum attribution_answer attribution_of(const struct attribution *a,
	const struct profiler_sample *sample, struct target **ret_target)
{
	struct target *t;

	if (sample->by_pid) {
		t = target_table_by_pid(a->targets, sample->process.pid);
	} else {
		const struct cgroup *c = find(a, sample->cgroup);

		/* Recorded while both hierarchies were pending, and the v2 one was the host's. */
		if (!c && sample->cgroup_v1)
			c = find(a, sample->cgroup_v1);
		if (!c)
			return ATTRIBUTED_DROPPED;
		t = target_table_by_container(a->targets, c->id);
		if (!t && c->verdict != CGROUP_DROP)
			return ATTRIBUTED_UNKNOWN;
	}
	if (!t || t->verdict != TARGET_PROFILED)
		return ATTRIBUTED_DROPPED;
	*ret_target = t;
	return ATTRIBUTED;
}
