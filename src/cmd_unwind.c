// SPDX-License-Identifier: Apache-2.0
/*
 * dockprof unwind: how stacks are walked through a file's code, for people who report a wrong stack. Prints
 * the very rows that the profiler would use, or all there is to know about one address.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "commands.h"
#include "elf_argument.h"
#include "options.h"
#include "unwind/describe.h"
#include "unwind/rows.h"

#define RAW_SHOWN_MAX 256 /* bytes of instructions; nearly all functions have fewer */

static const char *kind_text(const struct eh_frame *ef)
{
	switch (eh_frame_kind(ef)) {
	case EH_FRAME_LOADED:
		return eh_frame_is_scanned(ef)
			? ".eh_frame (without a good .eh_frame_hdr: read as a whole)"
			: ".eh_frame";
	case EH_FRAME_DEBUG:
		return ".debug_frame";
	case EH_FRAME_NONE:
		break;
	}
	return "none: its stacks are walked by frame pointers";
}

/* Whether a row is made from the code itself: no FDE is for it, and yet it says something. */
static bool is_from_code(struct eh_frame *ef, const struct unwind_row *row)
{
	struct fde fde;

	return row->rule.cfa != UNWIND_CFA_NONE && eh_frame_find(ef, row->address, &fde) < 0;
}

static void print_columns(const struct machine *m, const struct unwind_row *row, bool from_code)
{
	const char *source = from_code ? "  code" : "";
	struct strbuf cfa cleanup_strbuf = STRBUF_INIT;
	struct strbuf fp cleanup_strbuf = STRBUF_INIT;
	struct strbuf ra cleanup_strbuf = STRBUF_INIT;

	describe_cfa(&cfa, m, &row->rule);
	describe_fp(&fp, m, &row->rule);
	describe_ra(&ra, m, &row->rule);
	if (fp.len)
		printf("%#14llx  %-24s %-12s %s%s\n", (unsigned long long)row->address, cfa.buf,
			fp.buf, ra.buf, source);
	else
		printf("%#14llx  %s%s\n", (unsigned long long)row->address, cfa.buf, source);
}

/* Rows of lo <= address < hi; one that says what the last one did is not printed again. */
static int print_range(struct eh_frame *ef, uint64_t lo, uint64_t hi)
{
	struct unwind_rows rows cleanup_unwind_rows = {0};
	const struct machine *m = machine_of(eh_frame_image(ef)->machine);
	struct unwind_rule last = {.cfa = UNWIND_CFA_COUNT};

	for (uint64_t at = lo, next; at < hi; at = next) {
		/* By pages, as the profiler does. */
		next = at + MIN(hi - at, UNWIND_PAGE_SIZE - at % UNWIND_PAGE_SIZE);
		int r = unwind_rows_read(ef, at, next, &rows);

		if (r < 0)
			return r;
		for (size_t i = 0; i < rows.count; i++)
			if (i || memcmp(&last, &rows.list[i].rule, sizeof(last)) != 0)
				print_columns(m, &rows.list[i], is_from_code(ef, &rows.list[i]));
		last = rows.list[rows.count - 1].rule;
	}
	printf("%#14llx\n", (unsigned long long)hi);
	return 0;
}

static int print_file(struct eh_frame *ef)
{
	const struct elf_image *image = eh_frame_image(ef);
	char fp[REGISTER_NAME_SIZE];
	int r = 0;

	machine_register_name(machine_of(image->machine), machine_of(image->machine)->fp, fp);
	printf("tables: %s\n\n%14s  %-24s %-12s %s\n", kind_text(ef), "ADDRESS", "CFA", fp,
		"RETURN ADDRESS");
	for (size_t i = 0; r == 0 && i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (s->executable && s->memory_size)
			r = print_range(ef, s->address, s->address + s->memory_size);
	}
	return r;
}

static void print_raw(const char *what, const uint8_t *bytes, size_t len)
{
	printf("%-14s", what);
	for (size_t i = 0; i < len && i < RAW_SHOWN_MAX; i++)
		printf(" %02x", bytes[i]);
	if (!len)
		printf(" none");
	if (len > RAW_SHOWN_MAX)
		printf(" ... (%zu in all)", len);
	putchar('\n');
}

static void print_fde(struct eh_frame *ef, uint64_t address)
{
	const char *section = eh_frame_kind(ef) == EH_FRAME_DEBUG ? ".debug_frame" : ".eh_frame";
	struct fde fde;

	if (eh_frame_find(ef, address, &fde) == 0) {
		printf("function       %#llx to %#llx\n", (unsigned long long)fde.start,
			(unsigned long long)fde.end);
		printf("FDE            at %#llx of %s, CIE at %#llx%s\n",
			(unsigned long long)fde.offset, section,
			(unsigned long long)fde.cie->offset,
			fde.cie->is_signal_frame ? ", signal frame" : "");
		print_raw("CIE's program", fde.cie->initial, fde.cie->initial_len);
		print_raw("FDE's program", fde.instructions, fde.len);
		return;
	}
	uint64_t next = eh_frame_next_start(ef, address);

	printf("function       none: no FDE covers this address");
	if (next != UINT64_MAX)
		printf("; the next one begins at %#llx", (unsigned long long)next);
	putchar('\n');
}

static void print_rule(const struct machine *m, const struct unwind_rule *rule)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;
	const char *remark = describe_remark(rule);
	char fp[REGISTER_NAME_SIZE];
	size_t len;

	machine_register_name(m, m->fp, fp);
	strbuf_add_str(&text, "CFA            ");
	describe_cfa(&text, m, rule);
	strbuf_addf(&text, "\n%-14s ", fp);
	len = text.len;
	describe_fp(&text, m, rule);
	if (text.len > len) {
		strbuf_add_str(&text, "\nreturn address ");
		describe_ra(&text, m, rule);
	} else {
		strbuf_set_len(&text, len - 16);
	}
	printf("%s\n", text.buf);
	if (remark)
		printf("               %s\n", remark);
}

static int print_address(struct eh_frame *ef, uint64_t address)
{
	struct unwind_rows rows cleanup_unwind_rows = {0};
	const struct elf_image *image = eh_frame_image(ef);

	if (!elf_image_is_code(image, address)) {
		fprintf(stderr,
			"dockprof: %#llx is not in the code of this file; addresses are those that nm shows, not "
			"those of a process\n",
			(unsigned long long)address);
		return -EFAULT;
	}
	printf("address        %#llx\n", (unsigned long long)address);
	printf("tables         %s\n", kind_text(ef));
	print_fde(ef, address);
	/* As the profiler reads them, by pages: what the code tells depends on what is around it. */
	uint64_t page = address & ~(uint64_t)(UNWIND_PAGE_SIZE - 1);
	uint64_t end = page + MIN(UINT64_MAX - page, (uint64_t)UNWIND_PAGE_SIZE);
	int r = unwind_rows_read(ef, page, end, &rows);

	if (r < 0)
		return r;
	const struct unwind_row *row = &rows.list[rows.count - 1];

	while (row->address > address)
		row--;
	print_rule(machine_of(image->machine), &row->rule);
	if (is_from_code(ef, &(struct unwind_row){address, row->rule}))
		printf("               made from the code itself, for want of a table\n");
	return 0;
}

static int unwind(void *ctx, const struct option_list *words)
{
	const char *path = words->values[0];
	const char *word = words->count > 1 ? words->values[1] : NULL;
	struct elf_argument file;
	struct error err = {0};
	uint64_t address = 0;

	(void)ctx;
	if (word && (!elf_argument_address(word, &address) || address == UINT64_MAX)) {
		fprintf(stderr,
			"dockprof: \"%s\" is no address; write it as hexadecimal, like 0x1a2b\n",
			word);
		return EXIT_USAGE;
	}
	if (elf_argument_open(path, &file, &err) < 0) {
		fprintf(stderr, "dockprof: %s\n", err.message);
		return EXIT_FAILED;
	}
	int r = -ENOTSUP;

	if (machine_of(file.image.machine)) {
		struct eh_frame *ef = eh_frame_new(&file.source, &file.image);

		r = word ? print_address(ef, address) : print_file(ef);
		eh_frame_free(ef);
	}
	elf_argument_release(&file);
	if (r == -ENOTSUP)
		fprintf(stderr, "dockprof: %s: neither for x86-64 nor for arm64\n", path);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

int cmd_unwind(int argc, char **argv)
{
	struct option_list words = {0};
	const struct option_spec specs[] = {{NULL, 0, OPTION_FLAG, NULL, NULL, NULL}};
	const struct command_spec command = {
		.usage = "dockprof unwind FILE [ADDRESS]",
		.about =
			"How stacks are walked through the code of an ELF file: from each address on, how the\n"
			"canonical frame address (CFA, the caller's stack pointer), the caller's frame pointer\n"
			"and the return address are found; \"code\" behind a row: it is made from the code itself,\n"
			"for want of a table. With an ADDRESS (hexadecimal, as nm shows it; what\n"
			"profiles show as module+0xADDRESS): all there is to know about that one.\n"
			"Exit status: 0; 1 where the file cannot be read or the address is not in its code.",
		.examples = "  dockprof unwind /usr/bin/python3\n"
			    "  dockprof unwind /lib/x86_64-linux-gnu/libc.so.6 0x2724a\n",
		.options = specs,
		.arguments = &words,
		.max_arguments = 2,
	};

	return elf_argument_command(&command, argc, argv, unwind, NULL);
}
