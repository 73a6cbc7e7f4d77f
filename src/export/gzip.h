// SPDX-License-Identifier: Apache-2.0
/* Compression into memory. */
#ifndef EXPORT_GZIP_H
#define EXPORT_GZIP_H

#include <stddef.h>

#include "base/strbuf.h"

/* Appends data as one gzip member (RFC 1952) of zlib's fastest level, without a time stamp. */
void gzip_add(struct strbuf *out, const void *data, size_t len);

#endif
