// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel's own structs, as far as the programs read them: fields by name only. Offsets and sizes
 * are filled in at load time from the running kernel's BTF (CO-RE), so order and gaps mean nothing
 * here. Everything that is UAPI comes from <linux/bpf.h>.
 */
#ifndef BPF_VMLINUX_H
#define BPF_VMLINUX_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <stdbool.h>
#include <stddef.h>

typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __s16 int16_t;
typedef __u32 uint32_t;
typedef __s32 int32_t;
typedef __u64 uint64_t;
typedef __s64 int64_t;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	const char *name;
	uint64_t id;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

#if defined(__TARGET_ARCH_x86)
struct thread_struct {
	unsigned long fsbase;
};
#elif defined(__TARGET_ARCH_arm64)
struct thread_struct {
	struct {
		unsigned long tp_value;
	} uw;
};
#endif

struct task_struct {
	struct thread_struct thread;
	void *stack;
	unsigned int flags;
	struct mm_struct *mm;
	struct task_struct *group_leader;
	uint64_t start_boottime;
	uint64_t self_exec_id;
	struct css_set *cgroups;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long bp;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long cs;
	unsigned long sp;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	uint64_t regs[31];
	uint64_t sp;
	uint64_t pc;
	uint64_t pstate;
	int32_t syscallno;
};
#endif

#pragma clang attribute pop

/* Values differ between kernels, depending on their configuration, and are relocated as well. */
enum cgroup_subsys_id {
	cpu_cgrp_id,
	cpuacct_cgrp_id,
	memory_cgrp_id,
	devices_cgrp_id,
	freezer_cgrp_id,
	pids_cgrp_id,
};

#define PF_KTHREAD 0x00200000

#endif
