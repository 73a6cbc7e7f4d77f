// SPDX-License-Identifier: Apache-2.0
#include "unwind/describe.h"

#include "base/macros.h"
#include "unwind/rows.h"

static void add_place(struct strbuf *out, const char *base, int64_t offset)
{
	strbuf_add_str(out, base);
	if (offset)
		strbuf_addf(out, "%+lld", (long long)offset);
}

static void add_deref(struct strbuf *out, const char *base, const struct unwind_rule *rule)
{
	strbuf_add_str(out, "*(");
	add_place(out, base, rule->cfa_offset);
	strbuf_add_str(out, ")");
	if (rule->cfa_add)
		strbuf_addf(out, "%+d", rule->cfa_add);
}

void describe_cfa(struct strbuf *out, const struct machine *machine, const struct unwind_rule *rule)
{
	char sp[REGISTER_NAME_SIZE], fp[REGISTER_NAME_SIZE], reg[REGISTER_NAME_SIZE];

	machine_register_name(machine, machine->sp, sp);
	machine_register_name(machine, machine->fp, fp);
	machine_register_name(machine, rule->cfa_reg, reg);
	switch ((enum unwind_cfa)rule->cfa) {
	case UNWIND_CFA_SP:
		add_place(out, sp, rule->cfa_offset);
		break;
	case UNWIND_CFA_FP:
		add_place(out, fp, rule->cfa_offset);
		break;
	case UNWIND_CFA_REG:
		add_place(out, reg, rule->cfa_offset);
		break;
	case UNWIND_CFA_SP_DEREF:
		add_deref(out, sp, rule);
		break;
	case UNWIND_CFA_FP_DEREF:
		add_deref(out, fp, rule);
		break;
	case UNWIND_CFA_REG_DEREF:
		add_deref(out, reg, rule);
		break;
	case UNWIND_CFA_PLT:
		strbuf_addf(out, "%s+8 (+8 from byte %d)", sp, rule->cfa_add);
		break;
	case UNWIND_CFA_SIGNAL:
		strbuf_add_str(out, "signal frame at ");
		add_place(out, sp, rule->cfa_offset);
		break;
	case UNWIND_CFA_END:
		strbuf_add_str(out, "end");
		break;
	case UNWIND_CFA_UNSUPPORTED:
		strbuf_add_str(out, "unsupported");
		break;
	case UNWIND_CFA_NONE:
	case UNWIND_CFA_COUNT:
		strbuf_add_str(out, "no rule");
	}
}

static bool has_cfa(const struct unwind_rule *rule)
{
	return rule->cfa >= UNWIND_CFA_SP && rule->cfa <= UNWIND_CFA_PLT;
}

void describe_fp(struct strbuf *out, const struct machine *machine, const struct unwind_rule *rule)
{
	char sp[REGISTER_NAME_SIZE], fp[REGISTER_NAME_SIZE];

	if (!has_cfa(rule))
		return;
	machine_register_name(machine, machine->sp, sp);
	machine_register_name(machine, machine->fp, fp);
	switch ((enum unwind_fp)rule->fp) {
	case UNWIND_FP_SAME:
		strbuf_add_str(out, "same");
		break;
	case UNWIND_FP_AT_CFA:
		add_place(out, "CFA", rule->fp_offset);
		break;
	case UNWIND_FP_AT_FP:
		add_place(out, fp, rule->fp_offset);
		break;
	case UNWIND_FP_AT_SP:
		add_place(out, sp, rule->fp_offset);
		break;
	case UNWIND_FP_UNKNOWN:
	case UNWIND_FP_COUNT:
		strbuf_add_str(out, "lost");
	}
}

void describe_ra(struct strbuf *out, const struct machine *machine, const struct unwind_rule *rule)
{
	char reg[REGISTER_NAME_SIZE];

	if (!has_cfa(rule))
		return;
	machine_register_name(machine, rule->ra_reg, reg);
	if (rule->ra == UNWIND_RA_REG)
		strbuf_addf(out, "in %s", reg);
	else
		add_place(out, "CFA", rule->ra_offset);
}

const char *describe_unsupported(uint8_t why)
{
	static const char *const texts[UNWIND_UNSUPPORTED_COUNT] = {
		[UNWIND_DAMAGED] = "the unwind instructions make no sense: the stack ends here",
		[UNWIND_LIMIT] =
			"the unwind instructions nest too deep or are too many: the stack ends here",
		[UNWIND_CFA_EXPRESSION] =
			"the CFA is computed in a way that tables cannot say: the stack ends here",
		[UNWIND_CFA_REGISTER] = "the CFA is in a register that samples do not have",
		[UNWIND_CFA_RANGE] = "the CFA is too far away for a table",
		[UNWIND_RA_EXPRESSION] = "the return address is computed: the stack ends here",
		[UNWIND_RA_RULE] = "the return address is in no place that tables can say",
		[UNWIND_SP_RULE] = "the code changes to another stack: this one ends here",
		[UNWIND_SIGNAL_LAYOUT] = "a signal frame that is not the kernel's",
	};

	return why < ARRAY_SIZE(texts) ? texts[why] : NULL;
}

const char *describe_remark(const struct unwind_rule *rule)
{
	switch ((enum unwind_cfa)rule->cfa) {
	case UNWIND_CFA_NONE:
		return "no table speaks of this code: the frame pointer is tried";
	case UNWIND_CFA_END:
		return "nobody called this code: stacks are complete here";
	case UNWIND_CFA_SIGNAL:
		return "a signal handler returns here: the interrupted code comes next";
	case UNWIND_CFA_REG:
	case UNWIND_CFA_REG_DEREF:
		return "works in the interrupted function only: callees may have changed that register";
	case UNWIND_CFA_UNSUPPORTED:
		return describe_unsupported(rule->cfa_reg);
	default:
		return rule->ra == UNWIND_RA_REG
			? "works in the interrupted function only, before it has called others"
			: NULL;
	}
}
