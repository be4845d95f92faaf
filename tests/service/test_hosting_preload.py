"""What a process has imported when it begins to serve."""

import os
import subprocess
import sys

import pytest

from mainstay.process.lifeline import PARENT

PROGRAM = """
import sys
from mainstay import Service

service = Service("early")

@service.get("/")
async def root() -> str:
    return ""

@service.worker
async def look() -> None:
    print("mainstay.wire.http2_httpunk" in sys.modules)
    raise SystemExit

sys.exit(service.run(flags=['mainstay.http.listen=["tcp://127.0.0.1:0"]']))
"""


@pytest.mark.parametrize("has_parent", [True, False])
def test_a_new_generation_speaks_http2_before_it_is_asked(has_parent: bool) -> None:
    """Its first client would wait for the import; a service that starts alone is ready sooner."""
    environ = {name: value for name, value in os.environ.items() if name != PARENT}
    if has_parent:
        environ[PARENT] = "no descriptor"  # is reported, and the process starts without a parent
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False,
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout.strip() == str(has_parent), done.stderr
