// SPDX-License-Identifier: Apache-2.0
/* Rules in words, for people. */
#ifndef UNWIND_DESCRIBE_H
#define UNWIND_DESCRIBE_H

#include "base/strbuf.h"
#include "bpf/unwind.h"
#include "unwind/machine.h"

/* "rsp+16", "*(rbp-8)"; for what is no CFA, why: "no rule", "end". */
void describe_cfa(struct strbuf *out, const struct machine *machine,
	const struct unwind_rule *rule);
/* "CFA-16", "same"; "" where there is no CFA to go on from. */
void describe_fp(struct strbuf *out, const struct machine *machine, const struct unwind_rule *rule);
void describe_ra(struct strbuf *out, const struct machine *machine, const struct unwind_rule *rule);
/* Why a rule is unsupported (enum unwind_unsupported), NULL for other numbers. */
const char *describe_unsupported(uint8_t why);
/* A sentence on what the walker makes of it, NULL for the usual rules. */
const char *describe_remark(const struct unwind_rule *rule);

#endif
