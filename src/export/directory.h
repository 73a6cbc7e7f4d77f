// SPDX-License-Identifier: Apache-2.0
/*
 * Profiles as files of a directory, `go tool pprof` opens them:
 * 20260102T030405.678Z_SERVICE_CONTAINERID.pb.gz. Names sort by time; the oldest go when the files
 * together pass max_bytes, and those older than max_age, also those of earlier runs.
 */
#ifndef EXPORT_DIRECTORY_H
#define EXPORT_DIRECTORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "export/writer.h"
#include "target/labels.h"

struct directory;

struct directory_options {
	const char *path; /* copied */
	uint64_t max_bytes;
	int64_t max_age_ns; /* 0: files may get as old as they like */
};

/* Makes the directory where it is missing; the files in it stay as they are. ops must outlive it. */
int directory_new(const struct directory_options *options, const struct writer_ops *ops, void *ctx,
	struct directory **ret, struct error *err) MUST_CHECK;
/* Once, before anything is added: what earlier runs left is cut to the limits. */
void directory_start(struct directory *d);
void directory_free(struct directory *d);
/* labels: the target's. Writes at once; what fails is counted and told once per reason and hour. */
void directory_add(struct directory *d, const struct labels *labels,
	const struct encoded_profile *profile);
/* Where both are at the same path, the counters go on; nothing is added to `previous` any more. */
void directory_continue(struct directory *d, const struct directory *previous);
const struct write_stats *directory_stats(const struct directory *d);
/* Appends the service that stands in such a file's name; nothing where it is another name. */
void directory_service_of(const char *name, struct strbuf *out);

#endif
