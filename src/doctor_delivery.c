// SPDX-License-Identifier: Apache-2.0
/*
 * A push without a profile goes the whole way that profiles go: name, connection, TLS, credentials,
 * tenant, path. What the server says to it tells which of them does not work; its Date header tells how
 * far our clock is off, since servers refuse profiles from other times.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "doctor.h"
#include "export/push_request.h"
#include "http/http.h"

#define TIMEOUT_NS   (5 * NSEC_PER_SEC)
#define CLOCK_WARN_S 60
#define CLOCK_FAIL_S 600 /* the server refuses what is more than ten minutes ahead */
#define BODY_SHOWN   200
#define LEAST_FREE   (64U << 20)

struct push {
	struct doctor *d;
	const char *shown; /* URL without secrets */
	bool with_credentials, with_tenant;
	bool done;
};

static void check_answer_clock(const struct push *p, const char *date)
{
	int64_t theirs = http_date_s(date), ours = clock_realtime_ns() / NSEC_PER_SEC;
	int64_t off = theirs ? MAX(ours - theirs, theirs - ours) : 0;

	if (!theirs)
		return;
	if (off < CLOCK_WARN_S) {
		doctor_add(p->d, "clock", CHECK_PASS, "",
			"this machine's clock and that of %s agree within %d s", p->shown,
			CLOCK_WARN_S);
		return;
	}
	doctor_add(p->d, "clock", off < CLOCK_FAIL_S ? CHECK_WARN : CHECK_FAIL,
		"set the clocks, run an NTP client on both machines",
		"this machine's clock and that of %s differ by %lld s%s", p->shown, (long long)off,
		off < CLOCK_FAIL_S ? "" : "; it refuses profiles from so far away");
}

static void tell_code(const struct push *p, const struct http_result *r)
{
	static const struct {
		int code;
		const char *id, *fix;
	} kinds[] = {
		{-EHOSTUNREACH, "server_name",
			"is the name right, and in a compose file is dockprof in the server's network?"},
		{-ECONNREFUSED, "server_port",
			"nobody listens there: is the server up, is the port right?"},
		{-ETIMEDOUT, "server_timeout",
			"something drops packets on the way, or the server hangs: look at firewalls "
			"and its log"},
		{-EPROTO, "server_tls",
			"for a private authority set tls_config.ca_file; is it https at that port at "
			"all?"},
		{-EACCES, "server_credentials", "the file with the password cannot be read"},
	};
	const char *id = "server", *fix = "look at the server's log";

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].code == r->code) {
			id = kinds[i].id;
			fix = kinds[i].fix;
		}
	doctor_add(p->d, id, CHECK_FAIL, fix, "%s: %s", p->shown, r->message);
}

static void tell_unauthorized(const struct push *p, const struct http_result *r)
{
	if (strstr(r->body, "org id") || strstr(r->body, "tenant"))
		doctor_add(p->d, "server_tenant", CHECK_FAIL,
			"set tenant_id of the endpoint, or PYROSCOPE_TENANT_ID",
			"%s: it wants to know the tenant (%ld)", p->shown, r->status);
	else if (p->with_credentials)
		doctor_add(p->d, "server_credentials", CHECK_FAIL,
			"correct user and password (or token) of the endpoint",
			"%s: the credentials are refused (%ld)", p->shown, r->status);
	else
		doctor_add(p->d, "server_credentials", CHECK_FAIL,
			"set basic_auth of the endpoint, or PYROSCOPE_BASIC_AUTH_USER and "
			"PYROSCOPE_BASIC_AUTH_PASSWORD",
			"%s: it wants credentials, and none are configured (%ld)", p->shown,
			r->status);
}

/* A server that speaks the push protocol answers a mistake in it with a JSON object that has a code. */
static bool speaks_push(const struct http_result *r)
{
	if (r->status >= 200 && r->status < 300)
		return !strstr(r->content_type, "html");
	return r->status == 400 && strstr(r->body, "\"code\"");
}

static void tell_status(const struct push *p, const struct http_result *r)
{
	if (r->status == 401 || r->status == 403)
		tell_unauthorized(p, r);
	else if (r->status == 503 || r->status == 502 || r->status == 504)
		doctor_add(p->d, "server_ready", CHECK_FAIL, "wait for it, look at its log",
			"%s: it is not ready (%ld)", p->shown, r->status);
	else if (speaks_push(r))
		doctor_add(p->d, "server", CHECK_PASS, "", "%s takes pushes%s", p->shown,
			p->with_credentials ? ", with these credentials" : "");
	else
		doctor_add(p->d, "server_kind", CHECK_FAIL,
			"is it Pyroscope (1.0 or newer), and is the path in the URL right?",
			"%s: no push service answers there (%ld %.*s)", p->shown, r->status,
			(int)MIN(strcspn(r->body, "\r\n"), (size_t)BODY_SHOWN), r->body);
}

static void on_done(void *ctx, const struct http_result *r)
{
	struct push *p = ctx;

	p->done = true;
	if (r->code) {
		tell_code(p, r);
		return;
	}
	tell_status(p, r);
	check_answer_clock(p, http_result_header(r, "Date"));
}

static int start_push(struct push *p, struct http_client *client,
	const struct write_endpoint_options *o, struct error *err)
{
	size_t len = strlen(o->url);
	char *url cleanup_free = xasprintf("%.*s" PUSH_PATH,
		(int)(len && o->url[len - 1] == '/' ? len - 1 : len), o->url);
	const struct http_request_header headers[] = {
		{"Content-Type", "application/proto"},
		{"X-Scope-OrgID", o->tenant_id ? o->tenant_id : ""},
	};
	struct http_request_options request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.header_count = p->with_tenant ? 2 : 1,
		.body = "",
		.timeout_ns = TIMEOUT_NS,
		.on_done = on_done,
		.ctx = p,
	};

	return http_request_start(client, &request, NULL, err);
}

static void check_endpoint(struct doctor *d, struct loop *loop, struct http *http,
	struct write_endpoint_options *o)
{
	struct strbuf shown cleanup_strbuf = STRBUF_INIT;
	struct http_client *client = NULL;
	struct error err = {0};

	http_show_url(&shown, o->url);
	struct push p = {
		.d = d,
		.shown = shown.buf,
		.with_credentials = o->http.basic_auth.username ||
			o->http.basic_auth.username_file || o->http.authorization.credentials ||
			o->http.authorization.credentials_file || o->http.oauth2.token_url,
		.with_tenant = o->tenant_id != NULL,
	};
	int r = http_client_new(http, &o->http, &client, &err);

	if (r == 0)
		r = start_push(&p, client, o, &err);
	while (r == 0 && !p.done)
		r = loop_turn(loop, TIMEOUT_NS);
	if (r < 0)
		doctor_add(d, "server_options", CHECK_FAIL, "correct the endpoint's options",
			"%s: %s", shown.buf, err.message);
	http_client_free(client);
}

/* The nearest directory above that is there already: the agent makes the rest. */
static char *existing(const char *path)
{
	char *at = xstrdup(path);

	while (access(at, F_OK) < 0 && strcmp(at, "/") != 0) {
		char *slash = strrchr(at, '/');

		if (!slash)
			break;
		slash[slash == at] = '\0';
	}
	return at;
}

static void check_directory(struct doctor *d, const char *path)
{
	char *at cleanup_free = existing(path);
	struct statvfs fs;

	if (access(at, W_OK | X_OK) < 0)
		doctor_add(d, "directory", CHECK_FAIL,
			"give dockprof a directory that it may write: a volume in the compose file",
			"profiles are to be kept in %s, but %s cannot be written: %s", path, at,
			strerror(errno));
	else if (statvfs(at, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < LEAST_FREE)
		doctor_add(d, "directory", CHECK_WARN, "make room, or lower write.file.max_bytes",
			"profiles are kept in %s, where less than 64 MiB are free", path);
	else
		doctor_add(d, "directory", CHECK_PASS, "", "profiles are kept in %s", path);
}

void doctor_check_delivery(struct doctor *d, struct config *config)
{
	struct error err = {0};
	struct http *http = NULL;
	struct loop *loop = NULL;

	d->environment = false;
	int r = loop_new(&loop);

	if (r == 0)
		r = http_new(loop, &http, &err);
	for (size_t i = 0; r == 0 && i < config->write.endpoint_count; i++)
		check_endpoint(d, loop, http, &config->write.endpoints[i]);
	if (http)
		http_free(http);
	loop_free(loop);
	if (config->write.directory)
		check_directory(d, config->write.directory);
}
