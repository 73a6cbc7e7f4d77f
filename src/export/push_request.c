// SPDX-License-Identifier: Apache-2.0
#include "export/push_request.h"

#include <string.h>

#include "export/protobuf.h"

enum push_request_field { PUSH_REQUEST_SERIES = 1 };
enum series_field { SERIES_LABELS = 1, SERIES_SAMPLES = 2 };
enum label_pair_field { LABEL_PAIR_NAME = 1, LABEL_PAIR_VALUE = 2 };
enum raw_sample_field { RAW_SAMPLE_RAW_PROFILE = 1 };

void push_request_encode(struct strbuf *out, const struct labels *labels, const void *profile,
	size_t len)
{
	size_t series = protobuf_begin(out, PUSH_REQUEST_SERIES);

	for (size_t i = 0; i < labels->count; i++) {
		const struct label *l = &labels->list[i];
		size_t pair = protobuf_begin(out, SERIES_LABELS);

		protobuf_add_bytes(out, LABEL_PAIR_NAME, l->name, strlen(l->name));
		protobuf_add_bytes(out, LABEL_PAIR_VALUE, l->value, strlen(l->value));
		protobuf_end(out, pair);
	}
	size_t sample = protobuf_begin(out, SERIES_SAMPLES);

	protobuf_add_bytes(out, RAW_SAMPLE_RAW_PROFILE, profile, len);
	protobuf_end(out, sample);
	protobuf_end(out, series);
}
