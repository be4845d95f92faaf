"""connectrpc's conformance suite: Connect, gRPC and gRPC-Web, case by case, by other people's client.

Every case of the configuration holds; nothing is excused. What the configuration leaves out, and why:
HTTP/3, which nobody here speaks; br, zstd and snappy, since messages are compressed with the standard
library; and streams in both directions over HTTP/1.1, which get 505.
"""

import re
import subprocess
import sys
from typing import Final

import pytest

from tests.conformance.connect_messages import MESSAGES, ROOT

RUNNER: Final = ROOT / ".cache/go/bin/connectconformance"
CONFIGURATION: Final = ROOT / "tests/conformance/connect_server.yaml"

CASES: Final = 5286

pytestmark = pytest.mark.skipif(
    not (RUNNER.exists() and MESSAGES.exists()),
    reason="scripts/conformance-connect builds connectconformance, with Go",
)


def test_every_case_of_connectconformance_holds_for_our_server() -> None:
    """On HTTP/1.1 and HTTP/2, plain, with TLS and with client certificates."""
    ran = subprocess.run(
        [
            *(RUNNER, "--mode", "server", "--conf", CONFIGURATION),
            *("--parallel", "4", "--max-servers", "2"),
            *("--", sys.executable, "-m", "tests.conformance.connect_server"),
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        stdin=subprocess.DEVNULL,
    )
    found = re.search(r"(\d+) passed, (\d+) failed", ran.stdout)
    assert found is not None, ran.stdout[-2000:] + ran.stderr[-2000:]
    assert (int(found[1]), int(found[2])) == (CASES, 0), ran.stdout[-4000:]
