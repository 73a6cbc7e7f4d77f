// SPDX-License-Identifier: Apache-2.0
/* An unwinder whose tables lie in plain memory, with the symbolizer that tells it of one process. */
#ifndef TESTS_UNWINDER_BENCH_H
#define TESTS_UNWINDER_BENCH_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proc/process.h"
#include "symbols/symbolizer.h"
#include "unwind/unwinder.h"

struct bench {
	struct symbolizer *symbolizer;
	struct unwinder *unwinder;
	struct unwind_rule *rules;
	struct unwind_binary *binaries;
	void *chunks[SLAB_CHUNKS_MAX];
	struct process_id id;
	size_t told; /* set_process */
	size_t quiesced;
	bool no_files; /* none can be had again */
	bool many; /* processes, and not only the one of id */
};

static inline void *bench_add_chunk(void *ctx, uint32_t number)
{
	struct bench *b = ctx;

	return b->chunks[number] = xcalloc(1, SLAB_CHUNK_SIZE + SLAB_GUARD);
}

static inline int bench_set_process(void *ctx, const struct process_id *id, uint32_t mappings,
	uint32_t count, bool quiet)
{
	struct bench *b = ctx;

	(void)quiet;
	ck_assert(b->many || process_id_equal(id, &b->id));
	ck_assert_int_eq(mappings != 0, count != 0);
	b->told++;
	return 0;
}

static inline void bench_forget_process(void *ctx, const struct process_id *id)
{
	(void)ctx;
	(void)id;
}

static inline void bench_quiesce(void *ctx)
{
	struct bench *b = ctx;

	b->quiesced++;
}

static inline struct dso *bench_reopen(void *ctx, const struct process_id *id, uint64_t address)
{
	struct bench *b = ctx;

	return b->no_files ? NULL : symbolizer_file_wanted(b->symbolizer, id, address);
}

static inline void bench_on_maps(void *ctx, const struct process_id *id,
	const struct process_maps *maps)
{
	struct bench *b = ctx;

	unwinder_set_process(b->unwinder, id, maps);
}

static const struct symbolizer_ops bench_ops = {.maps_read = bench_on_maps};

static inline void bench_init(struct bench *b, size_t max_bytes, size_t rule_count)
{
	struct error err = {0};

	*b = (struct bench){0};
	struct symbolizer_options options = {
		.ops = &bench_ops,
		.ctx = b,
		.proc = "/proc",
		.max_bytes = 8 << 20,
		.max_processes = 16,
	};

	ck_assert_int_eq(symbolizer_new(&options, &b->symbolizer, &err), 0);
	b->rules = xcalloc(UNWIND_RULES_MAX, sizeof(*b->rules));
	b->binaries = xcalloc(UNWIND_BINARIES_MAX, sizeof(*b->binaries));
	struct unwind_store store = {
		.chunks = {.add_chunk = bench_add_chunk, .ctx = b},
		.rules = b->rules,
		.rule_count = rule_count,
		.binaries = b->binaries,
		.set_process = bench_set_process,
		.forget_process = bench_forget_process,
		.quiesce = bench_quiesce,
		.reopen = bench_reopen,
		.ctx = b,
	};

	b->unwinder = unwinder_new(&store, symbolizer_dsos(b->symbolizer), max_bytes);
}

static inline void bench_release(struct bench *b)
{
	unwinder_free(b->unwinder);
	symbolizer_free(b->symbolizer);
	for (size_t i = 0; i < SLAB_CHUNKS_MAX; i++)
		free(b->chunks[i]);
	free(b->rules);
	free(b->binaries);
}

/* The 22nd field of /proc/PID/stat is what symbolizer compares the start with. */
static inline struct process_id bench_id_of(pid_t pid)
{
	char *path = xasprintf("/proc/%d/stat", (int)pid), text[1024] = "";
	FILE *f = fopen(path, "r");
	unsigned long long ticks = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	const char *at = strrchr(text, ')') + 2;

	for (int field = 3; field < 22; field++)
		at = strchr(at, ' ') + 1;
	ck_assert_int_eq(sscanf(at, "%llu", &ticks), 1);
	fclose(f);
	free(path);
	return (struct process_id){
		.pid = (uint32_t)pid,
		.start_ns = ticks * (1000000000ULL / (unsigned long long)sysconf(_SC_CLK_TCK)),
	};
}

#endif
