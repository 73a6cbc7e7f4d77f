// SPDX-License-Identifier: Apache-2.0
/*
 * One request at a time asks for a token, whoever wants it meanwhile; what comes of it is told to the
 * client, which lets its waiting requests go or fail:
 *
 *	none --- wanted --> asked for --- 200, a token ---> there --- soon expired, refused --> none
 *	 ^                     |
 *	 '-- settled(error) ---'
 *
 * There are two ways to say who we are: in the Authorization header, which every server must understand,
 * and in the form, which some want instead. As long as neither was taken, the other one is tried, too.
 *
 * The secret goes to token_url and nowhere else: redirects are not followed, and what the server says of
 * an error is shown only where the secret is not in it.
 */
#include "http/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "http/client.h"
#include "http/token_answer.h"

#define TIMEOUT_NS     (10 * NSEC_PER_SEC)
#define ANSWER_MAX     65536
#define ERROR_SHOWN    200 /* bytes of what the server says */
/* So that one does not expire on its way to the server; at most half of its time. */
#define EARLY_NS       (10 * NSEC_PER_SEC)
#define LIFETIME_MAX_S (365 * 86400)

struct http_token {
	struct http_client *client;
	struct http_oauth2_options options; /* without tls and proxy, which the client took */
	const struct http_token_ops *ops;
	void *ctx;
	struct http_request *request; /* NULL: none is under way */
	struct strbuf secret; /* that of the request */
	char *value; /* NULL: none */
	unsigned serial;
	int64_t until_ns; /* monotonic; 0: for ever */
	bool in_form; /* how we say who we are */
	bool way_known; /* the server takes it this way */
	bool other_way_tried;
};

static int ask(struct http_token *t, struct error *err);

static void forget(struct http_token *t)
{
	free_secret(steal_ptr(&t->value));
}

static void forget_secret(struct strbuf *secret)
{
	explicit_bzero(secret->buf, secret->len);
	strbuf_reset(secret);
}

static void release_secret(struct strbuf *secret)
{
	forget_secret(secret);
	strbuf_release(secret);
}

#define cleanup_secret __attribute__((cleanup(release_secret)))

static void add_field(struct strbuf *form, const char *name, const char *value)
{
	if (form->len)
		strbuf_add_char(form, '&');
	http_escape(form, name);
	strbuf_add_char(form, '=');
	http_escape(form, value);
}

static void add_scopes(struct strbuf *form, const struct http_oauth2_options *o)
{
	struct strbuf scopes cleanup_strbuf = STRBUF_INIT;

	for (size_t i = 0; i < o->scope_count; i++)
		strbuf_addf(&scopes, "%s%s", i ? " " : "", o->scopes[i]);
	if (scopes.len)
		add_field(form, "scope", scopes.buf);
}

static void make_form(const struct http_token *t, struct strbuf *form)
{
	const struct http_oauth2_options *o = &t->options;
	bool other_grant = false;

	for (size_t i = 0; i < o->param_count; i++) {
		add_field(form, o->params[i].name, o->params[i].value);
		other_grant |= strcmp(o->params[i].name, "grant_type") == 0;
	}
	if (!other_grant)
		add_field(form, "grant_type", "client_credentials");
	add_scopes(form, o);
	if (t->in_form) {
		add_field(form, "client_id", o->client_id);
		add_field(form, "client_secret", t->secret.buf);
	}
}

static void replace(char **text, const char *value)
{
	struct strbuf escaped = STRBUF_INIT;

	free_secret(steal_ptr(text));
	if (!value)
		return;
	http_escape(&escaped, value); /* as in a form, says the RFC */
	*text = strbuf_detach(&escaped);
}

static void say_who_we_are(struct http_token *t)
{
	replace(&t->client->options.basic_auth.username, t->in_form ? NULL : t->options.client_id);
	replace(&t->client->options.basic_auth.password, t->in_form ? NULL : t->secret.buf);
}

static void settle(struct http_token *t, const struct error *err)
{
	forget_secret(&t->secret);
	t->ops->settled(t->ctx, err);
}

static void fail(struct http_token *t, int code, const char *why)
{
	struct strbuf url cleanup_strbuf = STRBUF_INIT;
	struct error err = {0};

	http_show_url(&url, t->options.token_url);
	error_set(&err, code, "oauth2: no token from %s: %s", url.buf, why);
	settle(t, &err);
}

/* What the server says of its refusal, unless that gives the secret away. */
static void explain(const struct http_token *t, const struct http_result *result,
	const struct token_answer *answer, struct strbuf *out)
{
	struct strbuf said cleanup_strbuf = STRBUF_INIT;

	strbuf_addf(out, "HTTP %ld", result->status);
	if (result->status >= 300 && result->status < 400)
		strbuf_add_str(out,
			"; token_url redirects, which is not followed: name the right one");
	if (answer->error)
		strbuf_addf(&said, ": %s", answer->error);
	if (answer->error_description)
		strbuf_addf(&said, ": %s", answer->error_description);
	if (t->secret.len && strstr(said.buf, t->secret.buf))
		return;
	text_add_safe(out, said.buf, said.len, ERROR_SHOWN);
}

static void take(struct http_token *t, struct token_answer *answer)
{
	int64_t lifetime_ns = MIN(answer->expires_in_s, LIFETIME_MAX_S) * NSEC_PER_SEC;

	t->way_known = true;
	t->value = steal_ptr(&answer->access_token);
	t->serial++;
	t->until_ns = 0;
	if (lifetime_ns > 0)
		t->until_ns = clock_monotonic_ns() + lifetime_ns - MIN(EARLY_NS, lifetime_ns / 2);
	settle(t, NULL);
}

/* Whether the refusal may be of the way in which we said who we are, and the other one is under way. */
static bool try_the_other_way(struct http_token *t, long status)
{
	struct error err = {0};

	if (t->way_known || t->other_way_tried || (status != 400 && status != 401))
		return false;
	t->in_form = !t->in_form;
	t->other_way_tried = true;
	return ask(t, &err) == 0;
}

static void on_refused(struct http_token *t, const struct http_result *result,
	const struct token_answer *answer)
{
	struct strbuf why cleanup_strbuf = STRBUF_INIT;

	if (try_the_other_way(t, result->status))
		return;
	if (t->other_way_tried)
		t->in_form = false;
	explain(t, result, answer, &why);
	fail(t, -EACCES, why.buf);
}

static void on_done(void *ctx, const struct http_result *result)
{
	struct token_answer answer cleanup_token_answer = {0};
	struct http_token *t = ctx;
	struct error err = {0};

	t->request = NULL;
	if (result->code) {
		fail(t, result->code, result->message);
		return;
	}
	int r = token_answer_read(result->body, result->body_len, &answer, &err);

	if (result->status < 200 || result->status >= 300)
		on_refused(t, result, &answer);
	else if (r < 0)
		fail(t, r, err.message);
	else
		take(t, &answer);
}

static int ask(struct http_token *t, struct error *err)
{
	static const struct http_request_header headers[] = {
		{"Content-Type", "application/x-www-form-urlencoded"},
		{"Accept", "application/json"},
	};
	struct strbuf form cleanup_secret = STRBUF_INIT;

	forget_secret(&t->secret);
	int r = http_read_secret(t->options.client_secret, t->options.client_secret_file,
		&t->secret, err);

	if (r < 0)
		return r;
	make_form(t, &form);
	say_who_we_are(t);
	const struct http_request_options options = {
		.method = "POST",
		.url = t->options.token_url,
		.headers = headers,
		.header_count = ARRAY_SIZE(headers),
		.body = form.buf,
		.body_len = form.len,
		.timeout_ns = TIMEOUT_NS,
		.max_body = ANSWER_MAX,
		.on_done = on_done,
		.ctx = t,
	};

	return http_request_start(t->client, &options, &t->request, err);
}

int http_token_want(struct http_token *t, struct error *err)
{
	if (t->request)
		return -EAGAIN;
	if (t->value && (!t->until_ns || clock_monotonic_ns() < t->until_ns))
		return 0;
	forget(t);
	t->other_way_tried = false;
	int r = ask(t, err);

	if (r < 0) {
		error_prefix(err, "oauth2");
		return r;
	}
	return -EAGAIN;
}

const char *http_token_value(const struct http_token *t)
{
	return t->value;
}

unsigned http_token_serial(const struct http_token *t)
{
	return t->serial;
}

void http_token_refused(struct http_token *t, unsigned serial)
{
	if (serial == t->serial)
		forget(t);
}

int http_token_new(struct http *http, struct http_oauth2_options *options,
	const struct http_token_ops *ops, void *ctx, struct http_token **ret, struct error *err)
{
	struct http_token *t = xcalloc(1, sizeof(*t));
	struct http_client_options client;

	http_client_options_init(&client);
	client.follow_redirects = false;
	client.max_connections = 1;
	client.tls = options->tls;
	client.proxy = options->proxy;
	t->options = *options;
	t->options.tls = (struct http_tls_options){0};
	t->options.proxy = (struct http_proxy_options){0};
	*options = (struct http_oauth2_options){0};
	t->ops = ops;
	t->ctx = ctx;
	strbuf_init(&t->secret);
	int r = http_client_new(http, &client, &t->client, err);

	if (r < 0) {
		error_prefix(err, "oauth2");
		http_token_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void http_token_free(struct http_token *t)
{
	if (!t)
		return;
	http_client_free(t->client);
	forget(t);
	release_secret(&t->secret);
	http_oauth2_options_release(&t->options);
	free(t);
}
