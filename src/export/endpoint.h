// SPDX-License-Identifier: Apache-2.0
/* One Pyroscope server: its deliveries, when they are tried, and what became of them. */
#ifndef EXPORT_ENDPOINT_H
#define EXPORT_ENDPOINT_H

#include "base/error.h"
#include "export/parcel.h"
#include "export/writer.h"

struct endpoint;
struct spool;
struct spool_options;

/* Takes over the contents of *options, also on failure. ops must outlive it. */
int endpoint_new(struct loop *loop, struct http *http, struct write_endpoint_options *options,
	const struct writer_ops *ops, void *ctx, struct endpoint **ret,
	struct error *err) MUST_CHECK;
/*
 * Gives it a name of its own: that of the one whose counters it continues, or what is written; with a number
 * behind it where one of `others` (it may be among them) has it already. Early; fine where it has been done.
 */
void endpoint_tell_apart(struct endpoint *e, struct endpoint *const *others, size_t count);
/* Older profiles are dropped instead of sent; 0, as at first: none. */
void endpoint_set_max_age(struct endpoint *e, int64_t max_age_ns);
void endpoint_free(struct endpoint *e);
/* The end: what is still pending goes to the spool, or is counted as dropped at shutdown and told. */
void endpoint_end(struct endpoint *e);

/* Takes over the reference. Once, before endpoint_start(). */
void endpoint_use_spool(struct endpoint *e, struct spool *spool);
/* From now on its spool has these limits. Fine where there is none. */
void endpoint_limit_spool(struct endpoint *e, const struct spool_options *options);
/* Once, before anything is added: what waits in the spool is sent. */
void endpoint_start(struct endpoint *e);
bool endpoint_has_spool(const struct endpoint *e, const char *path);
/* Another reference to its spool where that is at `path`; else NULL. */
struct spool *endpoint_pass_spool(struct endpoint *e, const char *path);
/* Another endpoint takes from its spool from now on; this one only finishes what it has. */
void endpoint_retire(struct endpoint *e);
/* Appends the name of its directory in the spool's: the host, and a digest of URL and tenant. */
void endpoint_spool_name(const struct write_endpoint_options *o, struct strbuf *out);

void endpoint_add(struct endpoint *e, struct parcel *parcel);
/* Counts what is larger than any server takes as handed over and dropped. */
void endpoint_refuse(struct endpoint *e, const struct write_count *count);
/* Moves a delivery that is not being sent right now to the spool, or gives it up, for the room it takes. */
void endpoint_make_room(struct delivery *d);
/*
 * Where both are the same to a person (URL, tenant, the name as written): its counters go on from those of
 * `previous`, which finishes what it has. Either may be freed first. False where they are not, or another
 * one continues `previous` already.
 */
bool endpoint_continue(struct endpoint *e, struct endpoint *previous);
/* What is still undelivered is put on disk, too. */
void endpoint_secure(struct endpoint *e);
void endpoint_drain(struct endpoint *e);
bool endpoint_idle(const struct endpoint *e);
void endpoint_stats(const struct endpoint *e, struct write_stats *ret);

#endif
