// SPDX-License-Identifier: Apache-2.0
/*
 * A file of targets: Prometheus' file_sd format, or label maps as under `targets:`. JSON is YAML,
 *so one parser reads both:
 *
 *	- targets: ["10.0.0.1:80"]        {__address__="10.0.0.1:80", env="prod"}
 *	  labels: {env: prod}
 *	- __process_pid__: "4242"         {__process_pid__="4242", service_name="cron"}
 *	  service_name: cron
 *
 * Others than the configuration's author may write such files: nothing is taken from the
 *environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "config/problems.h"
#include "config/sections.h"

#define MAX_TARGETS     10000 /* in one file; a machine has a few hundred containers */
/* Of all labels, because those of a group are repeated for each of its targets, and by aliases. */
#define MAX_LABEL_BYTES (16 * 1024 * 1024)
/* What a label takes beside its texts: two allocations and its place in the list. */
#define LABEL_OVERHEAD  64

struct target_list {
	struct labels *sets;
	size_t count, capacity;
	size_t label_bytes;
};

static size_t labels_bytes(const struct labels *labels)
{
	size_t n = 0;

	for (size_t i = 0; i < labels->count; i++)
		n += strlen(labels->list[i].name) + strlen(labels->list[i].value) + LABEL_OVERHEAD;
	return n;
}

static struct labels *add_set(struct target_list *list)
{
	if (list->count == list->capacity) {
		list->capacity = grow_capacity(list->capacity, list->count + 1);
		list->sets = xreallocarray(list->sets, list->capacity, sizeof(*list->sets));
	}
	list->sets[list->count] = (struct labels){0};
	return &list->sets[list->count++];
}

static void list_release(struct target_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		labels_release(&list->sets[i]);
	free(list->sets);
	*list = (struct target_list){0};
}

/* One set more, which is bounded (labels_read()), is what it can be passed by. */
static bool room_left(struct config_reader *r, const struct node *at,
	const struct target_list *list)
{
	if (list->count >= MAX_TARGETS)
		reader_problem(r, at, "more than %d targets in one file", MAX_TARGETS);
	else if (list->label_bytes > MAX_LABEL_BYTES)
		reader_problem(r, at, "more than %d bytes of labels in one file", MAX_LABEL_BYTES);
	else
		return true;
	return false;
}

static void read_group(struct config_reader *r, const struct node *group, struct target_list *list)
{
	const struct node *targets = node_get(group, "targets"),
			  *labels = node_get(group, "labels");
	struct labels common cleanup_labels = {0};

	for (size_t i = 0; i < node_entries(group); i++)
		if (strcmp(node_key(group, i)->text, "targets") != 0 &&
			strcmp(node_key(group, i)->text, "labels") != 0)
			reader_problem(r, node_key(group, i),
				"a target group has only `targets` and `labels`");
	if (labels)
		labels_read(r, "`labels`", false, labels, &common);
	if (!expect_list(r, "`targets`", targets))
		return;
	for (size_t i = 0; i < targets->count; i++) {
		if (!room_left(r, targets->items[i], list))
			return;
		if (targets->items[i]->kind != NODE_SCALAR) {
			reader_problem(r, targets->items[i], "a target's address is a text");
			continue;
		}
		if (!label_fits(r, "a target's address", targets->items[i]))
			continue;
		struct labels *set = add_set(list);

		labels_copy(set, &common);
		labels_set(set, "__address__", targets->items[i]->text);
		list->label_bytes += labels_bytes(set);
	}
}

static void read_item(struct config_reader *r, const struct node *item, struct target_list *list)
{
	const struct node *targets = node_get(item, "targets");

	if (!expect_map(r, "a target", item)) {
		if (item->kind == NODE_NULL)
			reader_problem(r, item, "an empty target; remove the -");
	} else if (targets && targets->kind != NODE_SCALAR) {
		read_group(r, item, list);
	} else {
		struct labels *set = add_set(list);

		labels_read(r, "a target", false, item, set);
		list->label_bytes += labels_bytes(set);
	}
}

static void read_targets(struct config_reader *r, const struct node *root, struct target_list *list)
{
	if (!root || !expect_list(r, "a file of targets", root))
		return;
	for (size_t i = 0; i < root->count; i++) {
		if (!room_left(r, root->items[i], list))
			return;
		read_item(r, root->items[i], list);
	}
}

static int first_problem(const char *path, const struct config_problems *problems,
	struct error *err)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	config_problem_format(&text, path, &problems->list[0]);
	if (problems->count > 1)
		return error_set(err, -EINVAL, "%s (and %zu more)", text.buf, problems->count - 1);
	return error_set(err, -EINVAL, "%s", text.buf);
}

int config_parse_target_file(const char *path, const char *text, size_t len,
	struct labels **ret_sets, size_t *ret_count, struct error *err)
{
	struct config_problems problems = {0};
	struct config_reader r = {.problems = &problems};
	struct target_list list = {0};
	struct tree tree;
	int code = 0;

	if (tree_parse(text, len, &tree, &problems) == 0)
		read_targets(&r, tree.root, &list);
	tree_release(&tree);
	problems_sort(&problems);
	if (problems.count) {
		code = first_problem(path, &problems, err);
		list_release(&list);
	} else {
		*ret_sets = list.sets;
		*ret_count = list.count;
	}
	config_problems_release(&problems);
	return code;
}

int config_load_target_file(const char *path, struct labels **ret_sets, size_t *ret_count,
	struct error *err)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	int r = file_read_at(AT_FDCWD, path, TREE_MAX_BYTES, &text);

	if (r == -EFBIG)
		return error_set(err, r, "%s is larger than %d bytes", path, TREE_MAX_BYTES);
	if (r < 0)
		return error_set_errno(err, r, "cannot read %s", path);
	return config_parse_target_file(path, text.buf, text.len, ret_sets, ret_count, err);
}
