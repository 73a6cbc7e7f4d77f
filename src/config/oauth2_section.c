// SPDX-License-Identifier: Apache-2.0
/* The section `oauth2` of the HTTP keys, as in Prometheus' http_config. */
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "config/scalar.h"
#include "config/sections.h"
#include "config/url.h"
#include "http/http.h"

#define AT(field)  offsetof(struct http_oauth2_options, field)
#define MAX_PARAMS 64

static bool param_is_ours(const char *name)
{
	return !strcmp(name, "client_id") || !strcmp(name, "client_secret") ||
		!strcmp(name, "scope");
}

static void params_read(struct config_reader *r, const struct config_key *key,
	const struct node *value, void *object)
{
	struct http_oauth2_options *o = object;

	(void)key;
	if (!expect_map(r, "`endpoint_params`", value))
		return;
	for (size_t i = 0; i < node_entries(value); i++) {
		const struct node *name = node_key(value, i);
		struct strbuf text cleanup_strbuf = STRBUF_INIT;

		if (!scalar_text(r, "a parameter", true, node_value(value, i), &text))
			continue;
		if (param_is_ours(name->text) || o->param_count == MAX_PARAMS) {
			reader_problem(r, name,
				param_is_ours(name->text)
					? "this one is a key of `oauth2` itself (scope: `scopes`)"
					: "too many parameters");
			continue;
		}
		o->params = xreallocarray(o->params, o->param_count + 1, sizeof(*o->params));
		o->params[o->param_count++] = (struct http_param){
			.name = xstrdup(name->text),
			.value = strbuf_detach(&text),
		};
	}
}

static void check_oauth2(struct config_reader *r, const struct node *map, void *object)
{
	static const char *const schemes[] = {"http", "https", NULL};
	const struct http_oauth2_options *o = object;
	const struct node *url = node_get(map, "token_url");
	struct error err = {0};

	AT_MOST_ONE(r, map, "client_secret", "client_secret_file");
	if (!node_get(map, "client_secret") && !node_get(map, "client_secret_file"))
		reader_problem(r, map, "`oauth2` needs `client_secret_file` (or `client_secret`)");
	if (url && o->token_url && url_check(o->token_url, schemes, &err) < 0)
		reader_problem(r, url, "`token_url`: %s", err.message);
}

static const struct config_key oauth2_keys[] = {
	{.name = "client_id",
		.type = KEY_STRING,
		.flags = KEY_REQUIRED,
		.offset = AT(client_id),
		.help = "Who dockprof is, for that server."},
	{.name = "client_secret",
		.type = KEY_SECRET,
		.offset = AT(client_secret),
		.help = "Its password. Better in a file, or as `${VAR}`."},
	{.name = "client_secret_file",
		.type = KEY_PATH,
		.offset = AT(client_secret_file),
		.help = "A file that holds the password; read for every token."},
	{.name = "token_url",
		.type = KEY_STRING,
		.flags = KEY_REQUIRED,
		.offset = AT(token_url),
		.help = "Where tokens are had. Redirects are not followed there."},
	{.name = "scopes",
		.type = KEY_STRINGS,
		.offset = AT(scopes),
		.count_offset = AT(scope_count),
		.help = "What the token is to be good for."},
	{.name = "endpoint_params",
		.type = KEY_CUSTOM,
		.flags = KEY_SECRET_INSIDE,
		.read = params_read,
		.type_text = "a map of names and values",
		.help = "Further parameters of the request for a token, such as `audience`."},
	{.name = "tls_config",
		.type = KEY_SECTION,
		.section = &http_tls_section,
		.offset = AT(tls),
		.help = "Certificates for `token_url`, and what to accept there."},
	{.type = KEY_INLINE,
		.name = "Proxy keys",
		.section = &http_proxy_section,
		.offset = AT(proxy)},
	{0},
};

const struct config_section http_oauth2_section = {
	.name = "`oauth2`",
	.help = "The client credentials grant. A token is asked for when it is first needed, used until "
		"shortly before it expires, and once more where the server refuses it with 401.",
	.keys = oauth2_keys,
	.check = check_oauth2,
};
