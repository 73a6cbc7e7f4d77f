// SPDX-License-Identifier: Apache-2.0
/* What a token endpoint answers (RFC 6749, 5): JSON with a token, or with an error. */
#ifndef HTTP_TOKEN_ANSWER_H
#define HTTP_TOKEN_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* NULL: not there. Owned by the struct. */
struct token_answer {
	char *access_token, *token_type;
	char *error, *error_description;
	int64_t expires_in_s; /* 0: not told */
};

/* -EBADMSG where it holds no token that can be used; what it holds of an error is there all the same. */
int token_answer_read(const char *text, size_t len, struct token_answer *ret, struct error *err);
void token_answer_release(struct token_answer *answer);

#define cleanup_token_answer __attribute__((cleanup(token_answer_release)))

#endif
