// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "export/labels_wire.h"

/* "a=1,b=2"; names and values without '=' and ','. */
static void parse(struct labels *labels, const char *text)
{
	char *copy = xstrdup(text), *rest = copy;

	for (char *pair; (pair = strsep(&rest, ",")) && *pair;) {
		char *value = strchr(pair, '=');

		*value++ = '\0';
		labels_set(labels, pair, value);
	}
	free(copy);
}

static void assert_labels(const struct labels *labels, const char *expected)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < labels->count; i++)
		strbuf_addf(&text, "%s%s=%s", i ? "," : "", labels->list[i].name,
			labels->list[i].value);
	ck_assert_str_eq(text.buf, expected);
	strbuf_release(&text);
}

struct row {
	const char *labels, *external, *removal, *expected;
	const char *repair; /* a part of the message; NULL: no message */
};

static const struct row rows[] = {
	{"service_name=web,zone=a", "", NULL, "__name__=process_cpu,service_name=web,zone=a", NULL},
	{"__name__=n,__delta__=false,__container_id__=c,__meta_x=y,service_name=s", "", NULL,
		"__delta__=false,__name__=n,service_name=s", NULL},
	{"service_name=s,env=dev", "env=prod,team=x", NULL,
		"__name__=process_cpu,env=prod,service_name=s,team=x", NULL},
	{"service_name=s,env=dev", "", "env", "__name__=process_cpu,service_name=s", NULL},
	{"", "", "service_name", "__name__=process_cpu,service_name=unspecified", NULL},
	{"service_name=s", "service_name=t", NULL, "__name__=process_cpu,service_name=t", NULL},
	{"service_name=s,a.b=1,C9_=2", "", NULL, "C9_=2,__name__=process_cpu,a.b=1,service_name=s",
		NULL},
	{"service_name=s,9=3", "", NULL, "_9=3,__name__=process_cpu,service_name=s",
		"\"9\" was renamed"},
	{"service_name=s,a-b=1", "", NULL, "__name__=process_cpu,a_b=1,service_name=s",
		"\"a-b\" was renamed"},
	{"service_name=s,a-b=1,a_b=2,a:b=3", "", NULL, "__name__=process_cpu,a_b=2,service_name=s",
		"\"a:b\" was left out"},
	{"service_name=s,k\xc3\xa4\xff=1", "", NULL, "__name__=process_cpu,k__=1,service_name=s",
		"\"k\xc3\xa4\\xff\" was renamed"},
	{"service_name=s,--name--=1,-_profile_type__=x", "", NULL,
		"__name__=process_cpu,service_name=s", "\"-_profile_type__\" was left out"},
	{"service_name=a\xff"
	 "b",
		"", NULL, "__name__=process_cpu,service_name=a" UTF8_REPLACEMENT "b",
		"\"service_name\" was not valid UTF-8"},
	{"service_name=s,x=\x1b[31m", "", NULL, "__name__=process_cpu,service_name=s,x=\x1b[31m",
		NULL},
};

START_TEST(labels_become_what_the_server_takes)
{
	const struct row *row = &rows[_i];
	struct write_options options;
	struct labels labels = {0}, wire = {0};
	struct strbuf repairs = STRBUF_INIT;

	write_options_init(&options);
	parse(&labels, row->labels);
	parse(&options.external_labels, row->external);
	if (row->removal) {
		options.external_label_removals = xcalloc(1, sizeof(char *));
		options.external_label_removals[0] = xstrdup(row->removal);
		options.external_label_removal_count = 1;
	}
	labels_wire(&wire, &labels, &options, &repairs);
	assert_labels(&wire, row->expected);
	if (row->repair)
		ck_assert_msg(strstr(repairs.buf, row->repair), "%s", repairs.buf);
	else
		ck_assert_str_eq(repairs.buf, "");
	write_options_release(&options);
	labels_release(&labels);
	labels_release(&wire);
	strbuf_release(&repairs);
}
END_TEST

START_TEST(of_too_many_labels_the_important_ones_stay)
{
	struct write_options options;
	struct labels labels = {0}, wire = {0};
	struct strbuf repairs = STRBUF_INIT;

	write_options_init(&options);
	labels_set(&options.external_labels, "zz_external", "1");
	labels_set(&labels, "service_name", "web");
	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "label%02d", i);
		labels_set(&labels, name, "x");
	}
	labels_wire(&wire, &labels, &options, &repairs);
	ck_assert_uint_eq(wire.count, WIRE_MAX_LABELS);
	ck_assert(labels_has(&wire, "__name__"));
	ck_assert(labels_has(&wire, "service_name"));
	ck_assert(labels_has(&wire, "zz_external"));
	ck_assert(labels_has(&wire, "label26"));
	ck_assert(!labels_has(&wire, "label27"));
	ck_assert_int_eq(strncmp(repairs.buf,
				 "43 labels where 30 are allowed, left out: \"label39\" ", 51),
		0);
	write_options_release(&options);
	labels_release(&labels);
	labels_release(&wire);
	strbuf_release(&repairs);
}
END_TEST

/* What a container may bring: a value of 1 MB, a name of 1 MB, escape codes, thousands of labels. */
START_TEST(hostile_labels_are_cut_and_the_message_is_short)
{
	size_t size = (size_t)1 << 20;
	char *huge = xmalloc(size + 1);
	struct write_options options;
	struct labels labels = {0}, wire = {0};
	struct strbuf repairs = STRBUF_INIT;

	write_options_init(&options);
	for (size_t i = 0; i + 3 <= size; i += 3)
		memcpy(huge + i, "\xe2\x82\xac", 3);
	huge[size - 1] = '\xff';
	huge[size] = '\0';
	labels_set(&labels, "value", huge);
	memset(huge, 'n', size);
	labels_set(&labels, huge, "1");
	for (int i = 0; i < 2000; i++)
		labels_setf(&labels, (snprintf(huge, 64, "x\x1b[2J%d", i), huge), "%d", i);
	labels_wire(&wire, &labels, &options, &repairs);
	ck_assert_uint_eq(wire.count, WIRE_MAX_LABELS);
	for (size_t i = 0; i < wire.count; i++) {
		const struct label *l = &wire.list[i];

		ck_assert_uint_le(strlen(l->name), WIRE_MAX_NAME);
		ck_assert_uint_le(strlen(l->value), WIRE_MAX_VALUE);
		ck_assert(utf8_valid(l->value, strlen(l->value)));
	}
	ck_assert_uint_lt(repairs.len, 512);
	ck_assert_ptr_null(strchr(repairs.buf, '\x1b'));
	free(huge);
	write_options_release(&options);
	labels_release(&labels);
	labels_release(&wire);
	strbuf_release(&repairs);
}
END_TEST

START_TEST(a_long_value_is_cut_between_code_points)
{
	struct write_options options;
	struct labels labels = {0}, wire = {0};
	struct strbuf repairs = STRBUF_INIT;
	char value[WIRE_MAX_VALUE + 8];

	write_options_init(&options);
	memset(value, 'v', sizeof(value));
	memcpy(value + WIRE_MAX_VALUE - 1, "\xe2\x82\xac", 4);
	labels_set(&labels, "x", value);
	labels_wire(&wire, &labels, &options, &repairs);
	ck_assert_uint_eq(strlen(labels_get(&wire, "x")), WIRE_MAX_VALUE - 1);
	ck_assert_str_eq(repairs.buf, "\"x\" was cut to 2048 bytes");
	labels_release(&labels);
	labels_release(&wire);
	strbuf_release(&repairs);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("labels_wire");

	tcase_add_loop_test(tcase, labels_become_what_the_server_takes, 0,
		sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tcase, of_too_many_labels_the_important_ones_stay);
	tcase_add_test(tcase, hostile_labels_are_cut_and_the_message_is_short);
	tcase_add_test(tcase, a_long_value_is_cut_between_code_points);
	return unit_run("labels_wire", tcase);
}
