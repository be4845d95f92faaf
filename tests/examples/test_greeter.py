"""Facts about the greeter: it does what its welcome says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from examples.greeter.__main__ import WELCOME
from examples.greeter.client import main
from examples.greeter.service import service
from mainstay import HttpClient
from mainstay.http.settings import HttpSettings
from mainstay.service.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(http=HttpSettings(listen=("tcp://127.0.0.1:0",)))


async def test_the_client_calls_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """One reply, a stream that its deadline ends, a summary, a chat, and a refusal."""
    async with service.running(settings=SETTINGS) as running:
        await main(running.addresses[0], patience=0.2)
    assert capsys.readouterr().out.splitlines() == [
        "Hello, Ada!",
        "10, Ada",
        "the countdown ended with DEADLINE_EXCEEDED",
        "Summary(count=3, names=['Ada', 'Grace', 'Barbara'])",
        "Hello, Ada!",
        "Hello, Grace!",
        "Hello, Barbara!",
        "INVALID_ARGUMENT whom shall I greet? name is empty",
    ]


@pytest.mark.real_loop
async def test_the_commands_of_the_welcome_work() -> None:
    """By the command line, by JSON on a path of its own, and by Connect."""
    import asyncio  # noqa: PLC0415

    async with service.running(settings=SETTINGS) as running:
        address = running.addresses[0].removeprefix("tcp://")
        called = await asyncio.to_thread(
            subprocess.run,
            [
                sys.executable,
                "-m",
                "mainstay",
                "call",
                address,
                "hello.v1.Greeter/SayHello",
                '{"name": "Ada"}',
            ],
            capture_output=True,
            check=True,
            text=True,
            cwd=ROOT,
        )
        assert json.loads(called.stdout) == {"message": "Hello, Ada!"}
        async with HttpClient() as client:
            reply = await client.get(f"http://{address}/v1/hello/Ada")
        assert reply.json() == {"message": "Hello, Ada!"}
    assert "hello.v1.Greeter/SayHello" in WELCOME
