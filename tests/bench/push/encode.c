// SPDX-License-Identifier: Apache-2.0
/*
 * Encodes a profile of 10,000 stacks with export/pprof_encode.c and, in the same run, with the encoder that
 * protoc-c generates. The generated one is given the message as it makes of our bytes (its unpack), so
 * both have the same contents; its packing is timed by itself, and what making the tree takes. The two take
 * turns, so that what else the machine does meets both.
 *
 * Prints one JSON object; fails where the two encodings do not say the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "export/gzip.h"
#include "export/pprof.h"
#include "profile.pb-c.h"
#include "tests/unit/frames.h"

#define STACKS 10000
#define DEPTH  30
#define ROUNDS 25

static struct pprof *make_profile(void)
{
	static const struct module module = {.id = 1,
		.path = "/bin/app",
		.name = "app",
		.build_id = "0123456789abcdef"};
	struct pprof *p = pprof_new(&(struct pprof_options){.time_ns = 1,
		.duration_ns = 15000000000,
		.period_ns = 10309278});

	for (unsigned i = 0; i < STACKS; i++) {
		struct frame frames[DEPTH];
		char names[DEPTH][48];

		for (unsigned k = 0; k < DEPTH; k++) {
			unsigned id = (i >> (k % 14)) % 3000 + 100 * k;

			snprintf(names[k], sizeof(names[k]), "package_%u_do_some_work_%u", id % 60,
				id);
			frames[k] = (struct frame){.module = &module,
				.address = id * 64,
				.function = names[k],
				.origin = NAME_SYMTAB};
		}
		pprof_add(p,
			&(struct pprof_sample){.frames = frame_pointers(frames, DEPTH),
				.frame_count = DEPTH,
				.count = 1 + i % 7});
	}
	return p;
}

static int by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *times)
{
	qsort(times, ROUNDS, sizeof(times[0]), by_time);
	return times[ROUNDS / 2];
}

static double ms_since(int64_t begin)
{
	return (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin) / 1e6;
}

static double time_ours(const struct pprof *p, struct strbuf *out)
{
	int64_t begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	strbuf_release(out);
	pprof_encode(p, out);
	return ms_since(begin);
}

static double time_gzip(const struct strbuf *plain, size_t *ret_len)
{
	double times[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct strbuf out cleanup_strbuf = STRBUF_INIT;
		int64_t begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

		gzip_add(&out, plain->buf, plain->len);
		times[i] = ms_since(begin);
		*ret_len = out.len;
	}
	return median(times);
}

static double time_generated(const Profile *message, struct strbuf *out)
{
	int64_t begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	strbuf_release(out);
	size_t len = profile__get_packed_size(message);

	strbuf_grow(out, len);
	profile__pack(message, (uint8_t *)out->buf);
	strbuf_set_len(out, len);
	return ms_since(begin);
}

static double time_tree(const struct strbuf *bytes)
{
	double times[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		int64_t begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		Profile *message = profile__unpack(NULL, bytes->len, (const uint8_t *)bytes->buf);

		times[i] = ms_since(begin);
		profile__free_unpacked(message, NULL);
	}
	return median(times);
}

static int64_t sum(const Profile *message)
{
	int64_t value = 0;

	for (size_t i = 0; i < message->n_sample; i++)
		value += message->sample[i]->value[0];
	return value;
}

int main(void)
{
	struct strbuf ours cleanup_strbuf = STRBUF_INIT, theirs cleanup_strbuf = STRBUF_INIT;
	struct pprof *p = make_profile();
	size_t packed;
	double a[ROUNDS], b[ROUNDS];

	pprof_encode(p, &ours);
	Profile *message = profile__unpack(NULL, ours.len, (const uint8_t *)ours.buf);

	if (!message)
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		a[i] = time_ours(p, &ours);
		b[i] = time_generated(message, &theirs);
	}
	double gz = time_gzip(&ours, &packed), tree = time_tree(&ours);
	Profile *again = profile__unpack(NULL, theirs.len, (const uint8_t *)theirs.buf);
	bool same = again && again->n_sample == STACKS && sum(again) == sum(message) &&
		sum(message) == (int64_t)pprof_total(p) * 10309278;

	printf("{\"stacks\": %d, \"bytes\": %zu, \"gzip_bytes\": %zu, \"ours_ms\": %.2f, "
	       "\"gzip_ms\": %.2f, \"generated_ms\": %.2f, \"generated_tree_ms\": %.2f}\n",
		STACKS, ours.len, packed, median(a), gz, median(b), tree);
	if (again)
		profile__free_unpacked(again, NULL);
	profile__free_unpacked(message, NULL);
	pprof_free(p);
	return !same;
}
