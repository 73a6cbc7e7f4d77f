// SPDX-License-Identifier: Apache-2.0
/* What a recording writes into a directory. */
#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>

#include "record_output.h"
#include "unit/temp_dir.h"

static struct temp_dir dir;
static char path[64];

static void setup(void)
{
	temp_dir_init(&dir);
	snprintf(path, sizeof(path), "%s/", dir.path);
}

static void teardown(void)
{
	temp_dir_release(&dir);
}

static void add(struct record_output *o, const char *service, const char *name, uint64_t ticks)
{
	char service_copy[32], name_copy[32];
	struct target t = {.service_name = service_copy, .name = name_copy};
	struct pprof *p = pprof_new(&(struct pprof_options){.period_ns = 10});

	snprintf(service_copy, sizeof(service_copy), "%s", service);
	snprintf(name_copy, sizeof(name_copy), "%s", name);
	pprof_add(p, &(struct pprof_sample){.root = name, .count = ticks});
	record_output_add(o, &t, p);
}

static void assert_holds(const char *file, const char *expected)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	ck_assert_int_eq(file_read_at(dir.fd, file, 1000, &text), 0);
	ck_assert_str_eq(text.buf, expected);
}

START_TEST(each_service_has_a_file_of_its_own)
{
	struct target_quality quality = {0};
	struct record_output o = {0};
	struct error err = {0};

	ck_assert_int_eq(record_output_init(&o, "folded", path), 0);
	add(&o, "a/b", "one", 10);
	add(&o, "a_b", "two", 9);
	add(&o, "a b", "three", 8);
	add(&o, "a_b-4", "four", 7);
	add(&o, "a:b", "five", 6);
	add(&o, "a_b", "six", 5);
	ck_assert_int_eq(record_output_finish(&o, &quality, &err), 0);
	assert_holds("a_b.folded", "one 10\n");
	assert_holds("a_b-2.folded", "two 9\n");
	assert_holds("a_b-3.folded", "three 8\n");
	assert_holds("a_b-4.folded", "four 7\n");
	assert_holds("a_b-5.folded", "five 6\n");
	assert_holds("a_b-6.folded", "six 5\n");
	record_output_release(&o);
}
END_TEST

UNIT_MAIN_FIXTURE("record_output", setup, teardown, each_service_has_a_file_of_its_own)
