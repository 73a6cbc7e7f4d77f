// SPDX-License-Identifier: Apache-2.0
/*
 * Open addressing over the rules' own bytes. Single rules are never taken back: all the files of a
 * distribution have some thousands. Should files that invent more have filled the table, its owner
 * starts it anew.
 */
#include "unwind/rule_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

#define SLOTS (2 * UNWIND_RULES_MAX)

struct rule_table {
	struct unwind_rule *rules;
	size_t count, max;
	uint16_t slots[SLOTS]; /* number + 1 */
};

static void add(struct rule_table *t, size_t slot, const struct unwind_rule *rule)
{
	t->rules[t->count] = *rule;
	t->slots[slot] = (uint16_t)++t->count;
}

static void add_fixed(struct rule_table *t)
{
	rule_table_number(t, &(struct unwind_rule){.cfa = UNWIND_CFA_NONE});
	rule_table_number(t, &(struct unwind_rule){.cfa = UNWIND_CFA_UNSUPPORTED});
}

struct rule_table *rule_table_new(struct unwind_rule *memory, size_t max)
{
	struct rule_table *t = xcalloc(1, sizeof(*t));

	t->rules = memory;
	t->max = MIN(max, (size_t)UNWIND_RULES_MAX);
	add_fixed(t);
	return t;
}

void rule_table_reset(struct rule_table *t)
{
	memset(t->slots, 0, sizeof(t->slots));
	t->count = 0;
	add_fixed(t);
}

bool rule_table_is_full(const struct rule_table *t)
{
	return t->count == t->max;
}

void rule_table_free(struct rule_table *t)
{
	free(t);
}

uint16_t rule_table_number(struct rule_table *t, const struct unwind_rule *rule)
{
	uint64_t words[2];

	memcpy(words, rule, sizeof(words));
	size_t slot = hash_combine(words[0], words[1]) % SLOTS;

	while (t->slots[slot]) {
		uint16_t number = (uint16_t)(t->slots[slot] - 1);

		if (memcmp(&t->rules[number], rule, sizeof(*rule)) == 0)
			return number;
		slot = (slot + 1) % SLOTS;
	}
	if (t->count == t->max)
		return RULE_UNSUPPORTED;
	add(t, slot, rule);
	return (uint16_t)(t->count - 1);
}

size_t rule_table_count(const struct rule_table *t)
{
	return t->count;
}
