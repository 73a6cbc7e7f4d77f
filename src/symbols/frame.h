// SPDX-License-Identifier: Apache-2.0
/* What symbols/ answers about one address. Types only. */
#ifndef SYMBOLS_FRAME_H
#define SYMBOLS_FRAME_H

#include <stdint.h>

#define BUILD_ID_MAX 64 /* bytes; GNU build ids have 20, Go's are hashed to 20 */

enum module_kind {
	MODULE_FILE, /* an ELF file mapped by a process */
	MODULE_KERNEL, /* the kernel image or a kernel module */
	MODULE_VDSO,
	MODULE_ANONYMOUS, /* executable memory without a file: JIT code */
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

struct frame {
	const struct module *module; /* never NULL */
	uint64_t address; /* ELF address in the module; absolute in kernel and anonymous code */
	/* The function, NULL where no symbol covers the address. Valid like the module. Kernel names
	 * are bare ("vfs_read"). May hold any bytes but NUL. */
	const char *function;
};

#endif
