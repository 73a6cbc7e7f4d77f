// SPDX-License-Identifier: Apache-2.0
/*
 * yajl calls back for tokens; this keeps the path, and two bounds that yajl lacks. yajl gathers a
 * string that comes in pieces until its closing quote, however far that is. So bytes pass a small
 * state machine first, which knows just enough of JSON to tell where strings begin and end:
 *
 *	outside  -- '"' -->  inside  -- JSON_MAX_STRING bytes -->  skipping
 *	   ^                  |  '"'                                  |  '"'
 *	   '------------------'---------------------------------------'
 *
 * While it is skipping, nothing is handed to yajl. Runs between these points are handed over whole.
 * A token that is no string (a number, true) is refused when it is longer than MAX_TOKEN, for the same
 * reason. yajl's own validation of UTF-8 is off: an invalid byte in a label must not cost us the
 * whole answer, so strings are repaired instead.
 */
#include "base/json_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/alloc.h"
#include "base/utf8.h"

#define MAX_TOKEN 64

enum where { OUTSIDE, INSIDE, SKIPPING };

struct level {
	bool array;
	bool cut; /* the key */
	struct strbuf key;
};

struct json {
	const struct json_ops *ops;
	void *ctx;
	yajl_handle yajl;
	struct level levels[JSON_MAX_DEPTH];
	size_t depth;
	struct strbuf text; /* of the current value */
	int stopped; /* what a callback returned, or -EBADMSG */
	enum where where;
	size_t length; /* of the current string or token */
	unsigned escaped; /* bytes that still belong to an escape sequence */
	bool cut; /* the string that is handed over now */
	bool complete; /* at least one whole value was seen */
};

static void repair(struct strbuf *out, const char *s, size_t len)
{
	const char *nul;

	strbuf_reset(out);
	while ((nul = memchr(s, '\0', len))) {
		utf8_repair(out, s, (size_t)(nul - s));
		strbuf_add_str(out, UTF8_REPLACEMENT);
		len -= (size_t)(nul + 1 - s);
		s = nul + 1;
	}
	utf8_repair(out, s, len);
}

/* For yajl: go on? */
static int note(struct json *j, int r)
{
	j->stopped = r;
	return r == 0;
}

static int tell(struct json *j, const struct json_value *v)
{
	j->complete |= j->depth == 0;
	return note(j, j->ops->value ? j->ops->value(j->ctx, j, v) : 0);
}

static int on_null(void *ctx)
{
	return tell(ctx, &(struct json_value){.type = JSON_NULL, .text = ""});
}

static int on_boolean(void *ctx, int truth)
{
	return tell(ctx, &(struct json_value){.type = JSON_BOOL, .truth = truth, .text = ""});
}

static int on_number(void *ctx, const char *digits, size_t len)
{
	struct json *j = ctx;

	repair(&j->text, digits, len);
	return tell(j, &(struct json_value){.type = JSON_NUMBER, .text = j->text.buf});
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
	struct json *j = ctx;

	repair(&j->text, (const char *)s, len);
	return tell(j,
		&(struct json_value){.type = JSON_STRING, .cut = j->cut, .text = j->text.buf});
}

static int begin(struct json *j, bool array)
{
	if (!note(j, j->ops->begin ? j->ops->begin(j->ctx, j) : 0))
		return 0;
	if (j->depth == JSON_MAX_DEPTH)
		return note(j, -EBADMSG);
	struct level *l = &j->levels[j->depth++];

	l->array = array;
	l->cut = false;
	strbuf_reset(&l->key);
	return 1;
}

static int end(struct json *j)
{
	j->depth--;
	j->complete |= j->depth == 0;
	return note(j, j->ops->end ? j->ops->end(j->ctx, j) : 0);
}

static int on_start_map(void *ctx)
{
	return begin(ctx, false);
}

static int on_start_array(void *ctx)
{
	return begin(ctx, true);
}

static int on_end(void *ctx)
{
	return end(ctx);
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
	struct json *j = ctx;
	struct level *l = &j->levels[j->depth - 1];

	repair(&l->key, (const char *)s, len);
	l->cut = j->cut;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end,
};

struct json *json_new(const struct json_ops *ops, void *ctx)
{
	struct json *j = xcalloc(1, sizeof(*j));

	j->ops = ops;
	j->ctx = ctx;
	strbuf_init(&j->text);
	for (size_t i = 0; i < JSON_MAX_DEPTH; i++)
		strbuf_init(&j->levels[i].key);
	j->yajl = yajl_alloc(&callbacks, NULL, j);
	if (!j->yajl)
		abort();
	yajl_config(j->yajl, yajl_allow_multiple_values, 1);
	yajl_config(j->yajl, yajl_dont_validate_strings, 1);
	return j;
}

void json_free(struct json *j)
{
	if (!j)
		return;
	yajl_free(j->yajl);
	strbuf_release(&j->text);
	for (size_t i = 0; i < JSON_MAX_DEPTH; i++)
		strbuf_release(&j->levels[i].key);
	free(j);
}

static int parse(struct json *j, const char *data, size_t len)
{
	if (len > 0 && yajl_parse(j->yajl, (const unsigned char *)data, len) != yajl_status_ok &&
		!j->stopped)
		j->stopped = -EBADMSG;
	return j->stopped;
}

static void step_outside(struct json *j, char c)
{
	if (c == '"') {
		j->where = INSIDE;
		j->length = 0;
		j->escaped = 0;
	} else if (c && strchr(" \t\r\n,:[]{}", c)) {
		j->length = 0;
	} else {
		j->length++;
	}
}

/* Whether c ends the string. */
static bool step_string(struct json *j, char c)
{
	j->length++;
	if (j->escaped == 1 && c == 'u')
		j->escaped = 4;
	else if (j->escaped > 0)
		j->escaped--;
	else if (c == '\\')
		j->escaped = 1;
	else
		return c == '"';
	return false;
}

/* Advances over one byte at `at`; [*run, at) is not yet handed to yajl. */
static int step(struct json *j, const char *data, size_t at, size_t *run)
{
	char c = data[at];

	if (j->where == OUTSIDE) {
		step_outside(j, c);
		return j->where == OUTSIDE && j->length > MAX_TOKEN ? -EBADMSG : 0;
	}
	if (j->where == INSIDE && j->length >= JSON_MAX_STRING && j->escaped == 0 && c != '"') {
		int r = parse(j, data + *run, at - *run);

		if (r < 0)
			return r;
		j->where = SKIPPING;
	}
	if (!step_string(j, c))
		return 0;
	if (j->where == SKIPPING) {
		*run = at + 1;
		j->cut = true;
		int r = parse(j, "\"", 1);

		j->cut = false;
		if (r < 0)
			return r;
	}
	j->where = OUTSIDE;
	j->length = 0;
	return 0;
}

int json_feed(struct json *j, const char *data, size_t len)
{
	size_t run = 0;

	for (size_t i = 0; i < len && !j->stopped; i++) {
		int r = step(j, data, i, &run);

		if (r < 0)
			j->stopped = r;
	}
	if (j->stopped || j->where == SKIPPING)
		return j->stopped;
	return parse(j, data + run, len - run);
}

int json_finish(struct json *j)
{
	if (json_feed(j, " ", 1) < 0) /* ends a number */
		return j->stopped;
	if (j->where != OUTSIDE || j->depth > 0 || !j->complete)
		j->stopped = -EBADMSG;
	return j->stopped;
}

size_t json_depth(const struct json *j)
{
	return j->depth;
}

bool json_at(const struct json *j, const char *path)
{
	for (size_t i = 0; i < j->depth; i++) {
		const struct level *l = &j->levels[i];
		size_t len = strcspn(path, ".");
		bool array = len == 2 && !strncmp(path, "[]", 2);
		bool any = len == 1 && *path == '*';

		if (array != l->array)
			return false;
		if (!array && !any && (strlen(l->key.buf) != len || strncmp(l->key.buf, path, len)))
			return false;
		path += len;
		if (*path)
			path++;
		else
			return i + 1 == j->depth;
	}
	return !*path;
}

const char *json_key(const struct json *j, size_t level)
{
	return level < j->depth ? j->levels[level].key.buf : "";
}

const char *json_last_key(const struct json *j)
{
	return j->depth > 0 ? j->levels[j->depth - 1].key.buf : "";
}

bool json_key_cut(const struct json *j)
{
	for (size_t i = 0; i < j->depth; i++)
		if (j->levels[i].cut)
			return true;
	return false;
}

uint32_t json_value_number(const struct json_value *v, uint32_t max)
{
	uint64_t n = 0;

	if (v->type != JSON_NUMBER || !*v->text)
		return 0;
	for (const char *p = v->text; *p; p++) {
		if (*p < '0' || *p > '9')
			return 0;
		n = n * 10 + (uint64_t)(*p - '0');
		if (n > max)
			return 0;
	}
	return (uint32_t)n;
}
