// SPDX-License-Identifier: Apache-2.0
/*
 * text -> tree -> options. Each step finds all it can find wrong: a file that is no YAML has one
 * problem, where it stops being YAML; any other has all of its problems, in the order of the file.
 *
 * What the file leaves open is filled in last: the local engine where no source of targets is
 * named, the server of the environment (or a directory) where no destination is.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "config/problems.h"
#include "config/sections.h"
#include "config/show.h"
#include "config/tree.h"

#define AT(field) offsetof(struct config, field)

_Static_assert(sizeof(enum log_level) == sizeof(int), "KEY_CHOICE stores an int");

static const char *const log_levels[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
	NULL,
};
static const char *const log_formats[] = {
	[LOG_FORMAT_LOGFMT] = "logfmt",
	[LOG_FORMAT_JSON] = "json",
	NULL,
};

static const struct config_key log_keys[] = {
	{.name = "level",
		.type = KEY_CHOICE,
		.choices = log_levels,
		.offset = AT(log.level),
		.def = "info",
		.help = "What is worth a line. `--log.level` wins."},
	{.name = "format",
		.type = KEY_CHOICE,
		.choices = log_formats,
		.offset = AT(log.format),
		.def = "logfmt",
		.help = "How a line looks. `--log.format` wins."},
	{0},
};

static void check_log(struct config_reader *r, const struct node *map, void *object)
{
	struct config *config = object;

	(void)r;
	config->log.level_set = node_get(map, "level");
	config->log.format_set = node_get(map, "format");
}

static const struct config_key root_keys[] = {
	{.name = "docker_sd_configs",
		.type = KEY_SECTIONS,
		.list = &docker_list,
		.offset = AT(docker),
		.count_offset = AT(docker_count),
		.help = "Docker Engines to follow."},
	{.name = "targets",
		.type = KEY_CUSTOM,
		.read = targets_read,
		.type_text = "a list of label maps",
		.help = "Targets by name, as `pyroscope.ebpf` takes them: each a map of labels, of "
			"which "
			"`__container_id__`, `__meta_docker_container_id`, "
			"`__meta_kubernetes_pod_container_id` or `__process_pid__` says what to "
			"profile."},
	{.name = "file_sd_configs",
		.type = KEY_SECTIONS,
		.list = &file_sd_list,
		.offset = AT(files),
		.count_offset = AT(file_sd_count),
		.help = "Files with such targets."},
	{.name = "relabel_configs",
		.type = KEY_CUSTOM,
		.read = relabel_read,
		.type_text = "a list of rules",
		.help = "What becomes of each target: which are dropped, how the others are "
			"named."},
	{.name = "ebpf",
		.type = KEY_SECTION,
		.section = &ebpf_section,
		.offset = AT(ebpf),
		.help = "How to sample."},
	{.name = "write",
		.type = KEY_SECTION,
		.section = &write_section,
		.offset = AT(write),
		.help = "Where profiles go."},
	{.name = "log",
		.type = KEY_SECTION,
		.section = &log_section,
		.help = "What dockprof says."},
	{.name = "web",
		.type = KEY_SECTION,
		.section = &web_section,
		.offset = AT(web),
		.help = "The local view."},
	{.name = "control",
		.type = KEY_SECTION,
		.section = &control_section,
		.help = "For commands that ask the agent."},
	{.name = "scrape_configs",
		.type = KEY_REFUSED,
		.help = "nothing is scraped; move `docker_sd_configs` and `relabel_configs` to the "
			"left "
			"margin"},
	{.name = "global",
		.type = KEY_REFUSED,
		.help = "write `sample_rate` in `ebpf` and `external_labels` in `write`"},
	{0},
};

static void check_sources(struct config_reader *r, const struct node *map, void *object)
{
	struct config *config = object;
	const struct node *docker = node_get_key(map, "docker_sd_configs");
	bool none = !config->docker_count && !config->target_count && !config->file_sd_count;
	const struct node *value = node_get(map, "docker_sd_configs");

	if (none && docker && value->kind == NODE_LIST)
		reader_problem(r, docker,
			"an empty list and no other targets: nothing would be profiled; remove it "
			"for "
			"the local engine");
}

const struct config_section log_section = {
	.name = "`log`",
	.help = "Lines on stderr.",
	.keys = log_keys,
	.check = check_log,
};
const struct config_section root_section = {
	.name = "the file",
	.help = "Every section may be missing.",
	.keys = root_keys,
	.check = check_sources,
};

static void config_init(struct config *config, const char *path)
{
	*config = (struct config){
		.path = path ? xstrdup(path) : NULL,
		.rules = relabel_rules_new(),
		.log = {.level = LOG_LEVEL_INFO, .format = LOG_FORMAT_LOGFMT},
	};
	web_options_init(&config->web);
	config->control.socket = xstrdup(CONTROL_DEFAULT_PATH);
	ebpf_options_init(&config->ebpf);
	write_options_init(&config->write);
}

void config_release(struct config *config)
{
	for (size_t i = 0; i < config->docker_count; i++)
		docker_sd_options_release(&config->docker[i]);
	free(config->docker);
	for (size_t i = 0; i < config->target_count; i++)
		labels_release(&config->targets[i]);
	free(config->targets);
	for (size_t i = 0; i < config->file_sd_count; i++)
		file_sd_options_release(&config->files[i]);
	free(config->files);
	relabel_rules_free(config->rules);
	write_options_release(&config->write);
	web_options_release(&config->web);
	free(config->control.socket);
	free(config->shown);
	free(config->path);
	*config = (struct config){0};
}

/* What nobody said. */
static int fill_in(struct config *config, struct error *err)
{
	if (!config->docker_count && !config->target_count && !config->file_sd_count)
		docker_default(config);
	return write_options_from_environment(&config->write, err);
}

static void read_tree(const struct tree *tree, struct config *config,
	struct config_problems *problems)
{
	const char *slash = config->path ? strrchr(config->path, '/') : NULL;
	char *directory cleanup_free =
		slash ? xstrndup(config->path, (size_t)(slash - config->path)) : NULL;
	struct config_reader r = {.problems = problems, .directory = directory};
	struct error err = {0};

	if (tree->root)
		section_read(&r, &root_section, tree->root, config);
	if (!problems->count && fill_in(config, &err) < 0)
		problem_add(problems, 0, 0, "%s", err.message);
	config->shown = config_show(tree->root);
}

int config_parse(const char *path, const char *text, size_t len, struct config *ret,
	struct config_problems *problems)
{
	struct tree tree;

	config_init(ret, path);
	if (tree_parse(text, len, &tree, problems) == 0)
		read_tree(&tree, ret, problems);
	tree_release(&tree);
	if (!problems->count)
		return 0;
	problems_sort(problems);
	config_release(ret);
	return -EINVAL;
}

int config_load(const char *path, struct config *ret, struct config_problems *problems,
	struct error *err)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	int r = file_read_at(AT_FDCWD, path, TREE_MAX_BYTES, &text);

	*ret = (struct config){0};
	if (r == -EFBIG)
		return error_set(err, r, "%s is larger than %d bytes: not a configuration", path,
			TREE_MAX_BYTES);
	if (r < 0)
		return error_set_errno(err, r, "cannot read %s", path);
	return config_parse(path, text.buf, text.len, ret, problems);
}

int config_default(struct config *ret, struct error *err)
{
	config_init(ret, NULL);
	ret->shown = xstrdup("# no file: the defaults\n");
	int r = fill_in(ret, err);

	if (r < 0)
		config_release(ret);
	return r;
}
