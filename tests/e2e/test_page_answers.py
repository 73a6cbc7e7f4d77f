# SPDX-License-Identifier: Apache-2.0
"""The page, in a real browser, against answers that a real agent would give after a long day only."""

import base64
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
        self.more, self.containers, self.refusal = {}, [], None
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
            if "format=folded" in path and self.refusal:
                return self.refusal
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
    agent.refusal = agent.json(413, {"status": "error", "errorType": "too_large", "error": REFUSED})
    browser = open_page(run, agent, "busy")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=run.path("saved"))
    problem = "document.querySelector('#download-problem')"
    menu = "document.querySelector('#download')"
    browser.click("#download summary")
    browser.click("#download a[href*='format=folded']")
    browser.wait(f"!{problem}.hidden && {problem}.textContent.includes({json.dumps(REFUSED)})", "why there is no file")
    assert browser.evaluate(f"{menu}.open")
    for kind, body, said in (("text/plain; charset=utf-8", "too many answers wait\n", "too many answers wait"),
                             ("text/html", "<h1>Bad Gateway</h1>", "HTTP 502")):
        agent.refusal = 502, kind, body.encode(), []
        browser.click("#download a[href*='format=folded']")
        browser.wait(f"{problem}.textContent.includes({json.dumps(said)})", said)
        assert not browser.evaluate(f"/json|Gateway/i.test({problem}.textContent)")
    agent.refusal = None
    browser.click("#download a[href*='format=folded']")
    wait_until(lambda: os.path.exists(run.path("saved") + "/busy.txt"), "the file")
    with open(run.path("saved") + "/busy.txt", encoding="ascii") as file:
        assert file.read() == "main;work 7\n"
    browser.wait(f"!{menu}.open && {problem}.hidden", "a menu that is closed")
    # Chromium itself logs answers that are errors.
    errors = [error for error in browser.errors if "413" not in error and "502" not in error]
    assert not errors, errors


# What the trees are to be, stack by stack; and how often the making of them follows a call to its caller.
TREES = """async (source) => {
    const {parse, callTree, functions, around} = await import('data:text/javascript;base64,' + source);
    const frames = [...'abcdefghij'].map((name, i) => [name, i % 3 ? 'm' : 'n', i % 2]);
    const make = (chains, depth, shape) => {
        const nodes = [];
        let random = 7;
        for (let i = 0, n = 0; i < chains; i++)
            for (let d = 0, parent = 0; d < depth; d++, parent = ++n) {
                random = (random * 1103515245 + 12345) & 0x7fffffff;
                nodes.push(shape && n ? (random >> 16) % (n + 1) : parent, (random >> 8) % 10, (random >> 20) % 3);
            }
        return parse({frames, nodes, periodNanos: 1, ticks: 0});
    };
    const add = (sums, keys, value) => keys.forEach((key) => sums.set(key, (sums.get(key) || 0) + value));
    const sorted = (sums) => [...sums].filter((s) => s[1]).map(String).sort().join('\\n');
    const prefixes = (path) => path.map((_, i) => path.slice(0, i + 1).join('/'));
    const expected = (profile, change) => {
        const sums = new Map();
        for (const node of profile.nodes.filter((n) => n.self)) {
            const path = [];
            for (let n = node; n.parent; n = n.parent)
                path.unshift(frames[n.frame][0]);
            const changed = change(path);
            if (changed)
                add(sums, Array.isArray(changed) ? prefixes(changed) : changed, node.self);
        }
        return sorted(sums);
    };
    const found = (tree) => {
        const sums = new Map();
        const visit = (node, path) => node.children.forEach((c) => {
            add(sums, [path + c.name], c.b);
            visit(c, path + c.name + '/');
        });
        visit(tree, '');
        return sorted(sums);
    };
    const wrong = [];
    const same = (what, a, b) => a === b || wrong.push(what);
    const small = make(40, 25, true), e = {name: 'e', module: 'm'};
    same('calls', found(callTree(small, null, false, '')), expected(small, (path) => path));
    same('callers', found(callTree(small, null, true, '')), expected(small, (path) => path.reverse()));
    same('functions', sorted(functions(small, null).map((f) => [f.name, f.b])), expected(small, (path) => new Set(path)));
    same('own time', sorted(functions(small, null).map((f) => [f.name, f.selfB])), expected(small, (path) => path.slice(-1)));
    const at = (path) => path.indexOf('e');
    same('called by e', found(around(small, null, e, false)), expected(small, (path) => at(path) < 0 ? null : path.slice(at(path) + 1)));
    same('callers of e', found(around(small, null, e, true)), expected(small, (path) => at(path) < 0 ? null : path.slice(0, at(path)).reverse()));
    const base = callTree(small, small, false, '');
    same('two sides', [base.a, base.shareA, base.shareB].join(), [small.total, 1, 1].join());
    const deep = make(50, 400);
    let steps = 0;
    for (const node of deep.nodes) {
        const parent = node.parent;
        Object.defineProperty(node, 'parent', {get() { steps++; return parent; }});
    }
    const work = [() => callTree(deep, null, false, ''), () => functions(deep, null), () => around(deep, null, e, false)];
    return {wrong, steps: work.map((w) => [steps = 0, w(), steps / deep.nodes.length][2])};
}"""


def test_trees_are_made_in_one_walk(run):
    """What the page makes of a profile is right, and takes as long as it has calls, however deep they are."""
    with open(os.path.join(ROOT, "src", "web", "page", "tree.js"), "rb") as file:
        source = base64.b64encode(file.read()).decode()
    result = Browser(run).evaluate(f"({TREES})({json.dumps(source)})")
    assert not result["wrong"], result
    assert max(result["steps"]) <= 3, result
