// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What unwinding by tables shares between src/unwind/, which makes the tables from .eh_frame, and the
 * walker, which runs in the kernel and, from the same source, in user space. Included after
 * bpf/vmlinux.h or <stdint.h>.
 *
 * A row says how to get from a frame to its caller, for all code from its address on to the next row's. Most
 * rows of a file say one of few things, so rows refer to rules, which all files share.
 */
#ifndef BPF_UNWIND_H
#define BPF_UNWIND_H

/*
 * Canonical frame address (DWARF 5, 6.4): what the stack pointer will be in the caller. Registers bear
 * the numbers of the machine's psABI. "Leaf" registers are known in the interrupted frame only, for
 * callees may have changed them in all others.
 */
enum unwind_cfa {
	UNWIND_CFA_NONE, /* nothing is known about this code */
	UNWIND_CFA_SP, /* sp + cfa_offset */
	UNWIND_CFA_FP, /* fp + cfa_offset */
	UNWIND_CFA_SP_DEREF, /* *(sp + cfa_offset) + cfa_add */
	UNWIND_CFA_FP_DEREF, /* *(fp + cfa_offset) + cfa_add */
	UNWIND_CFA_REG, /* leaf register cfa_reg + cfa_offset */
	UNWIND_CFA_REG_DEREF, /* *(leaf register cfa_reg + cfa_offset) + cfa_add */
	UNWIND_CFA_PLT, /* x86-64 lazy PLT: sp + 8, and 8 more from byte cfa_add of 16 on */
	UNWIND_CFA_SIGNAL, /* the kernel's signal frame lies at sp + cfa_offset: all registers in it */
	UNWIND_CFA_END, /* there is no caller: a process's or thread's outermost frame */
	UNWIND_CFA_UNSUPPORTED, /* there is a rule, but not one that can be put here */
	UNWIND_CFA_COUNT,
};

/* The caller's frame pointer: rbp, x29. */
enum unwind_fp {
	UNWIND_FP_SAME, /* not touched */
	UNWIND_FP_AT_CFA, /* *(CFA + fp_offset) */
	UNWIND_FP_AT_FP, /* *(fp + fp_offset) */
	UNWIND_FP_AT_SP, /* *(sp + fp_offset) */
	UNWIND_FP_UNKNOWN, /* lost: only frames that do not need it can follow */
	UNWIND_FP_COUNT,
};

/* The return address. */
enum unwind_ra {
	UNWIND_RA_AT_CFA, /* *(CFA + ra_offset) */
	UNWIND_RA_REG, /* in leaf register ra_reg: arm64's x30 before it is saved, vfork's rdi */
	UNWIND_RA_COUNT,
};

struct unwind_rule {
	int32_t cfa_offset;
	int16_t cfa_add;
	int16_t fp_offset;
	int16_t ra_offset;
	uint8_t cfa; /* enum unwind_cfa */
	uint8_t cfa_reg;
	uint8_t fp; /* enum unwind_fp */
	uint8_t ra; /* enum unwind_ra */
	uint8_t ra_reg;
	uint8_t pad; /* 0 */
};
_Static_assert(sizeof(struct unwind_rule) == 16, "layout");

#define UNWIND_RULES_MAX 16384 /* a whole Debian has some 4,000 */

#define UNWIND_PAGE_BITS 12
#define UNWIND_PAGE_SIZE (1 << UNWIND_PAGE_BITS) /* of code; what tables are loaded by */

/*
 * The tables lie in a slab: chunks of memory that user space writes and BPF reads, added as they are
 * needed. A reference names a multiple of 8 bytes in one of them; 0 is none.
 *
 *	process: pid -> mappings ref -> | start[count] | struct unwind_mapping[count] |
 *	                                                     | binary number
 *	binary: number -> pages ref --> | rows ref of each page, 0: not loaded | used, a byte each |
 *	                                     |
 *	rows: ref --------------------> | count, 0 | at[count] | rule[count] |   all 16 bits wide
 *
 * Everything in it is written by user space alone but for the bytes `used`, which BPF sets and user
 * space clears. What user space takes back is not written again before no program can still read it.
 */
#define SLAB_REF_OFFSET_BITS 17
#define SLAB_CHUNK_SIZE      (8u << SLAB_REF_OFFSET_BITS) /* 1 MiB */
#define SLAB_CHUNKS_MAX      128
#define SLAB_GUARD           4096 /* behind each chunk: what begins in it may be read whole */

#define ROWS_PER_PAGE_MAX    2047 /* 1,205 is the most that was seen */
#define ROWS_HEAD            4 /* bytes before at[] */
#define PROCESS_MAPPINGS_MAX 16384 /* in one chunk */
#define UNWIND_BINARIES_MAX  8192
#define UNWIND_PROCESSES_MAX 16384

/* Code of one file in one process. Addresses in the file are those of the process less `bias`. */
struct unwind_mapping {
	uint64_t end;
	uint64_t bias;
	uint32_t binary; /* 0: no file, or none with tables; by frame pointers then */
	uint32_t pad;
};
_Static_assert(sizeof(struct unwind_mapping) == 24, "layout");

struct unwind_binary {
	uint32_t pages; /* ref */
	uint32_t first_page; /* address in the file >> UNWIND_PAGE_BITS */
	uint32_t page_count;
	uint32_t pad;
};
_Static_assert(sizeof(struct unwind_binary) == 16, "layout");

/* Why a walk ended. The first is the only good end. */
enum unwind_end {
	UNWIND_END_ROOT, /* the outermost frame of its thread */
	UNWIND_END_TRUNCATED, /* deeper than can be recorded */
	UNWIND_END_NO_MAPPING, /* the address lies in no code that the process is known to have */
	UNWIND_END_NO_CODE, /* what should be a return address cannot be one */
	UNWIND_END_BAD_FP, /* code without tables, and the frame pointer leads nowhere */
	UNWIND_END_NOT_LOADED, /* the tables for this code were not there yet */
	UNWIND_END_UNSUPPORTED, /* the tables say something that rules cannot */
	UNWIND_END_LOST_REGISTER, /* the caller depends on a register that is not known any more */
	UNWIND_END_FAULT, /* the stack could not be read there */
	UNWIND_END_CUT, /* the kept part of the stack ended */
	UNWIND_END_STUCK, /* the caller would be the frame itself, or lie below it */
	UNWIND_END_COMPAT, /* 32-bit code */
	UNWIND_END_NO_USER, /* no user space, or not to be recorded */
	UNWIND_END_UNTOLD, /* the kernel walked the stack, which does not say why it ended */
	UNWIND_END_COUNT,
	UNWIND_GOING = UNWIND_END_COUNT,
};

#define UNWIND_LEAF_REGS 32 /* by DWARF number; x86-64 uses 16 */

/* A thread's user registers when it was interrupted. */
struct unwind_regs {
	uint64_t ip, sp, fp;
	uint64_t leaf[UNWIND_LEAF_REGS];
};
_Static_assert(sizeof(struct unwind_regs) == 280, "layout");

#endif
