// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "docker/readers.h"

/* Of an engine's error text, which goes into one log line. */
#define MAX_MESSAGE 200

struct event_reader {
	struct json *json;
	void (*on_event)(void *ctx, struct docker_event *e);
	void *ctx;
	struct docker_event now;
};

static void release(struct docker_event *e)
{
	free(e->action);
	pairs_release(&e->attributes);
	*e = (struct docker_event){0};
}

static int64_t read_time(const char *digits, int64_t unit)
{
	char *end;

	errno = 0;
	long long n = strtoll(digits, &end, 10);
	return errno || *end || n < 0 || n > INT64_MAX / unit ? 0 : n * unit;
}

/* timeNano is exact; it comes after time, and wins in any order. */
static void read_number(struct docker_event *e, const char *key, const char *digits)
{
	if (!strcmp(key, "timeNano"))
		e->time_ns = read_time(digits, 1);
	else if (!strcmp(key, "time") && !e->time_ns)
		e->time_ns = read_time(digits, NSEC_PER_SEC);
}

static int on_value(void *ctx, const struct json *j, const struct json_value *v)
{
	struct event_reader *r = ctx;
	struct docker_event *e = &r->now;
	const char *key = json_last_key(j);

	if (v->cut || json_key_cut(j))
		return 0;
	if (v->type == JSON_NUMBER && json_at(j, "*"))
		read_number(e, key, v->text);
	if (v->type != JSON_STRING)
		return 0;
	if (json_at(j, "Actor.Attributes.*"))
		pairs_add(&e->attributes, key, v->text);
	else if (json_at(j, "Actor.ID"))
		docker_id_set(e->id, v->text);
	else if (json_at(j, "Action"))
		docker_set_string(&e->action, v->text);
	else if (json_at(j, "Type"))
		e->container = !strcmp(v->text, "container");
	return 0;
}

static int on_begin(void *ctx, const struct json *j)
{
	struct event_reader *r = ctx;

	if (json_depth(j) == 0)
		release(&r->now);
	return 0;
}

static int on_end(void *ctx, const struct json *j)
{
	struct event_reader *r = ctx;

	if (json_depth(j) > 0 || !r->now.action)
		return 0;
	r->on_event(r->ctx, &r->now);
	release(&r->now);
	return 0;
}

static const struct json_ops ops = {.value = on_value, .begin = on_begin, .end = on_end};

struct event_reader *event_reader_new(void (*on_event)(void *ctx, struct docker_event *e),
	void *ctx)
{
	struct event_reader *r = xcalloc(1, sizeof(*r));

	r->json = json_new(&ops, r);
	r->on_event = on_event;
	r->ctx = ctx;
	return r;
}

void event_reader_free(struct event_reader *r)
{
	if (!r)
		return;
	json_free(r->json);
	release(&r->now);
	free(r);
}

int event_reader_feed(struct event_reader *r, const char *data, size_t len)
{
	return json_feed(r->json, data, len);
}

static int on_message(void *ctx, const struct json *j, const struct json_value *v)
{
	struct strbuf *out = ctx;

	if (v->type == JSON_STRING && json_at(j, "message")) {
		strbuf_reset(out);
		text_add_safe(out, v->text, strlen(v->text), MAX_MESSAGE);
	}
	return 0;
}

/* One line of plain text, as servers before the API's own code answer; no page, no broken JSON. */
static void take_plain_text(struct strbuf *out, const char *body, size_t len)
{
	if (len == 0 || body[0] == '<' || body[0] == '{')
		return;
	const char *end = memchr(body, '\n', len);

	text_add_safe(out, body, end ? (size_t)(end - body) : len, MAX_MESSAGE);
}

void docker_error_message(const char *body, size_t len, char *ret, size_t size)
{
	static const struct json_ops message_ops = {.value = on_message};
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct json *j = json_new(&message_ops, &text);

	/* Where the rest is no JSON, the message that was read before counts all the same. */
	if (json_feed(j, body, len) < 0 && text.len == 0)
		take_plain_text(&text, body, len);
	snprintf(ret, size, "%s", text.buf);
	json_free(j);
}
