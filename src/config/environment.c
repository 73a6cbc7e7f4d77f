// SPDX-License-Identifier: Apache-2.0
/*
 * The environment variables of the Pyroscope SDKs, as far as they concern delivery. The file comes first:
 * address and credentials count together, and only where it says nothing of where profiles go (so no
 * password goes to a server that somebody else named); labels one by one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json_reader.h"
#include "config/sections.h"
#include "config/url.h"
#include "export/writer.h"

static char *text_of(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? xstrdup(value) : NULL;
}

/* PYROSCOPE_HTTP_HEADERS: {"Name": "value", ...} */
struct header_list {
	struct http_client_options *http;
	const char *problem;
};

static int on_header(void *ctx, const struct json *j, const struct json_value *v)
{
	struct header_list *list = ctx;
	struct http_client_options *o = list->http;

	if (json_depth(j) != 1 || v->type != JSON_STRING || v->cut)
		list->problem = "not a JSON object of header names and values";
	else if (header_name_problem(json_last_key(j)))
		list->problem = header_name_problem(json_last_key(j));
	else if (!header_value_ok(v->text))
		list->problem = "a value has a line end or control character";
	else if (o->header_count == HEADERS_MAX)
		list->problem = "too many headers";
	if (list->problem)
		return -EINVAL;
	o->headers = xreallocarray(o->headers, o->header_count + 1, sizeof(*o->headers));
	o->headers[o->header_count++] = (struct http_header){
		.name = xstrdup(json_last_key(j)),
		.value = xstrdup(v->text),
	};
	return 0;
}

static int read_headers(struct http_client_options *o, struct error *err)
{
	static const struct json_ops ops = {.value = on_header};
	const char *text = getenv("PYROSCOPE_HTTP_HEADERS");
	struct header_list list = {.http = o};

	if (!text || !*text)
		return 0;
	struct json *j = json_new(&ops, &list);
	int r = json_feed(j, text, strlen(text));

	if (r == 0)
		r = json_finish(j);
	json_free(j);
	if (r < 0)
		return error_set(err, -EINVAL, "PYROSCOPE_HTTP_HEADERS: %s",
			list.problem ? list.problem
				     : "not a JSON object of header names and values");
	return 0;
}

static int read_credentials(struct http_client_options *o, struct error *err)
{
	o->basic_auth.username = text_of("PYROSCOPE_BASIC_AUTH_USER");
	o->basic_auth.password = text_of("PYROSCOPE_BASIC_AUTH_PASSWORD");
	o->basic_auth.password_file = text_of("PYROSCOPE_BASIC_AUTH_PASSWORD_FILE");
	o->authorization.credentials = text_of("PYROSCOPE_AUTH_TOKEN");
	bool password = o->basic_auth.password || o->basic_auth.password_file;

	if (o->basic_auth.password && o->basic_auth.password_file)
		return error_set(err, -EINVAL,
			"PYROSCOPE_BASIC_AUTH_PASSWORD and PYROSCOPE_BASIC_AUTH_PASSWORD_FILE are "
			"both set; unset one");
	if (password && !o->basic_auth.username)
		return error_set(err, -EINVAL,
			"PYROSCOPE_BASIC_AUTH_USER is not set, but a password is; set it too");
	if (o->authorization.credentials && o->basic_auth.username)
		return error_set(err, -EINVAL,
			"PYROSCOPE_AUTH_TOKEN and PYROSCOPE_BASIC_AUTH_USER are both set; unset "
			"one");
	return 0;
}

static int read_endpoint(struct write_endpoint_options *o, struct error *err)
{
	static const char *const schemes[] = {"http", "https", NULL};
	int r = url_check(o->url, schemes, err);

	if (r < 0 && strchr(o->url, '@'))
		return error_set(err, r,
			"PYROSCOPE_SERVER_ADDRESS holds a user or password, which would show up in "
			"logs; set PYROSCOPE_BASIC_AUTH_USER and PYROSCOPE_BASIC_AUTH_PASSWORD");
	if (r < 0) {
		error_prefix(err, "PYROSCOPE_SERVER_ADDRESS");
		return r;
	}
	o->tenant_id = text_of("PYROSCOPE_TENANT_ID");
	r = read_credentials(&o->http, err);
	return r < 0 ? r : read_headers(&o->http, err);
}

static bool file_says(const struct write_options *o, const char *name)
{
	for (size_t i = 0; i < o->external_label_removal_count; i++)
		if (strcmp(o->external_label_removals[i], name) == 0)
			return true;
	return labels_has(&o->external_labels, name);
}

/* "name=value", as Java has it, or "name:value", as .NET has it. */
static int read_label(struct write_options *o, const char *text, size_t len, struct error *err)
{
	char *name cleanup_free = xstrndup(text, len);
	char *value = name + strcspn(name, "=:");

	if (!*value)
		return error_set(err, -EINVAL,
			"PYROSCOPE_LABELS: not NAME=VALUE,NAME=VALUE: \"%.100s\"", name);
	*value++ = '\0';
	if (external_name_problem(name))
		return error_set(err, -EINVAL, "PYROSCOPE_LABELS: \"%.100s\": %s", name,
			external_name_problem(name));
	if (!file_says(o, name))
		labels_set(&o->external_labels, name, value);
	return 0;
}

static int read_labels(struct write_options *o, struct error *err)
{
	const char *text = getenv("PYROSCOPE_LABELS");
	int r = 0;

	for (size_t len; r == 0 && text && *text; text += len + (text[len] == ',')) {
		len = strcspn(text, ",");
		if (len)
			r = read_label(o, text, len, err);
	}
	return r;
}

int write_options_from_environment(struct write_options *o, struct error *err)
{
	int r = read_labels(o, err);

	if (r < 0 || o->endpoint_count || o->directory)
		return r;
	char *url = text_of("PYROSCOPE_SERVER_ADDRESS");

	if (!url) {
		o->directory = xstrdup(WRITE_DEFAULT_DIRECTORY);
		return 0;
	}
	o->endpoints = xcalloc(1, sizeof(*o->endpoints));
	o->endpoint_count = 1;
	write_endpoint_options_init(o->endpoints);
	o->endpoints->url = url;
	return read_endpoint(o->endpoints, err);
}
