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

struct tree {
	struct flat_tree flat;
	size_t frame_capacity, node_capacity;
	struct dedup frame_dedup, node_dedup;
};

struct key {
	const struct tree *tree;
	const struct pprof_frame *frame;
	struct flat_node node;
};

static bool same_frame(const void *key, uint32_t i)
{
	const struct key *k = key;
	const struct pprof_frame *f = &k->tree->flat.frames[i];

	return f->name == k->frame->name && f->module == k->frame->module;
}

static uint32_t frame_number(struct tree *t, const struct pprof_frame *frame)
{
	struct flat_tree *flat = &t->flat;
	struct key key = {.tree = t, .frame = frame};
	uint64_t hash = hash_combine((uintptr_t)frame->name, (uintptr_t)frame->module);
	uint32_t i = dedup_find(&t->frame_dedup, hash, same_frame, &key);

	if (i != DEDUP_NONE)
		return i;
	if (flat->frame_count == t->frame_capacity) {
		t->frame_capacity = grow_capacity(t->frame_capacity, flat->frame_count + 1);
		flat->frames =
			xreallocarray(flat->frames, t->frame_capacity, sizeof(flat->frames[0]));
	}
	i = (uint32_t)flat->frame_count++;
	flat->frames[i] = *frame;
	dedup_add(&t->frame_dedup, hash, i);
	return i;
}

static bool same_node(const void *key, uint32_t i)
{
	const struct key *k = key;
	const struct flat_node *n = &k->tree->flat.nodes[i];

	return n->parent == k->node.parent && n->frame == k->node.frame;
}

static uint32_t child_of(struct tree *t, uint32_t parent, uint32_t frame)
{
	struct flat_tree *flat = &t->flat;
	struct key key = {.tree = t, .node = {.parent = parent, .frame = frame}};
	uint64_t hash = hash_combine(parent, frame);
	uint32_t i = dedup_find(&t->node_dedup, hash, same_node, &key);

	if (i != DEDUP_NONE)
		return i;
	if (flat->node_count == t->node_capacity) {
		t->node_capacity = grow_capacity(t->node_capacity, flat->node_count + 1);
		flat->nodes = xreallocarray(flat->nodes, t->node_capacity, sizeof(flat->nodes[0]));
	}
	i = (uint32_t)flat->node_count++;
	flat->nodes[i] = key.node;
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
		t->flat.nodes[node - 1].self += ticks;
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

void report_flat_tree(struct strbuf *out, const struct flat_tree *t)
{
	const struct pprof_options *o = &t->options;

	strbuf_addf(out,
		"{\"from\":%" PRId64 ",\"durationNanos\":%" PRId64 ",\"periodNanos\":%" PRId64
		",\"ticks\":%" PRIu64 ",\"frames\":[",
		o->time_ns / NSEC_PER_MSEC, o->duration_ns, o->period_ns, t->ticks);
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

void flat_tree_release(struct flat_tree *t)
{
	free(t->frames);
	free(t->nodes);
	*t = (struct flat_tree){0};
}

void report_tree(struct strbuf *out, const struct pprof *p)
{
	struct tree t = {.flat = {.options = *pprof_get_options(p), .ticks = pprof_total(p)}};

	pprof_visit(p, add_stack, &t);
	report_flat_tree(out, &t.flat);
	flat_tree_release(&t.flat);
	dedup_release(&t.frame_dedup);
	dedup_release(&t.node_dedup);
}
