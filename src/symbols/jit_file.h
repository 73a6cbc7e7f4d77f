// SPDX-License-Identifier: Apache-2.0
/*
 * What runtimes write about the code they generate: perf's map files (text, /tmp/perf-PID.map) and jitdump
 * (binary, jit-PID.dump). Both only grow. Pure functions over bytes, which the profiled program wrote.
 */
#ifndef SYMBOLS_JIT_FILE_H
#define SYMBOLS_JIT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "symbols/byte_source.h"
#include "symbols/frame.h"
#include "symbols/jit_map.h"

#define JIT_RANGES_MAX 1000000 /* of one process; node has some 50,000 after hours */
#define JIT_NAME_MAX   1024 /* bytes; longer ones are cut */

struct jit_reading {
	uint64_t offset; /* of what was not read yet */
	struct jit_map map; /* its names are offsets */
	/*
	 * What all reading took so far: ranges that were copied, or what takes as long, some 16 ns. Where there are a
	 * million ranges already, to put a few more among them takes as much again.
	 */
	uint64_t work;
};

#define JIT_READ_WORK (3u << 20) /* and not much more at once: some 50 ms */

struct jit_format {
	enum name_origin origin;
	uint64_t max_bytes; /* beyond which the file is not read */
	/*
	 * Reads what was written since, up to the last complete line or record, but not much more than 8 MB or
	 * JIT_READ_WORK at once: -EAGAIN where there is more. 0; -ENOEXEC where it is not such a file, -E2BIG where it has
	 * too many ranges: no more is to be read then; -errno.
	 */
	int (*read)(const struct byte_source *source, struct jit_reading *r);
	/* Appends the name of the range that holds the address. -ENOENT where it is no longer there. */
	int (*name)(const struct byte_source *source, uint32_t name, uint64_t address,
		struct strbuf *out);
};

extern const struct jit_format perf_map_format, jitdump_format;

#endif
