// SPDX-License-Identifier: Apache-2.0
#include "unit/unit.h"

#include "target/labels.h"

START_TEST(an_empty_set_answers_with_empty_strings)
{
	struct labels l = {0};

	ck_assert_str_eq(labels_get(&l, "a"), "");
	ck_assert(!labels_has(&l, "a"));
	labels_set(&l, "a", "");
	ck_assert_uint_eq(l.count, 0);
	labels_release(&l);
}
END_TEST

START_TEST(labels_are_kept_sorted_and_unique)
{
	struct labels l = {0};

	labels_set(&l, "b", "2");
	labels_set(&l, "a", "1");
	labels_set(&l, "c", "3");
	labels_set(&l, "b", "two");
	ck_assert_uint_eq(l.count, 3);
	ck_assert_str_eq(l.list[0].name, "a");
	ck_assert_str_eq(l.list[1].value, "two");
	ck_assert_str_eq(l.list[2].name, "c");
	labels_release(&l);
	ck_assert_ptr_null(l.list);
}
END_TEST

START_TEST(an_empty_value_removes)
{
	struct labels l = {0};

	labels_set(&l, "a", "1");
	labels_set(&l, "b", "2");
	labels_set(&l, "a", "");
	ck_assert_uint_eq(l.count, 1);
	ck_assert_str_eq(l.list[0].name, "b");
	labels_release(&l);
}
END_TEST

START_TEST(a_label_can_be_set_to_its_own_value)
{
	struct labels l = {0};

	labels_set(&l, "a", "value");
	labels_set(&l, "a", labels_get(&l, "a"));
	ck_assert_str_eq(labels_get(&l, "a"), "value");
	labels_release(&l);
}
END_TEST

START_TEST(copies_are_equal_and_independent)
{
	struct labels a = {0}, b = {0};

	labels_set(&a, "x", "1");
	labels_setf(&a, "y", "%d", 2);
	labels_copy(&b, &a);
	ck_assert(labels_equal(&a, &b));
	ck_assert_uint_eq(labels_hash(&a), labels_hash(&b));
	labels_set(&b, "y", "3");
	ck_assert(!labels_equal(&a, &b));
	ck_assert_str_eq(labels_get(&a, "y"), "2");
	labels_release(&a);
	labels_release(&b);
}
END_TEST

START_TEST(legacy_names_are_recognised)
{
	ck_assert(label_name_valid_legacy("_a9"));
	ck_assert(!label_name_valid_legacy("9a"));
	ck_assert(!label_name_valid_legacy(""));
	ck_assert(!label_name_valid_legacy("a.b"));
}
END_TEST

UNIT_MAIN("labels", an_empty_set_answers_with_empty_strings, labels_are_kept_sorted_and_unique,
	an_empty_value_removes, a_label_can_be_set_to_its_own_value,
	copies_are_equal_and_independent, legacy_names_are_recognised)
