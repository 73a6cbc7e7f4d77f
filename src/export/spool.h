// SPDX-License-Identifier: Apache-2.0
/*
 * Profiles on disk that could not be delivered yet: one directory of segment files, owned by one process
 * and used by one endpoint. What is appended survives kill -9 at once and a loss of power after the next
 * sync. docs/spool.md describes the files.
 */
#ifndef EXPORT_SPOOL_H
#define EXPORT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "export/write_stats.h"
#include "loop/loop.h"

/* What reaches the disk, in its order: for tests of what a crash leaves. Any may be NULL. */
struct spool_watcher {
	void (*wrote)(void *ctx, uint64_t segment, const void *data, size_t len);
	/* 0: the directory. What was written before the last `syncing` is on disk when `synced` comes. */
	void (*syncing)(void *ctx, uint64_t segment);
	void (*synced)(void *ctx, uint64_t segment);
	void (*removed)(void *ctx, uint64_t segment);
	void *ctx;
};

struct spool_options {
	const char *path; /* made where it is missing; copied */
	uint64_t max_bytes; /* the oldest profiles go where it would be more */
	int64_t max_age_ns; /* older ones go; 0: none */
	int64_t sync_ns; /* what is written is synced that long afterwards; 0: at once */
	const struct spool_watcher *watcher; /* not owned; NULL: none */
};

struct spool;

/* -EWOULDBLOCK where another process (or spool) has it open. Reads all files, in bounded memory. */
int spool_open(struct loop *loop, const struct spool_options *options, struct spool **ret,
	struct error *err) MUST_CHECK;
/* Everything but the path may change. */
void spool_set_limits(struct spool *s, const struct spool_options *options);
/* Shared by the endpoints of two configurations while one follows the other. */
struct spool *spool_ref(struct spool *s);
/* The last one syncs and closes it. NULL is fine. No tickets may be left then. */
void spool_unref(struct spool *s);
const char *spool_path(const struct spool *s);
unsigned spool_refs(const struct spool *s);

/* Who is told of profiles that had to go; the last one that asked. why: AGE, SPOOL or DAMAGED. */
struct spool_listener {
	void (*dropped)(void *ctx, enum write_drop why, const struct write_count *count);
	void *ctx;
};
void spool_listen(struct spool *s, const struct spool_listener *listener);

struct spool_profile {
	int64_t time_ns; /* of its interval; 0: unknown, it has no age */
	uint64_t value;
	const void *request;
	size_t len;
	unsigned attempts; /* begun so far; of an earlier process: not known, 0 */
};

/* A profile that its taker is about to deliver; it stays on disk until it is settled. */
struct spool_ticket;

/*
 * 0, or -errno (-ENOSPC on a full disk, -EFBIG where it is larger than the spool): nothing has changed
 * then. ret (may be NULL): the profile is taken at the same time.
 */
int spool_append(struct spool *s, const struct spool_profile *profile,
	struct spool_ticket **ret) MUST_CHECK;
/*
 * The next profile that waits, the oldest first; after the last one again the first. Its request is put
 * into *request (empty before), time and value into *ret_profile. NULL: none.
 */
struct spool_ticket *spool_take(struct spool *s, struct strbuf *request,
	struct spool_profile *ret_profile);
/* It is done with: delivered, or refused for good. Frees the ticket. */
void spool_settle(struct spool *s, struct spool_ticket *ticket);
/* It waits again, behind those not yet tried. False where it had to go meanwhile. Frees the ticket. */
bool spool_put_back(struct spool *s, struct spool_ticket *ticket, unsigned attempts);
/*
 * How many attempts at it failed that were its own fault: counts one up, and none where `progress` (any
 * number that grows with each success of the endpoint) is what it was at its last attempt.
 */
unsigned spool_blame(struct spool_ticket *ticket, uint64_t progress);
/* The next one to be taken is the oldest. */
void spool_rewind(struct spool *s);
/* Lets go of what is too old. */
void spool_expire(struct spool *s);

/* Those that wait, taken ones not counted. */
struct write_count spool_count(const struct spool *s);
/* Fills the members that begin with spool_ (bytes, segments, damaged, errors) and oldest_spooled_ns. */
void spool_stats(const struct spool *s, struct write_stats *ret);

#endif
