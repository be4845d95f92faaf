"""What the docs do with curl, done: against the service of the page's own example."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from types import ModuleType

import pytest

from mainstay import Service
from mainstay.http.settings import HttpSettings
from mainstay.service.settings import Settings
from tests.docs.examples import ROOT, blocks

PAGE = ROOT / "docs/howto/rpc-from-browsers.md"


def commands() -> list[tuple[str, str]]:
    """Each command of the page with what it prints."""
    found = []
    for block in blocks(PAGE.read_text()):
        if block.info == "console":
            command, _, printed = block.text.strip().partition("\n")
            assert command.startswith("$ ")
            found.append((command[2:], printed))
    return found


@pytest.mark.real_loop(timeout=120)
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
async def test_the_pages_commands_print_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect by POST and by GET, an error, and a stream."""
    # A real module: dataclasses look their annotations up in `sys.modules`.
    module = ModuleType("page_of_curl")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(PAGE.read_text()):
        if block.runs:
            exec(compile(block.text, str(PAGE), "exec", dont_inherit=True), module.__dict__)
    service = module.service
    assert isinstance(service, Service)
    settings = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))
    every = commands()
    assert len(every) == 4
    async with service.running(settings=settings) as running:
        address = running.addresses[0].removeprefix("tcp://")
        for command, printed in every:
            line = command.replace("127.0.0.1:8000", address)
            line = line.replace("curl ", "curl -s --max-time 60 ", 1)
            ran = await asyncio.to_thread(
                subprocess.run, ["sh", "-c", line], capture_output=True, text=True, check=True
            )
            assert ran.stdout == printed
