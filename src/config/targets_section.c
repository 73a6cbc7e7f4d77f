// SPDX-License-Identifier: Apache-2.0
/* targets: label sets as pyroscope.ebpf takes them, and file_sd_configs: files of such sets. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/scalar.h"
#include "config/sections.h"

#define AT(field)  offsetof(struct file_sd_options, field)
#define MAX_LABELS 256 /* of one target; a container has a few dozen */
#define MAX_TEXT   131072 /* bytes of a name or value; images have labels of some ten KiB */
#define MAX_PERIOD (365 * 24 * 3600 * NSEC_PER_SEC)

bool label_fits(struct config_reader *r, const char *what, const struct node *text)
{
	if (!text->text || strlen(text->text) <= MAX_TEXT)
		return true;
	reader_problem(r, text, "%s is longer than %d bytes", what, MAX_TEXT);
	return false;
}

bool labels_read(struct config_reader *r, const char *what, bool expand, const struct node *map,
	struct labels *labels)
{
	bool good = true;

	if (!expect_map(r, what, map))
		return map->kind == NODE_NULL;
	if (node_entries(map) > MAX_LABELS) {
		reader_problem(r, map, "%s has more than %d labels", what, MAX_LABELS);
		return false;
	}
	for (size_t i = 0; i < node_entries(map); i++) {
		const struct node *key = node_key(map, i), *value = node_value(map, i);
		struct strbuf text cleanup_strbuf = STRBUF_INIT;

		if (!*key->text) {
			reader_problem(r, key, "a label needs a name");
			good = false;
		} else if (!label_fits(r, "a label's name", key) ||
			!label_fits(r, "a label's value", value)) {
			good = false;
		} else if (!expand && value->kind == NODE_SCALAR) {
			labels_set(labels, key->text, value->text);
		} else if (scalar_text(r, "a label's value", false, value, &text)) {
			labels_set(labels, key->text, text.buf);
		} else {
			good = false;
		}
	}
	return good;
}

void targets_read(struct config_reader *r, const struct config_key *key, const struct node *value,
	void *object)
{
	struct config *config = object;

	(void)key;
	if (!expect_list(r, "`targets`", value) || config->targets || !value->count)
		return;
	config->targets = xcalloc(value->count, sizeof(*config->targets));
	config->target_count = value->count;
	for (size_t i = 0; i < value->count; i++) {
		const struct node *item = value->items[i];
		struct labels *labels = &config->targets[i];

		if (labels_read(r, "a target", true, item, labels) && !labels->count)
			reader_problem(r, item,
				"a target without labels; name one, such as `__process_pid__`");
	}
}

static bool ends_in(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && strcasecmp(s + n - m, suffix) == 0;
}

static const char *file_problem(const char *path)
{
	const char *star = strchr(path, '*');

	if (!ends_in(path, ".json") && !ends_in(path, ".yml") && !ends_in(path, ".yaml"))
		return "the name must end in .json, .yml or .yaml";
	if (star && (strchr(star + 1, '*') || strchr(star, '/')))
		return "only one *, and only behind the last slash";
	return NULL;
}

static void check_files(struct config_reader *r, const struct node *map, void *object)
{
	const struct file_sd_options *o = object;
	const struct node *list = node_get(map, "files");

	if (!list || list->kind == NODE_NULL || (list->kind == NODE_LIST && !list->count))
		reader_problem(r, list ? list : map, "`file_sd_configs` names no files");
	for (size_t i = 0; i < o->file_count; i++) {
		const char *problem = file_problem(o->files[i]);

		if (problem)
			reader_problem(r, list->items[i], "`files`: %s", problem);
	}
}

static const struct config_key file_sd_keys[] = {
	{.name = "files",
		.type = KEY_STRINGS,
		.flags = KEY_PATH_ITEMS,
		.offset = AT(files),
		.count_offset = AT(file_count),
		.help = "Paths; they end in .json, .yml or .yaml, and the last component may hold "
			"one *."},
	{.name = "refresh_interval",
		.type = KEY_DURATION,
		.offset = AT(refresh_interval_ns),
		.min = NSEC_PER_SEC,
		.max = MAX_PERIOD,
		.def = "5m",
		.help = "How often they are read again even if no change was noticed."},
	{0},
};

void file_sd_options_init(struct file_sd_options *o)
{
	*o = (struct file_sd_options){.refresh_interval_ns = 300 * NSEC_PER_SEC};
}

void file_sd_options_release(struct file_sd_options *o)
{
	strings_free(o->files, o->file_count);
	*o = (struct file_sd_options){0};
}

static void init_file_sd(void *item)
{
	file_sd_options_init(item);
}

const struct list_type file_sd_list = {
	.section = &file_sd_section,
	.item_size = sizeof(struct file_sd_options),
	.init = init_file_sd,
};

const struct config_section file_sd_section = {
	.name = "`file_sd_configs`",
	.help = "Files of targets, followed when they change. A file is a list of maps with "
		"`targets` "
		"(a list of addresses) and `labels`, as Prometheus reads them, or a list of plain "
		"label maps as in `targets`.",
	.keys = file_sd_keys,
	.check = check_files,
};
