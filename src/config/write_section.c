// SPDX-License-Identifier: Apache-2.0
/* write: the argument names of pyroscope.write, and a directory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "config/scalar.h"
#include "config/sections.h"
#include "config/url.h"
#include "export/writer.h"

#define AT(field)          offsetof(struct write_options, field)
#define AT_ENDPOINT(field) offsetof(struct write_endpoint_options, field)
#define MIB                (1024 * 1024)
#define DAY                (24 * 3600 * NSEC_PER_SEC)

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "KEY_SIZE stores both");

static const char *const url_schemes[] = {"http", "https", NULL};

static const struct config_key endpoint_keys[] = {
	{.name = "url",
		.type = KEY_STRING,
		.flags = KEY_REQUIRED,
		.offset = AT_ENDPOINT(url),
		.help = "Pyroscope's base URL, such as http://pyroscope:4040."},
	{.name = "name",
		.type = KEY_STRING,
		.offset = AT_ENDPOINT(name),
		.help = "What logs and metrics call it. Default: the URL. Where several have the same "
			"name, a number tells the others apart: `name (2)`; what one is called lasts until "
			"it or the agent ends, whatever is written around it later."},
	{.name = "remote_timeout",
		.type = KEY_DURATION,
		.offset = AT_ENDPOINT(remote_timeout_ns),
		.min = 100 * NSEC_PER_MSEC,
		.max = 3600 * NSEC_PER_SEC,
		.def = "10s",
		.help = "How long one attempt may take."},
	{.name = "headers",
		.type = KEY_CUSTOM,
		.flags = KEY_SECRET_INSIDE,
		.read = headers_read,
		.offset = AT_ENDPOINT(http),
		.type_text = "a map of header names and values",
		.help = "Sent with every request. Values are treated as secrets."},
	{.name = "min_backoff_period",
		.type = KEY_DURATION,
		.offset = AT_ENDPOINT(min_backoff_ns),
		.min = NSEC_PER_MSEC,
		.max = DAY,
		.def = "500ms",
		.help = "How long to wait after the first failed attempt; doubled after each."},
	{.name = "max_backoff_period",
		.type = KEY_DURATION,
		.offset = AT_ENDPOINT(max_backoff_ns),
		.min = NSEC_PER_MSEC,
		.max = DAY,
		.def = "5m",
		.help = "The longest wait."},
	{.name = "max_backoff_retries",
		.type = KEY_UINT,
		.offset = AT_ENDPOINT(max_backoff_retries),
		.def = "10",
		.help = "Attempts in all; 0: no end."},
	{.name = "retry_on_http_429",
		.type = KEY_BOOL,
		.offset = AT_ENDPOINT(retry_on_http_429),
		.def = "true",
		.help = "Whether to try again where the server says that it is too much."},
	{.name = "tenant_id",
		.type = KEY_STRING,
		.offset = AT_ENDPOINT(tenant_id),
		.help = "Sent as X-Scope-OrgID."},
	{.name = "debug_info_upload_timeout",
		.type = KEY_DURATION,
		.offset = KEY_NOWHERE,
		.help = "Accepted, no effect."},
	{.type = KEY_INLINE,
		.name = "HTTP keys",
		.section = &http_section,
		.offset = AT_ENDPOINT(http)},
	{0},
};

static void check_endpoint(struct config_reader *r, const struct node *map, void *object)
{
	const struct write_endpoint_options *o = object;
	const struct node *url = node_get(map, "url");
	const struct node *min = node_get(map, "min_backoff_period");
	const struct node *max = node_get(map, "max_backoff_period");
	struct error err = {0};

	if (url && o->url && url_check(o->url, url_schemes, &err) < 0)
		reader_problem(r, url, "`url`: %s", err.message);
	if ((min || max) && o->min_backoff_ns > o->max_backoff_ns)
		reader_problem(r, max ? max : min,
			"`max_backoff_period` is shorter than `min_backoff_period`");
}

static void init_endpoint(void *item)
{
	write_endpoint_options_init(item);
}

const struct list_type endpoint_list = {
	.section = &write_endpoint_section,
	.item_size = sizeof(struct write_endpoint_options),
	.init = init_endpoint,
};

const char *external_name_problem(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";

	if (!*name || strchr("0123456789.", *name) || name[strspn(name, allowed)])
		return "not a label name that Pyroscope takes; use letters, digits, _ and .";
	if (strncmp(name, "__", 2) == 0)
		return "labels that begin with __ stay inside; choose another name";
	return NULL;
}

static bool external_name_ok(struct config_reader *r, const struct node *key)
{
	const char *problem = external_name_problem(key->text);

	if (problem)
		reader_problem(r, key, "%s", problem);
	return !problem;
}

static void external_labels_read(struct config_reader *r, const struct config_key *key,
	const struct node *value, void *object)
{
	struct write_options *o = object;

	(void)key;
	if (!expect_map(r, "`external_labels`", value) || o->external_labels.count)
		return;
	for (size_t i = 0; i < node_entries(value); i++) {
		const struct node *name = node_key(value, i);
		struct strbuf text cleanup_strbuf = STRBUF_INIT;
		bool ok = external_name_ok(r, name);

		if (!scalar_text(r, "a label's value", false, node_value(value, i), &text) || !ok)
			continue;
		if (text.len) {
			labels_set(&o->external_labels, name->text, text.buf);
			continue;
		}
		size_t n = o->external_label_removal_count++;

		o->external_label_removals =
			xreallocarray(o->external_label_removals, n + 1, sizeof(char *));
		o->external_label_removals[n] = xstrdup(name->text);
	}
}

static const struct config_key file_keys[] = {
	{.name = "directory",
		.type = KEY_PATH,
		.flags = KEY_REQUIRED,
		.offset = AT(directory),
		.help = "Where to keep profiles as files."},
	{.name = "max_bytes",
		.type = KEY_SIZE,
		.offset = AT(directory_max_bytes),
		.min = MIB,
		.max = (int64_t)1 << 50,
		.def = "64MiB",
		.help = "The oldest files go where it is more."},
	{.name = "max_age",
		.type = KEY_DURATION,
		.offset = AT(directory_max_age_ns),
		.min = 0,
		.max = 3650 * DAY,
		.help = "Older files are removed. Default: none is too old."},
	{0},
};

static const struct config_key spool_keys[] = {
	{.name = "path",
		.type = KEY_PATH,
		.flags = KEY_REQUIRED,
		.offset = AT(spool.path),
		.help = "A directory on disk; each endpoint gets one in it. Only one dockprof may use it."},
	{.name = "max_bytes",
		.type = KEY_SIZE,
		.offset = AT(spool.max_bytes),
		.min = MIB,
		.max = (int64_t)1 << 50,
		.def = "256MiB",
		.help = "Room for all endpoints, shared out evenly. The oldest profiles go where it is "
			"not enough."},
	{.name = "max_age",
		.type = KEY_DURATION,
		.offset = AT(spool.max_age_ns),
		.min = 0,
		.max = 365 * DAY,
		.def = "1h",
		.help = "Older profiles are dropped instead of sent, on disk and in memory: Pyroscope "
			"refuses what is older than an hour, unless its `reject-older-than` says "
			"otherwise. 0: never."},
	{.name = "sync_period",
		.type = KEY_DURATION,
		.offset = AT(spool.sync_ns),
		.min = 0,
		.max = 3600 * NSEC_PER_SEC,
		.def = "1s",
		.help = "How long written profiles may be lost by a loss of power, longer on a slow "
			"disk; 0: each is synced at once."},
	{0},
};

static const struct config_key write_keys[] = {
	{.name = "endpoint",
		.type = KEY_SECTIONS,
		.list = &endpoint_list,
		.offset = AT(endpoints),
		.count_offset = AT(endpoint_count),
		.help = "Pyroscope servers; each gets every profile."},
	{.name = "external_labels",
		.type = KEY_CUSTOM,
		.read = external_labels_read,
		.offset = AT(external_labels),
		.type_text = "a map of label names and values",
		.help = "Set on every profile, whatever the rules made; an empty value removes the "
			"label."},
	{.name = "file",
		.type = KEY_SECTION,
		.section = &write_file_section,
		.help = "Also, or only, keep profiles as files."},
	{.name = "max_pending_bytes",
		.type = KEY_SIZE,
		.offset = AT(max_pending_bytes),
		.min = MIB,
		.max = (int64_t)4096 * MIB,
		.def = "16MiB",
		.help = "Memory for profiles that wait for a server, all endpoints together."},
	{.name = "spool",
		.type = KEY_SECTION,
		.section = &write_spool_section,
		.help = "Keep profiles on disk while a server does not take them."},
	{.name = "tracing", .type = KEY_REFUSED, .help = "dockprof writes no traces; remove it"},
	{.name = "url",
		.type = KEY_REFUSED,
		.help = "a URL belongs to an endpoint; write `endpoint:` and below it `- url: "
			"...`"},
	{0},
};

const struct config_section write_endpoint_section = {
	.name = "`endpoint`",
	.help = "A Pyroscope server: the argument names of the block in `pyroscope.write`.",
	.keys = endpoint_keys,
	.check = check_endpoint,
};
const struct config_section write_file_section = {
	.name = "`file`",
	.help = "Gzip-compressed pprof files, one per target and interval.",
	.keys = file_keys,
};
const struct config_section write_spool_section = {
	.name = "`spool`",
	.help = "Profiles that cannot be delivered are kept on disk, survive restarts and crashes, and "
		"are sent, the oldest first, once the server is back. Without it they wait in memory.",
	.keys = spool_keys,
};
const struct config_section write_section = {
	.name = "`write`",
	.help = "Where profiles go. With neither `endpoint` nor `file`: to the server that the "
		"environment variable PYROSCOPE_SERVER_ADDRESS names, else to files in "
		"" WRITE_DEFAULT_DIRECTORY ".",
	.keys = write_keys,
};
