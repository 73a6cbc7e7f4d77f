// SPDX-License-Identifier: Apache-2.0
/* Durations and sizes as Prometheus writes them. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdint.h>

#include "base/strbuf.h"

/*
 * "1h30m", "15s", "500ms", "0": units y w d h m s ms, each at most once and in that order (Prometheus
 * model.ParseDuration). 0, -EINVAL, or -ERANGE where it does not fit 64-bit nanoseconds.
 */
int duration_parse(const char *s, int64_t *ret_ns);
/* The shortest such text: "1m30s". Less than a millisecond is shown as "0s". */
void duration_add(struct strbuf *out, int64_t ns);

/*
 * "512MiB", "64MB", "1024", "10KB": a decimal count and B, KB/KiB, MB/MiB, GB/GiB, TB/TiB; as in
 * Prometheus (units.Base2Bytes) KB and KiB both mean 1024. 0, -EINVAL, -ERANGE.
 */
int size_parse(const char *s, uint64_t *ret_bytes);
/* "12.5 MiB" */
void size_add(struct strbuf *out, uint64_t bytes);

#endif
