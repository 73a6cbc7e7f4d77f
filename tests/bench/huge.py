# SPDX-License-Identifier: Apache-2.0
"""
A program of 300 MB: one file of C functions, compiled once, whose object is copied under other names and
joined, and that again. It is made once, in build/.
"""

import os

from ground import BUILD_BENCH
from load import CALLS, build, source, tool

# 1.2 million functions, 300 MB of code.
FUNCTIONS, ALIGNMENT = 750, 256
COPIES = (10, 10, 16)
DIRECTORY = os.path.join(BUILD_BENCH, "huge")
SOURCES = [source("huge.c"), source("link.h"), os.path.abspath(__file__)]
UNIT = f"""\
#include "link.h"

static volatile long sum;

#define F(n) __attribute__((aligned({ALIGNMENT}))) static long function_##n(const struct link *l) \\
{{ volatile long room[1 + n % 7]; room[0] = n; if (l->next) return l->next->call(l->next) + room[0]; \\
for (int i = 0; i < 20000; i++) sum += i; return room[0]; }}
"""


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def compile_c(path):
    build([tool("gcc"), "-O1", *CALLS, "-fno-pie", "-I", os.path.dirname(source("link.h")), "-c", "-o",
           path.removesuffix(".c") + ".o", path])


def compile_unit():
    numbers = range(FUNCTIONS)
    write(path_of("unit.c"), UNIT + "\n".join(f"F({n})" for n in numbers) +
          "\nlink_fn *const table[] = {" + ", ".join(f"function_{n}" for n in numbers) + "};\n")
    compile_c(path_of("unit.c"))


def path_of(name):
    return os.path.join(DIRECTORY, name)


def copies_of(path, count):
    """Copies of the object with other symbols; [(path, prefix)]."""
    copies = [(f"{path.removesuffix('.o')}-{i}.o", f"u{i}_") for i in range(count)]
    for copy, prefix in copies:
        build([tool("objcopy"), f"--prefix-symbols={prefix}", path, copy])
    return copies


def multiply():
    """([object], [name of a table in them])."""
    path, tables = path_of("unit.o"), ["table"]
    for level, count in enumerate(COPIES):
        copies = copies_of(path, count)
        tables = [prefix + table for _, prefix in copies for table in tables]
        objects = [copy for copy, _ in copies]
        if level + 1 < len(COPIES):
            path = path_of(f"joined-{level}.o")
            build([tool("ld"), "-r", "-o", path, *objects])
            remove(objects)
    return objects, tables


def remove(paths):
    for path in paths:
        os.unlink(path)


def link():
    objects, tables = multiply()
    write(path_of("main.c"), "#include <stddef.h>\n#include \"link.h\"\n" +
          "".join(f"extern link_fn *const {table}[];\n" for table in tables) +
          "link_fn *const *const units[] = {" + ", ".join(tables) + "};\n"
          f"const size_t unit_count = {len(tables)}, unit_size = {FUNCTIONS};\n")
    compile_c(path_of("main.c"))
    build([tool("gcc"), "-O2", "-fno-pie", "-no-pie", "-o", path_of("bin/huge.new"), source("huge.c"),
           path_of("main.o"), *objects])
    remove(objects)
    os.rename(path_of("bin/huge.new"), path_of("bin/huge"))


def huge():
    """The path of the program."""
    program = path_of("bin/huge")
    if not os.path.exists(program) or any(
            os.path.getmtime(path) > os.path.getmtime(program) for path in SOURCES):
        os.makedirs(os.path.dirname(program), exist_ok=True)
        print("making a program of 300 MB ...", flush=True)
        compile_unit()
        link()
    return program
