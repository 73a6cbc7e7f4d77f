// SPDX-License-Identifier: Apache-2.0
/*
 * Names of kernel addresses from /proc/kallsyms: the kernel's own text, its modules, BPF programs. Read
 * at the first question, held compressed. Without CAP_SYSLOG the kernel shows all addresses as 0
 * (kernel.kptr_restrict); then everything is an unnamed "[kernel]".
 */
#ifndef SYMBOLS_KERNEL_SYMBOLS_H
#define SYMBOLS_KERNEL_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "symbols/frame.h"

struct kernel_symbols;

/* proc_fd: an open /proc, which must outlive it. next_module_id: the symbolizer's counter. */
struct kernel_symbols *kernel_symbols_new(int proc_fd, uint32_t *next_module_id);
void kernel_symbols_free(struct kernel_symbols *k);

/*
 * The frame of one address. now_ns (CLOCK_MONOTONIC) limits how often the text is read again: when the
 * set of modules has changed or an address is unknown, at most once a minute, less often if that does
 * not help. What it returns lives until kernel_symbols_end_round().
 */
struct frame kernel_symbols_resolve(struct kernel_symbols *k, uint64_t address, int64_t now_ns);
void kernel_symbols_end_round(struct kernel_symbols *k);

size_t kernel_symbols_count(const struct kernel_symbols *k);
size_t kernel_symbols_bytes(const struct kernel_symbols *k);

#endif
