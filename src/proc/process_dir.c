// SPDX-License-Identifier: Apache-2.0
/*
 * Field 22 of /proc/PID/stat is the start time: CLOCK_BOOTTIME as the reader's time namespace has it,
 * cut to ticks of USER_HZ. The sample has the same time in nanoseconds of the initial time namespace.
 * Two processes of one pid within a tick (10 ms) would need the pid space to wrap in that time.
 */
#include "proc/process_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/strbuf.h"

#define STAT_MAX       4096 /* 52 numbers of up to 20 digits and a name */
#define STAT_STARTTIME 22
#define TIMENS_MAX     1024

/* "monotonic SEC NSEC\nboottime SEC NSEC\n"; kernels before 5.6 have no such file, nor the namespace. */
static int64_t boottime_offset(int proc_fd)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	long long sec = 0, nsec = 0;

	if (file_read_at(proc_fd, "self/timens_offsets", TIMENS_MAX, &text) < 0)
		return 0;
	const char *line = strstr(text.buf, "boottime");

	if (!line || sscanf(line, "boottime %lld %lld", &sec, &nsec) != 2)
		return 0;
	return sec * NSEC_PER_SEC + nsec;
}

int proc_root_init(struct proc_root *proc, const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	long hz = sysconf(_SC_CLK_TCK);

	if (fd < 0)
		return -errno;
	*proc = (struct proc_root){
		.fd = fd,
		.boottime_offset_ns = boottime_offset(fd),
		.tick_ns = NSEC_PER_SEC / (hz > 0 ? hz : 100),
	};
	return 0;
}

void proc_root_release(struct proc_root *proc)
{
	if (proc->fd >= 0)
		close(proc->fd);
	proc->fd = -1;
}

/* The name, field 2, is in parentheses and may hold anything, parentheses too: the last one ends it. */
static int start_ticks(int process_dir, int64_t *ret)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	int r = file_read_at(process_dir, "stat", STAT_MAX, &text);

	if (r < 0)
		return r;
	char *p = strrchr(text.buf, ')');

	if (!p)
		return -EINVAL;
	for (int field = 2; field < STAT_STARTTIME; field++) {
		p = strchr(p + 1, ' ');
		if (!p)
			return -EINVAL;
	}
	*ret = strtoll(p + 1, NULL, 10);
	return 0;
}

/* Of whichever process has the pid. */
static int open_pid(const struct proc_root *proc, uint32_t pid, int64_t *ret_start_ticks)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", pid);
	int fd cleanup_close = openat(proc->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	int r = start_ticks(fd, ret_start_ticks);

	return r < 0 ? r : steal_fd(&fd);
}

bool process_is_gone(const struct proc_root *proc, uint32_t pid)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", pid);
	return faccessat(proc->fd, name, F_OK, 0) < 0 && errno == ENOENT;
}

int process_dir_open_alive(const struct proc_root *proc, uint32_t pid, uint64_t alive_ns,
	uint64_t *ret_start_ns)
{
	int64_t ticks = 0;
	int fd cleanup_close = open_pid(proc, pid, &ticks);

	if (fd < 0)
		return fd;
	*ret_start_ns = (uint64_t)(ticks * proc->tick_ns - proc->boottime_offset_ns);
	return *ret_start_ns > alive_ns ? -ESRCH : steal_fd(&fd);
}

int process_dir_open(const struct proc_root *proc, const struct process_id *id)
{
	int64_t ticks = 0;
	int fd cleanup_close = open_pid(proc, id->pid, &ticks);

	if (fd < 0)
		return fd;
	int64_t want = ((int64_t)id->start_ns + proc->boottime_offset_ns) / proc->tick_ns;

	if (llabs(ticks - want) > 1)
		return -ESRCH;
	return steal_fd(&fd);
}
