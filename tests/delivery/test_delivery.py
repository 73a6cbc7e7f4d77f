#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Delivery, whatever the server does: what is sampled is delivered, on disk or dropped with a reason, and
the sums are equal to the nanosecond.

usage: test_delivery.py [NAME...]	FEEDER= names the program
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import feed  # noqa: E402  (after the path is set)
import peers  # noqa: E402
import connections  # noqa: E402
from connections import equal, make_certificate, tls_context  # noqa: E402
from receiver import Receiver  # noqa: E402

# mode, its arguments, options of the endpoint, whether it is all delivered within the test's time.
SCENARIOS = [
    ("fine", "ok", {}, "", True),
    ("refuse_for_a_while", "refuse", {"seconds": 1}, "", True),
    ("hang_then_fine", "hang", {"count": 6}, "      remote_timeout: 300ms\n", True),
    ("delay_500_ms", "delay", {"seconds": 0.5}, "", True),
    ("reset_before_the_answer", "reset", {"count": 9}, "", True),
    ("reset_in_mid_body", "midbody", {"count": 9}, "", True),
    ("unauthorized", "401", {}, "", False),
    ("too_large", "413", {}, "", False),
    ("unprocessable", "422", {}, "", False),
    ("too_many_requests", "429", {"count": 9}, "", True),
    ("too_many_requests_retry_after", "429", {"count": 5, "retry_after": 1}, "", True),
    ("unavailable_for_a_while", "503", {"count": 9}, "", True),
    ("unavailable_for_ever", "503", {}, "", False),
    ("hang_for_ever", "hang", {}, "      remote_timeout: 300ms\n", False),
    ("answer_cut", "cut", {}, "", True),
    ("refusal_cut", "short", {"count": 9}, "", True),
    ("no_http", "garbage", {"count": 9}, "", True),
    ("captive_portal", "html", {"count": 9}, "", True),
]
AT_ONCE = 4
SECOND_TRIES = 3
REJECTIONS = ("401", "413", "422")


def check_received(server, outcome):
    """Each stack that was sent came once and with its value."""
    values, times = feed.stacks(server.select())
    equal(sum(values.values()), outcome.sent[feed.VALUE], "received is sent")
    equal(max(times.values(), default=1), 1, "profiles of one series and time")
    equal(server.refusals, [], "refusals")


def scenario(directory, mode, arguments, endpoint, all_delivered, spool):
    with Receiver() as server:
        url = server.url
        if mode == "refuse":
            server.behave(mode, **arguments)
            time.sleep(0.2)
        else:
            server.behave(mode, **arguments)
        path = feed.config(url, directory, spool, endpoint)
        outcome, err = feed.run(path, targets=8, intervals=4, interval_ms=200,
                                settle_ms=8000 if all_delivered else 1000, drain_ms=1000)
        check_received(server, outcome)
        if mode in REJECTIONS:
            equal(outcome.dropped_rejected[feed.VALUE], outcome.sampled, "rejected is sampled")
            equal(err.count("event 3 "), 1, "lines about the refusal")
        elif all_delivered:
            equal(outcome.sent[feed.VALUE], outcome.sampled, "delivered is sampled")
        elif spool:
            equal(outcome.spooled[feed.VALUE], outcome.sampled, "spooled is sampled")
        else:
            equal(outcome.dropped(), outcome.sampled, "dropped is sampled")
        return f"{outcome.sampled} ns, {outcome.retries} retries, dropped {outcome.reasons()}"


def replay_of_what_was_left(directory):
    with Receiver() as server:
        server.behave("503")
        path = feed.config(server.url, directory)
        first, _ = feed.run(path, targets=8, intervals=5, interval_ms=100, drain_ms=500)
        equal(first.spooled[feed.VALUE], first.sampled, "spooled is sampled")
        server.behave("ok")
        second, err = feed.run(path, targets=8, intervals=2, interval_ms=100, settle_ms=8000,
                               first=5)
        equal(second.recovered, first.spooled, "recovered is spooled")
        equal(second.sent[feed.VALUE], first.sampled + second.sampled, "sent is all")
        check_received(server, second)
        return f"{second.recovered[0]} profiles replayed"


def two_endpoints(directory):
    with Receiver() as fine, Receiver() as broken:
        broken.behave("hang")
        path = feed.config(fine.url, directory,
                           endpoint=f"    - url: {broken.url}\n      remote_timeout: 60s\n")
        begin = time.monotonic()
        outcomes, _ = feed.finish(feed.start(path, targets=16, intervals=5, interval_ms=200,
                                             drain_ms=500))
        took = time.monotonic() - begin
        for outcome in outcomes:
            outcome.balanced()
        check_received(fine, outcomes[0])
        equal(outcomes[0].sent[feed.VALUE], outcomes[0].sampled, "the fine one has all")
        equal(outcomes[1].spooled[feed.VALUE], outcomes[1].sampled, "the other's are on disk")
        if took > 10:
            raise AssertionError(f"held up: {took:.1f} s")
        return f"in {took:.1f} s beside one that hangs"


def replicas_with_equal_labels(directory):
    """The rules may give several containers the same labels: none of them hides another."""
    with Receiver() as server:
        path = feed.config(server.url, directory, False,
                           write="  external_labels: {service_name: same}\n")
        outcome, _ = feed.run(path, targets=16, intervals=3, interval_ms=100)
        check_received(server, outcome)
        milliseconds = [r.profile.time_nanos // 1000000 for r in server.select()]
        equal(len(set(milliseconds)), len(milliseconds), "profiles per millisecond")
        return f"{len(milliseconds)} profiles, each with its millisecond"


def many_targets_slow_server(directory):
    with Receiver() as server:
        server.behave("delay", seconds=0.5)
        path = feed.config(server.url, directory)
        process = feed.start(path, targets=128, intervals=1, interval_ms=15000, stacks=50)
        begin = time.monotonic()
        server.wait_for(lambda: len(server.select()) == 128, "128 profiles", 15)
        took = time.monotonic() - begin
        process.terminate()
        outcomes, _ = feed.finish(process)
        outcome = outcomes[0].balanced()
        equal(outcome.sent[feed.VALUE], outcome.sampled, "delivered is sampled")
        check_received(server, outcome)
        return f"128 targets at 500 ms each in {took:.1f} s, an interval has 15"


def a_large_profile(directory):
    """Every stack of it, once (make bench-push has a million of them, and what memory that takes)."""
    with Receiver() as server:
        path = feed.config(server.url, directory, endpoint="      remote_timeout: 60s\n")
        outcome, _ = feed.run(path, targets=1, stacks=200000, depth=8, intervals=1,
                              interval_ms=10, settle_ms=300000)
        received = server.select()
        equal(outcome.sent[feed.VALUE], outcome.sampled, "delivered is sampled")
        values, times = feed.stacks(received)
        equal(len(values), 200000, "stacks")
        equal(sum(values.values()), outcome.sampled, "received is sampled")
        equal(max(times.values()), 1, "parts per millisecond")
        equal(server.refusals, [], "refusals")
        largest = max(r.profile.size for r in received)
        if outcome.peak_kb - outcome.built_kb > 64 * 1024:
            raise AssertionError(f"{outcome.peak_kb} KiB resident, {outcome.built_kb} before it was "
                                 "handed over")
        return (f"{len(received)} parts, the largest {largest} bytes, "
                f"{(outcome.peak_kb - outcome.built_kb) // 1024} MiB more than the profile itself")


def tls_failures(directory):
    """A certificate that nobody trusts; then its CA file is rotated under the running agent."""
    cert, key = make_certificate(directory, "server")
    other, _ = make_certificate(directory, "other")
    ca = f"{directory}/ca.pem"
    shutil.copy(other, ca)
    with Receiver(tls=tls_context(cert, key)) as server:
        path = feed.config(server.url, directory,
                           endpoint=f"      tls_config: {{ca_file: {ca}}}\n")
        process = feed.start(path, targets=4, intervals=15, interval_ms=100, settle_ms=8000)
        time.sleep(0.8)
        equal(server.select(), [], "received with a wrong CA")
        shutil.copy(cert, ca + ".new")
        os.rename(ca + ".new", ca)
        outcomes, err = feed.finish(process)
        outcome = outcomes[0].balanced()
        equal(outcome.sent[feed.VALUE], outcome.sampled, "delivered after the rotation")
        check_received(server, outcome)
        if "certificate" not in err:
            raise AssertionError(f"no word of the certificate: {err}")
        return "wrong CA: all waited; right CA: all came"


def oauth2_tokens_run_out(directory):
    """A secret that is wrong at first; then tokens, which the server stops to take twice."""
    secret = f"{directory}/secret"
    with open(secret, "w") as f:
        f.write("wrong")
    with Receiver(authorization="Bearer T1") as server, peers.TokenServer("sesame") as tokens:
        path = feed.config(server.url, directory, endpoint=(
            "      oauth2:\n"
            f"        {{client_id: me, client_secret_file: {secret}, token_url: {tokens.url}}}\n"))
        process = feed.start(path, targets=4, intervals=8, interval_ms=500, settle_ms=8000)
        time.sleep(0.4)
        equal(server.requests, 0, "pushes without a token")
        with open(secret, "w") as f:
            f.write("sesame")
        for number, count in ((2, 12), (3, 20)):  # while nothing is under way
            server.wait_for(lambda n=count: len(server.select()) >= n, f"{count} profiles")
            server.authorization = f"Bearer T{number}"
        outcomes, err = feed.finish(process)
        outcome = outcomes[0].balanced()
        equal(outcome.sent[feed.VALUE], outcome.sampled, "delivered is sampled")
        equal(tokens.given, 3, "tokens")
        values, _ = feed.stacks(server.select())
        equal(sum(values.values()), outcome.sampled, "received is sampled")
        if "oauth2: no token from" not in err or "invalid_client" not in err or "sesame" in err:
            raise AssertionError(f"what is told: {err}")
        return f"{outcome.sent[feed.PROFILES]} profiles with {tokens.given} tokens"


SLOW_DNS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
	struct addrinfo **ret)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		(int (*)(const char *, const char *, const struct addrinfo *,
			struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
	usleep(SLOW_US);
	return next(node && !strcmp(node, "slow.test") ? "127.0.0.1" : node, service, hints, ret);
}
"""


def preload(directory, text, slow_us):
    """A library that takes the place of functions of libc."""
    source, library = f"{directory}/slow.c", f"{directory}/slow{slow_us}.so"
    with open(source, "w") as f:
        f.write(text)
    lib = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")
    subprocess.run(["cc", "-shared", "-fPIC", f"-DSLOW_US={slow_us}", "-I", lib, "-o", library, source, "-ldl"],
                   check=True)
    return library


def slow_dns(directory):
    """A resolver that takes 2 s holds up neither intervals nor anything else; one of 7 s is given up."""
    results = []
    for seconds, spooled in ((2, False), (7, True)):
        library = preload(directory, SLOW_DNS, seconds * 1000000)
        with Receiver() as server:
            url = server.url.replace("127.0.0.1", "slow.test")
            path = feed.config(url, tempfile.mkdtemp(dir=directory))
            begin = time.monotonic()
            outcome, _ = feed.run(path, {"LD_PRELOAD": library}, targets=4, intervals=6,
                                  interval_ms=200, settle_ms=0 if spooled else 10000, drain_ms=1000)
            took = time.monotonic() - begin
            check_received(server, outcome)
            place = outcome.spooled if spooled else outcome.sent
            equal(place[feed.VALUE], outcome.sampled, f"with {seconds} s")
            if took > 8:
                raise AssertionError(f"held up: {took:.1f} s")
            results.append(f"{seconds} s: {'on disk' if spooled else 'delivered'}")
    return ", ".join(results)


# As it is where the kernel does not sync beside the agent.
SLOW_SYNC = """
#include "without_aio.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int slow(void)
{
	FILE *log = fopen(getenv("SYNC_LOG"), "a");
	fputs("sync\\n", log);
	fclose(log);
	usleep(SLOW_US);
	return 0;
}
int fsync(int fd) { return slow(); }
int fdatasync(int fd) { return slow(); }
"""


def slow_disk(directory):
    """Each sync takes a second: the loop waits for it a tenth of the time, and nothing is lost."""
    library, log = preload(directory, SLOW_SYNC, 1000000), f"{directory}/syncs"
    with Receiver() as server:
        server.behave("503")
        path = feed.config(server.url, directory)
        begin = time.monotonic()
        outcome, _ = feed.run(path, {"LD_PRELOAD": library, "SYNC_LOG": log}, targets=4, intervals=50,
                              interval_ms=100, drain_ms=100)
        took = time.monotonic() - begin
        equal(outcome.spooled[feed.VALUE], outcome.sampled, "spooled is sampled")
        with open(log) as f:
            syncs = len(f.readlines())
        # A segment and its directory at first, the same at the end; without the rule one after the other.
        if not 2 <= syncs <= 5 + took / 10:
            raise AssertionError(f"{syncs} syncs in {took:.1f} s")
        return f"{syncs} syncs of 1 s in {took:.1f} s of profiling, all on disk"


def full_disk(directory):
    """A spool on a tmpfs of 256 KiB: profiling goes on, what fits is kept, and it recovers by itself."""
    mount = f"{directory}/small"
    os.mkdir(mount)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount],
                          capture_output=True, check=False)
    if done.returncode:
        return "SKIP: cannot mount a tmpfs here"
    try:
        with Receiver() as server:
            server.behave("503")
            path = feed.config(server.url, mount, write="  max_pending_bytes: 1MiB\n")
            process = feed.start(path, targets=16, stacks=300, intervals=40, interval_ms=200,
                                 settle_ms=15000)
            time.sleep(2.5)
            server.behave("ok")
            outcomes, err = feed.finish(process)
            outcome = outcomes[0].balanced()
            check_received(server, outcome)
            if not outcome.errors or "event 7 " not in err:
                raise AssertionError("the disk did not fill up")
            equal(outcome.spooled[feed.PROFILES], 0, "left on the disk")
            equal(outcome.damaged, 0, "damaged")
            if outcome.sent[feed.PROFILES] < 120:  # of those after the outage, on a busy machine too
                raise AssertionError(f"did not recover: {outcome.all}")
            return f"{outcome.errors} failed writes, dropped {outcome.reasons()}, the rest came"
    finally:
        subprocess.run(["umount", mount], check=False)


def the_end_has_a_deadline(directory):
    with Receiver() as server:
        server.behave("hang")
        path = feed.config(server.url, directory, endpoint="      remote_timeout: 60s\n")
        process = feed.start(path, targets=32, intervals=1000, interval_ms=100, drain_ms=1000)
        time.sleep(1)
        begin = time.monotonic()
        process.terminate()
        outcomes, _ = feed.finish(process)
        took = time.monotonic() - begin
        outcome = outcomes[0].balanced()
        equal(outcome.spooled[feed.VALUE], outcome.sampled, "the rest is on disk")
        if took > 3:
            raise AssertionError(f"{took:.1f} s after SIGTERM")
        return f"gone {took:.1f} s after SIGTERM, {outcome.spooled[0]} profiles on disk"


def push(url, *arguments):
    program = os.environ.get("DOCKPROF", "build/dockprof")
    return subprocess.run([program, "push", *arguments], capture_output=True, text=True, check=False,
                          env=dict(os.environ, PYROSCOPE_SERVER_ADDRESS=url))


def push_of_files(directory):
    """Files that write.file kept, one of them with more stacks than a server takes, sent by hand."""
    with Receiver() as server:
        kept = f"{directory}/kept"
        path = feed.config("http://127.0.0.1:1", directory, False,
                           write=f"  file: {{directory: {kept}}}\n")
        outcomes, _ = feed.finish(feed.start(path, targets=2, stacks=18000, intervals=2,
                                             interval_ms=20, drain_ms=100))
        files = sorted(os.path.join(kept, name) for name in os.listdir(kept))
        equal(len(files), 4, "files")
        done = push(server.url, "--label", "env=test", *files)
        equal((done.returncode, done.stderr), (0, ""), "push")
        values, times = feed.stacks(server.select(env="test"))
        equal(sum(values.values()), outcomes[0].sampled, "received is sampled")
        equal(len(values), 72000, "stacks")
        equal(max(times.values()), 1, "parts per millisecond")
        equal(server.services(), ["service0", "service1"], "services, by the files' names")
        equal(server.refusals, [], "refusals")
        parts = len(server.select())
        server.behave("401")
        done = push(server.url, files[0])
        if done.returncode != 1 or "HTTP 401" not in done.stderr:
            raise AssertionError(f"401: {done}")
        server.behave("ok")
        other = f"{directory}/other"
        for content, word in ((b"nonsense", "not a pprof profile"), (b"\x1f\x8bx", "damaged")):
            with open(other, "wb") as f:
                f.write(content)
            done = push(server.url, "-l", "service_name=x", other)
            if done.returncode != 1 or word not in done.stderr:
                raise AssertionError(f"{content}: {done}")
        shutil.copy(files[0], other)
        done = push(server.url, other)
        if done.returncode != 1 or "--label service_name=" not in done.stderr:
            raise AssertionError(f"no service: {done}")
        equal(push(server.url).returncode, 2, "without files")
        done = push("http://127.0.0.1:1", "--timeout", "1s", *files)
        if done.returncode != 1 or "3 files were not tried" not in done.stderr:
            raise AssertionError(f"no server: {done}")
        return f"4 files of 18,000 stacks in {parts} parts"


def a_short_outage_of_crashes(directory):
    import crashes
    return crashes.campaign(12, directory)


def tests():
    for name, mode, arguments, endpoint, all_delivered in SCENARIOS:
        for spool in (True, False):
            yield (name + ("" if spool else "_without_spool"),
                   lambda d, a=(mode, arguments, endpoint, all_delivered, spool): scenario(d, *a))
    for test in (replay_of_what_was_left, two_endpoints, replicas_with_equal_labels,
                 many_targets_slow_server, tls_failures, oauth2_tokens_run_out, slow_dns, slow_disk, full_disk,
                 the_end_has_a_deadline, push_of_files, a_short_outage_of_crashes, a_large_profile,
                 *connections.TESTS):
        yield test.__name__, test


def run(number):
    """(whether it passed, what to print) of one test."""
    name, test = list(tests())[number]
    directory = tempfile.mkdtemp(prefix="dockprof-delivery-")
    try:
        return True, f"ok   {name}: {test(directory)}"
    except Exception:  # whatever it is, the others are run
        return False, f"FAIL {name}\n{traceback.format_exc()}"
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main():
    picked = [number for number, (name, _) in enumerate(tests())
              if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    passed, again = 0, []
    # They wait for each other's answers most of the time.
    with multiprocessing.get_context("fork").Pool(AT_ONCE) as pool:
        for number, (fine, text) in zip(picked, pool.imap(run, picked)):
            if not fine and len(again) < SECOND_TRIES:
                again.append(number)
                text = "     is run again at the end: " + text.replace("\n", "\n     ")
            print(text, flush=True)
            passed += fine
    # Machines stall for seconds: what fails is run once more, alone, and that counts.
    for number in again:
        fine, text = run(number)
        print(text, flush=True)
        passed += fine
    print(f"delivery: {passed} passed, {len(picked) - passed} failed")
    sys.exit(passed < len(picked))


if __name__ == "__main__":
    main()
