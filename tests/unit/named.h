// SPDX-License-Identifier: Apache-2.0
/* What names the functions of a running program (program.h). */
#ifndef TESTS_NAMED_H
#define TESTS_NAMED_H

#include "frames.h"
#include "program.h"
#include "symbols/symbolizer.h"

static inline struct symbolizer *new_symbolizer(size_t max_bytes)
{
	struct symbolizer_options options = {.proc = "/proc",
		.max_bytes = max_bytes,
		.max_processes = 64};
	struct symbolizer *s = NULL;
	struct error err = {0};

	ck_assert_msg(symbolizer_new(&options, &s, &err) == 0, "%s", err.message);
	return s;
}

static inline struct frame name(struct symbolizer *s, const struct program *p, uint64_t address)
{
	struct frame frame;

	name_user(s, &p->id, &address, 1, true, &frame);
	return frame;
}

static inline const char *text_of(struct frame frame)
{
	return frame.function ? frame.function : "";
}

#endif
