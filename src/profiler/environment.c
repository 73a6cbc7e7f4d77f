// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel answers EPERM to very different lacks. Which one it is can be seen from outside: the
 * capabilities of this thread, whether a seccomp filter stands in front of bpf(2), kernel lockdown.
 */
#include "profiler/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "profiler/profiler.h"

#define STATUS_TEXT_MAX 16384
#define INITIAL_PID_NS  0xEFFFFFFCu /* PROC_PID_INIT_INO, fixed since Linux 3.8 */
#define GRANT           "in the compose file: `privileged: true`, or `cap_add: [BPF, PERFMON, SYS_PTRACE]`"

#define VERSION(a, b, c) ((unsigned)(a) << 16 | (unsigned)(b) << 8 | (unsigned)(c))

static unsigned version_number(const unsigned v[3])
{
	return VERSION(v[0], MIN(v[1], 255u), MIN(v[2], 255u));
}

bool kernel_version_parse(const char *release, const char *version, unsigned ret_version[3])
{
	const char *debian = strstr(version, " Debian ");

	if (debian &&
		sscanf(debian, " Debian %u.%u.%u", &ret_version[0], &ret_version[1],
			&ret_version[2]) == 3)
		return true;
	ret_version[2] = 0;
	return sscanf(release, "%u.%u.%u", &ret_version[0], &ret_version[1], &ret_version[2]) >= 2;
}

bool kernel_probe_read_may_hang(const unsigned version[3])
{
	unsigned v = version_number(version);

	if (v < VERSION(5, 19, 0) || v >= VERSION(6, 3, 10))
		return false;
	return v < VERSION(6, 1, 36) || v >= VERSION(6, 2, 0);
}

int environment_check(const char *sys, struct error *err)
{
	char *btf cleanup_free = xasprintf("%s/kernel/btf/vmlinux", sys);
	struct utsname uts;
	unsigned version[3];

	if (uname(&uts) == 0 && kernel_version_parse(uts.release, uts.version, version) &&
		version_number(version) < VERSION(5, 10, 0))
		return error_set(err, -ENOSYS,
			"this kernel is %s; sampling with BPF needs Linux 5.10 or newer",
			uts.release);
	if (access(btf, R_OK) < 0)
		return error_set_errno(err, -ENOENT,
			"cannot read the kernel's type information %s: the kernel needs "
			"CONFIG_DEBUG_INFO_BTF=y, the container the host's /sys",
			btf);
	return 0;
}

int profiler_check_pid_namespace(const char *proc, struct error *err)
{
	char *path cleanup_free = xasprintf("%s/self/ns/pid", proc);
	struct stat st;

	if (stat(path, &st) < 0)
		return error_set_errno(err, -errno, "cannot look at %s", path);
	if (st.st_ino != INITIAL_PID_NS)
		return error_set(err, -EPERM,
			"dockprof runs in a pid namespace of its own and cannot see the processes "
			"of other containers; in the compose file add `pid: \"host\"`");
	return 0;
}

/* A number from /proc/self/status, `base` as for strtoull; 0 where the line is missing. */
static uint64_t status_value(const char *status, const char *name, int base)
{
	const char *line = strstr(status, name);

	return line ? strtoull(line + strlen(name), NULL, base) : 0;
}

static bool has_capability(uint64_t set, unsigned cap)
{
	return set >> cap & 1;
}

static bool locked_down(void)
{
	struct strbuf text cleanup_strbuf = STRBUF_INIT;

	if (file_read_at(AT_FDCWD, "/sys/kernel/security/lockdown", STATUS_TEXT_MAX, &text) < 0)
		return false;
	return strstr(text.buf, "[confidentiality]") != NULL;
}

int environment_explain(int code, const char *what, const char *proc, struct error *err)
{
	char *path cleanup_free = xasprintf("%s/self/status", proc);
	struct strbuf status cleanup_strbuf = STRBUF_INIT;

	if (code != -EPERM && code != -EACCES)
		return error_set_errno(err, code, "%s", what);
	if (file_read_at(AT_FDCWD, path, STATUS_TEXT_MAX, &status) < 0)
		return error_set_errno(err, -EPERM, "%s (and %s cannot be read)", what, path);
	uint64_t caps = status_value(status.buf, "\nCapEff:", 16);
	bool admin = has_capability(caps, CAP_SYS_ADMIN);

	if (!admin && !has_capability(caps, CAP_BPF))
		return error_set(err, -EPERM,
			"%s: not permitted, the capability BPF is missing; run as root, or " GRANT,
			what);
	if (!admin && !has_capability(caps, CAP_PERFMON))
		return error_set(err, -EPERM,
			"%s: not permitted, the capability PERFMON is missing; run as root, or " GRANT,
			what);
	if (locked_down())
		return error_set(err, -EPERM,
			"%s: not permitted, the kernel is locked down (confidentiality); boot with "
			"lockdown=integrity or without it",
			what);
	if (status_value(status.buf, "\nSeccomp:", 10) == 2)
		return error_set(err, -EPERM,
			"%s: not permitted though the capabilities are there, so the engine's seccomp "
			"profile forbids it; in the compose file: `privileged: true`, or "
			"`security_opt: [seccomp:unconfined]`",
			what);
	return error_set(err, -EPERM,
		"%s: not permitted though the capabilities are there; a security module "
		"(AppArmor, SELinux) may forbid it, or this is a user namespace: " GRANT,
		what);
}
