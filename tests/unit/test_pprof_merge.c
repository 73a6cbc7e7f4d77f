// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <string.h>

#include "base/strbuf.h"
#include "export/pprof.h"
#include "unit/frames.h"

static const struct module web = {.id = 3, .path = "/srv/web", .name = "web", .build_id = "ab"};
static const struct module db = {.id = 4, .path = "/srv/db", .name = "db", .build_id = "cd"};
static const struct pprof_options options = {.time_ns = 1, .period_ns = 10};

static struct pprof *profile(const struct module *module, const char *function, uint64_t count)
{
	struct frame frames[] = {{.module = module, .address = 0x10},
		{.module = module, .address = 0x20, .function = function}};
	struct pprof *p = pprof_new(&options);

	pprof_add(p,
		&(struct pprof_sample){
			.frames = frame_pointers(frames, 2),
			.frame_count = 2,
			.root = "comm",
			.count = count,
		});
	return p;
}

static void fold(void *ctx, const struct pprof_frame *frames, size_t count, uint64_t ticks)
{
	struct strbuf *out = ctx;

	for (size_t i = count; i-- > 0;)
		strbuf_addf(out, "%s;", frames[i].name);
	strbuf_addf(out, "%d\n", (int)ticks);
}

START_TEST(a_merged_profile_has_all_stacks_below_their_roots)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct pprof *into = pprof_new(&options);
	struct pprof *a = profile(&web, "serve", 3), *b = profile(&db, "query", 4);

	pprof_merge(into, a, "web");
	pprof_merge(into, b, "db");
	pprof_merge(into, a, "web");
	pprof_free(a);
	pprof_free(b);
	ck_assert_uint_eq(pprof_total(into), 10);
	ck_assert_uint_eq(pprof_sample_count(into), 2);
	pprof_visit(into, fold, &text);
	ck_assert_str_eq(text.buf, "web;comm;serve;web+0x10;6\ndb;comm;query;db+0x10;4\n");
	pprof_free(into);
}
END_TEST

UNIT_MAIN("pprof_merge", a_merged_profile_has_all_stacks_below_their_roots)
