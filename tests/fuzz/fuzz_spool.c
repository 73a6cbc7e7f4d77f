// SPDX-License-Identifier: Apache-2.0
/* What a disk may hand back as a spool's file, and a file that somebody wants to push. */
#include <stdlib.h>

#include "export/pprof_file.h"
#include "export/spool_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_spool(const uint8_t *data, size_t size)
{
	struct spool_header header;
	struct spool_record record;
	size_t at = SPOOL_HEADER_LEN;
	uint64_t damaged = 0;

	if (!spool_header_read(data, size, &header))
		return;
	while (spool_record_next(data, size, header.salt, &at, &record, &damaged))
		if ((const uint8_t *)record.payload + record.len > data + size || at > size)
			abort();
}

static void read_pprof(const uint8_t *data, size_t size)
{
	const struct pprof_part_limits limits = {2, 200};
	struct pprof_file f;
	struct strbuf out cleanup_strbuf = STRBUF_INIT;
	uint64_t sum = 0;

	if (pprof_file_parse(&f, data, size, NULL) == 0) {
		while (pprof_file_next_part(&f, &limits, 1, &out)) {
			sum += f.part_value;
			strbuf_reset(&out);
		}
		if (sum != f.value)
			abort();
	}
	pprof_file_release(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_spool(data, size);
	read_pprof(data, size);
	return 0;
}
