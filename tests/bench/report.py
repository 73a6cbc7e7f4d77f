# SPDX-License-Identifier: Apache-2.0
"""Figures beside their goals: a table for people, a JSON file for machines, an exit code for CI."""

import json
import os
import platform
import time

# key: of the column's figures. limit: the most that dockprof may take, None: only shown. least: the
# least that it must reach.
class Row:
    def __init__(self, key, title, limit=None, digits=2, least=None):
        self.key, self.title, self.limit, self.digits = key, title, limit, digits
        self.least = least

    def goal(self):
        if self.limit is not None:
            return f"<= {self.limit:g}"
        return "" if self.least is None else f">= {self.least:g}"

    def cell(self, figures):
        value = figures.get(self.key)
        return "-" if value is None else f"{value:.{self.digits}f}"

    def missed(self, figures):
        """What is wrong with our figure, or None. A figure that is not there is no success."""
        if not self.goal():
            return None
        value = figures.get(self.key)
        if value is None:
            return f"{self.title}: not measured"
        if self.limit is not None and value > self.limit:
            return f"{self.title}: {value:.{self.digits}f}, at most {self.limit:g}"
        if self.least is not None and value < self.least:
            return f"{self.title}: {value:.{self.digits}f}, at least {self.least:g}"
        return None


def table(rows, columns):
    """columns: title -> figures, ours first."""
    lines = [["", *columns, "goal"]]
    for row in rows:
        lines.append([row.title, *(row.cell(figures) for figures in columns.values()), row.goal()])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                  for i, (cell, width) in enumerate(zip(line, widths))).rstrip()
        for line in lines)


def machine():
    return {"kernel": platform.release(), "cpus": os.cpu_count(), "machine": platform.machine(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def write_json(directory, name, content):
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        json.dump({**machine(), **content}, file, indent=1)
        file.write("\n")
    return path


def conclude(missed, no_fail):
    """Prints what was missed; the exit code."""
    for text in missed:
        print(f"MISSED {text}")
    if not missed:
        print("all goals are met")
    return 1 if missed and not no_fail else 0
