// SPDX-License-Identifier: Apache-2.0
/*
 * The table is made anew from what the others know, whenever somebody looks: targets say what is to be
 * profiled, attribution which cgroups the kernel has told of, the cgroup file system which of them use
 * CPU. What is kept here is only what nobody else remembers: when samples came, the CPU accounts, and
 * for a while those that are gone.
 *
 *	target, to be profiled --> samples lately?  yes: profiled
 *	                           paused?          paused
 *	                           its engine lost? unreachable
 *	                           a cgroup of it?  no: not resolved
 *	                           CPU used there?  no: idle    yes: not sampled
 *	cgroup with an id, no target --> all engines in reach? yes: foreign   no: unreachable
 *
 * One container is one entry, also where several targets name it or a reload made a new target of it.
 */
#include "status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "status_table.h"

#define RECENT_NS       (300 * NSEC_PER_SEC) /* a sample this old still means "profiled" */
#define EXITED_NS       (900 * NSEC_PER_SEC) /* how long one that is gone is remembered */
#define MAX_EXITED      200 /* ... and how many of them: a storm of short containers */
#define MAX_STRANGERS   200 /* containers of others, 300 bytes each */
#define EAGER_LOOKUPS   3 /* walks for a cgroup in each round; after that now and then */
#define LAZY_LOOKUP     16
#define TREE_RETRY_NS   (60 * NSEC_PER_SEC)
#define NOTICED_TICKS   20 /* of CPU time without one sample: not chance any more */
#define STARTING_ROUNDS 2

static bool known_is(const struct hashmap_entry *e, const void *key)
{
	return strcmp(container_of(e, struct known, by_key)->key, key) == 0;
}

struct status *status_new(const struct discover *discover, const struct attribution *attribution,
	const char *proc)
{
	struct status *s = xcalloc(1, sizeof(*s));

	*s = (struct status){
		.discover = discover,
		.attribution = attribution,
		.proc = xstrdup(proc),
	};
	hashmap_init(&s->known, known_is);
	list_init(&s->order);
	return s;
}

static void forget(struct status *s, struct known *k)
{
	hashmap_remove(&s->known, &k->by_key);
	list_remove(&k->in_table);
	free(k->key);
	free(k->name);
	free(k->service_name);
	free(k->path);
	free(k);
}

void status_free(struct status *s)
{
	if (!s)
		return;
	list_for_each_safe(n, &s->order)
		forget(s, list_entry(n, struct known, in_table));
	hashmap_release(&s->known);
	for (size_t i = 0; i < s->notice_count; i++) {
		free((char *)(uintptr_t)s->notices[i].where);
		free((char *)(uintptr_t)s->notices[i].message);
	}
	for (size_t i = 0; i < s->tree_count; i++)
		cgroup_tree_release(&s->trees[i]);
	free(s->tree_trouble);
	free(s->proc);
	free(s->list);
	free(s);
}

static struct known *find(const struct status *s, const char *key)
{
	struct hashmap_entry *e = hashmap_get(&s->known, hash_string(key), key);

	return e ? container_of(e, struct known, by_key) : NULL;
}

static struct known *add(struct status *s, const char *key)
{
	struct known *k = xcalloc(1, sizeof(*k));

	k->key = xstrdup(key);
	k->e.known_since_ns = clock_realtime_ns();
	hashmap_add(&s->known, &k->by_key, hash_string(key));
	list_append(&s->order, &k->in_table);
	return k;
}

static void set_string(char **to, const char *text)
{
	if (*to && strcmp(*to, text) == 0)
		return;
	free(*to);
	*to = xstrdup(text);
}

/* The one of a container's targets that is charged stands for all of them. */
static bool stands_for_others(const struct status *s, const struct target *t,
	const struct target_selector *sel)
{
	const struct target_table *table = discover_targets(s->discover);

	if (sel->pid)
		return target_table_by_pid(table, sel->pid) == t;
	return !sel->container_id || target_table_by_container(table, sel->container_id) == t;
}

static char *key_of(const struct target *t, const struct target_selector *sel)
{
	if (sel->pid)
		return xasprintf("pid %u", sel->pid);
	if (sel->container_id)
		return xstrdup(sel->container_id);
	return xasprintf("%u %s", t->source, t->origin);
}

static void take_target(struct status *s, const struct target *t)
{
	struct target_selector sel = target_selector_of(&t->labels);

	if (!stands_for_others(s, t, &sel))
		return;
	char *key cleanup_free = key_of(t, &sel);
	struct known *k = find(s, key);

	if (!k)
		k = add(s, key);
	k->stranger = false;
	k->present = !t->gone;
	k->seen = true;
	k->e.target = t;
	k->e.pid = sel.pid;
	k->e.id = sel.container_id && !sel.pid ? k->key : "";
	set_string(&k->name, t->name);
	set_string(&k->service_name, t->verdict == TARGET_PROFILED ? t->service_name : "");
}

static void take_cgroup(void *ctx, const struct attributed_cgroup *c)
{
	struct status *s = ctx;
	struct known *k = find(s, c->id);

	if (!k &&
		(c->nested ||
			s->known.count >= s->exited + MAX_STRANGERS +
					(size_t)(discover_targets(s->discover)->origins.count)))
		return;
	if (!k) {
		k = add(s, c->id);
		k->stranger = true;
		k->e.id = k->key;
		k->name = xstrndup(c->id, 12);
		k->service_name = xstrdup("");
	}
	if (k->stranger) {
		k->verdict = c->verdict;
		k->seen = true;
		/* Attribution remembers cgroups longer than they live. */
		k->present = k->path || !s->tree_count;
	}
	cgroup_key *key = c->key & CGROUP_KEY_V1 ? &k->e.cgroup_v1 : &k->e.cgroup;

	if (!*key || !c->nested)
		*key = c->key;
}

static bool engine_lost(const struct status *s, const struct target *t)
{
	struct discover_engine engine;

	return discover_engine_of(s->discover, t->source, &engine) &&
		engine.state != DOCKER_CONNECTED;
}

static bool process_exists(const struct status *s, uint32_t pid)
{
	char *path cleanup_free = xasprintf("%s/%u", s->proc, pid);
	struct stat st;

	return stat(path, &st) == 0;
}

static enum status_state state_without_samples(const struct status *s, const struct known *k)
{
	const struct cpu_summary *cpu = &k->e.cpu;

	if (engine_lost(s, k->e.target))
		return STATUS_UNREACHABLE;
	if (k->e.pid)
		return process_exists(s, k->e.pid) ? STATUS_IDLE : STATUS_NOT_RESOLVED;
	if (k->e.intervals < STARTING_ROUNDS)
		return STATUS_STARTING;
	if (!k->path && !k->e.cgroup && !k->e.cgroup_v1)
		return !s->tree_count || s->tree_cut ? STATUS_IDLE : STATUS_NOT_RESOLVED;
	if (cpu->verdict == CPU_LOW ||
		(double)cpu->kernel_ns >= NOTICED_TICKS * MAX(k->proof.tick_ns, 1.0))
		return STATUS_NOT_SAMPLED;
	return STATUS_IDLE;
}

static enum status_state state_of(const struct status *s, const struct known *k)
{
	const struct target *t = k->e.target;

	if (!k->present)
		return STATUS_EXITED;
	if (k->stranger && k->verdict == CGROUP_DROP)
		return STATUS_FOREIGN;
	if (k->stranger)
		return discover_complete(s->discover) ? STATUS_STARTING : STATUS_UNREACHABLE;
	switch (t->verdict) {
	case TARGET_DROPPED:
		return STATUS_DROPPED;
	case TARGET_SELF:
		return STATUS_SELF;
	case TARGET_NO_KEY:
		return STATUS_NO_KEY;
	case TARGET_PROFILED:
		break;
	}
	if (t->paused)
		return STATUS_PAUSED;
	if (k->e.last_sample_ns && clock_realtime_ns() - k->e.last_sample_ns < RECENT_NS)
		return STATUS_PROFILED;
	return state_without_samples(s, k);
}

static void take_stock(const struct status *s, struct known *k)
{
	k->e.cgroup_path = k->path;
	k->e.cgroup_root = k->path ? k->tree->path : NULL;
	k->e.cpu = cpu_proof_summary(&k->proof);
	k->e.state = state_of(s, k);
}

static void finish(struct status *s, struct known *k)
{
	int64_t now = clock_realtime_ns();

	if (k->present)
		k->e.ended_ns = 0;
	else if (!k->e.ended_ns)
		k->e.ended_ns = now;
	s->exited += !k->present && !k->stranger;
	k->e.name = k->name;
	k->e.service_name = k->service_name;
	take_stock(s, k);
}

static void forget_exited(struct status *s)
{
	int64_t now = clock_realtime_ns();

	list_for_each_safe(n, &s->order) {
		struct known *k = list_entry(n, struct known, in_table);

		bool old = s->exited > MAX_EXITED || now - k->e.ended_ns >= EXITED_NS;

		if (k->present || (k->stranger ? k->seen : !old))
			continue;
		s->exited -= !k->stranger;
		forget(s, k);
	}
}

/* The table as of now. */
static void refresh(struct status *s)
{
	list_for_each(n, &s->order) {
		struct known *k = list_entry(n, struct known, in_table);

		k->present = k->seen = false;
		k->e.target = NULL;
		k->e.cgroup = k->e.cgroup_v1 = 0;
	}
	list_for_each(n, &discover_targets(s->discover)->targets)
		take_target(s, list_entry(n, struct target, in_table));
	if (s->attribution)
		attribution_for_each(s->attribution, take_cgroup, s);
	s->exited = 0;
	list_for_each(n, &s->order)
		finish(s, list_entry(n, struct known, in_table));
	forget_exited(s);
}

/* The kernel's side: where cgroups are, and what is charged to them. */

static int open_trees(struct status *s, const char *fs)
{
	struct cgroup_tree found[CGROUP_TREES] = {0};
	int count = cgroup_trees_open(found, fs);

	for (int i = 0; i < count; i++) {
		bool twice = false;

		for (size_t k = 0; k < s->tree_count && !twice; k++)
			twice = cgroup_tree_same(&found[i], &s->trees[k]);
		if (twice)
			cgroup_tree_release(&found[i]);
		else
			s->trees[s->tree_count++] = found[i];
	}
	return count;
}

/* PID 1 sees the host's, if we see the host's PID 1; our own mounts may be all, or less. */
static void open_all_trees(struct status *s)
{
	char *host cleanup_free = xasprintf("%s/1/root/sys/fs/cgroup", s->proc);
	char *own cleanup_free = xasprintf("%s/self/root/sys/fs/cgroup", s->proc);
	int64_t now = clock_monotonic_ns();

	if (s->tree_count || now < s->tree_due_ns)
		return;
	s->tree_due_ns = now + TREE_RETRY_NS;
	free(s->tree_trouble);
	s->tree_trouble = NULL;
	int r = open_trees(s, host);

	open_trees(s, own);
	if (!s->tree_count)
		s->tree_trouble = xasprintf("%s: %s", host,
			r == -ENODEV ? "no cgroup hierarchy there accounts for CPU time"
				     : strerror(-r));
}

const char *status_cgroup_root(const struct status *s, const char **ret_why)
{
	const char *why = s->tree_trouble ? s->tree_trouble : "not looked at yet";

	if (ret_why)
		*ret_why = s->tree_count ? "" : why;
	return s->tree_count ? s->trees[0].path : "";
}

struct search {
	struct status *status;
	const struct cgroup_tree *tree;
};

static bool take_directory(void *ctx, const char *path, const char *name)
{
	const struct search *search = ctx;
	char id[CONTAINER_ID_LEN + 1];

	if (!container_id_in_name(name, id))
		return true;
	struct known *k = find(search->status, id);

	if (k && !k->path) {
		k->path = xstrdup(path);
		k->tree = search->tree;
	}
	/* What a container makes of its own cgroup, names included, is not believed. */
	return false;
}

static bool wants_lookup(struct known *k)
{
	if (!(k->present || k->stranger) || k->path || !*k->e.id)
		return false;
	k->lookups++;
	return k->lookups <= EAGER_LOOKUPS || k->lookups % LAZY_LOOKUP == 0;
}

static void find_cgroups(struct status *s)
{
	bool wanted = false;

	list_for_each(n, &s->order)
		wanted |= wants_lookup(list_entry(n, struct known, in_table));
	if (!wanted)
		return;
	open_all_trees(s);
	s->tree_cut = false;
	for (size_t i = 0; i < s->tree_count; i++) {
		struct search search = {.status = s, .tree = &s->trees[i]};

		if (cgroup_tree_walk(&s->trees[i], take_directory, &search) == -E2BIG)
			s->tree_cut = true;
	}
}

static uint64_t count_samples(struct known *k)
{
	const struct target *t = k->e.target;

	if (!t)
		return 0;
	bool same = t->source == k->source && t->samples >= k->counted;
	uint64_t more = t->samples - (same ? k->counted : 0);

	k->source = t->source;
	k->counted = t->samples;
	k->e.samples += more;
	if (more)
		k->e.last_sample_ns = clock_realtime_ns();
	return more;
}

static void read_account(struct known *k)
{
	k->account_read = false;
	if (!k->path)
		return;
	int r = cgroup_tree_cpu(k->tree, k->path, &k->account_ns);

	/* There is nothing to prove of what is not to be profiled. */
	k->account_read =
		r == 0 && k->e.target && k->e.target->verdict == TARGET_PROFILED && k->present;
	k->account_read_ns = clock_monotonic_ns();
	if (r < 0) {
		free(k->path);
		k->path = NULL;
		k->e.cgroup_path = NULL;
		k->lookups = 0;
	}
}

void status_begin_round(struct status *s)
{
	refresh(s);
	find_cgroups(s);
	list_for_each(n, &s->order)
		read_account(list_entry(n, struct known, in_table));
}

static void prove(struct known *k, struct cpu_reading *reading)
{
	if (!k->account_read) {
		cpu_proof_interrupt(&k->proof);
		return;
	}
	reading->now_ns = k->account_read_ns;
	reading->kernel_ns = k->account_ns;
	cpu_proof_add(&k->proof, reading);
}

void status_end_round(struct status *s, const struct collect_tally *tally, unsigned hz)
{
	struct cpu_reading reading = {.hz = hz, .all_ticks = tally->ticks, .lost = tally->unknown};

	for (int i = 0; i < LOSS_COUNT; i++)
		reading.lost += tally->lost[i];
	refresh(s);
	list_for_each(n, &s->order) {
		struct known *k = list_entry(n, struct known, in_table);

		reading.samples = count_samples(k);
		if (k->present)
			k->e.intervals++;
		prove(k, &reading);
		take_stock(s, k);
		k->e.troubled = status_state_is_trouble(k->e.state) ? k->e.troubled + 1 : 0;
	}
}

void status_interrupt(struct status *s)
{
	list_for_each(n, &s->order)
		cpu_proof_interrupt(&list_entry(n, struct known, in_table)->proof);
}

void status_notice(struct status *s, const char *where, const char *message)
{
	struct status_notice *n = NULL;

	for (size_t i = 0; i < s->notice_count && !n; i++)
		if (strcmp(s->notices[i].where, where) == 0)
			n = &s->notices[i];
	if (n) {
		free((char *)(uintptr_t)n->message);
	} else if (s->notice_count < STATUS_NOTICES) {
		n = &s->notices[s->notice_count++];
		n->where = xstrdup(where);
	} else {
		return;
	}
	n->message = xstrdup(message);
	n->time_ns = clock_realtime_ns();
}

size_t status_notices(const struct status *s, const struct status_notice **ret)
{
	*ret = s->notices;
	return s->notice_count;
}

static int by_name(const void *a, const void *b)
{
	const struct status_entry *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);

	return order ? order : strcmp(known_of(*x)->key, known_of(*y)->key);
}

size_t status_list(struct status *s, const struct status_entry *const **ret)
{
	size_t count = 0;

	refresh(s);
	if (s->known.count > s->list_capacity) {
		s->list_capacity = grow_capacity(s->list_capacity, s->known.count);
		s->list = xreallocarray(s->list, s->list_capacity, sizeof(struct status_entry *));
	}
	list_for_each(n, &s->order) {
		struct known *k = list_entry(n, struct known, in_table);

		if (k->present || !k->stranger)
			s->list[count++] = &k->e;
	}
	if (count)
		qsort(s->list, count, sizeof(struct status_entry *), by_name);
	*ret = s->list;
	return count;
}
