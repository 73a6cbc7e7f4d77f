# SPDX-License-Identifier: Apache-2.0
"""Keeps CPUs busy in Python, in C called by Python, in Python called by C, with and without the GIL."""
import ctypes
import json
import os
import sys
import threading
import time
import zlib


def recursion(n):
    return recursion(n - 1) + 1 if n else arithmetic()


def arithmetic():
    total = 0
    for i in range(500):
        total += i * i
    return total


def numbers():
    for i in range(10):
        yield arithmetic()


def in_generator():
    return sum(numbers())


def in_c():
    return json.dumps(list(range(500)))


def called_by_c():
    compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    array = (ctypes.c_int * 8)(*range(8))
    ctypes.CDLL(None).qsort(array, 8, 4, compare_type(lambda a, b: arithmetic() > 0))


def sorted_by_key():
    return sorted(range(20), key=lambda n: arithmetic() - n)


async def coroutine():
    return await awaited()


async def awaited():
    await asyncio.sleep(0)
    return arithmetic()


def in_asyncio(loop):
    loop.run_until_complete(coroutine())


def without_gil(end):
    data = os.urandom(100000)
    while time.time() < end:
        zlib.compress(data, 9)


def in_child(end):
    while time.time() < end:
        for i in range(20):
            arithmetic()
        time.sleep(0.01)
    sys.exit()


def main(seconds, loop):
    end = time.time() + seconds
    print("busy", flush=True)
    threading.Thread(target=without_gil, args=(end,), daemon=True).start()
    while time.time() < end:
        for i in range(4):
            recursion(20)
            if loop:
                in_asyncio(loop)
        in_generator()
        in_c()
        called_by_c()
        sorted_by_key()


if "child" in sys.argv:
    print("busy", flush=True)
    in_child(time.time() + float(sys.argv[1]))
event_loop = None
if "parent" in sys.argv:
    # Not by all: what code is executed only once is gone before its names are read.
    import asyncio
    import subprocess
    event_loop = asyncio.new_event_loop()
    child = subprocess.Popen([sys.executable, __file__, sys.argv[1], "child"], stdout=subprocess.PIPE)
    child.stdout.readline()
main(float(sys.argv[1]), event_loop)
