// SPDX-License-Identifier: Apache-2.0
/* Lengths, destinations and flow of instructions as our decoder and binutils' see them, line by line of
 * `objdump -d -w --insn-width=15`. */
#ifndef TESTS_INSN_ORACLE_H
#define TESTS_INSN_ORACLE_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/x86_insn.h"

struct insn_counts {
	size_t insns, lengths, writes, flows;
};

/* Data among the code looks like odd prefixes. "" where there is nothing else. */
static inline char *without_prefixes(char *text)
{
	static const char *const list[] = {"rex", "repz", "repnz", "cs", "ds", "es", "fs", "gs",
		"ss", "data16", "addr32", "lock", "notrack", "bnd", "xacquire", "xrelease"};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		size_t len = strcspn(text, " .\n");

		if (len == strlen(list[i]) && strncmp(text, list[i], len) == 0) {
			text += strcspn(text, " \n");
			text += strspn(text, " \n");
			i = SIZE_MAX;
		}
	}
	return text;
}

/* The register of an AT&T operand: 4 or 5 for rsp and rbp in all their widths, -1. */
static inline int stack_register(const char *name)
{
	static const char *const names[2][4] = {{"%rsp", "%esp", "%sp", "%spl"},
		{"%rbp", "%ebp", "%bp", "%bpl"}};

	for (int r = 0; r < 2; r++)
		for (int i = 0; i < 4; i++)
			if (strcmp(name, names[r][i]) == 0)
				return 4 + r;
	return -1;
}

/* Mnemonics whose last operand is only read. */
static inline bool only_reads(const char *mnemonic)
{
	static const char *const list[] = {"cmp", "test", "push", "call", "jmp", "bt ", "ucomis",
		"comis", "mul", "imul ", "div", "idiv", "prefetch", "nop", "verr", "verw", "ltr",
		"lldt", "wr", "inv", "vptest", "ptest", "kortest", "ktest", "lmsw", "out", "incssp",
		"ud", "xbegin", "umwait", "tpause", "ptwrite"};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strncmp(mnemonic, list[i], strlen(list[i])) == 0)
			return strcmp(list[i], "bt ") == 0 || strcmp(list[i], "imul ") != 0 ||
				!strchr(mnemonic, ',');
	return false;
}

static inline bool touches(const struct x86_insn *insn, int reg)
{
	if (reg == 4)
		return insn->effect != X86_NO_EFFECT && insn->effect != X86_FP_LOST &&
			insn->effect != X86_FP_FROM_SP && insn->effect != X86_COMPARE_SP &&
			insn->effect != X86_SAVE_FP && insn->effect != X86_LOAD_FP &&
			insn->effect != X86_REG_FROM_SP;
	return (insn->effect == X86_SP_LOST && insn->writes & 1 << 5) ||
		insn->effect == X86_FP_LOST || insn->effect == X86_FP_FROM_SP ||
		insn->effect == X86_LOAD_FP || insn->effect == X86_POP_FP ||
		insn->effect == X86_LEAVE || insn->effect == X86_ENTER;
}

static inline enum x86_flow flow_in_words(const char *text)
{
	if (strncmp(text, "jmp", 3) == 0 || strncmp(text, "ljmp", 4) == 0)
		return strchr(text, '*') ? X86_JUMP_INDIRECT : X86_JUMP;
	if (strncmp(text, "call", 4) == 0 || strncmp(text, "lcall", 5) == 0)
		return strchr(text, '*') ? X86_CALL_INDIRECT : X86_CALL;
	if (*text == 'j' || strncmp(text, "loop", 4) == 0 || strncmp(text, "xbegin", 6) == 0)
		return X86_BRANCH;
	if (strncmp(text, "ret", 3) == 0)
		return X86_RETURN;
	return X86_NEXT;
}

static inline void check_words(const char *line, const char *text, const struct x86_insn *insn,
	struct insn_counts *c)
{
	const char *last = strrchr(text, ',');
	char operand[16] = "";
	enum x86_flow flow = flow_in_words(text);

	last = last ? last + 1 : strrchr(text, ' ') ? strrchr(text, ' ') + 1 : "";
	sscanf(last, "%15s", operand);
	int reg = stack_register(operand);

	if (reg >= 0 && !only_reads(text) && !touches(insn, reg)) {
		c->writes++;
		printf("writes: effect %d: %s", insn->effect, line);
	}
	if (flow != (insn->flow == X86_STOP ? X86_NEXT : insn->flow)) {
		c->flows++;
		printf("flow %d: %s", insn->flow, line);
	}
}

/* "  401000:\tf3 0f 1e fa \tendbr64" */
static inline void check_line(const char *line, struct insn_counts *c)
{
	const char *at = strchr(line, '\t');
	char *text;
	uint8_t bytes[16];
	size_t n = 0;
	struct x86_insn insn;

	if (!at || line[0] != ' ' || !(text = strchr(at + 1, '\t')))
		return;
	for (at++; isxdigit(at[0]) && isxdigit(at[1]) && n < sizeof(bytes); at += 3)
		bytes[n++] = (uint8_t)strtoul(at, NULL, 16);
	text++;
	char words[256];

	snprintf(words, sizeof(words), "%s", text);
	text = words;
	text[strcspn(text, "<#")] = '\0';
	text = without_prefixes(text);
	if (!*text || strstr(text, "(bad)") || strncmp(text, ".byte", 5) == 0 || bytes[0] == 0x9b)
		return; /* data, or fwait shown as a part of the next one */
	c->insns++;
	if (!x86_insn_decode(bytes, n, &insn) || insn.len != n) {
		c->lengths++;
		printf("length %u, not %zu: %s", insn.len, n, line);
	} else {
		check_words(line, text, &insn, c);
	}
}

static inline size_t insn_differences(FILE *in, struct insn_counts *c)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, in) > 0)
		check_line(line, c);
	free(line);
	return c->lengths + c->writes + c->flows;
}

#endif
