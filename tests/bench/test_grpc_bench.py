"""How the gRPC bench reads what h2load counts, and that it runs; never what it measures."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.grpc.__main__ import KEYS, main, summary
from bench.grpc.load import answered
from bench.grpc.peers import clients, servers
from bench.grpc.workloads import REPLIES, STREAM, UNARY, sealed
from bench.http.figures import Figures
from bench.http.load import Answered, LoadFailed

ROOT = Path(__file__).parent.parent.parent

H2LOAD = """
finished in 1.00s, 5000.00 req/s, 1.73MB/s
requests: 50 total, 66 started, 50 done, 50 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 50 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.08MB (1131234) total, 28.3KB (29010) headers (space savings 95.88%), 1.05MB ({data}) data
"""


def made(least: float) -> Figures:
    return Figures(least, least, 1.0, 1.0)


def test_messages_are_counted_by_their_bytes() -> None:
    """Those of calls that the end of the round has cut are counted as well."""
    assert answered(H2LOAD.format(data=1000), UNARY, 20) == Answered(50, 1.0)
    assert answered(H2LOAD.format(data=2050 * 60), STREAM, 2050) == Answered(60 * REPLIES, 1.0)


@pytest.mark.parametrize("output", ["", H2LOAD.format(data=980), H2LOAD.replace("traffic", "x")])
def test_a_round_with_refused_calls_does_not_count(output: str) -> None:
    """A call that is refused has status 200 too, but no message."""
    with pytest.raises(LoadFailed):
        answered(output, UNARY, 20)


def test_the_last_line_is_for_machines() -> None:
    """It has the four ratios that are watched, also when one is missing."""
    unary = {"mainstay": made(1.0), "grpc-go": made(2.0), "grpc.aio": made(20.0)}
    stream = {"mainstay": made(1.0), "grpc-go": made(0.8)}
    said = summary(unary, stream, {"mainstay": made(1.0)})
    assert said == "grpc_vs_go=0.500 grpc_vs_aio=0.050 stream_vs_go=1.250 client_vs_aio=n/a"


def test_a_message_is_sealed_with_its_length() -> None:
    """As gRPC wants it: a flag and four bytes."""
    assert sealed(b"abc") == b"\x00\x00\x00\x00\x03abc"


def test_every_peer_is_known_once_and_ours_is_first() -> None:
    """There is grpc-go when it was built."""
    for found in (servers(Path("built")), clients(Path("built"))):
        keys = [each.key for each in found]
        assert keys[:2] == ["mainstay", "grpc-go"]
        assert len(set(keys)) == len(keys)
    assert "grpc-go" not in [each.key for each in servers(None) + clients(None)]


def test_an_unknown_experiment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of those that there are."""
    with pytest.raises(SystemExit):
        main(["nothing"])
    assert ", ".join(KEYS) in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("h2load") is None, reason="h2load makes the load")
def test_it_runs() -> None:
    """One round of ours, server and client: it answers as a stock client wants it."""
    arguments = ["--smoke", "--only", "mainstay"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.grpc", *arguments, "unary", "client"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stdout
    assert re.search(r"^unary: .*\n.*\n  mainstay +\d", done.stdout, re.MULTILINE)
    assert re.search(r"^client: .*\n.*\n  mainstay +\d", done.stdout, re.MULTILINE)
    last = "grpc_vs_go=n/a grpc_vs_aio=n/a stream_vs_go=n/a client_vs_aio=n/a"
    assert done.stdout.splitlines()[-1] == last
