// SPDX-License-Identifier: Apache-2.0
/* /proc/PID/maps, the process's directory, and the files behind mappings: what a workload may try. */
#include <errno.h>
#include <fcntl.h>
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
#include "proc/mapped_file.h"
#include "proc/maps.h"
#include "proc/mount_type.h"
#include "proc/process_dir.h"
#include "temp_dir.h"
#include "unit.h"

START_TEST(lines_are_parsed)
{
	static const struct {
		const char *line;
		int result;
		struct map_entry entry;
	} cases[] = {
		{"00400000-00452000 r-xp 00001000 fd:01 173521      /usr/bin/dbus-daemon", 0,
			{0x400000, 0x452000, 0x1000, 173521, 0xfd, 1, true, false,
				"/usr/bin/dbus-daemon"}},
		{"7f1-7f2 rw-p 00000000 00:00 0 ", 0, {0x7f1, 0x7f2, 0, 0, 0, 0, false, false, ""}},
		{"7f1-7f2 rw-p 00000000 00:00 0", 0, {0x7f1, 0x7f2, 0, 0, 0, 0, false, false, ""}},
		{"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  "
		 "[vsyscall]",
			0,
			{0xffffffffff600000, 0xffffffffff601000, 0, 0, 0, 0, true, false,
				"[vsyscall]"}},
		{"1-2 r-xp 0 00:01 9   /memfd:a b (deleted)", 0,
			{1, 2, 0, 9, 0, 1, true, true, "/memfd:a b"}},
		{"1-2 r-xp 0 00:01 9   /x (deleted) (deleted)", 0,
			{1, 2, 0, 9, 0, 1, true, true, "/x (deleted)"}},
		{"1-2 r-xp 0 00:01 9   /x (deleted) ", 0,
			{1, 2, 0, 9, 0, 1, true, false, "/x (deleted) "}},
		{"1-2 r-xp 0 00:01 9    (deleted)", 0,
			{1, 2, 0, 9, 0, 1, true, false, "(deleted)"}},
		{"1-2 r-xp 0 00:01 9   /two\\012lines\\134", 0,
			{1, 2, 0, 9, 0, 1, true, false, "/two\nlines\\134"}},
		{"1-2 r-xp ffffffffffffffff ffffffff:ffffffff 18446744073709551615 /x", 0,
			{1, 2, UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX, true, false, "/x"}},
		{"", -EINVAL, {0}},
		{"1-2", -EINVAL, {0}},
		{"2-1 r-xp 0 00:00 0", -EINVAL, {0}},
		{"1-1 r-xp 0 00:00 0", -EINVAL, {0}},
		{"1-2 r-x 0 00:00 0", -EINVAL, {0}},
		{"1-2 r-xp", -EINVAL, {0}},
		{"1-2 r-xp 0 0000 0", -EINVAL, {0}},
		{"1-2 r-xp 0 100000000:00 0", -EINVAL, {0}},
		{"1-2 r-xp 0 00:00 18446744073709551616", -EINVAL, {0}},
		{"10000000000000000-20000000000000000 r-xp 0 00:00 0", -EINVAL, {0}},
		{"-2 r-xp 0 00:00 0", -EINVAL, {0}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *line cleanup_free = xstrdup(cases[i].line);
		const struct map_entry *want = &cases[i].entry;
		struct map_entry e;

		ck_assert_msg(maps_parse_line(line, strlen(line), &e) == cases[i].result, "%s",
			cases[i].line);
		if (cases[i].result < 0)
			continue;
		ck_assert_msg(e.start == want->start && e.end == want->end &&
				e.offset == want->offset && e.inode == want->inode &&
				e.dev_major == want->dev_major && e.dev_minor == want->dev_minor,
			"%s", cases[i].line);
		ck_assert_int_eq(e.executable, want->executable);
		ck_assert_int_eq(e.deleted, want->deleted);
		ck_assert_str_eq(e.path, want->path);
	}
}
END_TEST

static void count_entry(void *ctx, const struct map_entry *e)
{
	ck_assert_uint_lt(e->start, e->end);
	++*(size_t *)ctx;
}

START_TEST(a_whole_file_is_read_and_bounded)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	struct temp_dir f; /* as /proc or /proc/PID would be */
	size_t count = 0;

	temp_dir_init(&f);
	for (size_t i = 1; i <= MAPS_MAX_LINES; i++)
		strbuf_addf(&text, "%zx-%zx r-xp 0 00:00 0\n", i * 0x1000, (i + 1) * 0x1000);
	temp_dir_write(&f, "maps", text.buf, text.len);
	ck_assert_int_eq(maps_read(f.fd, count_entry, &count), 0);
	ck_assert_uint_eq(count, MAPS_MAX_LINES);

	count = 0;
	strbuf_add_str(&text, "f000000000-f000001000 r-xp 0 00:00 0\n");
	temp_dir_write(&f, "maps", text.buf, text.len);
	ck_assert_int_eq(maps_read(f.fd, count_entry, &count), -E2BIG);
	ck_assert_uint_eq(count, MAPS_MAX_LINES);

	strbuf_reset(&text); /* a line without an end */
	for (int i = 0; i < 100000; i++)
		strbuf_add_char(&text, 'x');
	temp_dir_write(&f, "maps", text.buf, text.len);
	ck_assert_int_eq(maps_read(f.fd, count_entry, &count), -EINVAL);
	temp_dir_release(&f);
}
END_TEST

START_TEST(a_process_is_known_by_its_start)
{
	static const struct {
		const char *stat;
		uint64_t start_ns;
		bool same;
	} cases[] = {
		{"7 (a) b) R) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 500 20\n", 5000000000,
			true},
		{"7 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 500 20\n", 5009999999, true},
		{"7 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 500 20\n", 5030000000,
			false},
		{"7 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 500 20\n", 4980000000,
			false},
		{"7 (x) S 1 2 3", 0, false},
		{"", 0, false},
	};
	struct temp_dir f; /* as /proc or /proc/PID would be */
	struct proc_root proc;

	temp_dir_init(&f);
	ck_assert_int_eq(mkdirat(f.fd, "7", 0755), 0);
	ck_assert_int_eq(proc_root_init(&proc, f.path), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct process_id id = {.pid = 7, .start_ns = cases[i].start_ns};

		temp_dir_write(&f, "7/stat", cases[i].stat, strlen(cases[i].stat));
		int dir cleanup_close = process_dir_open(&proc, &id);

		ck_assert_msg((dir >= 0) == cases[i].same, "case %zu: %d", i, dir);
	}
	struct process_id gone = {.pid = 8};

	ck_assert_int_eq(process_dir_open(&proc, &gone), -ESRCH);
	proc_root_release(&proc);
	temp_dir_release(&f);
}
END_TEST

START_TEST(our_time_namespace_is_taken_into_account)
{
	static const char offsets[] =
		"monotonic           3         4\nboottime           -2  500000000\n";
	static const char stat[] = "7 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 500 20\n";
	struct process_id id = {.pid = 7, .start_ns = 6500000000};
	struct temp_dir f; /* as /proc or /proc/PID would be */
	struct proc_root proc;

	temp_dir_init(&f);
	ck_assert_int_eq(mkdirat(f.fd, "7", 0755), 0);
	ck_assert_int_eq(mkdirat(f.fd, "self", 0755), 0);
	temp_dir_write(&f, "7/stat", stat, strlen(stat));
	temp_dir_write(&f, "self/timens_offsets", offsets, strlen(offsets));
	ck_assert_int_eq(proc_root_init(&proc, f.path), 0);
	ck_assert_int_eq(proc.boottime_offset_ns, -1500000000);
	int dir cleanup_close = process_dir_open(&proc, &id);

	ck_assert_int_ge(dir, 0);
	proc_root_release(&proc);
	temp_dir_release(&f);
}
END_TEST

/* The maps entry that a mapping of `path` (below the fake root) would have. */
static struct map_entry entry_of(const struct temp_dir *f, const char *path)
{
	char *full cleanup_free = xasprintf("%s/root%s", f->path, path);
	struct stat st;

	ck_assert_int_eq(stat(full, &st), 0);
	return (struct map_entry){.start = 0x1000,
		.end = 0x2000,
		.inode = st.st_ino,
		.dev_major = (uint32_t)(st.st_dev >> 8 & 0xfff),
		.dev_minor = (uint32_t)((st.st_dev & 0xff) | (st.st_dev >> 12 & 0xfff00)),
		.executable = true,
		.path = path};
}

static int find(const struct temp_dir *f, const struct map_entry *entry)
{
	struct file_identity identity;
	int fd = mapped_file_find(f->fd, entry, &identity);

	if (fd >= 0) {
		ck_assert_uint_eq(identity.inode, entry->inode);
		close(fd);
	}
	return fd < 0 ? fd : 0;
}

START_TEST(only_the_mapped_file_below_the_root_is_opened)
{
	struct temp_dir f; /* as /proc or /proc/PID would be */

	temp_dir_init(&f);
	ck_assert_int_eq(mkdirat(f.fd, "root", 0755), 0);
	temp_dir_write(&f, "root/lib", "x", 1);
	temp_dir_write(&f, "outside", "secret", 6);
	ck_assert_int_eq(symlinkat("/lib", f.fd, "root/absolute"), 0);
	/* Where the walk would have to note that the link was read, the cache alone does not do. */
	const struct timespec read_later[] = {{.tv_sec = time(NULL) + 60}, {.tv_sec = time(NULL)}};

	ck_assert_int_eq(utimensat(f.fd, "root/absolute", read_later, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_int_eq(symlinkat("../outside", f.fd, "root/escape"), 0);
	ck_assert_int_eq(symlinkat("/proc/self/exe", f.fd, "root/magic"), 0);

	struct map_entry entry = entry_of(&f, "/lib");

	ck_assert_int_eq(find(&f, &entry), 0);
	/* Absolute links and ".." stay below the root. */
	entry.path = "/absolute";
	ck_assert_int_eq(find(&f, &entry), 0);
	entry.path = "/../../lib";
	ck_assert_int_eq(find(&f, &entry), 0);
	entry.path = "/escape";
	ck_assert_int_lt(find(&f, &entry), 0);
	entry.path = "/magic";
	ck_assert_int_lt(find(&f, &entry), 0);
	entry.path = "/nothing";
	ck_assert_int_lt(find(&f, &entry), 0);
	/* Another file is at the path by now. */
	temp_dir_write(&f, "root/lib2", "y", 1);
	entry.path = "/lib2";
	ck_assert_int_eq(find(&f, &entry), -ESTALE);
	entry.path = "/lib";
	entry.deleted = true;
	ck_assert_int_eq(find(&f, &entry), -ENOENT);
	temp_dir_release(&f);
}
END_TEST

START_TEST(what_is_no_regular_file_is_not_touched)
{
	struct temp_dir f; /* as /proc or /proc/PID would be */

	temp_dir_init(&f);
	ck_assert_int_eq(mkdirat(f.fd, "root", 0755), 0);
	ck_assert_int_eq(mkfifoat(f.fd, "root/fifo", 0600), 0);
	ck_assert_int_eq(mkdirat(f.fd, "root/dir", 0755), 0);
	struct map_entry fifo = entry_of(&f, "/fifo"), dir = entry_of(&f, "/dir");

	ck_assert_int_eq(find(&f, &fifo), -EINVAL);
	ck_assert_int_eq(find(&f, &dir), -EINVAL);
	temp_dir_release(&f);
}
END_TEST

static int open_with_mountinfo(const struct temp_dir *f, const char *fmt)
{
	struct map_entry entry = entry_of(f, "/lib");
	struct file_identity identity;
	int path_fd cleanup_close = mapped_file_find(f->fd, &entry, &identity);
	struct statx st;

	ck_assert_int_ge(path_fd, 0);
	ck_assert_int_eq(statx(path_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st), 0);
	char *text cleanup_free = xasprintf(fmt, (unsigned long long)st.stx_mnt_id);

	temp_dir_write(f, "mountinfo", text, strlen(text));
	int fd = mapped_file_open(f->fd, path_fd);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

START_TEST(file_systems_that_others_serve_are_refused)
{
	struct temp_dir f; /* as /proc or /proc/PID would be */

	temp_dir_init(&f);
	ck_assert_int_eq(mkdirat(f.fd, "root", 0755), 0);
	temp_dir_write(&f, "root/lib", "x", 1);
	ck_assert_int_eq(open_with_mountinfo(&f,
				 "%llu 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"),
		0);
	ck_assert_int_eq(open_with_mountinfo(&f,
				 "1 1 0:5 / / rw - fuse x rw\n"
				 "%llu 1 8:1 / / rw - overlay overlay rw\n"),
		0);
	ck_assert_int_eq(open_with_mountinfo(&f, "%llu 1 0:9 / / rw - fuse.evil evil rw\n"),
		-EXDEV);
	ck_assert_int_eq(open_with_mountinfo(&f, "%llu 1 0:9 / / rw - nfs4 server:/ rw\n"), -EXDEV);
	ck_assert_int_eq(open_with_mountinfo(&f, "%llu 1 0:9 / / rw - ext4fuse x rw\n"), -EXDEV);
	ck_assert_int_eq(open_with_mountinfo(&f, "%llu 1 0:9 / / rw\n"), -EXDEV);
	/* A mount that the process does not see; one of another device tells nothing. */
	ck_assert_int_eq(open_with_mountinfo(&f, "999%llu 1 0:9 / / rw - ext4 x rw\n"), -EXDEV);
	temp_dir_release(&f);
}
END_TEST

/* A process with a tmpfs of its own on the directory; -1 where that is not permitted. */
static pid_t start_with_mount(const char *path)
{
	int ready[2];
	char answer = 0;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNS) < 0 ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			mount("none", path, "tmpfs", 0, NULL) < 0 || write(ready[1], "y", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	bool there = read(ready[0], &answer, 1) == 1;

	close(ready[0]);
	if (there)
		return pid;
	waitpid(pid, NULL, 0);
	return -1;
}

static void types_are_of(pid_t pid, const char *path)
{
	char *own_path cleanup_free = xasprintf("/proc/%d", (int)pid);
	char *mounted_path cleanup_free = xasprintf("%s/root%s", own_path, path);
	int own cleanup_close = open(own_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int self cleanup_close = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int mounted cleanup_close = open(mounted_path, O_PATH | O_CLOEXEC);
	char type[MOUNT_TYPE_MAX];

	ck_assert_int_ge(mounted, 0);
	ck_assert_int_eq(mapped_file_is_local(own, mounted), 0);
	ck_assert_int_eq(mapped_file_is_local(self, self), -EXDEV); /* proc */
	int r = mount_type(own, mounted, type);

	if (r == -ENOSYS || r == -EINVAL || r == -ENOTTY) {
		puts("SKIP types of mounts: this kernel does not tell them (before 6.11)");
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(type, "tmpfs");
	ck_assert_int_eq(mount_type(self, self, type), 0);
	ck_assert_str_eq(type, "proc");
	ck_assert_int_eq(mount_type(self, mounted, type), -ENOENT);
}

START_TEST(a_mount_is_known_in_the_namespace_of_the_process)
{
	struct temp_dir dir;

	temp_dir_init(&dir);
	pid_t pid = start_with_mount(dir.path);

	if (pid > 0) {
		types_are_of(pid, dir.path);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	} else {
		puts("SKIP types of mounts: mounting is not permitted");
	}
	temp_dir_release(&dir);
}
END_TEST

START_TEST(a_memfd_is_opened_through_its_mapping)
{
	int fd cleanup_close = memfd_create("code (deleted)", MFD_CLOEXEC);
	int self cleanup_close = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	ck_assert_ptr_ne(at, MAP_FAILED);
	struct map_entry entry = {.start = (uint64_t)(uintptr_t)at,
		.end = (uint64_t)(uintptr_t)at + 4096,
		.deleted = true,
		.path = "/memfd:code (deleted)"};
	struct file_identity found, real;
	int path_fd cleanup_close = mapped_file_find(self, &entry, &found);

	if (path_fd == -EPERM) /* map_files takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN */
		return;
	ck_assert_int_ge(path_fd, 0);
	ck_assert_int_eq(file_identity_of(fd, &real), 0);
	ck_assert(file_identity_equal(&found, &real));
	int opened cleanup_close = mapped_file_open(self, path_fd);

	ck_assert_int_ge(opened, 0);
	munmap(at, 4096);
}
END_TEST

UNIT_MAIN("maps", lines_are_parsed, a_whole_file_is_read_and_bounded,
	a_process_is_known_by_its_start, our_time_namespace_is_taken_into_account,
	only_the_mapped_file_below_the_root_is_opened, what_is_no_regular_file_is_not_touched,
	file_systems_that_others_serve_are_refused,
	a_mount_is_known_in_the_namespace_of_the_process, a_memfd_is_opened_through_its_mapping)
