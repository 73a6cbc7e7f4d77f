// SPDX-License-Identifier: Apache-2.0
/* The message that Pyroscope's push service takes (api/push/v1/push.proto). */
#ifndef EXPORT_PUSH_REQUEST_H
#define EXPORT_PUSH_REQUEST_H

#include <stddef.h>

#include "base/strbuf.h"
#include "target/labels.h"

#define PUSH_PATH "/push.v1.PusherService/Push"

/*
 * Appends a PushRequest with one series that holds one profile. One, because the server stores the good
 * series of a request even when it answers with an error for a bad one: sending the request again in
 * parts would count the good ones twice, not doing so would lose what a 5xx left out.
 */
void push_request_encode(struct strbuf *out, const struct labels *labels, const void *profile,
	size_t len);

#endif
