// SPDX-License-Identifier: Apache-2.0
/*
 * The access token of an OAuth 2.0 client, for the requests of one http_client: asked for when it is first
 * wanted, kept until shortly before it expires or a server refuses it.
 */
#ifndef HTTP_TOKEN_H
#define HTTP_TOKEN_H

#include "http/http.h"

struct http_token;

struct http_token_ops {
	/* From the loop, after http_token_want() was told to wait. err: why there is none; NULL: there is. */
	void (*settled)(void *ctx, const struct error *err);
};

/* Takes over the contents of *options, also on failure. */
int http_token_new(struct http *http, struct http_oauth2_options *options,
	const struct http_token_ops *ops, void *ctx, struct http_token **ret,
	struct error *err) MUST_CHECK;
/* Fine from settled(), and with NULL. */
void http_token_free(struct http_token *t);

/* 0: there is one. -EAGAIN: it is being asked for, settled() tells. Else it cannot even be asked for. */
int http_token_want(struct http_token *t, struct error *err) MUST_CHECK;
/* The one that http_token_want() said is there. */
const char *http_token_value(const struct http_token *t);
/* Counts the tokens. */
unsigned http_token_serial(const struct http_token *t);
/* A server does not take the one with that serial any more. */
void http_token_refused(struct http_token *t, unsigned serial);

#endif
