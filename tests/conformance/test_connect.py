"""connectrpc's conformance suite: Connect, gRPC and gRPC-Web, case by case, by other people's client.

Every case of the configurations holds; nothing is excused. What they leave out, and why: HTTP/3, which
nobody here speaks; br, zstd and snappy, since messages are compressed with the standard library;
streams in both directions over HTTP/1.1, which get 505; and, for the client, what is not gRPC.
"""

import re
import subprocess
import sys
from typing import Final

import pytest

from tests.conformance.connect_messages import MESSAGES, ROOT

RUNNER: Final = ROOT / ".cache/go/bin/connectconformance"

CASES: Final = {"server": 5286, "client": 857}

pytestmark = pytest.mark.skipif(
    not (RUNNER.exists() and MESSAGES.exists()),
    reason="scripts/conformance-connect builds connectconformance, with Go",
)


@pytest.mark.parametrize("side", CASES)
def test_every_case_of_connectconformance_holds(side: str) -> None:
    """For our server on HTTP/1.1 and HTTP/2, plain, with TLS and with client certificates; for our
    client in the one protocol that it speaks."""
    ran = subprocess.run(
        [
            *(RUNNER, "--mode", side, "--conf", f"tests/conformance/connect_{side}.yaml"),
            *("--max-servers", "2"),
            *("--", sys.executable, "-m", f"tests.conformance.connect_{side}"),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=800,
        stdin=subprocess.DEVNULL,
    )
    found = re.search(r"(\d+) passed, (\d+) failed", ran.stdout)
    assert found is not None, ran.stdout[-2000:] + ran.stderr[-2000:]
    assert (int(found[1]), int(found[2])) == (CASES[side], 0), ran.stdout[-4000:]
