# SPDX-License-Identifier: Apache-2.0
"""
A headless Chromium for the tests, driven over its DevTools pipe with nothing but the standard library.

    with Browser(run) as browser:
        browser.open(url)
        browser.wait("document.querySelector('#services li')", "a service")
        browser.click("#compare")
        browser.press("Escape")

What the page logs as an error, what it throws and every address it asks for is kept.
"""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time

from e2e import Skip

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--disable-extensions", "--hide-scrollbars", "--remote-debugging-pipe"]
TIMEOUT_S = 60
KEYS = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def program():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    raise Skip("chromium is not installed")


def high(fd):
    """The same descriptor with a number that the shell's 3 and 4 do not collide with."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD, 10)
    os.close(fd)
    return moved


class Browser:
    def __init__(self, run, width=1400, height=900, dark=False):
        self.path = run.path("chromium")
        self.errors, self.asked = [], []
        self.number, self.buffer, self.answers, self.session = 0, b"", {}, None
        commands, self.commands = map(high, os.pipe())
        self.replies, replies = map(high, os.pipe())
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "bash", "-c",
             f'exec "$@" 3<&{commands} 4>&{replies}', "bash", program(), *OPTIONS,
             f"--user-data-dir={self.path}", f"--window-size={width},{height}", "about:blank"],
            pass_fds=(commands, replies), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(replies)
        run.later(self.close)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _read(self, timeout):
        if not select.select([self.replies], [], [], timeout)[0]:
            raise AssertionError("the browser does not answer")
        data = os.read(self.replies, 1 << 20)
        if not data:
            raise AssertionError("the browser ended")
        self.buffer += data
        *messages, self.buffer = self.buffer.split(b"\0")
        for message in map(json.loads, messages):
            self._take(message)

    def _take(self, message):
        if "id" in message:
            self.answers[message["id"]] = message
            return
        what, how = message["method"], message["params"]
        if what == "Runtime.exceptionThrown":
            details = how["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif what == "Runtime.consoleAPICalled" and how["type"] == "error":
            self.errors.append(str([a.get("value") for a in how["args"]]))
        elif what == "Log.entryAdded" and how["entry"]["level"] == "error":
            self.errors.append(how["entry"]["text"])
        elif what == "Network.requestWillBeSent":
            self.asked.append(how["request"]["url"])

    def call(self, method, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + TIMEOUT_S
        while self.number not in self.answers:
            self._read(max(0.1, deadline - time.monotonic()))
        answer = self.answers.pop(self.number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression, what, timeout=30):
        """Waits until the expression is true in the page, and returns its value."""
        deadline = time.monotonic() + timeout
        while True:
            value = self.evaluate(f"(() => {{ const v = {expression}; "
                                  "return v instanceof Node ? true : v; })()")
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"the page never shows {what}; errors: {self.errors}")
            time.sleep(0.1)

    def click(self, selector):
        """With the mouse, in the middle of the first element that the selector finds."""
        box = self.wait(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
                        "if (!e) return null; e.scrollIntoView({block: 'nearest'}); "
                        "const b = e.getBoundingClientRect(); "
                        "return {x: b.x + b.width / 2, y: b.y + b.height / 2}; })()",
                        f"{selector} to click")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **box)

    def press(self, key):
        code = KEYS.get(key, ord(key[0].upper()))
        text = key if len(key) == 1 else "\r" if key == "Enter" else ""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code,
                      **({"text": text} if text and kind == "keyDown" else {}))

    def write(self, selector, text):
        """Into an input, as if typed."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        self.call("Input.insertText", text=text)

    def choose(self, selector, value):
        self.evaluate(f"(() => {{ const s = document.querySelector({json.dumps(selector)}); "
                      f"s.value = {json.dumps(value)}; s.dispatchEvent(new Event('change')); }})()")
