// SPDX-License-Identifier: Apache-2.0
#include "loop/disk_sync.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macros.h"

static void on_event(struct loop_fd *fd, uint32_t events)
{
	struct disk_sync *d = container_of(fd, struct disk_sync, done);
	struct io_event done[DISK_SYNC_MAX];
	struct timespec at_once = {0};
	uint64_t count;

	(void)events;
	if (read(fd->fd, &count, sizeof(count)) != sizeof(count))
		return;
	long n = syscall(SYS_io_getevents, d->context, 0, DISK_SYNC_MAX, done, &at_once);

	for (long i = 0; i < n; i++)
		d->failed += done[i].res != 0;
	d->pending -= n > 0 ? (unsigned)n : 0;
	if (d->pending || n <= 0)
		return;
	unsigned failed = d->failed;

	d->failed = 0;
	d->on_done(d, failed);
}

void disk_sync_init(struct disk_sync *d, struct loop *loop,
	void (*on_done)(struct disk_sync *d, unsigned failed))
{
	*d = (struct disk_sync){
		.loop = loop,
		.on_done = on_done,
		.done = {.fd = -1, .on_event = on_event},
	};
}

static int set_up(struct disk_sync *d)
{
	if (syscall(SYS_io_setup, DISK_SYNC_MAX, &d->context) < 0) {
		d->context = 0;
		return -errno;
	}
	d->done.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = d->done.fd < 0 ? -errno : loop_fd_add(d->loop, &d->done, EPOLLIN);

	if (r < 0)
		disk_sync_release(d);
	return r;
}

int disk_sync_begin(struct disk_sync *d, int fd, bool data_only)
{
	int r = d->context ? 0 : set_up(d);
	struct iocb request = {
		.aio_fildes = (uint32_t)fd,
		.aio_lio_opcode = data_only ? IOCB_CMD_FDSYNC : IOCB_CMD_FSYNC,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)d->done.fd,
	};
	struct iocb *requests[] = {&request};

	if (r < 0)
		return r;
	if (d->pending == DISK_SYNC_MAX)
		return -EAGAIN;
	if (syscall(SYS_io_submit, d->context, 1, requests) != 1)
		return -errno;
	d->pending++;
	return 0;
}

void disk_sync_release(struct disk_sync *d)
{
	if (!d->context)
		return;
	syscall(SYS_io_destroy, d->context);
	d->context = 0;
	d->pending = 0;
	loop_fd_remove(&d->done);
	if (d->done.fd >= 0)
		close(d->done.fd);
	d->done.fd = -1;
}
