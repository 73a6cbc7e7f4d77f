// SPDX-License-Identifier: Apache-2.0
/* The rules that rows refer to: each different one once, for all files, by a 16-bit number. */
#ifndef UNWIND_RULE_TABLE_H
#define UNWIND_RULE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind.h"

/* Numbers that are always there. */
#define RULE_NONE        0 /* UNWIND_CFA_NONE */
#define RULE_UNSUPPORTED 1 /* UNWIND_CFA_UNSUPPORTED */

struct rule_table;

/* memory: `max` rules, at most UNWIND_RULES_MAX, zeroed, which must outlive it; read by BPF. */
struct rule_table *rule_table_new(struct unwind_rule *memory, size_t max);
void rule_table_free(struct rule_table *t);
/* The rule's number; RULE_UNSUPPORTED where there are too many different ones. */
uint16_t rule_table_number(struct rule_table *t, const struct unwind_rule *rule);
bool rule_table_is_full(const struct rule_table *t);
/* Forgets all; only when nobody uses a number any more. */
void rule_table_reset(struct rule_table *t);
size_t rule_table_count(const struct rule_table *t);

#endif
