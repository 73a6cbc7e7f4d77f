// SPDX-License-Identifier: Apache-2.0
/* Whose file a process had that is gone, where containers of one image show the same file in their maps. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/macros.h"
#include "program.h"
#include "symbols/process_history.h"
#include "temp_dir.h"
#include "unit.h"

/* Pids beyond pid_max's largest value: no such process will ever be found in /proc. */
#define GONE (5u << 20)

struct fixture {
	struct proc_root proc;
	struct dso_cache dsos;
	uint32_t next_module_id;
	struct process_history *history;
	struct temp_dir dir;
	struct map_entry entry; /* the program as maps show it */
};

static struct fixture f;

static void setup(void)
{
	f = (struct fixture){.next_module_id = 1};
	ck_assert_int_eq(proc_root_init(&f.proc, "/proc"), 0);
	dso_cache_init(&f.dsos,
		&(struct dso_cache_options){.max_bytes = 8 << 20,
			.next_module_id = &f.next_module_id,
			.host_dir = -1});
	f.history = process_history_new(&f.proc, &f.dsos);
	temp_dir_init(&f.dir);
}

static void teardown(void)
{
	process_history_free(f.history);
	dso_cache_release(&f.dsos);
	proc_root_release(&f.proc);
	temp_dir_release(&f.dir);
}

static void shell(const char *fmt, const char *a, const char *b)
{
	char command[1024];

	snprintf(command, sizeof(command), fmt, a, b);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static char *root_path(const char *name)
{
	return xasprintf("%s/%s", f.dir.path, name);
}

/* Roots "a" and "b" with the same file as /program. */
static void make_roots(void)
{
	char *fixture cleanup_free = fixture_path("static");

	shell("cd %s && mkdir a b && cp %s a/program && ln a/program b", f.dir.path, fixture);
}

static void keep_entry(void *ctx, const struct map_entry *entry)
{
	(void)ctx;
	const char *name = strrchr(entry->path, '/');

	if (!entry->executable || !name || strcmp(name, "/program") != 0)
		return;
	f.entry = *entry;
	f.entry.path = "/program"; /* as events have it, beneath its own root */
}

static uint64_t now(void)
{
	return process_history_now(f.history);
}

/* A process with that root, which lives and was seen. */
static struct program start_beneath(const char *name)
{
	char *root cleanup_free = root_path(name);
	struct program p = start_in(root, "/program", NULL);
	char *path cleanup_free = xasprintf("/proc/%d", (int)p.pid);
	int dir cleanup_close = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(dir, 0);
	ck_assert_int_eq(maps_read(dir, keep_entry, NULL), 0);
	ck_assert_ptr_nonnull(f.entry.path);
	process_history_mapped(f.history, (uint32_t)p.pid, &f.entry, 0, now());
	return p;
}

/* What a child of the process, which maps the program and is gone at once, is answered. */
static struct dso *file_of_child(uint32_t parent, uint32_t pid)
{
	uint64_t start_ns = now();
	struct process_id id = {.pid = pid, .exec_id = 1, .start_ns = start_ns};
	struct process_maps maps, none = {0};

	process_history_forked(f.history, pid, parent, start_ns);
	usleep(300); /* from an exec to the change of exec_id */
	process_history_execed(f.history, pid, now());
	process_history_mapped(f.history, pid, &f.entry, 0, now());
	usleep(300);
	process_history_seen(f.history, &id, now());
	process_history_exited(f.history, pid, pid, now());
	ck_assert_int_eq(process_history_maps(f.history, &id, &none, &maps), 0);
	ck_assert_uint_eq(maps.count, 1);
	struct dso *dso = maps.list[0].dso;

	ck_assert_ptr_nonnull(dso);
	ck_assert_str_eq(dso_module(dso)->path, "/program");
	process_maps_release(&maps, &f.dsos); /* it stays until the end of the round */
	return dso;
}

static void check_is_beneath(const struct dso *dso, const char *name)
{
	char *path cleanup_free = root_path(name);
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(dso_root(dso)->dev, st.st_dev);
	ck_assert_uint_eq(dso_root(dso)->inode, st.st_ino);
}

static bool has_names(struct dso *dso)
{
	return dso_image(&f.dsos, dso) != NULL;
}

START_TEST(each_container_has_its_own_file)
{
	make_roots();
	struct program a = start_beneath("a"), b = start_beneath("b");
	struct dso *of_a = file_of_child((uint32_t)a.pid, GONE);
	struct dso *of_b = file_of_child((uint32_t)b.pid, GONE + 1);

	ck_assert(has_names(of_a) && has_names(of_b));
	check_is_beneath(of_a, "a");
	check_is_beneath(of_b, "b");
	/* And where the container's other processes are gone, too. */
	stop(&a);
	stop(&b);
	of_b = file_of_child(GONE + 1, GONE + 2);
	ck_assert(has_names(of_b));
	check_is_beneath(of_b, "b");
}
END_TEST

START_TEST(a_file_is_not_known_from_another_root)
{
	make_roots();
	struct program a = start_beneath("a");

	/* It entered the container "b", nobody knows when: its parent's root is ours. */
	ck_assert(!has_names(file_of_child((uint32_t)getpid(), GONE)));
	/* Nothing at all is known of its root. */
	ck_assert(!has_names(file_of_child(GONE + 9, GONE + 1)));
	stop(&a);
}
END_TEST

/* The events of its birth tell our root; it is looked at as soon as it maps something. */
START_TEST(a_process_that_changed_its_root_has_files_beneath_the_new_one)
{
	make_roots();
	char *root cleanup_free = root_path("b");
	struct program a = start_beneath("a"), b = start_in(root, "/program", NULL);
	struct map_entry other = f.entry;

	process_history_forked(f.history, (uint32_t)b.pid, (uint32_t)getpid(), b.id.start_ns);
	process_history_execed(f.history, (uint32_t)b.pid, now());
	other.path = "/first";
	other.start += 1 << 20;
	other.end += 1 << 20;
	process_history_mapped(f.history, (uint32_t)b.pid, &other, 0, now());
	process_history_mapped(f.history, (uint32_t)b.pid, &f.entry, 0, now());
	struct dso *dso = file_of_child((uint32_t)b.pid, GONE);

	ck_assert(has_names(dso));
	check_is_beneath(dso, "b");
	stop(&a);
	stop(&b);
}
END_TEST

/* Files of processes beneath our root: so many that there are no more. */
static void use_up_our_share(void)
{
	struct map_entry e = {.dev_major = 250, .path = "/x", .executable = true};

	for (uint32_t pid = GONE + 100; pid < GONE + 105; pid++) {
		process_history_forked(f.history, pid, (uint32_t)getpid(), now());
		process_history_execed(f.history, pid, now());
		for (int i = 0; i < 500; i++) {
			e.inode++;
			e.start = e.inode << 20;
			e.end = e.start + 4096;
			process_history_mapped(f.history, pid, &e, 0, now());
		}
	}
}

/* Where `docker exec` starts ever new programs on the host. */
START_TEST(a_new_root_has_files_where_the_one_before_has_no_room)
{
	make_roots();
	char *root cleanup_free = root_path("b");
	struct program a = start_beneath("a"), b = start_in(root, "/program", NULL);

	use_up_our_share();
	process_history_forked(f.history, (uint32_t)b.pid, (uint32_t)getpid(), b.id.start_ns);
	process_history_execed(f.history, (uint32_t)b.pid, now());
	process_history_mapped(f.history, (uint32_t)b.pid, &f.entry, 0, now());
	struct dso *dso = file_of_child((uint32_t)b.pid, GONE);

	ck_assert(has_names(dso));
	check_is_beneath(dso, "b");
	stop(&a);
	stop(&b);
}
END_TEST

/* As before Linux 6.8. */
static void forbid_statmount(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 457, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = ARRAY_SIZE(code), .filter = code};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

/* `docker exec`: the parent's root is the host's. Before Linux 6.8 there is no telling. */
START_TEST(an_overlays_file_is_that_of_its_container)
{
	char *fixture cleanup_free = fixture_path("static"), *options cleanup_free = NULL;
	char *root cleanup_free = root_path("a");

	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", f.dir.path, "tmpfs", 0, NULL) < 0)
		return;
	shell("cd %s && mkdir a lower upper work && cp %s lower/program", f.dir.path, fixture);
	options = xasprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", f.dir.path,
		f.dir.path, f.dir.path);
	if (mount("overlay", root, "overlay", 0, options) == 0) {
		struct stat st;

		if (_i)
			forbid_statmount();
		struct program a = start_beneath("a");

		ck_assert_int_eq(stat(root, &st), 0);
		struct dso *dso = file_of_child((uint32_t)getpid(), GONE);
		uint64_t shown = makedev(f.entry.dev_major, f.entry.dev_minor);

		ck_assert_int_eq(has_names(dso), shown == st.st_dev);
		if (has_names(dso))
			check_is_beneath(dso, "a");
		stop(&a);
		umount2(root, MNT_DETACH);
	}
	umount2(f.dir.path, MNT_DETACH);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("process_roots");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_container_has_its_own_file);
	tcase_add_test(tcase, a_file_is_not_known_from_another_root);
	tcase_add_test(tcase, a_process_that_changed_its_root_has_files_beneath_the_new_one);
	tcase_add_test(tcase, a_new_root_has_files_where_the_one_before_has_no_room);
	tcase_add_loop_test(tcase, an_overlays_file_is_that_of_its_container, 0, 2);
	return unit_run("process_roots", tcase);
}
