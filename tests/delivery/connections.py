# SPDX-License-Identifier: Apache-2.0
"""How the agent comes to its server: HTTP/2, how many connections, proxies, certificates of its own."""

import os
import shutil
import ssl
import subprocess
import time

import feed
import peers
from receiver import Receiver


def equal(a, b, what):
    if a != b:
        raise AssertionError(f"{what}: {a} is not {b}")


def make_certificate(directory, name):
    cert, key = f"{directory}/{name}.pem", f"{directory}/{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def tls_context(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def all_delivered(server, path, environment=None, **numbers):
    """Runs the feeder; everything is delivered once. What it told."""
    numbers = {"targets": 4, "intervals": 3, "interval_ms": 100, "settle_ms": 8000, **numbers}
    outcome, err = feed.run(path, environment, **numbers)
    equal(outcome.sent[feed.VALUE], outcome.sampled, "delivered is sampled")
    values, times = feed.stacks(server.select())
    equal(sum(values.values()), outcome.sampled, "received is sampled")
    equal(max(times.values()), 1, "profiles of one series and time")
    return err


def http2(directory):
    if not peers.Http2Front.there():
        return "SKIP: no nghttpx (nghttp2-proxy)"
    cert, key = make_certificate(directory, "server")
    results = []
    for enabled, version in (("true", "HTTP/2"), ("false", "HTTP/1.1")):
        with Receiver() as server, peers.Http2Front(server, cert, key, directory) as front:
            server.behave("delay", seconds=0.2)
            path = feed.config(front.url, directory, False, endpoint=(
                f"      tls_config: {{ca_file: {cert}}}\n      enable_http2: {enabled}\n"))
            all_delivered(server, path, targets=24)
            lines = front.lines()
            ports = {line[0] for line in lines}
            equal({line[2].split()[-1] for line in lines}, {version}, "protocol")
            equal({line[1] for line in lines}, {"200"}, "answers")
            if len(ports) > (2 if version == "HTTP/2" else 16):
                raise AssertionError(f"{version}: {len(lines)} requests in {len(ports)} connections")
            results.append(f"{version}: {len(lines)} requests in {len(ports)} connections")
            os.unlink(front.log)
    return ", ".join(results)


def at_most_16_connections(directory):
    with Receiver() as server:
        server.behave("delay", seconds=0.2)
        all_delivered(server, feed.config(server.url, directory, False), targets=80, intervals=1)
        equal(server.most_connections, 16, "connections at a time")
        return "80 profiles through 16 connections"


def a_proxy_leads_to_the_server(directory):
    """The server's name means something to the proxy alone."""
    with Receiver() as server, peers.Proxy(server) as proxy:
        path = feed.config("http://pyroscope.invalid:4040", directory, False, endpoint=(
            f"      proxy_url: {proxy.url}\n"))
        all_delivered(server, path)
        equal({seen[0] for seen in proxy.seen},
              {"http://pyroscope.invalid:4040/push.v1.PusherService/Push"}, "asked of the proxy")
        return f"{len(proxy.seen)} requests through it"


def a_proxy_sees_nothing_of_https(directory):
    cert, key = make_certificate(directory, "server")
    with Receiver(tls=tls_context(cert, key), authorization="Bearer hunter2") as server, \
            peers.Proxy(server) as proxy:
        path = feed.config(server.url, directory, False, endpoint=(
            f"      proxy_url: {proxy.url}\n      bearer_token: hunter2\n"
            f"      tls_config: {{ca_file: {cert}}}\n"))
        all_delivered(server, path)
        equal({seen[0] for seen in proxy.seen}, {server.url[len("https://"):]}, "CONNECT")
        if "hunter2" in str(proxy.seen):
            raise AssertionError(f"the proxy saw the token: {proxy.seen}")
        return f"{len(proxy.seen)} tunnels"


def a_proxy_wants_a_password(directory):
    """For http:// and in CONNECT; the server sees nothing of it, and neither does the log."""
    cert, key = make_certificate(directory, "server")
    for tls in (None, tls_context(cert, key)):
        with Receiver(tls=tls) as server, peers.Proxy(server, user="agent:p@ss:word") as proxy:
            url = proxy.url.replace("://", "://agent:p%40ss%3Aword@")
            path = feed.config(server.url, directory, False, endpoint=(
                f"      proxy_url: {url}\n      tls_config: {{ca_file: {cert}}}\n"))
            all_delivered(server, path, intervals=1)
            equal(bool(proxy.seen), True, "through the proxy")
    with Receiver() as server, peers.Proxy(server, user="agent:another") as proxy:
        url = proxy.url.replace("://", "://agent:hunter2@")
        path = feed.config(server.url, directory, False, endpoint=f"      proxy_url: {url}\n")
        outcome, err = feed.run(path, targets=2, intervals=1, interval_ms=200, settle_ms=1000, drain_ms=500)
        equal(outcome.dropped_rejected[feed.VALUE], outcome.sampled, "rejected is sampled")
        if "proxy_url" not in err or "hunter2" in err:
            raise AssertionError(err)
    return "http:// and https://, and refused"


def proxies_that_are_left_out(directory):
    cases = [  # keys, environment, whether the proxy is used
        ("      no_proxy: 127.0.0.1\n      proxy_url: {}\n", {}, False),
        ("      no_proxy: elsewhere.test\n      proxy_url: {}\n", {}, True),
        ("      proxy_url: {}\n", {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}, True),
        ("      proxy_from_environment: true\n", {"HTTP_PROXY": "{}"}, True),
        ("      proxy_from_environment: true\n",
         {"HTTP_PROXY": "{}", "NO_PROXY": "127.0.0.0/8,localhost"}, False),
        ("", {"HTTP_PROXY": "{}", "http_proxy": "{}", "ALL_PROXY": "{}"}, False),
    ]
    for keys, environment, used in cases:
        with Receiver() as server, peers.Proxy(server) as proxy:
            clean = {name: "" for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy",
                                           "NO_PROXY", "no_proxy")}
            clean.update({name: value.format(proxy.url) for name, value in environment.items()})
            path = feed.config(server.url, directory, False, endpoint=keys.format(proxy.url))
            all_delivered(server, path, clean, intervals=1)
            equal(bool(proxy.seen), used, f"{keys} {environment}: through the proxy")
    return f"{len(cases)} ways to say it"


def client_certificates_rotate(directory):
    """The server knows one client; the agent has another's certificate, until its files are replaced."""
    cert, key = make_certificate(directory, "server")
    known, known_key = make_certificate(directory, "known")
    mine, mine_key = make_certificate(directory, "mine")
    context = tls_context(cert, key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(known)
    with Receiver(tls=context) as server:
        path = feed.config(server.url, directory, endpoint=(
            f"      tls_config: {{ca_file: {cert}, cert_file: {mine}, key_file: {mine_key}}}\n"))
        process = feed.start(path, targets=4, intervals=12, interval_ms=100, settle_ms=8000)
        time.sleep(0.6)
        equal(server.select(), [], "received from a stranger")
        shutil.copy(known_key, mine_key)
        shutil.copy(known, mine)
        outcomes, err = feed.finish(process)
        outcome = outcomes[0].balanced()
        equal(outcome.sent[feed.VALUE], outcome.sampled, "delivered after the rotation")
        equal((err.count("event 1 "), err.count("event 2 ")), (1, 1), "lines about the trouble")
        return "a stranger's: all waited; the right one: all came"


def an_old_tls_is_not_spoken(directory):
    cert, key = make_certificate(directory, "server")
    context = tls_context(cert, key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for least, delivered in (("TLS13", False), ("TLS12", True)):
        with Receiver(tls=context) as server:
            path = feed.config(server.url, directory, False, endpoint=(
                f"      tls_config: {{ca_file: {cert}, min_version: {least}}}\n"))
            if delivered:
                all_delivered(server, path)
                continue
            outcome, err = feed.run(path, targets=2, intervals=2, interval_ms=100, drain_ms=500)
            equal(outcome.dropped(), outcome.sampled, "dropped is sampled")
            if "protocol version" not in err:
                raise AssertionError(f"what is told: {err}")
    return "TLS 1.2 for who asks for 1.3: refused by name"


TESTS = (http2, at_most_16_connections, a_proxy_leads_to_the_server, a_proxy_sees_nothing_of_https,
         a_proxy_wants_a_password, proxies_that_are_left_out, client_certificates_rotate, an_old_tls_is_not_spoken)
