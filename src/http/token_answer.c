// SPDX-License-Identifier: Apache-2.0
#include "http/token_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/json_reader.h"

/* It goes into a header. Those of large providers have up to some 3,000 bytes. */
#define TOKEN_MAX 16384

static void keep(char **field, const struct json_value *v)
{
	if (v->type != JSON_STRING || v->cut)
		return;
	free(*field);
	*field = xstrdup(v->text);
}

/* A number, which some write as a string. */
static int64_t seconds(const char *text)
{
	double s = strtod(text, NULL);

	return s >= 1 && s < 1e15 ? (int64_t)s : 0;
}

static int on_value(void *ctx, const struct json *j, const struct json_value *v)
{
	struct token_answer *a = ctx;

	if (json_at(j, "access_token"))
		keep(&a->access_token, v);
	else if (json_at(j, "token_type"))
		keep(&a->token_type, v);
	else if (json_at(j, "error"))
		keep(&a->error, v);
	else if (json_at(j, "error_description"))
		keep(&a->error_description, v);
	else if (json_at(j, "expires_in"))
		a->expires_in_s = seconds(v->text);
	return 0;
}

static int parse(const char *text, size_t len, struct token_answer *ret)
{
	static const struct json_ops ops = {.value = on_value};
	struct json *j = json_new(&ops, ret);
	int r = json_feed(j, text, len);

	if (r == 0)
		r = json_finish(j);
	json_free(j);
	return r;
}

/* As the RFC on bearer tokens has it, but for the letters, which some do not keep to. */
static bool may_be_sent(const char *token)
{
	size_t len = 0;

	for (; token[len]; len++)
		if (token[len] <= ' ' || token[len] > '~')
			return false;
	return len > 0 && len <= TOKEN_MAX;
}

int token_answer_read(const char *text, size_t len, struct token_answer *ret, struct error *err)
{
	if (parse(text, len, ret) < 0)
		return error_set(err, -EBADMSG, "the answer is no JSON");
	if (!ret->access_token)
		return error_set(err, -EBADMSG, "the answer has no access_token");
	if (ret->token_type && strcasecmp(ret->token_type, "bearer") != 0)
		return error_set(err, -EBADMSG, "the token is of another type than Bearer");
	if (!may_be_sent(ret->access_token))
		return error_set(err, -EBADMSG, "the token cannot be sent in a header");
	return 0;
}

void token_answer_release(struct token_answer *answer)
{
	free_secret(answer->access_token);
	free(answer->token_type);
	free(answer->error);
	free(answer->error_description);
}
