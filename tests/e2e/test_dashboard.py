# SPDX-License-Identifier: Apache-2.0
"""The dashboard and the alert rules in compose/ speak of metrics that the agent has."""

import glob
import json
import os
import re
import socket
import subprocess
import urllib.request

import e2e
from e2e import flavours, wait_until

COMPOSE = os.path.join(e2e.ROOT, "compose")
DASHBOARD = os.path.join(COMPOSE, "grafana", "dashboards", "dockprof.json")
RULES = os.path.join(COMPOSE, "prometheus", "dockprof-alerts.yml")
SELECTOR = re.compile(r"\b((?:dockprof|process)_[a-z0-9_]+)(?:{([^}]*)})?")
MATCHER = re.compile(r'(\w+)(=~?)"([^"]*)"')
FROM_SCRAPING = ("job", "instance")


def dashboard_expressions():
    with open(DASHBOARD) as file:
        return [t["expr"] for p in json.load(file)["panels"] for t in p["targets"]]


def rule_expressions():
    with open(RULES) as file:
        text = file.read()
    # "expr: ..." and, where it is folded, the lines that are indented deeper.
    return re.findall(r"^        expr: (.*(?:\n {10,}.*)*)", text, re.M)


@flavours("any")
def test_metrics_exist(run, engine):
    """Every metric of the dashboard and of the rules is in /metrics, with the labels they select by."""
    e2e.check_can_sample()
    engine.api.run(run.image("burn"), ["/burn", "0"], name="busy")
    received = run.receiver()
    config = run.configure(received)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "127.0.0.1:%d" % free.getsockname()[1]
    agent = run.agent("run", "--config.file=" + config, "--web.listen-address=" + address)
    agent.wait_for_log("the first profiles were delivered")

    def scrape():
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            return answer.read().decode()
    text = wait_until(lambda: "dockprof_service_cpu_seconds_total{" in scrape() and scrape(),
                      "a service in /metrics")
    expressions = dashboard_expressions() + rule_expressions()
    assert len(expressions) > 30, expressions
    for expression in expressions:
        for name, matchers in SELECTOR.findall(expression):
            assert re.search(f"^{name}[{{ ]", text, re.M), (name, expression)
            for label, how, value in MATCHER.findall(matchers):
                for one in value.split("|") if how == "=~" else [value]:
                    assert label in FROM_SCRAPING or re.search(
                        f'^{name}{{[^}}]*{label}="{re.escape(one)}"', text, re.M), (one, expression)
        for labels in re.findall(r"(?:by|without|ignoring) ?\(([^)]*)\)", expression):
            for label in labels.split(","):
                assert label.strip() in FROM_SCRAPING or f'{label.strip()}="' in text, expression
    labels = set(re.findall(r'(\w+)="', text)) | set(FROM_SCRAPING)
    with open(DASHBOARD) as dashboard, open(RULES) as rules:
        used = re.findall(r"{{ *(?:\$labels\.)?(\w+) *}}", dashboard.read() + rules.read())
    assert used and set(used) <= labels, set(used) - labels


def test_provisioned(run):
    """What the compose file mounts is there, and the dashboard asks the data source that is provisioned."""
    del run
    with open(os.path.join(COMPOSE, "docker-compose.yml")) as file:
        mounts = re.findall(r"- \./([^:\n]+):", file.read())
    assert "grafana/dashboards" in mounts and "prometheus" in mounts, mounts
    for mount in mounts:
        assert os.path.exists(os.path.join(COMPOSE, mount)), mount
    sources = ""
    for path in glob.glob(os.path.join(COMPOSE, "grafana", "provisioning", "datasources", "*.yml")):
        with open(path) as file:
            sources += file.read()
    with open(DASHBOARD) as file:
        dashboard = json.load(file)
    assert {p["datasource"]["uid"] for p in dashboard["panels"]} == {"prometheus"}
    assert "uid: prometheus" in sources and dashboard["uid"] == "dockprof"
    places = [tuple(p["gridPos"].values()) for p in dashboard["panels"]]
    assert len(set(places)) == len(places) > 12, places


def test_rules(run):
    """promtool takes the rules, the configuration, their unit tests, and the dashboard's queries."""
    promtool = e2e.promtool()
    queries = run.write("queries.yml", "groups: [{name: dashboard, rules: " + json.dumps(
        [{"record": f"query:{i}", "expr": expression}
         for i, expression in enumerate(dashboard_expressions())]) + "}]\n")
    for arguments in (["check", "rules", RULES], ["check", "rules", queries],
                      ["check", "config", os.path.join(COMPOSE, "prometheus", "prometheus.yml")],
                      ["test", "rules", os.path.join(e2e.ROOT, "tests", "data", "prometheus",
                                                     "alerts.yml")]):
        done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
