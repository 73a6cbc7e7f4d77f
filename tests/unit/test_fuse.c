// SPDX-License-Identifier: Apache-2.0
/*
 * A container that serves a file system of its own and stops answering: whoever asks it waits for ever,
 * unkillably in the worst case. Nothing of the way from an address to "no name" may ask it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "symbols/symbolizer.h"
#include "unit/frames.h"
#include "temp_dir.h"
#include "unit.h"

#define FILE_NODE 2
#define FILE_SIZE 65536

static struct fuse_attr attributes_of(uint64_t node)
{
	bool is_file = node == FILE_NODE;

	return (struct fuse_attr){
		.ino = node,
		.size = is_file ? FILE_SIZE : 0,
		.mode = is_file ? S_IFREG | 0755 : S_IFDIR | 0755,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void reply(int fd, uint64_t unique, int error, const void *body, size_t len)
{
	char out[sizeof(struct fuse_out_header) + 256];
	struct fuse_out_header head = {.len = (uint32_t)(sizeof(head) + len),
		.error = error,
		.unique = unique};

	memcpy(out, &head, sizeof(head));
	if (len)
		memcpy(out + sizeof(head), body, len);
	if (write(fd, out, head.len) < 0)
		_exit(1);
}

/* Every entry is the one file; nothing may be cached, so each later look would have to ask again. */
static void serve(int fd)
{
	static char request[1 << 20];

	for (;;) {
		ssize_t n = read(fd, request, sizeof(request));
		struct fuse_in_header in;

		if (n < (ssize_t)sizeof(in))
			_exit(0);
		memcpy(&in, request, sizeof(in));
		struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
			.minor = 31,
			.max_write = 4096};
		struct fuse_entry_out entry = {.nodeid = FILE_NODE,
			.attr = attributes_of(FILE_NODE)};
		struct fuse_attr_out attr = {.attr = attributes_of(in.nodeid)};
		struct fuse_open_out open = {0};

		if (in.opcode == FUSE_INIT)
			reply(fd, in.unique, 0, &init, sizeof(init));
		else if (in.opcode == FUSE_LOOKUP)
			reply(fd, in.unique, 0, &entry, sizeof(entry));
		else if (in.opcode == FUSE_GETATTR)
			reply(fd, in.unique, 0, &attr, sizeof(attr));
		else if (in.opcode == FUSE_OPEN)
			reply(fd, in.unique, 0, &open, sizeof(open));
		else if (in.opcode != FUSE_FORGET && in.opcode != FUSE_INTERRUPT)
			reply(fd, in.unique, -ENOSYS, NULL, 0);
	}
}

/* The server's pid, or -1 where the machine does not let us mount. */
static pid_t mount_fuse(const char *path)
{
	int fd cleanup_close = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char *options cleanup_free = xasprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd);

	if (fd < 0 || unshare(CLONE_NEWNS) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("fuse", path, "fuse", 0, options) < 0)
		return -1;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd);
	}
	return pid;
}

static struct process_id ourselves(void)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	ck_assert_int_eq(file_read_at(-1, "/proc/self/stat", 4096, &text), 0);
	char *p = strrchr(text.buf, ')');

	for (int field = 2; field < 22; field++)
		p = strchr(p + 1, ' ');
	return (struct process_id){.pid = (uint32_t)getpid(),
		.exec_id = 1,
		.start_ns = strtoull(p + 1, NULL, 10) * 10000000};
}

static void name_in_mapping(void *at, const char *path)
{
	struct symbolizer_options options = {.proc = "/proc",
		.max_bytes = 1 << 20,
		.max_processes = 8};
	struct process_id id = ourselves();
	uint64_t ips[] = {(uint64_t)(uintptr_t)at + 100, (uint64_t)(uintptr_t)ourselves + 1};
	struct symbolizer *s = NULL;
	struct frame frames[2];

	ck_assert_int_eq(symbolizer_new(&options, &s, NULL), 0);
	int64_t start = clock_monotonic_ns();

	symbolizer_process_seen(s, &id);
	name_user(s, &id, ips, 2, true, frames);
	symbolizer_end_round(s);
	name_user(s, &id, ips, 2, true, frames);
	ck_assert_int_lt(clock_monotonic_ns() - start, 2 * NSEC_PER_SEC);
	ck_assert_ptr_null(frames[0].function);
	ck_assert_str_eq(frames[0].module->path, path);
	ck_assert_str_eq(frames[1].function, "ourselves");
	ck_assert_uint_ge(symbolizer_stats(s)->files_refused, 1);
	symbolizer_free(s);
}

START_TEST(a_file_system_that_does_not_answer_is_not_waited_for)
{
	struct temp_dir dir;

	temp_dir_init(&dir);
	pid_t server = mount_fuse(dir.path);

	if (server > 0) {
		char *path cleanup_free = xasprintf("%s/lib.so", dir.path);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		ck_assert_int_ge(fd, 0);
		void *at = mmap(NULL, FILE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

		ck_assert_ptr_ne(at, MAP_FAILED);
		close(fd);
		kill(server, SIGSTOP);
		name_in_mapping(at, path);
		/* Once the server is dead, waiting ends with an error. */
		kill(server, SIGKILL);
		ck_assert_int_eq(waitpid(server, NULL, 0), server);
		munmap(at, FILE_SIZE);
		umount2(dir.path, MNT_DETACH);
	} else {
		puts("SKIP a_file_system_that_does_not_answer: mounting FUSE is not permitted");
	}
	temp_dir_release(&dir);
}
END_TEST

UNIT_MAIN("fuse", a_file_system_that_does_not_answer_is_not_waited_for)
