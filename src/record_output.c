// SPDX-License-Identifier: Apache-2.0
#include "record_output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "export/report.h"
#include "quality.h"
#include "web/json.h"
#include "web/page.h"

#define SUMMARY_FUNCTIONS 3
#define BASE_MAX          100 /* bytes of a service in a file's name */

struct recorded {
	char *service, *container;
	char *base, *file; /* in a directory: the service as a name for files, and the path */
	struct labels labels; /* without "__" labels */
	struct pprof *profile;
};

static const struct {
	const char *name, *suffix;
} formats[] = {
	[RECORD_TEXT] = {"text", "txt"},
	[RECORD_FOLDED] = {"folded", "folded"},
	[RECORD_JSON] = {"json", "json"},
	[RECORD_PPROF] = {"pprof", "pb.gz"},
	[RECORD_SVG] = {"svg", "svg"},
	[RECORD_HTML] = {"html", "html"},
	[RECORD_SPEEDSCOPE] = {"speedscope", "speedscope.json"},
};

static bool is_directory(const char *path)
{
	struct stat st;

	return path &&
		((*path && path[strlen(path) - 1] == '/') ||
			(stat(path, &st) == 0 && S_ISDIR(st.st_mode)));
}

/* Where it is not for a terminal. */
static const char *default_path(enum record_format format)
{
	return format == RECORD_PPROF   ? "dockprof.pb.gz"
		: format == RECORD_HTML ? "dockprof.html"
		: format == RECORD_SVG  ? "dockprof.svg"
					: NULL;
}

int record_output_init(struct record_output *o, const char *format, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (strcmp(format, formats[i].name) != 0)
			continue;
		o->format = (enum record_format)i;
		o->path = path ? path : default_path(o->format);
		o->directory = is_directory(o->path);
		return 0;
	}
	return -EINVAL;
}

void record_output_release(struct record_output *o)
{
	for (size_t i = 0; i < o->count; i++) {
		free(o->list[i].service);
		free(o->list[i].container);
		free(o->list[i].base);
		free(o->list[i].file);
		labels_release(&o->list[i].labels);
		pprof_free(o->list[i].profile);
	}
	free(o->list);
	o->list = NULL;
	o->count = 0;
}

void record_output_begin(struct record_output *o, const struct collect_tally *tally,
	int64_t length_ns)
{
	o->tally = *tally;
	o->length_ns = length_ns;
}

void record_output_add(struct record_output *o, const struct target *t, struct pprof *profile)
{
	if (o->count == o->capacity) {
		o->capacity = grow_capacity(o->capacity, o->count + 1);
		o->list = xreallocarray(o->list, o->capacity, sizeof(o->list[0]));
	}
	struct recorded *r = &o->list[o->count++];

	*r = (struct recorded){
		.service = xstrdup(t->service_name),
		.container = xstrdup(t->name),
		.profile = profile,
	};
	for (size_t i = 0; i < t->labels.count; i++)
		if (strncmp(t->labels.list[i].name, "__", 2) != 0)
			labels_set(&r->labels, t->labels.list[i].name, t->labels.list[i].value);
}

static int busiest_first(const void *a, const void *b)
{
	const struct recorded *x = a, *y = b;
	uint64_t tx = pprof_total(x->profile), ty = pprof_total(y->profile);

	return tx != ty ? (tx < ty ? 1 : -1) : strcmp(x->container, y->container);
}

/* For a person: the terminal's width and colours where it goes to one. */
static struct report_options options_for(const struct record_output *o, const struct recorded *r)
{
	bool terminal = !o->path && isatty(STDOUT_FILENO);
	struct report_options options = {
		.title = r->service,
		.color = terminal && !getenv("NO_COLOR"),
	};
	struct winsize size = {0};

	if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		options.width = size.ws_col;
	return options;
}

/* All services in one profile: below each stack stands its service. */
static struct pprof *merged(const struct recorded *list, size_t count)
{
	struct pprof *all = pprof_new(pprof_get_options(list[0].profile));

	for (size_t i = 0; i < count; i++)
		pprof_merge(all, list[i].profile, list[i].service);
	return all;
}

static void add_svg(struct strbuf *out, const struct recorded *list, size_t count)
{
	struct pprof *all = count > 1 ? merged(list, count) : NULL;

	report_svg(out, all ? all : list[0].profile, all ? "all containers" : list[0].service);
	pprof_free(all);
}

static void add_pprof(struct strbuf *out, const struct recorded *list, size_t count)
{
	struct pprof *all = count > 1 ? merged(list, count) : NULL;

	pprof_encode_gzip(all ? all : list[0].profile, out);
	pprof_free(all);
}

static void add_speedscope(struct strbuf *out, const struct recorded *list, size_t count)
{
	struct report_speedscope s;

	report_speedscope_init(&s);
	for (size_t i = 0; i < count; i++)
		report_speedscope_add(&s, list[i].profile, list[i].service);
	report_speedscope_end(&s, out);
}

/* The page that the agent serves, with what it would ask the agent for. */
static void add_html(struct strbuf *out, const struct recorded *list, size_t count)
{
	struct strbuf data cleanup_strbuf = STRBUF_INIT;
	struct json j = {.out = &data};
	const struct pprof_options *o = pprof_get_options(list[0].profile);
	struct utsname host = {0};

	uname(&host);
	json_open(&j, NULL, '{');
	json_number(&j, "from", o->time_ns / NSEC_PER_MSEC);
	json_number(&j, "durationNanos", o->duration_ns);
	json_open(&j, "machine", '{');
	json_string(&j, "host", host.nodename);
	json_string(&j, "kernel", host.release);
	json_close(&j, '}');
	json_open(&j, "services", '[');
	for (size_t i = 0; i < count; i++) {
		json_open(&j, NULL, '{');
		json_string(&j, "service", list[i].service);
		json_string(&j, "name", list[i].container);
		strbuf_add_str(&data, ",\"profile\":");
		report_tree(&data, list[i].profile);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	page_with_data(out, data.buf, data.len);
}

static void add_json(struct strbuf *out, const struct recorded *list, size_t count)
{
	strbuf_add_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		strbuf_add_str(out, i ? "," : "");
		report_json(out, list[i].profile, &list[i].labels);
	}
	strbuf_add_str(out, "]\n");
}

static void add_text(const struct record_output *o, const struct recorded *r, struct strbuf *out)
{
	struct report_options options = options_for(o, r);

	report_text(out, r->profile, &options);
	strbuf_add_char(out, '\n');
}

/* These services as one file. */
static void add(const struct record_output *o, const struct recorded *list, size_t count,
	struct strbuf *out)
{
	switch (o->format) {
	case RECORD_TEXT:
		for (size_t i = 0; i < count; i++)
			add_text(o, &list[i], out);
		break;
	case RECORD_FOLDED:
		for (size_t i = 0; i < count; i++)
			report_folded(out, list[i].profile, o->directory ? NULL : list[i].service);
		break;
	case RECORD_JSON:
		if (o->directory)
			report_json(out, list[0].profile, &list[0].labels);
		else
			add_json(out, list, count);
		break;
	case RECORD_PPROF:
		add_pprof(out, list, count);
		break;
	case RECORD_SVG:
		add_svg(out, list, count);
		break;
	case RECORD_HTML:
		add_html(out, list, count);
		break;
	case RECORD_SPEEDSCOPE:
		add_speedscope(out, list, count);
		break;
	}
}

/* A name for a file: what a service may be called is decided by containers. */
static char *base_of(const char *service)
{
	struct strbuf base cleanup_strbuf = STRBUF_INIT;

	for (const char *s = service; *s && s - service <= BASE_MAX; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			(*s >= '0' && *s <= '9') || *s == '-' || *s == '_' ||
			(*s == '.' && s != service);

		strbuf_add_char(&base, plain ? *s : '_');
	}
	return strbuf_detach(&base);
}

static bool is_taken(const struct record_output *o, const char *path, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(o->list[i].file, path) == 0)
			return true;
	return false;
}

/* DIR/SERVICE.suffix; with -2, -3, ... for services whose names as files are the same. */
static void name_file(const struct record_output *o, size_t index)
{
	struct recorded *r = &o->list[index];
	struct strbuf path cleanup_strbuf = STRBUF_INIT;
	size_t number = 1;

	r->base = base_of(r->service);
	for (size_t i = 0; i < index; i++)
		number += strcmp(o->list[i].base, r->base) == 0;
	do {
		strbuf_reset(&path);
		strbuf_addf(&path, "%s/%s", o->path, r->base);
		if (number > 1)
			strbuf_addf(&path, "-%zu", number);
		strbuf_addf(&path, ".%s", formats[o->format].suffix);
		number++;
	} while (is_taken(o, path.buf, index));
	r->file = strbuf_detach(&path);
}

static int write_directory(const struct record_output *o, struct error *err)
{
	if (mkdir(o->path, 0755) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "cannot make the directory %s", o->path);
	for (size_t i = 0; i < o->count; i++) {
		struct strbuf out cleanup_strbuf = STRBUF_INIT;

		name_file(o, i);
		const char *path = o->list[i].file;

		add(o, &o->list[i], 1, &out);
		int r = file_replace(path, out.buf, out.len);

		if (r < 0)
			return error_set_errno(err, r, "cannot write %s", path);
	}
	return 0;
}

static int write_single(const struct record_output *o, struct error *err)
{
	struct strbuf out cleanup_strbuf = STRBUF_INIT;

	add(o, o->list, o->count, &out);
	int r = o->path ? file_replace(o->path, out.buf, out.len)
			: file_write_all(STDOUT_FILENO, out.buf, out.len);

	return r < 0 ? error_set_errno(err, r, "cannot write %s", o->path ? o->path : "to stdout")
		     : 0;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void tell_quality(const struct target_quality *q)
{
	struct strbuf line cleanup_strbuf = STRBUF_INIT;

	quality_describe_stacks(q, &line);
	if (line.len)
		strbuf_addf(&line, "\n");
	quality_describe_names(q, &line);
	if (line.len)
		fprintf(stderr, "%s\n", line.buf);
}

/* The closing lines; on stderr, so that stdout stays what was asked for. */
static void tell(const struct record_output *o, const struct target_quality *q)
{
	uint64_t total = 0, lost = o->tally.unknown;

	for (size_t i = 0; i < o->count; i++)
		total += pprof_total(o->list[i].profile);
	for (int i = 0; i < LOSS_COUNT; i++)
		lost += o->tally.lost[i];
	for (size_t i = 0; i < o->count && (o->format != RECORD_TEXT || o->path); i++) {
		struct strbuf line cleanup_strbuf = STRBUF_INIT;

		report_summary(&line, o->list[i].profile, o->list[i].service, SUMMARY_FUNCTIONS);
		fputs(line.buf, stderr);
	}
	fprintf(stderr,
		"%.1f s, %zu containers on the CPU, %" PRIu64 " samples; of %" PRIu64
		" ticks: %.1f %% containers, %.1f %% other, %" PRIu64 " lost\n",
		(double)o->length_ns / 1e9, o->count, total, o->tally.ticks,
		percent(o->tally.exported, o->tally.ticks),
		percent(o->tally.filtered, o->tally.ticks), lost);
	tell_quality(q);
	if (!o->count)
		fputs("no container used the CPU in this time; dockprof targets lists them\n",
			stderr);
	else if (o->path)
		fprintf(stderr, "written to %s\n", o->path);
}

int record_output_finish(struct record_output *o, const struct target_quality *quality,
	struct error *err)
{
	int r;

	if (o->count)
		qsort(o->list, o->count, sizeof(o->list[0]), busiest_first);
	if (!o->count && o->format != RECORD_JSON)
		r = 0;
	else
		r = o->directory ? write_directory(o, err) : write_single(o, err);
	tell(o, quality);
	return r;
}
