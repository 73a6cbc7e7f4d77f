# SPDX-License-Identifier: Apache-2.0
"""What profiles say of their stacks: how many reach their root, how many know what ran."""

import re

import pprof

# A stack that has one of these among its last three frames reached its root.
ROOTS = re.compile(r"^(_start|main|__libc_start_main.*|__libc_start_call_main|_start_c|clone3?|"
                   r"__clone3?|__GI___clone3?|start_thread|start|runtime\.(goexit|mstart|rt0_go).*|"
                   r"runtime\.mcall.*|_rt0_.*|std::rt::lang_start.*)$")
# The kernel enters a program in its loader, at a place that no symbol or table of a stripped one tells of.
LOADER_ENTRY = re.compile(r"^ld-[^!]*\+0x[0-9a-f]+$")
# "module!sub_1190" is a name: that of a function of a stripped file.
UNNAMED = re.compile(r"^\[|\+0x[0-9a-f]+$")
KERNEL = ("[kernel", "[bpf")


def share(part, whole):
    return 100 * part / whole if whole else None


def is_rooted(functions):
    """functions: of the user's frames, leaf first."""
    return any(ROOTS.match(name) for name in functions[-3:]) or bool(
        functions and LOADER_ENTRY.match(functions[-1]))


def is_user(location):
    return bool(location.mapping) and not location.mapping.path.startswith(KERNEL)


class Judgement:
    """Ticks of profiles; comms: those whose process's name is one of them."""

    def __init__(self, received, service, comms=()):
        self.ticks = self.user = self.rooted = self.leaf_named = self.comm_right = 0
        for profile in received.profiles(service):
            self.add(pprof.parse(profile.data), comms)

    def add(self, profile, comms):
        for sample in profile.samples:
            ticks = sample.values[0] // profile.period
            leaf_first = sample.locations[::-1]
            functions = [location.functions[0] if location.functions else "[none]"
                         for location in leaf_first if is_user(location)]
            self.ticks += ticks
            self.user += ticks * bool(functions)
            self.rooted += ticks * is_rooted(functions)
            self.leaf_named += ticks * (not UNNAMED.search((sample.names or ["["])[-1]))
            self.comm_right += ticks * (sample.names[0] in comms)

    def figures(self):
        return {"ticks": self.ticks, "complete_percent": share(self.rooted, self.user),
                "leaf_percent": share(self.leaf_named, self.ticks),
                "comm_percent": share(self.comm_right, self.ticks)}
