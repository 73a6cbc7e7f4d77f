# SPDX-License-Identifier: Apache-2.0
"""Figures beside their goals: a table for people, a JSON file for machines, an exit code for CI."""

import json
import os
import platform
import time

# key: of the column's figures. limit: the most that dockprof may take, None: only shown.
class Row:
    def __init__(self, key, title, limit=None, digits=2):
        self.key, self.title, self.limit, self.digits = key, title, limit, digits

    def cell(self, figures):
        value = figures.get(self.key)
        return "-" if value is None else f"{value:.{self.digits}f}"

    def missed(self, figures):
        """What is wrong with our figure, or None. A figure that is not there is no success."""
        if self.limit is None:
            return None
        value = figures.get(self.key)
        if value is None:
            return f"{self.title}: not measured"
        if value > self.limit:
            return f"{self.title}: {value:.{self.digits}f}, at most {self.limit:g}"
        return None


def table(rows, columns):
    """columns: title -> figures, ours first."""
    lines = [["", *columns, "goal"]]
    for row in rows:
        goal = "" if row.limit is None else f"<= {row.limit:g}"
        lines.append([row.title, *(row.cell(figures) for figures in columns.values()), goal])
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
