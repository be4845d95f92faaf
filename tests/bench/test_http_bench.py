"""That the arithmetic of the HTTP bench is right; never what it measures, the machine's business."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time

import pytest

from bench.http.connections import http2_request, last_frame_ends, loss, reply_ends
from bench.http.figures import Figures, Sample, figures, ratio, summary, table
from bench.http.load import Answered, LoadFailed, h2load_answered, wrk_answered, wrk_script
from bench.http.peers import peers
from bench.http.server import cpu_clock
from bench.http.workloads import HTTP2, JSON, WORKLOADS

H2LOAD = """
finished in {took}, 28902.00 req/s, 1.73MB/s
requests: 28902 total, 28966 started, 28902 done, {succeeded} succeeded, {failed} failed, 0 errored, 0 timeout
status codes: {good} 2xx, 0 3xx, {bad} 4xx, 0 5xx
"""


def h2load(took: str = "1.50s", succeeded: int = 100, failed: int = 0, bad: int = 0) -> str:
    good = succeeded - bad
    return H2LOAD.format(took=took, succeeded=succeeded, failed=failed, good=good, bad=bad)


def made(least: float) -> Figures:
    return Figures(least, least, 1.0, 1.0)


def test_figures_are_for_one_request() -> None:
    """CPU time is divided by the requests of its own round; minimum and median are over rounds."""
    found = figures([Sample(1.0, 100, 2.0), Sample(0.5, 100, 1.0), Sample(3.0, 100, 4.0)])
    assert found == Figures(0.005, 0.01, 50.0, 0.5)


def test_a_ratio_is_between_minima_and_needs_both() -> None:
    """How many times theirs ours is; nothing when one was left out."""
    found = {"mainstay": Figures(2e-5, 9.0, 1.0, 1.0), "gin": Figures(1e-5, 1.0, 1.0, 1.0)}
    assert ratio(found, "gin") == pytest.approx(2.0)
    assert ratio(found, "starlette") is None
    assert ratio({"gin": made(1.0)}, "gin") is None


def test_the_last_line_is_for_machines() -> None:
    """It has the three ratios that are watched, also when one is missing."""
    found = {"mainstay": made(1.0), "gin": made(2.0), "fastapi": made(8.0)}
    assert summary(found) == "http_vs_gin=0.50 http_vs_starlette=n/a http_vs_fastapi=0.12"


def test_the_table_has_a_line_for_every_peer() -> None:
    """With its cost, its rate, and how ours compares."""
    lines = list(table("x", {"mainstay": made(2e-5), "gin": made(1e-5)}))
    assert len(lines) == 4
    assert lines[3].split() == ["gin", "10", "µs", "10", "µs", "1", "100%", "2.00"]


def test_what_wrk_counted_is_read() -> None:
    """From the line that our script prints, among wrk's own."""
    line = '{"requests": 500, "microseconds": 2000000, "broken": 0, "refused": 0}'
    assert wrk_answered(f"Running 1s test\nbench: {line}\n") == Answered(500, 2.0)


@pytest.mark.parametrize(
    "output",
    [
        "",
        'bench: {"requests": 0, "microseconds": 1, "broken": 0, "refused": 0}',
        'bench: {"requests": 5, "microseconds": 1, "broken": 1, "refused": 0}',
        'bench: {"requests": 5, "microseconds": 1, "broken": 0, "refused": 5}',
    ],
)
def test_a_round_of_wrk_with_failures_does_not_count(output: str) -> None:
    """A server is not fast by refusing."""
    with pytest.raises(LoadFailed):
        wrk_answered(output)


def test_what_h2load_counted_is_read() -> None:
    """Its summary is for people, with units."""
    assert h2load_answered(h2load()) == Answered(100, 1.5)
    assert h2load_answered(h2load(took="750.50ms")).seconds == pytest.approx(0.7505)


@pytest.mark.parametrize(
    "output", ["", h2load(failed=1), h2load(succeeded=0), h2load(bad=1), "finished in 1s"]
)
def test_a_round_of_h2load_with_failures_does_not_count(output: str) -> None:
    """Nor does one whose summary is not as we know it."""
    with pytest.raises(LoadFailed):
        h2load_answered(output)


def test_the_script_of_wrk_sends_the_body() -> None:
    """As a string of Lua."""
    upload = next(each for each in WORKLOADS if each.body is not None)
    script = wrk_script(upload)
    assert 'wrk.method = "POST"' in script
    assert f"wrk.body = {json.dumps((upload.body or b'').decode())}" in script
    assert 'wrk.method = "GET"' in wrk_script(JSON)


def test_the_end_of_a_reply_is_seen() -> None:
    """Connections are counted as idle when they have their reply, not before."""
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    assert reply_ends(whole)
    assert not reply_ends(whole[:-1])
    headers, data = (
        b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88",
        b"\x00\x00\x01\x00\x01\x00\x00\x00\x01x",
    )
    assert last_frame_ends(headers + data)
    assert not last_frame_ends(headers + data[:-1])
    assert not last_frame_ends(headers)
    assert http2_request().startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")


def test_the_loss_is_a_share() -> None:
    """Of the rate with few connections."""
    assert loss(1000.0, 800.0) == pytest.approx(0.2)


def test_every_peer_is_known_once_and_ours_is_first() -> None:
    """There is gin when it was built; who has no HTTP/2 is not asked for it."""
    found = peers(None)
    assert found[0].key == "mainstay"
    assert len({each.key for each in found}) == len(found)
    assert "gin" not in {each.key for each in found}
    assert HTTP2.http2
    assert [each.key for each in found if each.http2] == ["mainstay"]


@pytest.mark.skipif(sys.platform != "linux", reason="the clocks of other processes are Linux's")
def test_the_cpu_time_of_another_process_is_seen() -> None:
    """Finer than the hundredths of a second of /proc."""
    with subprocess.Popen(
        [sys.executable, "-c", "sum(range(10**6)); print(); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        theirs = time.clock_gettime(cpu_clock(child.pid))
        child.communicate(b"\n")
    assert 0 < theirs < 60
    own = time.clock_gettime(cpu_clock(os.getpid()))
    assert math.isclose(own, time.process_time(), abs_tol=0.1)
