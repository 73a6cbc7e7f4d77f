# SPDX-License-Identifier: Apache-2.0
"""
What a program costs, as the kernel counts it: CPU time, resident memory, and the run time and
memory of its BPF programs and maps.

All of it is read by pid, so other users of BPF on the machine do not get into the figures. Programs
and maps are those the process has a descriptor of.
"""

import collections
import contextlib
import ctypes
import glob
import os
import platform
import signal
import statistics
import subprocess
import time

BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}
BPF_ENABLE_STATS = 32
BPF_STATS_RUN_TIME = 0
PROG_TYPE_PERF_EVENT = 7

# programs: id -> (type, run_time_ns, run_cnt); maps: id -> bytes
Bpf = collections.namedtuple("Bpf", "programs maps")


@contextlib.contextmanager
def bpf_run_time_statistics():
    """The kernel keeps them while somebody holds this descriptor: nothing is left switched on."""
    attributes = ctypes.create_string_buffer(BPF_STATS_RUN_TIME.to_bytes(4, "little"), 128)
    fd = ctypes.CDLL(None, use_errno=True).syscall(
        BPF_SYSCALL[platform.machine()], BPF_ENABLE_STATS, attributes, len(attributes))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not give BPF run time statistics")
    try:
        yield
    finally:
        os.close(fd)


def bpf_of(pid):
    bpf = Bpf({}, {})
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        try:
            with open(path) as file:
                info = dict(line.split(":", 1) for line in file if ":" in line)
        except OSError:
            continue
        if "map_id" in info:
            bpf.maps[int(info["map_id"])] = int(info["memlock"])
        elif "run_time_ns" in info:
            bpf.programs[int(info["prog_id"])] = tuple(
                int(info[field]) for field in ("prog_type", "run_time_ns", "run_cnt"))
    return bpf


def cpu_ns(pid):
    """User and system time of a process, its ended threads included, children not."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def memory_kb(pid):
    """VmRSS, VmHWM, RssAnon, RssFile, ..."""
    with open(f"/proc/{pid}/status") as status:
        fields = (line.split() for line in status)
        return {f[0].rstrip(":"): int(f[1]) for f in fields if f[-1] == "kB"}


def samples_all_cpus(pid):
    """Whether it has a perf event open for each CPU."""
    events = 0
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        with contextlib.suppress(OSError):
            events += os.readlink(path) == "anon_inode:[perf_event]"
    return events >= os.cpu_count()


class Measured:
    """A command from its exec on. Its stdout is thrown away; its stderr goes to a file."""

    def __init__(self, command, environment, log_path):
        self.log_path = log_path
        with open(log_path, "w") as log:
            self.start_s = time.monotonic()
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log)
        self.pid = self.process.pid

    def cpu_s(self):
        return cpu_ns(self.pid) / 1e9

    def ended(self):
        return self.process.poll() is not None

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def wait_for_sampling(self, timeout_s=30):
        """Seconds from exec until it samples."""
        while not samples_all_cpus(self.pid):
            if self.ended() or time.monotonic() > self.start_s + timeout_s:
                raise AssertionError(f"it does not sample: {self.log()[-2000:]}")
            time.sleep(0.005)
        return time.monotonic() - self.start_s

    def window(self, seconds):
        """What it costs while it does its work; taken once a second, so as not to disturb it."""
        before, cpu, begin_s = bpf_of(self.pid), self.cpu_s(), time.monotonic()
        memory, maps = [], []
        while time.monotonic() < begin_s + seconds:
            time.sleep(min(1, max(0, begin_s + seconds - time.monotonic())))
            memory.append(memory_kb(self.pid))
            maps.append(sum(bpf_of(self.pid).maps.values()))
        elapsed_s = time.monotonic() - begin_s
        return {
            "seconds": elapsed_s,
            "cpu_percent": 100 * (self.cpu_s() - cpu) / elapsed_s,
            "rss_mb": statistics.median(m["VmRSS"] for m in memory) / 1024,
            "rss_anon_mb": statistics.median(m["RssAnon"] for m in memory) / 1024,
            "rss_peak_mb": memory[-1]["VmHWM"] / 1024,
            "maps_mb": max(maps) / 2 ** 20,
            **bpf_difference(before, bpf_of(self.pid), elapsed_s),
        }

    def stop(self, number, timeout_s=60):
        """Ends it; the CPU seconds of its whole life, those of its children included."""
        self.process.send_signal(number)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                return usage.ru_utime + usage.ru_stime
            time.sleep(0.01)
        self.kill()
        raise AssertionError(f"it did not end {timeout_s} s after {signal.Signals(number).name}")

    def kill(self):
        if not self.ended():
            self.process.kill()
            self.process.wait()


def bpf_difference(before, after, seconds):
    """Ticks are runs of the programs on perf events; all others' time is only in bpf_percent."""
    tick_ns = ticks = all_ns = 0
    for number, (kind, run_ns, count) in after.programs.items():
        _, old_ns, old_count = before.programs.get(number, (kind, 0, 0))
        all_ns += run_ns - old_ns
        if kind == PROG_TYPE_PERF_EVENT:
            tick_ns += run_ns - old_ns
            ticks += count - old_count
    if not ticks:
        return {"tick_us": None, "ticks_per_s": None, "bpf_percent": None}
    return {"tick_us": tick_ns / ticks / 1000, "ticks_per_s": ticks / seconds,
            "bpf_percent": 100 * all_ns / 1e9 / seconds}
