// SPDX-License-Identifier: Apache-2.0
/*
 * Syncs of files that the loop does not stand still for: the kernel does them beside us (asynchronous I/O,
 * since Linux 4.18) and says on the loop when they are done.
 */
#ifndef LOOP_DISK_SYNC_H
#define LOOP_DISK_SYNC_H

#include <linux/aio_abi.h>

#include "loop/loop.h"

#define DISK_SYNC_MAX 4 /* at once */

struct disk_sync {
	/* All that were begun are done. failed: how many did not work. May begin others. */
	void (*on_done)(struct disk_sync *d, unsigned failed);
	struct loop_fd done;
	struct loop *loop;
	aio_context_t context; /* 0: not needed so far */
	unsigned pending, failed;
};

void disk_sync_init(struct disk_sync *d, struct loop *loop,
	void (*on_done)(struct disk_sync *d, unsigned failed));
/*
 * Syncs what has been written to `fd` so far, which may be closed meanwhile; data_only: as fdatasync(). 0, or
 * -errno where it cannot be begun, perhaps never (-ENOSYS, -EPERM): use fsync() then.
 */
int disk_sync_begin(struct disk_sync *d, int fd, bool data_only) MUST_CHECK;
/* Waits for what was begun; on_done is not called. Harmless before the first. */
void disk_sync_release(struct disk_sync *d);

#endif
