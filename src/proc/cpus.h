// SPDX-License-Identifier: Apache-2.0
/* Which CPUs there are, from /sys/devices/system/cpu. */
#ifndef PROC_CPUS_H
#define PROC_CPUS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define CPUS_MAX 8192 /* NR_CPUS' largest value on the architectures we know */

struct cpu_list {
	unsigned *cpu; /* ascending */
	size_t count;
};

/* Parses the kernel's list format, "0-3,8,10-11". 0, or -EINVAL. */
int cpu_list_parse(const char *text, struct cpu_list *ret) MUST_CHECK;
/* The CPUs that are online, and those that may ever be; sys is "/sys". 0 or -errno. */
int cpu_list_read_online(const char *sys, struct cpu_list *ret) MUST_CHECK;
int cpu_list_read_possible(const char *sys, struct cpu_list *ret) MUST_CHECK;
bool cpu_list_has(const struct cpu_list *list, unsigned cpu);
void cpu_list_release(struct cpu_list *list);
#define cleanup_cpu_list __attribute__((cleanup(cpu_list_release)))

#endif
