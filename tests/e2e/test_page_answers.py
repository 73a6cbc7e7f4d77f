# SPDX-License-Identifier: Apache-2.0
"""The page, in a real browser, against answers that a real agent would give after a long day only."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from browser import Browser
from e2e import ROOT, wait_until

POLL_S = 3
SELECTED = "(document.querySelector('#title')?.textContent || '')"
EMPTY = "document.querySelector('#empty').textContent"
REFUSED = "this text has more than 32 MiB: choose a shorter time, or format=pprof"


class Agent:
    """Answers as an agent does; `containers` and `more` are the test's."""

    def __init__(self, run):
        self.more, self.containers, self.texts_fit = {}, [], False
        self.rounds = 0
        with open(os.path.join(ROOT, "src", "web", "page.html"), "rb") as file:
            self.page = file.read()
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, kind, body, headers = agent.answer(self.path)
                self.send_response(status)
                for header in (("Content-Type", kind), ("Content-Length", str(len(body))), *headers):
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run.later(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def answer(self, path):
        if path.startswith("/api/v1/containers"):
            return self.json(200, {"status": "success", "data": self.state()})
        if path.startswith("/api/v1/flamegraph"):
            held = "id=busy" in path
            return self.json(200, {
                "from": 1, "durationNanos": 10**9, "periodNanos": 10**7, "ticks": 7 if held else 0,
                "frames": [["work", "busy", 0]] if held else [], "nodes": [0, 0, 7] if held else []})
        if path.startswith("/api/v1/profile"):
            if "format=folded" in path and not self.texts_fit:
                return self.json(413, {"status": "error", "errorType": "too_large", "error": REFUSED})
            return 200, "text/plain", b"main;work 7\n", [("Content-Disposition", 'attachment; filename="busy.txt"')]
        return (200, "text/html", self.page, []) if path == "/" else (404, "text/plain", b"", [])

    @staticmethod
    def json(status, value):
        return status, "application/json", json.dumps(value).encode(), []

    def state(self):
        now = int(time.time() * 1000)
        self.rounds += 1
        return {"now": now, "lastRound": now, "started": now - 3600000, "oldest": now - 1800000, "interval": 1,
                "hz": 97, "cpus": 2, "version": "0", "kernel": "6", "host": "here", "history": True,
                "intervalsTooLarge": 0, "spark": {"begin": now - 40000, "bucket": 1000, "count": 40},
                "notices": [], "notReady": [], "containers": self.containers, "containersLeftOut": 0, **self.more}

    def next_round(self):
        before = self.rounds
        wait_until(lambda: self.rounds >= before + 2, "that the page asks again", 5 * POLL_S)


def container(name, state="profiled", **more):
    return {"id": name, "service": name, "name": name, "state": state, "reason": f"{state} for a test", "samples": 7,
            "trouble": False, "advice": "", "proof": "", "lastSample": 0, "cores": 0.5, "spark": [0.5] * 40, **more}


def gone(name):
    return {"id": name, "service": name, "name": name, "state": "exited", "cores": 0, "spark": [0.1] * 40,
            "reason": "gone; what it did is still here"}


def open_page(run, agent, selected):
    browser = Browser(run)
    browser.open(f"{agent.url}/#id={selected}")
    # Until there is a page there is no title either.
    browser.wait(f"{SELECTED}.includes({json.dumps(selected)})", selected)
    return browser


def test_a_selection_outlives_its_place_in_the_list(run):
    """A container that is gone stays selected when newer ones push it out of the list, which says how many it lacks."""
    agent = Agent(run)
    agent.containers = [container("busy"), gone("old"), gone("older")]
    browser = open_page(run, agent, "old")
    left_out = "document.querySelector('#left-out')"
    assert browser.evaluate(f"{left_out}.hidden")
    agent.containers, agent.more = [container("busy"), gone("new")], {"containersLeftOut": 2}
    browser.wait(f"!{left_out}.hidden", "that some are left out")
    assert browser.evaluate(f"{left_out}.textContent").startswith("2 more that are gone")
    assert browser.evaluate(SELECTED).startswith("old"), browser.evaluate(SELECTED)
    names = "[...document.querySelectorAll('#services .name')].map(n => n.textContent).sort().join()"
    assert browser.evaluate(names) == "busy,new,old", browser.evaluate(names)
    # Only as long as somebody looks at it.
    browser.evaluate("[...document.querySelectorAll('#services li')].find(li => li.id === 'row-busy').click()")
    browser.wait(f"{names} === 'busy,new'", "the list without it")
    browser.wait(f"{SELECTED}.startsWith('busy')", "the one that was clicked at")
    # One that runs, and is no more, leaves its place to who follows it.
    agent.containers = [{**container("busy"), "id": "busy-again"}, gone("new")]
    browser.wait("location.hash.includes('busy-again')", "its successor")
    assert not browser.errors, browser.errors


def test_nothing_held_is_not_no_cpu(run):
    """A service whose intervals are too large for the memory of the past has used CPU: the page does not deny it."""
    agent = Agent(run)
    now = int(time.time() * 1000)
    agent.containers = [container("vast", lastSample=now), container("calm", lastSample=now - 1200000)]
    browser = open_page(run, agent, "vast")
    browser.wait(f"{EMPTY} === 'vast used no CPU in this time range.'", "what is told where nothing was too large")
    agent.more = {"intervalsTooLarge": 3}
    agent.next_round()
    browser.wait(f"{EMPTY}.startsWith('Nothing of vast is held') && {EMPTY}.includes('(3 so far)')", "why there is nothing")
    browser.evaluate("[...document.querySelectorAll('#services li')].find(li => li.id === 'row-calm').click()")
    browser.wait(f"{EMPTY} === 'calm used no CPU in this time range.'", "one that was calm")
    assert not browser.errors, browser.errors


def test_a_download_that_is_refused_says_why(run):
    """A click at a format that the agent refuses tells the reason in the page; others are saved under their names."""
    agent = Agent(run)
    agent.containers = [container("busy")]
    browser = open_page(run, agent, "busy")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=run.path("saved"))
    problem = "document.querySelector('#download-problem')"
    menu = "document.querySelector('#download')"
    browser.click("#download summary")
    browser.click("#download a[href*='format=folded']")
    browser.wait(f"!{problem}.hidden && {problem}.textContent.includes({json.dumps(REFUSED)})", "why there is no file")
    assert browser.evaluate(f"{menu}.open")
    agent.texts_fit = True
    browser.click("#download a[href*='format=folded']")
    wait_until(lambda: os.path.exists(run.path("saved") + "/busy.txt"), "the file")
    with open(run.path("saved") + "/busy.txt", encoding="ascii") as file:
        assert file.read() == "main;work 7\n"
    browser.wait(f"!{menu}.open && {problem}.hidden", "a menu that is closed")
    # Chromium itself logs answers that are errors.
    errors = [error for error in browser.errors if "413" not in error]
    assert not errors, errors
