// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel answers EPERM to very different lacks, so what can be seen from outside is looked at first:
 * namespaces by the inode numbers that the initial ones have had since Linux 3.8, capabilities in
 * /proc/self/status. Only then the system calls themselves are tried; where one is refused although
 * everything is there, something stands in front of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "doctor.h"
#include "proc/cgroup_tree.h"
#include "profiler/environment.h"

#define TEXT_MAX       16384
#define INITIAL_PID    0xEFFFFFFCu
#define INITIAL_USER   0xEFFFFFFDu
#define INITIAL_CGROUP 0xEFFFFFFBu
#define YEAR_2024_S    INT64_C(1704067200)

#define GRANT(cap) "in the compose file: `cap_add: [" cap "]`, or `privileged: true`"

struct host {
	struct doctor *d;
	const char *proc, *sys;
	uint64_t caps;
	bool seccomp;
};

static int read_file(const char *root, const char *path, struct strbuf *out)
{
	char *full cleanup_free = xasprintf("%s/%s", root, path);

	return file_read_at(AT_FDCWD, full, TEXT_MAX, out);
}

/* -1 where it cannot be read. */
static long read_number(const char *root, const char *path)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	return read_file(root, path, &text) < 0 ? -1 : strtol(text.buf, NULL, 10);
}

static bool namespace_is(const struct host *h, const char *name, unsigned inode)
{
	char *path cleanup_free = xasprintf("%s/self/ns/%s", h->proc, name);
	struct stat st;

	/* A kernel without such namespaces has only the one. */
	return stat(path, &st) < 0 || st.st_ino == inode;
}

static void check_kernel(const struct host *h)
{
	struct utsname uts;
	unsigned v[3] = {0};
	char *btf cleanup_free = xasprintf("%s/kernel/btf/vmlinux", h->sys);

	if (uname(&uts) < 0 || !kernel_version_parse(uts.release, uts.version, v))
		doctor_add(h->d, "kernel", CHECK_WARN, "",
			"the kernel's version cannot be told from \"%s\"", uts.release);
	else if (v[0] < 5 || (v[0] == 5 && v[1] < 10))
		doctor_add(h->d, "kernel", CHECK_FAIL, "run a newer kernel",
			"Linux %s; 5.10 or newer is needed", uts.release);
	else
		doctor_add(h->d, "kernel", CHECK_PASS, "", "Linux %s", uts.release);
	if (access(btf, R_OK) < 0)
		doctor_add(h->d, "btf", CHECK_FAIL,
			"the kernel needs CONFIG_DEBUG_INFO_BTF=y, a container the host's /sys",
			"the kernel's type information %s cannot be read: %s", btf,
			strerror(errno));
	else
		doctor_add(h->d, "btf", CHECK_PASS, "", "type information in %s", btf);
}

static void check_jit(const struct host *h)
{
	long jit = read_number(h->proc, "sys/net/core/bpf_jit_enable");

	if (jit == 0)
		doctor_add(h->d, "bpf_jit", CHECK_WARN, "sysctl net.core.bpf_jit_enable=1",
			"the BPF JIT is off: each tick costs several times as much");
	else
		doctor_add(h->d, "bpf_jit", CHECK_PASS, "",
			jit > 0 ? "the BPF JIT is on"
				: "the BPF JIT's switch is not shown in this network namespace");
}

static void check_namespaces(const struct host *h)
{
	if (!namespace_is(h, "user", INITIAL_USER))
		doctor_add(h->d, "user_namespace", CHECK_FAIL,
			"in the compose file: `userns_mode: host`; with rootless Docker, run dockprof "
			"outside of it",
			"dockprof runs in a user namespace, where no capability lets it load BPF");
	else
		doctor_add(h->d, "user_namespace", CHECK_PASS, "", "in the host's user namespace");
	if (!namespace_is(h, "pid", INITIAL_PID))
		doctor_add(h->d, "pid_namespace", CHECK_FAIL, "in the compose file: `pid: host`",
			"dockprof runs in a pid namespace of its own and cannot see the processes of "
			"other containers");
	else
		doctor_add(h->d, "pid_namespace", CHECK_PASS, "", "in the host's pid namespace");
}

static const struct capability {
	unsigned bit;
	bool needed, in_sys_admin;
	const char *id, *name, *lost, *grant;
} capabilities[] = {
	{CAP_BPF, true, true, "cap_bpf", "BPF", "no BPF program can be loaded", GRANT("BPF")},
	{CAP_PERFMON, true, true, "cap_perfmon", "PERFMON",
		"no CPU can be sampled and no kernel memory read", GRANT("PERFMON")},
	{CAP_SYS_PTRACE, false, false, "cap_sys_ptrace", "SYS_PTRACE",
		"functions of other users' processes have no names", GRANT("SYS_PTRACE")},
	{CAP_DAC_READ_SEARCH, false, false, "cap_dac_read_search", "DAC_READ_SEARCH",
		"functions in files that only their owner may read have no names",
		GRANT("DAC_READ_SEARCH")},
	{CAP_CHECKPOINT_RESTORE, false, true, "cap_checkpoint_restore", "CHECKPOINT_RESTORE",
		"functions in files that were deleted or replaced have no names",
		GRANT("CHECKPOINT_RESTORE")},
	{CAP_SYSLOG, false, true, "cap_syslog", "SYSLOG", "kernel functions have no names",
		GRANT("SYSLOG")},
};

static bool has(const struct host *h, unsigned bit)
{
	return h->caps >> bit & 1;
}

static void check_capabilities(const struct host *h)
{
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		const struct capability *c = &capabilities[i];
		bool there = has(h, c->bit) || (c->in_sys_admin && has(h, CAP_SYS_ADMIN));

		if (there)
			doctor_add(h->d, c->id, CHECK_PASS, "", "the capability %s is there",
				c->name);
		else
			doctor_add(h->d, c->id, c->needed ? CHECK_FAIL : CHECK_WARN, c->grant,
				"the capability %s is missing: %s", c->name, c->lost);
	}
}

static bool locked_down(const struct host *h)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	return read_file(h->sys, "kernel/security/lockdown", &text) == 0 &&
		strstr(text.buf, "[confidentiality]");
}

static void check_lockdown(const struct host *h)
{
	if (locked_down(h))
		doctor_add(h->d, "lockdown", CHECK_FAIL,
			"boot with lockdown=integrity or without it",
			"the kernel is locked down (confidentiality): BPF may not read its memory");
	else
		doctor_add(h->d, "lockdown", CHECK_PASS, "", "the kernel is not locked down");
}

/* 0 or -errno. */
static int try_bpf(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 4,
		.max_entries = 1,
	};
	int fd cleanup_close = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : 0;
}

static int try_perf(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.sample_period = 1000000000,
		.disabled = 1,
	};
	int fd cleanup_close =
		(int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

#define SECCOMP_FIX                                                                                \
	"in the compose file: `security_opt: [seccomp:unconfined]`, or `privileged: true`"

static void check_call(const struct host *h, const char *id, const char *call, int code)
{
	if (code == 0)
		doctor_add(h->d, id, CHECK_PASS, "", "%s works", call);
	else if (code == -ENOSYS && !h->seccomp)
		doctor_add(h->d, id, CHECK_FAIL, "run a kernel that has it",
			"this kernel is built without %s", call);
	else if (h->seccomp)
		doctor_add(h->d, id, CHECK_FAIL, SECCOMP_FIX,
			"%s is forbidden by the seccomp profile that the engine puts around this "
			"container",
			call);
	else
		doctor_add(h->d, id, CHECK_FAIL,
			"in the compose file: `security_opt: [apparmor:unconfined]`; with SELinux "
			"`label=disable`",
			"%s fails though all capabilities are there: %s; a security module may "
			"forbid it",
			call, strerror(-code));
}

static void check_perf(const struct host *h)
{
	long paranoid = read_number(h->proc, "sys/kernel/perf_event_paranoid");
	int code = try_perf();

	/* Debian's and Ubuntu's patch; a seccomp profile in front of it answers EPERM. */
	if (code == -EACCES && paranoid >= 3 && !has(h, CAP_SYS_ADMIN))
		doctor_add(h->d, "perf_event_paranoid", CHECK_FAIL,
			"sysctl kernel.perf_event_paranoid=2, or in the compose file `cap_add: "
			"[SYS_ADMIN]`",
			"kernel.perf_event_paranoid is %ld: this distribution's kernel wants SYS_ADMIN "
			"for sampling",
			paranoid);
	else
		check_call(h, "perf_event_open", "perf_event_open(2)", code);
}

static void check_rate(const struct host *h, unsigned hz)
{
	long most = read_number(h->proc, "sys/kernel/perf_event_max_sample_rate");

	if (most > 0 && most < (long)hz)
		doctor_add(h->d, "perf_sample_rate", CHECK_FAIL,
			"sysctl kernel.perf_event_max_sample_rate=1000 and "
			"kernel.perf_cpu_time_max_percent=0, or lower ebpf.sample_rate",
			"the kernel allows %ld samples a second (it lowers that by itself on slow "
			"machines), %u are configured",
			most, hz);
	else
		doctor_add(h->d, "perf_sample_rate", CHECK_PASS, "",
			"the kernel allows the %u samples a second that are configured", hz);
}

static void check_calls(const struct host *h)
{
	if (doctor_failed(h->d, "cap_bpf"))
		doctor_add(h->d, "bpf", CHECK_SKIP, "", "not tried without its capability");
	else
		check_call(h, "bpf", "bpf(2)", try_bpf());
	if (doctor_failed(h->d, "cap_perfmon"))
		doctor_add(h->d, "perf_event_open", CHECK_SKIP, "",
			"not tried without its capability");
	else
		check_perf(h);
}

/* Through PID 1's mounts, else through ours where our namespace is the host's. */
static int open_host_cgroups(const struct host *h, bool host_namespace, struct cgroup_tree *trees)
{
	char *first cleanup_free = xasprintf("%s/1/root/sys/fs/cgroup", h->proc);
	char *own cleanup_free = xasprintf("%s/fs/cgroup", h->sys);
	int count = cgroup_trees_open(trees, first);

	return count < 0 && host_namespace ? cgroup_trees_open(trees, own) : count;
}

static void check_cgroups(const struct host *h)
{
	bool host_namespace = namespace_is(h, "cgroup", INITIAL_CGROUP);
	struct cgroup_tree trees[CGROUP_TREES] = {0};

	if (doctor_failed(h->d, "pid_namespace") || !has(h, CAP_SYS_PTRACE)) {
		doctor_add(h->d, "cgroups", CHECK_SKIP, "",
			"the host's cgroups cannot be looked at without its pids and SYS_PTRACE");
		return;
	}
	int count = open_host_cgroups(h, host_namespace, trees);

	if (count < 0)
		doctor_add(h->d, "cgroups", CHECK_WARN,
			"in the compose file: `cgroup: host`, and the host's cgroup file system at "
			"/sys/fs/cgroup",
			"the host's cgroups cannot be seen (%s): the CPU time of containers cannot "
			"be proved",
			strerror(-count));
	else
		doctor_add(h->d, "cgroups", CHECK_PASS, "",
			"cgroup %s, in %s cgroup namespace (either will do)",
			count == 2            ? "v1 and v2"
				: trees[0].v1 ? "v1"
					      : "v2",
			host_namespace ? "the host's" : "a private");
	for (int i = 0; i < count; i++)
		cgroup_tree_release(&trees[i]);
}

static void check_clock(const struct host *h)
{
	if (clock_realtime_ns() / NSEC_PER_SEC < YEAR_2024_S)
		doctor_add(h->d, "clock", CHECK_FAIL, "set the clock, run an NTP client",
			"the clock says it is before 2024: servers refuse profiles that old");
}

void doctor_check_host(struct doctor *d, const char *proc, const char *sys, unsigned hz)
{
	struct strbuf status cleanup_strbuf = STRBUF_INIT;
	struct host h = {.d = d, .proc = proc, .sys = sys};

	d->environment = true;
	if (read_file(proc, "self/status", &status) < 0) {
		doctor_add(d, "proc", CHECK_FAIL, "mount it", "%s cannot be read", proc);
		return;
	}
	const char *caps = strstr(status.buf, "\nCapEff:");
	const char *seccomp = strstr(status.buf, "\nSeccomp:");

	h.caps = caps ? strtoull(caps + strlen("\nCapEff:"), NULL, 16) : 0;
	h.seccomp = seccomp && strtol(seccomp + strlen("\nSeccomp:"), NULL, 10) == 2;
	check_kernel(&h);
	check_jit(&h);
	check_namespaces(&h);
	if (doctor_failed(d, "user_namespace")) {
		doctor_add(d, "capabilities", CHECK_SKIP, "",
			"capabilities in a user namespace do not count here");
		return;
	}
	check_capabilities(&h);
	check_lockdown(&h);
	check_rate(&h, hz);
	check_calls(&h);
	check_cgroups(&h);
	check_clock(&h);
}
