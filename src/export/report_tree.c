// SPDX-License-Identifier: Apache-2.0
/*
 * The calls of a profile as numbers, for a program that draws them. Names and modules are interned in
 * the profile, so pointers tell them apart.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "export/dedup.h"
#include "export/report.h"

struct tree_node {
	uint32_t parent, frame;
	uint64_t self;
};

struct tree {
	struct pprof_frame *frames;
	struct tree_node *nodes; /* from number 1 on; 0 is the root */
	size_t frame_count, frame_capacity, node_count, node_capacity;
	struct dedup frame_dedup, node_dedup;
};

struct key {
	const struct tree *tree;
	const struct pprof_frame *frame;
	struct tree_node node;
};

static bool same_frame(const void *key, uint32_t i)
{
	const struct key *k = key;
	const struct pprof_frame *f = &k->tree->frames[i];

	return f->name == k->frame->name && f->module == k->frame->module;
}

static uint32_t frame_number(struct tree *t, const struct pprof_frame *frame)
{
	struct key key = {.tree = t, .frame = frame};
	uint64_t hash = hash_combine((uintptr_t)frame->name, (uintptr_t)frame->module);
	uint32_t i = dedup_find(&t->frame_dedup, hash, same_frame, &key);

	if (i != DEDUP_NONE)
		return i;
	if (t->frame_count == t->frame_capacity) {
		t->frame_capacity = grow_capacity(t->frame_capacity, t->frame_count + 1);
		t->frames = xreallocarray(t->frames, t->frame_capacity, sizeof(t->frames[0]));
	}
	i = (uint32_t)t->frame_count++;
	t->frames[i] = *frame;
	dedup_add(&t->frame_dedup, hash, i);
	return i;
}

static bool same_node(const void *key, uint32_t i)
{
	const struct key *k = key;
	const struct tree_node *n = &k->tree->nodes[i];

	return n->parent == k->node.parent && n->frame == k->node.frame;
}

static uint32_t child_of(struct tree *t, uint32_t parent, uint32_t frame)
{
	struct key key = {.tree = t, .node = {.parent = parent, .frame = frame}};
	uint64_t hash = hash_combine(parent, frame);
	uint32_t i = dedup_find(&t->node_dedup, hash, same_node, &key);

	if (i != DEDUP_NONE)
		return i;
	if (t->node_count == t->node_capacity) {
		t->node_capacity = grow_capacity(t->node_capacity, t->node_count + 1);
		t->nodes = xreallocarray(t->nodes, t->node_capacity, sizeof(t->nodes[0]));
	}
	i = (uint32_t)t->node_count++;
	t->nodes[i] = key.node;
	dedup_add(&t->node_dedup, hash, i);
	return i;
}

static void add_stack(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct tree *t = ctx;
	uint32_t node = 0;

	for (size_t i = count; i-- > 0;)
		node = child_of(t, node, frame_number(t, &frames[i])) + 1;
	if (node)
		t->nodes[node - 1].self += ticks;
}

static void add_text(struct strbuf *out, const char *s)
{
	size_t len = strlen(s);

	/* "<" could end the script that this may be put into. */
	for (const char *lt = s; (lt = strchr(lt, '<')); lt++) {
		struct strbuf text cleanup_strbuf = STRBUF_INIT;

		text_add_json(&text, s, len);
		for (const char *c = text.buf; *c; c++)
			if (*c == '<')
				strbuf_add_str(out, "\\u003c");
			else
				strbuf_add_char(out, *c);
		return;
	}
	text_add_json(out, s, len);
}

static void write_tree(struct strbuf *out, const struct tree *t)
{
	strbuf_add_str(out, "\"frames\":[");
	for (size_t i = 0; i < t->frame_count; i++) {
		strbuf_add_str(out, i ? ",[" : "[");
		add_text(out, t->frames[i].name);
		strbuf_add_char(out, ',');
		add_text(out, t->frames[i].module);
		strbuf_addf(out, ",%d]", t->frames[i].kernel);
	}
	strbuf_add_str(out, "],\"nodes\":[");
	for (size_t i = 0; i < t->node_count; i++)
		strbuf_addf(out, "%s%" PRIu32 ",%" PRIu32 ",%" PRIu64, i ? "," : "",
			t->nodes[i].parent, t->nodes[i].frame, t->nodes[i].self);
	strbuf_add_str(out, "]}");
}

void report_tree(struct strbuf *out, const struct pprof *p)
{
	const struct pprof_options *o = pprof_get_options(p);
	struct tree t = {0};

	pprof_visit(p, add_stack, &t);
	strbuf_addf(out,
		"{\"from\":%" PRId64 ",\"durationNanos\":%" PRId64 ",\"periodNanos\":%" PRId64
		",\"ticks\":%" PRIu64 ",",
		o->time_ns / NSEC_PER_MSEC, o->duration_ns, o->period_ns, pprof_total(p));
	write_tree(out, &t);
	free(t.frames);
	free(t.nodes);
	dedup_release(&t.frame_dedup);
	dedup_release(&t.node_dedup);
}
