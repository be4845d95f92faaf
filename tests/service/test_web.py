"""Facts about the servers of a running service."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = """
import asyncio, sys
from mainstay import Service
from mainstay.http import HttpSettings
from mainstay.rpc import Rpc
from mainstay.service.running import Running
from mainstay.service.settings import Settings

service = Service("greeter")
if "http" in sys.argv:
    @service.get("/")
    async def greet() -> str:
        return "Hello!"
else:
    service.add_rpc(Rpc("hello.v1.Greeter"))

async def main():
    settings = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))
    running = Running(service.declaration, settings=settings)
    before = set(sys.modules)
    await running.start()
    print(*sorted(set(sys.modules) - before))
    await running.finish()

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["http", "rpc"])
def test_a_start_imports_nothing(kind: str) -> None:
    """What the servers need is imported as they are declared: a start would keep the loop for it,
    for a tenth of a second, which a watchdog tells."""
    command = [sys.executable, "-c", START, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    loaded = done.stdout.split()
    assert [each for each in loaded if each.partition(".")[0] in ("mainstay", "google")] == []
