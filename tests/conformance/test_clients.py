"""Clients that others wrote, against the server: curl and nghttp."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.program import serving

BIG = 3_000_000


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as (host, port):
        yield f"http://{host}:{port}"


def run(program: str, *arguments: str) -> str:
    """What it prints."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run(
        [program, *arguments], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def curl(*arguments: str) -> str:
    return run("curl", "--silent", "--show-error", "--max-time", "60", *arguments)


VERSIONS = [
    ("--http1.0", "1.0"),
    ("--http1.1", "1.1"),
    # Asks by Upgrade, which a server may ignore (RFC 9113 §3.1 no longer has it).
    ("--http2", "1.1"),
    ("--http2-prior-knowledge", "2"),
]
WRITE_OUT = " %{http_version} %{http_code}"


@pytest.mark.parametrize(("option", "version"), VERSIONS)
def test_curl_gets_a_reply_by_every_version(url: str, option: str, version: str) -> None:
    """The body, the version that was meant, and the status."""
    said = curl(option, "-w", WRITE_OUT, f"{url}/echo?a=b")
    assert said == f"GET /echo?a=b 0  {version if version != '1.0' else '1.1'} 200"


@pytest.mark.parametrize(("option", "version"), VERSIONS)
def test_curl_sends_a_large_body_by_every_version(
    url: str, tmp_path: Path, option: str, version: str
) -> None:
    """It asks for a 100 first, where there is one, and every byte comes back."""
    sent = tmp_path / "sent"
    sent.write_bytes(bytes(range(256)) * (BIG // 256))
    received = tmp_path / "received"
    code = curl(
        *(option, "--data-binary", f"@{sent}", "-o", str(received), "-w", "%{http_code}"),
        f"{url}/echo",
    )
    assert code == "200"
    prefix = f"POST /echo {len(sent.read_bytes())} ".encode()
    assert received.read_bytes() == prefix + sent.read_bytes()


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
def test_curl_sends_a_body_of_unknown_length(url: str, option: str) -> None:
    """In chunks, or in DATA frames without a content-length."""
    said = curl(option, "-H", "Transfer-Encoding: chunked", "-d", "hello", f"{url}/echo")
    assert said == "POST /echo 5 hello"


def test_curl_uses_a_connection_again(url: str) -> None:
    """Three requests, one connection; an empty reply among them breaks nothing.

    Not by HTTP/2, whose reuse with prior knowledge fails in curl 7.88 against any server.
    """
    said = curl(
        *("--http1.1", "-w", " %{num_connects};"),
        *(f"{url}/echo", f"{url}/nothing", f"{url}/stream", f"{url}/echo"),
    )
    assert said == f"GET /echo 0  1; 0;{'0123456789' * 10} 0;GET /echo 0  0;"


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
def test_curl_asks_for_the_head_alone(url: str, option: str) -> None:
    """It ends at once, without waiting for a body."""
    said = curl(option, "--head", f"{url}/echo")
    assert " 200" in said.splitlines()[0]
    assert "content-length: 13" in said


def test_nghttp_gets_many_streams_of_one_connection(url: str) -> None:
    """Every one of them is answered."""
    said = run("nghttp", "--no-dep", "--multiply=100", f"{url}/echo")
    assert said.count("GET /echo 0 ") == 100


def test_nghttp_uploads_and_reads_a_stream(url: str, tmp_path: Path) -> None:
    """A body with flow control both ways."""
    sent = tmp_path / "sent"
    sent.write_bytes(b"a" * BIG)
    said = run("nghttp", "--data", str(sent), f"{url}/echo")
    assert said == f"POST /echo {BIG} " + "a" * BIG
    assert run("nghttp", f"{url}/stream") == "0123456789" * 10
