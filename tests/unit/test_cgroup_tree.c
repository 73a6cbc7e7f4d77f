// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/strbuf.h"
#include "proc/cgroup_tree.h"
#include "unit/temp_dir.h"

static struct temp_dir dir;
static struct cgroup_tree trees[CGROUP_TREES];
static struct strbuf visited;

static void setup(void)
{
	temp_dir_init(&dir);
	memset(trees, 0, sizeof(trees));
	strbuf_init(&visited);
}

static void teardown(void)
{
	cgroup_tree_release(&trees[0]);
	cgroup_tree_release(&trees[1]);
	temp_dir_release(&dir);
	strbuf_release(&visited);
}

static void make(const char *path)
{
	ck_assert_int_eq(mkdirat(dir.fd, path, 0755), 0);
}

static void put(const char *path, const char *text)
{
	temp_dir_write(&dir, path, text, strlen(text));
}

static bool visit(void *ctx, const char *path, const char *name)
{
	(void)ctx;
	strbuf_addf(&visited, "%s ", path);
	return strcmp(name, "closed") != 0;
}

START_TEST(v2_is_read_from_cpu_stat)
{
	uint64_t ns = 0;

	put("cgroup.controllers", "cpu\n");
	make("a");
	put("a/cpu.stat", "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n");
	ck_assert_int_eq(cgroup_trees_open(trees, dir.path), 1);
	ck_assert(!trees[0].v1);
	ck_assert_int_eq(cgroup_tree_cpu(&trees[0], "a", &ns), 0);
	ck_assert_uint_eq(ns, 1234000);
	ck_assert_int_eq(cgroup_tree_cpu(&trees[0], "b", &ns), -ENOENT);
	put("a/cpu.stat", "nothing 1\n");
	ck_assert_int_eq(cgroup_tree_cpu(&trees[0], "a", &ns), -EPROTO);
}
END_TEST

START_TEST(v1_is_read_from_cpuacct_also_beside_v2)
{
	static const char *const names[] = {"cpuacct", "cpu,cpuacct"};
	char path[64];
	uint64_t ns = 0;

	make(names[_i]);
	make("unified");
	put("unified/cgroup.controllers", "");
	snprintf(path, sizeof(path), "%s/cpuacct.usage", names[_i]);
	put(path, "77\n");
	ck_assert_int_eq(cgroup_trees_open(trees, dir.path), 2);
	ck_assert(!trees[1].v1);
	ck_assert(!cgroup_tree_same(&trees[0], &trees[1]));
	ck_assert(cgroup_tree_same(&trees[1], &trees[1]));
	ck_assert(trees[0].v1);
	ck_assert_int_eq(cgroup_tree_cpu(&trees[0], ".", &ns), 0);
	ck_assert_uint_eq(ns, 77);
}
END_TEST

START_TEST(where_v1_accounts_for_nothing_v2_beside_it_does)
{
	make("memory");
	make("unified");
	put("unified/cgroup.controllers", "");
	ck_assert_int_eq(cgroup_trees_open(trees, dir.path), 1);
	ck_assert(!trees[0].v1);
	ck_assert_ptr_nonnull(strstr(trees[0].path, "/unified"));
}
END_TEST

START_TEST(what_is_no_cgroup_file_system_is_refused)
{
	ck_assert_int_eq(cgroup_trees_open(trees, dir.path), -ENODEV);
	ck_assert_int_eq(cgroup_trees_open(trees, "/nowhere"), -ENODEV);
	ck_assert_int_eq(cgroup_tree_walk(&trees[0], visit, NULL), -ENODEV);
}
END_TEST

START_TEST(a_walk_goes_where_it_is_told)
{
	put("cgroup.controllers", "");
	make("a");
	make("a/closed");
	make("a/closed/inside");
	make("a/open");
	make("a/open/inside");
	ck_assert_int_eq(symlinkat("/", dir.fd, "a/link"), 0);
	ck_assert_int_eq(cgroup_trees_open(trees, dir.path), 1);
	ck_assert_int_eq(cgroup_tree_walk(&trees[0], visit, NULL), 0);
	ck_assert_ptr_nonnull(strstr(visited.buf, "a "));
	ck_assert_ptr_nonnull(strstr(visited.buf, "a/closed "));
	ck_assert_ptr_nonnull(strstr(visited.buf, "a/open a/open/inside "));
	ck_assert_ptr_null(strstr(visited.buf, "a/closed/inside"));
	ck_assert_ptr_null(strstr(visited.buf, "link"));
}
END_TEST

START_TEST(a_walk_has_a_bottom)
{
	struct strbuf path cleanup_strbuf = STRBUF_INIT;

	put("cgroup.controllers", "");
	for (int i = 0; i < CGROUP_TREE_DEPTH + 5; i++) {
		strbuf_add_str(&path, i ? "/d" : "d");
		make(path.buf);
	}
	ck_assert_int_eq(cgroup_trees_open(trees, dir.path), 1);
	ck_assert_int_eq(cgroup_tree_walk(&trees[0], visit, NULL), 0);
	strbuf_set_len(&path, 2 * (CGROUP_TREE_DEPTH + 1) - 1);
	ck_assert_ptr_nonnull(strstr(visited.buf, path.buf));
	strbuf_add_str(&path, "/d");
	ck_assert_ptr_null(strstr(visited.buf, path.buf));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("cgroup_tree");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, v2_is_read_from_cpu_stat);
	tcase_add_loop_test(tcase, v1_is_read_from_cpuacct_also_beside_v2, 0, 2);
	tcase_add_test(tcase, where_v1_accounts_for_nothing_v2_beside_it_does);
	tcase_add_test(tcase, what_is_no_cgroup_file_system_is_refused);
	tcase_add_test(tcase, a_walk_goes_where_it_is_told);
	tcase_add_test(tcase, a_walk_has_a_bottom);
	return unit_run("cgroup_tree", tcase);
}
