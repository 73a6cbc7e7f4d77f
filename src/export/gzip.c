// SPDX-License-Identifier: Apache-2.0
/*
 * Level 1 takes about a third of the default level's time and gives up a tenth of the size. Most profiles are
 * small: the window is no larger than what goes into it, as clearing it would take longer than packing. The output
 * buffer is as large as deflateBound() asks for, so one call finishes and cannot fail.
 */
#include "export/gzip.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/alloc.h"

#define GZIP_FORMAT    16 /* added to the window's bits: gzip header and trailer */
#define MEM_LEVEL_BITS 7 /* what the default level of 8 is below the largest window */

static void *allocate(void *opaque, unsigned count, unsigned size)
{
	(void)opaque;
	return xcalloc(count, size);
}

static void release(void *opaque, void *p)
{
	(void)opaque;
	free(p);
}

static int window_bits(size_t len)
{
	int bits = 9;

	while (bits < MAX_WBITS && (size_t)1 << bits < len)
		bits++;
	return bits;
}

void gzip_add(struct strbuf *out, const void *data, size_t len)
{
	z_stream z = {.zalloc = allocate, .zfree = release};
	int bits = window_bits(len);

	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, bits + GZIP_FORMAT, bits - MEM_LEVEL_BITS,
		    Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* another zlib than the headers' */
	size_t bound = deflateBound(&z, len);

	strbuf_grow(out, bound);
	z.next_in = (Bytef *)(uintptr_t)data;
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)out->buf + out->len;
	z.avail_out = (uInt)bound;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort(); /* deflateBound() promised it */
	strbuf_set_len(out, out->len + z.total_out);
	deflateEnd(&z);
}
