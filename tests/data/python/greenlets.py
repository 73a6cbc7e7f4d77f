# SPDX-License-Identifier: Apache-2.0
"""Greenlets in turns: functions a_* and b_* run on stacks of their own, m_* on the thread's."""
import greenlet


def burn():
    total = 0
    for i in range(3000):
        total += i * i
    return total


def a_inner():
    burn()
    sorted(range(3), key=lambda a_key: burn())
    m_greenlet.switch()
    burn()


def a_outer():
    while True:
        a_inner()


def b_inner(depth):
    if depth:
        return b_inner(depth - 1)
    burn()
    return m_greenlet.switch()


def b_outer():
    while True:
        b_inner(5)


def m_inner(depth):
    if depth:
        return m_inner(depth - 1)
    burn()
    a_greenlet.switch()
    burn()
    return b_greenlet.switch()


def m_outer():
    while True:
        # At another depth each time: what the others were started from is no more.
        for depth in range(8):
            m_inner(depth)
            sorted(range(3), key=lambda m_key: m_inner(m_key))


m_greenlet = greenlet.getcurrent()
a_greenlet = greenlet.greenlet(a_outer)
b_greenlet = greenlet.greenlet(b_outer)
print("busy", flush=True)
m_outer()
