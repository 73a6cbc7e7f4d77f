# SPDX-License-Identifier: Apache-2.0
"""
Threads that stand still in every way a Python thread can, and what Python itself says of where: "P pid", for each
thread "T ident", then its frames, innermost first, as "F line name file", then "END". For CPython 3.6 and later.
"""
import os
import sys
import threading
import time


def optional(name):
    """A module that not every build has, or None."""
    try:
        return __import__(name)
    except ImportError:
        return None


asyncio, ctypes, zlib, greenlet = [optional(name) for name in ("asyncio", "ctypes", "zlib", "greenlet")]
ready = threading.Semaphore(0)
FOREVER = 10000


def name_of(code):
    return getattr(code, "co_qualname", code.co_name)


def tell(ident, frame):
    print("T", ident)
    while frame is not None:
        code = frame.f_code
        print("F", frame.f_lineno, name_of(code), code.co_filename)
        frame = frame.f_back


def sleep():
    ready.release(); time.sleep(FOREVER)


def recursion(depth=200):
    if depth:
        recursion(
            depth - 1)
    else:
        sleep()


class Maker:
    def __init__(self):
        self.made = [self.make(n) for n in range(1)]

    def make(self, n):
        return (lambda: sleep())()


def inner():
    yield 1
    yield sleep()


def outer():
    yield from inner()


def generator():
    list(outer())


def c_callback():
    compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def compare(a, b):
        sleep()
        return 0

    numbers = (ctypes.c_int * 4)(3, 1, 2, 0)
    ctypes.CDLL(None).qsort(numbers, 4, 4, compare_type(compare))


def without_gil():
    data = os.urandom(1 << 20) * 200
    ready.release(); zlib.compress(data, 9)


def waits_for_lock():
    lock = threading.Lock()
    lock.acquire()
    ready.release(); lock.acquire()


def coroutines():
    async def leaf():
        await asyncio.sleep(0)
        sleep()

    async def middle():
        await leaf()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(middle())


def exec_in_exec():
    exec("exec('sleep()', globals())", globals())


def on_another_stack():
    def child():
        sorted([1], key=lambda n: sleep())

    greenlet.greenlet(child).switch()


def sort_key():
    sorted([1], key=lambda n: sleep())


def far_lines():
    # Line numbers that do not fit a byte's difference.
    source = "def far(n):\n" + "\n" * 1000 + " n = (1,\n" + "\n" * 300 + " 2)\n" + "\n" * 70000 + " sleep()\n"
    space = {"sleep": sleep}
    exec(source, space)
    space["far"](0)


def non_ascii_名前():
    sleep()


# In an interpreter of its own, which sees nothing of the others.
SUB = """
import sys, time, threading
def sub_parked():
    f = sys._getframe(); text = "T %d\\n" % threading.get_ident()
    while f is not None:
        text += "F %d %s %s\\n" % (LINE if f.f_code.co_name == "sub_parked" else f.f_lineno, f.f_code.co_name, f.f_code.co_filename); f = f.f_back
    print(text, end="", flush=True); time.sleep(10000)
sub_parked()
""".replace("LINE", "7")


def sub_interpreter():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    ready.release()
    # The outer frames are in no list that Python shows: the interpreter's chain ends where it was entered.
    interpreters.run_string(interpreters.create(), SUB)


WAYS = [recursion, Maker, generator, ctypes and c_callback, zlib and without_gil, waits_for_lock,
        asyncio and coroutines, exec_in_exec, sort_key, far_lines, non_ascii_名前, greenlet and on_another_stack]


def main():
    with_sub = sys.version_info >= (3, 12) and "sub" in sys.argv
    threads = [threading.Thread(target=way, daemon=True) for way in WAYS if way]
    for thread in threads:
        thread.start()
    for thread in threads:
        ready.acquire()
    time.sleep(0.3)
    print("P", os.getpid())
    frames = sys._current_frames()
    for thread in threads:
        tell(thread.ident, frames[thread.ident])
    sys.stdout.flush()
    if with_sub:
        threading.Thread(target=sub_interpreter, daemon=True).start()
        time.sleep(1)
    tell(threading.get_ident(), sys._getframe()); print("END", flush=True); time.sleep(FOREVER)


main()
