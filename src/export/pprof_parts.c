// SPDX-License-Identifier: Apache-2.0
/*
 * Nearly all profiles are small: where a bound says that the whole fits, it is encoded as it is. Else
 * stacks are copied one after the other into a profile of their own, which takes along only what they
 * refer to:
 *
 *	whole   | stacks 0 ..                                 | locations, functions, strings |
 *	parts   | 0 .. 15999 | theirs |  | 16000 .. | theirs |  ...
 *
 * The bound is never too low and seldom twice too high, so a part is no larger than the limit. Only a
 * last stack can make it so: then the part is made again with half the stacks.
 */
#include "export/pprof_parts.h"

#include "export/pprof_tables.h"

/* The bound lags behind by one stack: what one with ordinary names may add. */
#define HEADROOM 16384

static void encode_some(struct pprof_parts *parts, size_t max,
	const struct pprof_part_limits *limits, const struct pprof_options *options,
	struct strbuf *out)
{
	size_t stop = limits->bytes > 2 * HEADROOM ? limits->bytes - HEADROOM : limits->bytes / 2;

	for (;;) {
		size_t start = out->len;
		struct pprof *part = pprof_new(options);
		size_t count = pprof_copy_stacks(part, parts->whole, parts->next, max, stop);

		pprof_encode(part, out);
		parts->ticks = pprof_total(part);
		parts->too_large = out->len - start > limits->bytes;
		pprof_free(part);
		if (!parts->too_large || count == 1) {
			parts->next += count;
			return;
		}
		strbuf_set_len(out, start);
		max = count / 2;
	}
}

bool pprof_next_part(struct pprof_parts *parts, const struct pprof_part_limits *limits,
	int64_t time_ns, struct strbuf *out)
{
	struct pprof_options options = parts->whole->options;
	size_t count = parts->whole->stack_count;

	if (parts->next == count)
		return false;
	options.time_ns = time_ns;
	if (parts->next == 0 && count <= limits->samples &&
		pprof_encoded_bound(parts->whole) <= limits->bytes) {
		pprof_encode_at(parts->whole, time_ns, out);
		parts->ticks = parts->whole->total;
		parts->next = count;
	} else {
		encode_some(parts, limits->samples, limits, &options, out);
	}
	return true;
}
