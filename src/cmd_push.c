// SPDX-License-Identifier: Apache-2.0
/*
 * dockprof push: existing pprof files to the servers of the configuration, one after the other, each with
 * a line on what became of it. A repair tool after an outage, and the way to try credentials.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/units.h"
#include "commands.h"
#include "config/config.h"
#include "export/directory.h"
#include "export/gzip.h"
#include "export/pprof_file.h"
#include "export/writer.h"
#include "options.h"

#define FILES_MAX 100000 /* a shell's command line holds no more names */

struct push {
	struct config config;
	struct loop *loop;
	struct http *http;
	struct writer *writer;
	struct labels labels;
	int64_t timeout_ns;
	struct error why; /* the last thing the writer had to tell */
};

static void on_event(void *ctx, enum writer_event event, const char *endpoint,
	const struct error *err)
{
	struct push *p = ctx;

	if (event == WRITER_FIRST_DELIVERY || event == WRITER_REACHABLE_AGAIN)
		return;
	error_set(&p->why, -EPROTO, "%s%s%s", endpoint, *endpoint ? ": " : "",
		err ? err->message : "");
	if (event == WRITER_LABELS_REPAIRED)
		fprintf(stderr, "dockprof: labels were changed: %s\n", err->message);
}

static const struct writer_ops ops = {.event = on_event};

static void release(struct push *p)
{
	writer_free(p->writer);
	if (p->http)
		http_free(p->http);
	if (p->loop)
		loop_free(p->loop);
	labels_release(&p->labels);
	config_release(&p->config);
}

static int load(struct push *p, const char *path)
{
	struct config_problems problems = {0};
	struct error err = {0};

	if (!path && access(CONFIG_DEFAULT_PATH, F_OK) == 0)
		path = CONFIG_DEFAULT_PATH;
	int r = path ? config_load(path, &p->config, &problems, &err)
		     : config_default(&p->config, &err);

	for (size_t i = 0; i < problems.count; i++) {
		struct strbuf line cleanup_strbuf = STRBUF_INIT;

		config_problem_format(&line, path, &problems.list[i]);
		fprintf(stderr, "%s\n", line.buf);
	}
	if (r < 0 && !problems.count)
		fprintf(stderr, "dockprof: %s\n", err.message);
	config_problems_release(&problems);
	if (r < 0)
		p->config = (struct config){0}; /* it was released already */
	if (r == 0 && !p->config.write.endpoint_count) {
		fputs("dockprof: no server is given: set PYROSCOPE_SERVER_ADDRESS, or name an "
		      "endpoint in the configuration\n",
			stderr);
		return -EINVAL;
	}
	return r;
}

static int start(struct push *p, struct error *err)
{
	struct write_options *o = &p->config.write;
	int r = loop_new(&p->loop);

	/* Only to the servers, and whatever the age: they are asked, not we. */
	free(steal_ptr(&o->spool.path));
	free(steal_ptr(&o->directory));
	o->spool.max_age_ns = 0;
	o->max_pending_bytes = SIZE_MAX;
	if (r == 0)
		r = http_new(p->loop, &p->http, err);
	if (r == 0)
		r = writer_new(p->loop, p->http, o, &ops, p, NULL, &p->writer, err);
	return r;
}

static int add_labels(struct push *p, const struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *equals = strchr(list->values[i], '=');
		struct strbuf name cleanup_strbuf = STRBUF_INIT;

		if (!equals || equals == list->values[i]) {
			fprintf(stderr, "dockprof: --label takes NAME=VALUE, not \"%s\"\n",
				list->values[i]);
			return -EINVAL;
		}
		strbuf_add(&name, list->values[i], (size_t)(equals - list->values[i]));
		labels_set(&p->labels, name.buf, equals + 1);
	}
	return 0;
}

static void totals(const struct push *p, struct write_count *sent, struct write_count *added)
{
	*sent = *added = (struct write_count){0};
	for (size_t i = 0; i < writer_endpoint_count(p->writer); i++) {
		struct write_stats s;

		writer_stats(p->writer, i, &s);
		write_count_add(sent, &s.sent);
		write_count_add(added, &s.added);
	}
}

static void hand_over(struct push *p, const struct labels *labels, struct pprof_file *f)
{
	const struct pprof_part_limits limits = {PART_MAX_SAMPLES, PART_MAX_BYTES};
	int64_t time_ns = f->time_ns;

	for (;;) {
		struct strbuf plain cleanup_strbuf = STRBUF_INIT,
				    packed cleanup_strbuf = STRBUF_INIT;

		if (!pprof_file_next_part(f, &limits, time_ns, &plain))
			return;
		gzip_add(&packed, plain.buf, plain.len);
		writer_add_encoded(p->writer, labels,
			&(struct encoded_profile){
				.data = packed.buf,
				.len = packed.len,
				.time_ns = time_ns,
				.value = f->part_value,
			});
		time_ns += time_ns ? NSEC_PER_MSEC : 0;
	}
}

/* Until it is settled at each endpoint, or the time is up. */
static int wait(struct push *p)
{
	int64_t end = clock_monotonic_ns() + p->timeout_ns;

	while (!writer_idle(p->writer) && clock_monotonic_ns() < end) {
		int r = loop_turn(p->loop, 50 * NSEC_PER_MSEC);

		if (r < 0)
			return r;
	}
	return writer_idle(p->writer) ? 0 : -ETIMEDOUT;
}

static int push_parsed(struct push *p, const char *path, struct pprof_file *f, struct error *err)
{
	struct strbuf service cleanup_strbuf = STRBUF_INIT;
	struct labels labels cleanup_labels = {0};
	struct write_count sent, added, sent_before, added_before;
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < p->labels.count; i++)
		labels_set(&labels, p->labels.list[i].name, p->labels.list[i].value);
	directory_service_of(slash ? slash + 1 : path, &service);
	if (!labels_has(&labels, "service_name")) {
		if (!service.len)
			return error_set(err, -EINVAL,
				"say whose it is: --label service_name=NAME");
		labels_set(&labels, "service_name", service.buf);
	}
	if (!f->sample_count)
		return error_set(err, -EINVAL, "it has no samples");
	totals(p, &sent_before, &added_before);
	p->why.message[0] = '\0';
	hand_over(p, &labels, f);
	int r = wait(p);

	totals(p, &sent, &added);
	if (sent.profiles - sent_before.profiles == added.profiles - added_before.profiles) {
		printf("%s: sent as %s, %zu samples\n", path, labels_get(&labels, "service_name"),
			f->sample_count);
		return 0;
	}
	if (p->why.message[0])
		return error_set(err, -EPROTO, "%s", p->why.message);
	return error_set(err, r < 0 ? r : -EPROTO, "not taken in time");
}

static bool push_file(struct push *p, const char *path)
{
	struct strbuf data cleanup_strbuf = STRBUF_INIT;
	struct pprof_file f;
	struct error err = {0};
	int r = file_read_at(AT_FDCWD, path, PPROF_FILE_MAX, &data);

	if (r < 0) {
		fprintf(stderr, "dockprof: cannot read %s: %s\n", path, strerror(-r));
		return false;
	}
	r = pprof_file_parse(&f, data.buf, data.len, &err);
	if (r == 0)
		r = push_parsed(p, path, &f, &err);
	pprof_file_release(&f);
	if (r < 0)
		fprintf(stderr, "dockprof: %s: %s\n", path, err.message);
	return r == 0;
}

static int push_all(struct push *p, const struct option_list *files)
{
	struct error err = {0};
	size_t failed = 0, i = 0;
	int r = start(p, &err);

	if (r < 0) {
		fprintf(stderr, "dockprof: %s\n", err.message[0] ? err.message : strerror(-r));
		return EXIT_FAILED;
	}
	for (; i < files->count; i++) {
		failed += !push_file(p, files->values[i]);
		if (!writer_idle(p->writer)) {
			fprintf(stderr,
				"dockprof: the server cannot be reached; %zu files were not "
				"tried\n",
				files->count - i - 1);
			break;
		}
	}
	return failed ? EXIT_FAILED : EXIT_OK;
}

static int run(struct push *p, const char *config, const char *timeout,
	const struct option_list *labels, const struct option_list *files)
{
	if (!files->count) {
		fputs("dockprof: push which FILE? See dockprof push --help\n", stderr);
		return EXIT_USAGE;
	}
	if (duration_parse(timeout, &p->timeout_ns) < 0 || p->timeout_ns <= 0) {
		fprintf(stderr, "dockprof: --timeout takes a time such as 30s, not \"%s\"\n",
			timeout);
		return EXIT_USAGE;
	}
	if (add_labels(p, labels) < 0 || load(p, config) < 0)
		return EXIT_USAGE;
	return push_all(p, files);
}

int cmd_push(int argc, char **argv)
{
	const char *config = NULL, *timeout = "30s";
	struct option_list labels = {0}, files = {0};
	struct push p = {0};
	const struct option_spec specs[] = {
		{"label", 'l', OPTION_LIST, "NAME=VALUE",
			"a label of the profiles; may be repeated", &labels},
		{"timeout", 0, OPTION_STRING, "TIME", "how long one file may take; default 30s",
			&timeout},
		{"config.file", 0, OPTION_STRING, "FILE",
			"take the servers from this file; default " CONFIG_DEFAULT_PATH, &config},
		{NULL, 0, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_spec command = {
		.usage = "dockprof push [--label NAME=VALUE]... FILE...",
		.about =
			"Sends pprof files to the Pyroscope servers of the configuration, or of\n"
			"PYROSCOPE_SERVER_ADDRESS, under their own time. The service is the label\n"
			"service_name, or what stands in the name of a file that dockprof wrote.\n"
			"Exit status: 0 where all files were taken, 1 where one was not.",
		.examples = "  dockprof push /var/lib/dockprof/profiles/*.pb.gz\n"
			    "  dockprof push --label service_name=web cpu.pb.gz\n",
		.options = specs,
		.arguments = &files,
		.max_arguments = FILES_MAX,
	};
	enum options_outcome outcome = options_parse(&command, argc, argv);
	int code = (int)outcome;

	if (outcome == OPTIONS_RUN) {
		code = run(&p, config, timeout, &labels, &files);
		release(&p);
	}
	free(labels.values);
	free(files.values);
	return code;
}
