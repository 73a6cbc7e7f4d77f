// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The key of a stack: two independent lanes of multiply and shift over what makes it one. BPF keys what it
 * counts, user space what it has walked itself, so that both meet in one. What is hashed is also copied to `copy`
 * on the way, unless that is NULL.
 */
#ifndef BPF_STACK_HASH_H
#define BPF_STACK_HASH_H

#include "profile.h"

static inline __attribute__((always_inline)) void stack_hash(struct stack_record *rec, uint64_t a,
	uint64_t b, uint64_t *copy)
{
	const uint64_t *words = (const uint64_t *)&rec->process;
	const uint32_t fixed = (STACK_RECORD_HEAD - offsetof(struct stack_record, process)) / 8;
	uint32_t count = fixed + rec->interp_count + rec->kernel_count + rec->user_count;

#ifdef __clang__
#pragma clang loop unroll(disable)
#endif
	for (uint32_t i = 0; i < fixed + WORDS_MAX; i++) {
		if (i >= count)
			break;
		if (copy)
			copy[i] = words[i];
		a = (a ^ words[i]) * 0x9fb21c651e98df25ULL;
		a ^= a >> 32;
		b = (b + words[i]) * 0xd6e8feb86659fd93ULL;
		b ^= b >> 29;
	}
	a *= 0x94d049bb133111ebULL;
	rec->key.hash = a ^ (a >> 31);
	rec->key.hash_low = (uint32_t)(b >> 32);
	rec->key.pid = rec->process.pid;
}

#endif
