// SPDX-License-Identifier: Apache-2.0
/*
 * Profiles as files of a directory, `go tool pprof` opens them:
 * 20260102T030405.678Z_SERVICE_CONTAINERID.pb.gz. Names sort by time; the oldest go when the files
 * together pass max_bytes, also those of earlier runs.
 */
#ifndef EXPORT_DIRECTORY_H
#define EXPORT_DIRECTORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "export/writer.h"
#include "target/labels.h"

struct directory;

/* Makes the directory where it is missing. ops must outlive it. */
int directory_new(const char *path, uint64_t max_bytes, const struct writer_ops *ops, void *ctx,
	struct directory **ret, struct error *err) MUST_CHECK;
void directory_free(struct directory *d);
/* labels: the target's. Writes at once; what fails is counted and told once per reason and hour. */
void directory_add(struct directory *d, const struct labels *labels, const void *profile,
	size_t len, int64_t time_ns);
const struct write_stats *directory_stats(const struct directory *d);

#endif
