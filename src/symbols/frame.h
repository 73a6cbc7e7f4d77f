// SPDX-License-Identifier: Apache-2.0
/* What symbols/ answers about one address. */
#ifndef SYMBOLS_FRAME_H
#define SYMBOLS_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define BUILD_ID_MAX 64 /* bytes; GNU build ids have 20, Go's are hashed to 20 */

enum module_kind {
	MODULE_FILE, /* an ELF file mapped by a process */
	MODULE_KERNEL, /* the kernel image or a kernel module */
	MODULE_VDSO,
	MODULE_ANONYMOUS, /* executable memory without a file: JIT code */
	MODULE_INTERPRETED, /* functions of a language that has a runtime of its own: Python */
	MODULE_UNKNOWN, /* no mapping covers the address (any more) */
};

/*
 * A piece of code that frames lie in. One struct per file (device, inode, size, times, path), shared by
 * all processes that map it; not per build id, because a file may lie about that. Owned by the
 * symbolizer; valid until the next symbolizer_end_round().
 */
struct module {
	enum module_kind kind;
	uint32_t id; /* unique within one symbolizer, never reused */
	/* As mapped, or "[kernel]", "[kernel:xfs]", "[bpf]", "[vdso]", "[anon]", "[heap]", "[unknown]".
	 * Printable UTF-8: anything else is escaped. */
	const char *path;
	const char *name; /* the path's last component, for "name+0x1234" */
	const char *build_id; /* lower-case hex, "" where there is none */
	/* The largest executable segment in the file's own addresses (p_vaddr), for pprof's Mapping; 0
	 * where unknown. Set once a frame of the module was asked for. */
	uint64_t start, end, file_offset;
};

/* Which source a function's name comes from. */
enum name_origin {
	NAME_NONE,
	NAME_SYMTAB, /* .symtab of the mapped file */
	NAME_DYNSYM, /* .dynsym of the mapped file */
	NAME_DEBUG_FILE, /* .symtab of its separate debug file */
	NAME_DEBUGDATA, /* .symtab in its .gnu_debugdata */
	NAME_GO, /* .gopclntab */
	NAME_PLT, /* made of a relocation's symbol: "malloc@plt" */
	NAME_PSEUDO, /* a function without a name, called after its start: "libfoo.so!sub_1190" */
	NAME_VDSO,
	NAME_KERNEL, /* kallsyms */
	NAME_PERF_MAP,
	NAME_JITDUMP,
	NAME_INTERPRETER, /* the language runtime's own memory */
	NAME_ORIGIN_COUNT,
};

/* Why a symbol source does not name an address. */
enum name_missing {
	MISSING_NOT, /* it does */
	MISSING_MAPS, /* the process was gone before its mappings were read */
	MISSING_MAPPING, /* no mapping covers the address (any more) */
	MISSING_JIT, /* memory without a file, and its runtime writes no map */
	MISSING_FILE, /* the file is not to be had: deleted, or on a file system that might not answer */
	MISSING_DAMAGED, /* the file is no ELF file, damaged or too large */
	MISSING_STRIPPED, /* the file has no complete symbol table */
	MISSING_SYMBOL, /* the file has one, and no symbol covers the address */
	MISSING_BUDGET, /* there was no room for more names this round */
	MISSING_KERNEL, /* the kernel shows no addresses (kernel.kptr_restrict), or none there */
	MISSING_COUNT,
};

/* "symtab", "debug file"; for NAME_NONE "none". */
const char *name_origin_text(enum name_origin origin);
/* "stripped", "no mapping": a word or two for a person. */
const char *name_missing_text(enum name_missing missing);

/* Whether a symbol source named it: not those called after their address. */
static inline bool name_is_real(enum name_origin origin)
{
	return origin != NAME_NONE && origin != NAME_PSEUDO;
}

struct frame {
	const struct module *module; /* never NULL */
	uint64_t address; /* ELF address in the module; absolute in kernel and anonymous code */
	/* The function, NULL where no symbol covers the address. Valid like the module. Kernel names
	 * are bare ("vfs_read"). May hold any bytes but NUL. */
	const char *function;
	const char *
		file; /* its source, as the symbols name it; NULL where they do not. Valid like the module */
	uint32_t line,
		first_line; /* in it, of the address and of the function; 0 where not known */
	enum name_origin origin; /* of the function's name */
	enum name_missing missing; /* MISSING_NOT where name_is_real(origin) */
	/* Of whoever makes profiles: where it put the frame last. Nothing of the frame itself. */
	struct {
		uint32_t profile, location;
	} memo;
};

#endif
