// SPDX-License-Identifier: Apache-2.0
/*
 * Profiles of the past, from the history, and of the next seconds (/debug/profile).
 *
 * For the latter the interval that runs is ended at both ends of the wait, and a copy of the profiles
 * that are made in between is kept. So what is pushed stays whole; it is only cut into shorter intervals.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "export/report.h"
#include "face_parts.h"

#define MAX_WAITING     8 /* of /debug/profile at once */
#define DEFAULT_SECONDS 30 /* as /debug/pprof/profile of Go has it */
#define MAX_SECONDS     300
#define DELAY_NS        (100 * NSEC_PER_MSEC) /* where the interval cannot be ended just now ... */
#define DELAYS_MAX      12 /* ... that often; then what there is is the answer */
#define MAX_TEXT        ((size_t)32 << 20) /* of a download whose stacks are spelt out */
#define MAX_TIME_MS     INT64_C(9000000000000) /* the year 2255, in ns it fits 64 bits */

struct tap {
	struct list_node node;
	struct face *face;
	struct web_exchange *exchange;
	struct loop_timer timer;
	char *container; /* NULL: all of them */
	struct pprof *profile; /* NULL: nothing yet */
	int64_t start_ns; /* CLOCK_REALTIME */
	unsigned delays;
};

static void free_tap(struct tap *t)
{
	loop_timer_stop(&t->timer);
	list_remove(&t->node);
	t->face->waiting_count--;
	free(t->container);
	pprof_free(t->profile);
	free(t);
}

void face_taps_free(struct face *f)
{
	list_for_each_safe(n, &f->waiting)
		free_tap(list_entry(n, struct tap, node));
}

static bool means(const char *word, const struct target *t)
{
	return strcmp(word, t->name) == 0 || strcmp(word, t->service_name) == 0 ||
		(strlen(word) >= 4 && strncmp(t->origin, word, strlen(word)) == 0);
}

void face_tap(struct face *f, const struct target *t, const struct pprof *p)
{
	list_for_each(n, &f->waiting) {
		struct tap *tap = list_entry(n, struct tap, node);

		if (tap->container && !means(tap->container, t))
			continue;
		if (!tap->profile) {
			struct pprof_options options = *pprof_get_options(p);

			options.time_ns = tap->start_ns;
			tap->profile = pprof_new(&options);
		}
		pprof_merge(tap->profile, p, tap->container ? NULL : t->service_name);
	}
}

static void respond_pprof(struct web_exchange *x, const struct pprof *p)
{
	struct strbuf body = STRBUF_INIT;

	pprof_encode_gzip(p, &body);
	web_respond(x,
		&(struct web_response){
			.type = "application/octet-stream",
			.body = &body,
			.headers =
				"Content-Disposition: attachment; filename=\"profile.pb.gz\"\r\n",
		});
}

static void on_tap_end(struct loop_timer *timer)
{
	struct tap *t = container_of(timer, struct tap, timer);
	struct face *f = t->face;

	if (f->ops->round(f->ctx) > 0 && t->delays++ < DELAYS_MAX) {
		loop_timer_start(&t->timer, DELAY_NS);
		return;
	}
	struct web_exchange *x = t->exchange;
	struct pprof *p = steal_ptr(&t->profile);
	int64_t duration = clock_realtime_ns() - t->start_ns;

	if (!p)
		p = pprof_new(&(struct pprof_options){
			.time_ns = t->start_ns,
			.period_ns = NSEC_PER_SEC / f->view.config->ebpf.sample_rate,
		});
	pprof_set_duration(p, duration);
	free_tap(t);
	respond_pprof(x, p);
	pprof_free(p);
}

static void on_tap_gone(void *ctx)
{
	free_tap(ctx);
}

static bool somebody_answers_to(const struct face *f, const char *word)
{
	list_for_each(n, &discover_targets(f->view.pipeline->discover)->targets) {
		const struct target *t = list_entry(n, struct target, in_table);

		if (t->verdict == TARGET_PROFILED && !t->gone && means(word, t))
			return true;
	}
	return false;
}

void face_debug_profile(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf container cleanup_strbuf = STRBUF_INIT;
	long long length = web_query_number(r, "seconds", DEFAULT_SECONDS, MAX_SECONDS);

	web_query_get(r, "container", &container);
	if (length < 1) {
		face_text(x, 400, "seconds: a number from 1 to 300\n");
		return;
	}
	if (container.len && !somebody_answers_to(f, container.buf)) {
		face_text(x, 404,
			"container: nothing that is profiled has this name, service or id\n");
		return;
	}
	if (f->waiting_count >= MAX_WAITING) {
		face_text(x, 503, "too many profiles are being made\n");
		return;
	}
	int64_t since = f->ops->round(f->ctx);
	struct tap *t = xcalloc(1, sizeof(*t));

	*t = (struct tap){
		.face = f,
		.exchange = x,
		.container = container.len ? xstrdup(container.buf) : NULL,
		.start_ns = clock_realtime_ns() - since,
	};
	loop_timer_init(f->loop, &t->timer, on_tap_end);
	loop_timer_start(&t->timer, length * NSEC_PER_SEC - since);
	list_append(&f->waiting, &t->node);
	f->waiting_count++;
	web_wait(x, on_tap_gone, t);
}

/* id=, service=, from=, until= (ms since 1970). The strings hold what ret points at. */
static bool read_query(const struct web_request *r, struct strbuf *id, struct strbuf *service,
	struct history_query *ret)
{
	long long from = web_query_number(r, "from", 0, MAX_TIME_MS);
	long long until = web_query_number(r, "until", 0, MAX_TIME_MS);

	*ret = (struct history_query){
		.id = web_query_get(r, "id", id) ? id->buf : NULL,
		.service = web_query_get(r, "service", service) ? service->buf : NULL,
		.from_ns = from * NSEC_PER_MSEC,
		.until_ns = until * NSEC_PER_MSEC,
	};
	return from >= 0 && until >= 0 && (ret->id || ret->service);
}

static void answer_bad_query(struct web_exchange *x)
{
	face_error(x, 400, "bad_data", "id or service, and times as ms since 1970");
}

static void answer_too_large(struct web_exchange *x)
{
	face_error(x, 413, "too_large", "too many stacks at once: choose a shorter time");
}

/* Of what nothing is held of. */
static struct pprof_options nothing(const struct face *f, const struct history_query *query)
{
	return (struct pprof_options){
		.time_ns = query->from_ns,
		.period_ns = NSEC_PER_SEC / f->view.config->ebpf.sample_rate,
	};
}

/* An empty one where nothing is held. NULL: it was a mistake, which has been answered. */
static struct pprof *asked_for(const struct face *f, struct web_exchange *x,
	const struct web_request *r, char **ret_name)
{
	struct strbuf id cleanup_strbuf = STRBUF_INIT, service cleanup_strbuf = STRBUF_INIT;
	struct history_query query;

	if (!read_query(r, &id, &service, &query)) {
		answer_bad_query(x);
		return NULL;
	}
	const struct pprof_options options = nothing(f, &query);
	struct pprof *p = NULL;
	int status = history_profile(f->history, &query, &p);

	if (status == -EFBIG) {
		answer_too_large(x);
		return NULL;
	}
	*ret_name = xstrdup(service.len ? service.buf : id.buf);
	return status == 0 ? p : pprof_new(&options);
}

void face_flamegraph(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf id cleanup_strbuf = STRBUF_INIT, service cleanup_strbuf = STRBUF_INIT;
	struct strbuf body = STRBUF_INIT;
	struct history_query query;
	struct flat_tree tree;

	if (!read_query(r, &id, &service, &query)) {
		answer_bad_query(x);
		return;
	}
	int status = history_tree(f->history, &query, &tree);

	if (status == -EFBIG) {
		answer_too_large(x);
		return;
	}
	if (status < 0)
		tree = (struct flat_tree){.options = nothing(f, &query)};
	report_flat_tree(&body, &tree);
	flat_tree_release(&tree);
	memory_trim(); /* of minutes with many stacks it had megabytes */
	face_json(x, 200, &body);
}

/* Writers of a format; false: it has more than MAX_TEXT, and `out` is of no use. */
static bool write_pprof(struct strbuf *out, const struct pprof *p, const char *name)
{
	(void)name;
	pprof_encode_gzip(p, out);
	return true;
}

static bool write_svg(struct strbuf *out, const struct pprof *p, const char *name)
{
	report_svg(out, p, name);
	return true;
}

static bool write_folded(struct strbuf *out, const struct pprof *p, const char *name)
{
	(void)name;
	if (!report_folded_fits(p, NULL, MAX_TEXT))
		return false;
	report_folded(out, p, NULL);
	return true;
}

static bool write_speedscope(struct strbuf *out, const struct pprof *p, const char *name)
{
	struct report_speedscope s;

	report_speedscope_init(&s);
	s.max = MAX_TEXT;
	report_speedscope_add(&s, p, name);
	report_speedscope_end(&s, out);
	return !s.cut;
}

static const struct {
	const char *name, *suffix, *type;
	bool (*write)(struct strbuf *out, const struct pprof *p, const char *name);
} formats[] = {
	{"pprof", "pb.gz", "application/octet-stream", write_pprof},
	{"folded", "folded.txt", "text/plain; charset=utf-8", write_folded},
	{"svg", "svg", "image/svg+xml", write_svg},
	{"speedscope", "speedscope.json", "application/json", write_speedscope},
};

/* A name for a file: what a service may be called is decided by containers. */
static void add_file_name(struct strbuf *out, const char *name)
{
	size_t start = out->len;

	for (; *name && out->len - start < 64; name++) {
		bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
			(*name >= '0' && *name <= '9') || *name == '-';

		strbuf_add_char(out, plain ? *name : '_');
	}
	if (out->len == start)
		strbuf_add_str(out, "profile");
}

void face_download(struct face *f, struct web_exchange *x, const struct web_request *r)
{
	struct strbuf format cleanup_strbuf = STRBUF_INIT, headers cleanup_strbuf = STRBUF_INIT;
	struct strbuf body = STRBUF_INIT;
	char *name cleanup_free = NULL;
	size_t i = 0;

	web_query_get(r, "format", &format);
	while (i < ARRAY_SIZE(formats) && format.len && strcmp(formats[i].name, format.buf) != 0)
		i++;
	if (i == ARRAY_SIZE(formats)) {
		face_error(x, 400, "bad_data", "format: pprof, folded, svg or speedscope");
		return;
	}
	struct pprof *p = asked_for(f, x, r, &name);

	if (!p)
		return;
	bool fits = formats[i].write(&body, p, name);

	pprof_free(p);
	if (!fits)
		strbuf_release(&body);
	memory_trim();
	if (!fits) {
		face_error(x, 413, "too_large",
			"this text has more than 32 MiB: choose a shorter time, or format=pprof");
		return;
	}
	strbuf_add_str(&headers, "Content-Disposition: attachment; filename=\"");
	add_file_name(&headers, name);
	strbuf_addf(&headers, ".%s\"\r\nContent-Security-Policy: sandbox\r\n", formats[i].suffix);
	web_respond(x,
		&(struct web_response){.type = formats[i].type,
			.body = &body,
			.headers = headers.buf});
}
