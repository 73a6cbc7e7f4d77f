# SPDX-License-Identifier: Apache-2.0
"""The receiver that other tests push to: does it take and refuse what Pyroscope does?"""

import gzip
import http.client
import json
import time
import urllib.error
import urllib.request

import pprof
import receiver

NOW = 1767323045


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def profile(strings=("", "cpu", "nanoseconds", "main", "work"), locations=b"\x02\x01", values=b"\x07",
            seconds=NOW, location_id=1, function=2, period_type=True, samples=1, extra=b""):
    """work called by main, 7 ticks of 1 ns."""
    return b"".join([
        text(1, number(1, 1) + number(2, 2)),
        text(2, text(1, locations) + text(2, values)) * samples,
        text(4, number(1, location_id) + text(4, number(1, 1))),
        text(4, number(1, 2) + text(4, number(1, function))),
        text(5, number(1, 1) + number(2, 3)), text(5, number(1, 2) + number(2, 4)),
        *[text(6, string) for string in strings],
        number(9, seconds * 10**9), number(12, 1),
        text(11, number(1, 1) + number(2, 2)) if period_type else b"", extra])


def series(pprof_bytes, labels=(("__name__", "process_cpu"), ("service_name", "web"))):
    pairs = [text(1, text(1, name) + text(2, value)) for name, value in labels]
    return text(1, b"".join(pairs) + text(2, text(1, pprof_bytes)))


def push(server, body, **headers):
    """(status, code and message of the answer)."""
    request = urllib.request.Request(server.url + receiver.PUSH, data=body, headers={
        "Content-Type": "application/proto", **{k.replace("_", "-"): v for k, v in headers.items()}})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def start(run, **options):
    server = receiver.Receiver(clock=lambda: NOW, **options)
    run.later(server.close)
    return server


def labels(**more):
    return [("__name__", "process_cpu"), ("service_name", "web"), *more.items()]


def test_what_pyroscope_takes_is_taken(run):
    """Plain and gzip'ed profiles are taken and decoded, whole requests may be gzip'ed as well."""
    server = start(run)
    for body in (profile(), gzip.compress(profile())):
        assert push(server, series(body)) == (200, "")
    assert push(server, gzip.compress(series(profile())), Content_Encoding="gzip")[0] == 200
    assert push(server, series(profile(), [("__name__", "process_cpu")]))[0] == 200
    assert server.services() == ["unknown_service", "web"]
    assert server.ticks(service_name="web") == 21
    taken = server.select(service_name="web")[0]
    assert taken.profile.folded() == {"main;work": 7}
    assert taken.profile.time_nanos == NOW * 10**9
    with urllib.request.urlopen(server.url + "/test/profiles") as answer:
        assert json.load(answer)["profiles"][1]["stacks"] == {"main;work": 7}
    with urllib.request.urlopen(server.url + "/ready") as answer:
        assert answer.read() == b"ready\n"


def test_what_pyroscope_refuses_is_refused(run):
    """Each of the server's rules is enforced with its status, and nothing is kept."""
    server = start(run)
    many = {f"l{i:02}": "v" for i in range(29)}
    cases = [
        (400, "no profiles", b""),
        (400, "unmarshal", b"\xff\xff"),
        (400, "no profiles", text(1, text(1, text(1, "__name__") + text(2, "x")))),
        (500, "bad gzip", series(gzip.compress(profile())[:-9])),
        (400, "uncompressed", series(gzip.compress(profile(extra=text(13, b"x" * (4 << 20)))))),
        (400, "string 0", series(profile(strings=("x", "cpu", "nanoseconds", "main", "work")))),
        (400, "out of range", series(profile(strings=("", "cpu", "nanoseconds")))),
        (400, "utf8", series(profile(strings=("", "cpu", "nanoseconds", b"\xff", "work")))),
        (400, "contains -", series(profile(strings=("", "c-p", "nanoseconds", "main", "work")))),
        (400, "id of field 4 is 0", series(profile(location_id=0))),
        (400, "no function", series(profile(function=9))),
        (400, "no location", series(profile(locations=b"\x09"))),
        (400, "value length", series(profile(values=b"\x07\x07"))),
        (400, "outside the window", series(profile(seconds=NOW - 3601))),
        (400, "outside the window", series(profile(seconds=NOW + 601))),
        (400, "16001 samples", series(profile(samples=16001))),
        (500, "period_type", series(profile(period_type=False))),
        (400, "31 labels", series(profile(), labels(**many))),
        (400, "name too long", series(profile(), labels(**{"n" * 1025: "v"}))),
        (400, "value too long", series(profile(), labels(a="v" * 2049))),
        (400, "duplicate", series(profile(), [*labels(), ("__name__", "x")])),
        (400, "invalid label", series(profile(), labels(a=b"\xff"))),
        (400, "metric name", series(profile(), [("service_name", "web")])),
        (400, "service name", series(profile(), [("__name__", "x"), ("service_name", "")])),
    ]
    for status, part, body in cases:
        got, answer = push(server, body)
        assert got == status and part in answer, (status, part, got, answer)
    assert server.received == []
    assert len(server.refusals) == len(cases)
    assert push(server, series(profile()), Content_Type="text/plain")[0] == 415
    assert push(server, series(profile()), Connect_Protocol_Version="2")[0] == 400


def test_limits_themselves_are_taken(run):
    """What is just within each limit is taken."""
    server = start(run)
    for body in (
            series(profile(), labels(**{f"l{i:02}": "v" for i in range(28)})),
            series(profile(), labels(**{"n" * 1024: "v" * 2048})),
            series(profile(seconds=NOW - 3599)), series(profile(seconds=NOW + 599)),
            series(profile(samples=16000))):
        assert push(server, body) == (200, ""), body[:200]


def test_good_series_of_a_refused_request_are_kept(run):
    """The server stores what is good in a request before it answers with the error for the rest."""
    server = start(run)
    assert push(server, series(profile()) + series(profile(location_id=0)))[0] == 400
    assert server.ticks() == 7


def test_tenants_and_credentials(run):
    """Where they are demanded, requests without are answered with 401."""
    server = start(run, multitenancy=True, authorization="Bearer secret")
    assert push(server, series(profile()), Authorization="Bearer secret")[0] == 401
    assert push(server, series(profile()), X_Scope_OrgID="a")[0] == 401
    assert push(server, series(profile()), X_Scope_OrgID="a", Authorization="Bearer secret")[0] == 200


def test_it_misbehaves_as_told(run):
    """Statuses, delays, resets, hanging, cut answers and refused connections, for a number of requests."""
    server = start(run)
    good = series(profile())
    server.behave("503", count=2)
    assert [push(server, good)[0] for _ in range(3)] == [503, 503, 200]
    server.behave("429", count=1, retry_after=7)
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request("POST", receiver.PUSH, good, {"Content-Type": "application/proto"})
    assert connection.getresponse().getheader("Retry-After") == "7"
    connection.close()
    server.behave("delay", count=1, seconds=0.3)
    begin = time.monotonic()
    assert push(server, good)[0] == 200 and time.monotonic() - begin >= 0.3
    server.behave("reset", count=1)
    fails_with(ConnectionResetError, server, good)
    server.behave("cut", count=1)
    fails_with(http.client.IncompleteRead, server, good)
    server.behave("hang", count=1)
    fails_with(TimeoutError, server, good)
    server.behave("refuse", seconds=0.5)
    time.sleep(0.2)
    fails_with(ConnectionRefusedError, server, good)
    time.sleep(0.6)
    assert push(server, good)[0] == 200
    # 200 after the 503s, after the delay, the cut one, and the last.
    assert len(server.received) == 4
    assert server.requests == 9


def fails_with(kind, server, body):
    try:
        status = push(server, body)
    except kind:
        return
    except urllib.error.URLError as error:
        assert isinstance(error.reason, kind), error
        return
    raise AssertionError(f"{status} instead of {kind.__name__}")


def test_reading_profiles(run):
    """What is no profile is named as such; labels and mappings are read."""
    del run
    one = pprof.parse(profile(extra=text(3, number(1, 1) + number(2, 0x1000) + text(6, b"")[:0])))
    assert one.mappings[1].start == 0x1000 and one.total() == 7
    for bad in (b"\x00", b"\x0a\x05x", b"\x1f\x8bnonsense", profile() + b"\x80"):
        try:
            pprof.parse(bad)
        except pprof.Malformed:
            continue
        raise AssertionError(f"{bad[:20]} was taken")
