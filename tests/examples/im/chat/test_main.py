"""Facts about ``python -m examples.im.chat``, as programs use it: by pipes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
from click.testing import CliRunner

from examples.im.chat.__main__ import main
from tests.architecture.source import ROOT
from tests.examples.im.chat.house import PASSWORD, a_house
from tests.process.ports import free_port

PATIENCE = 60.0


def command(address: str, name: str, *options: str) -> list[str]:
    """The client's."""
    return [sys.executable, "-m", "examples.im.chat", address, "--name", name, *options]


def environment(**more: str) -> dict[str, str]:
    """With the password."""
    return os.environ | {"PYTHONPATH": str(ROOT), "IM_PASSWORD": PASSWORD} | more


async def run(
    address: str, name: str, *options: str, say: str = "", **more: str
) -> tuple[int, str]:
    """The client's exit code and output, for such an input."""
    process = await asyncio.create_subprocess_exec(
        *command(address, name, *options),
        stdin=PIPE,
        stdout=PIPE,
        stderr=subprocess.STDOUT,
        env=environment(**more),
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate(say.encode())
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.real_loop(timeout=120)
async def test_an_account_is_made_and_signed_in_to(tmp_path: Path) -> None:
    """What is piped in is said; who comes back sees it; a wrong password is told."""
    async with a_house(tmp_path) as house:
        code, output = await run(house.address, "ada", "--create", say="hello\n/who\n")
        assert code == 0
        assert output.startswith("Hello, ada. /help says what you can do.\n")
        assert "ada: hello\n● ada\n" in output
        code, output = await run(house.address, "ada")
        assert code == 0
        assert output.endswith("ada: hello\n")
        code, output = await run(house.address, "ada", IM_PASSWORD="wrong-horse")
        assert code == 1
        assert "--create" in output
        code, output = await run(house.address, "ada", "--create")
        assert code == 1
        assert "--create" not in output


async def test_a_gateway_that_is_not_there_is_told() -> None:
    """In one line."""
    code, output = await run("unix:/nowhere.sock", "ada")
    assert code == 1
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(("options", "asked"), [([], 1), (["--create"], 2)])
def test_a_password_is_asked_for_and_that_of_a_new_account_twice(
    options: list[str], asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the fingers would shut the account for ever."""
    monkeypatch.delenv("IM_PASSWORD", raising=False)
    arguments = ["unix:/nowhere.sock", "--name", "ada", *options]
    typed = "correct-horse\n" * asked
    done = CliRunner().invoke(main, arguments, input=typed)
    assert done.output.count("Password: ") == 1
    assert done.output.count("Repeat for confirmation: ") == asked - 1
    assert "cannot connect" in done.output
    if options:
        done = CliRunner().invoke(main, arguments, input=f"wrong-horse\n{typed}{typed}")
        assert "do not match" in done.output
        assert done.output.count("Password: ") == 2


@contextmanager
def a_service(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The chat in a process of its own, with its data in a folder."""
    listen = f'mainstay.http.listen=["tcp://127.0.0.1:{port}"]'
    arguments = ["run", "examples.im.one:service", "--set", listen]
    url = f"sqlite:///{folder}/chat.db"
    with subprocess.Popen(
        [sys.executable, "-m", "mainstay", *arguments],
        cwd=ROOT,
        stderr=PIPE,
        env=environment(IM__DATABASE__URL=url),
    ) as process:
        try:
            assert process.stderr
            assert any(b" runs on " in line for line in process.stderr)
            yield process
        finally:
            process.kill()


@pytest.mark.faults
def test_nothing_is_lost_or_doubled_when_the_service_is_killed(tmp_path: Path) -> None:
    """Each number that is piped in is on the screen once, in order, though the service was killed
    and started again between; and a client that comes later is told the same."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    numbers = [str(number) for number in range(60)]
    with a_service(tmp_path, port) as service:
        client = subprocess.Popen(
            command(address, "ada", "--create"),
            stdin=PIPE,
            stdout=PIPE,
            text=True,
            env=environment(),
        )
        assert client.stdin
        assert client.stdout
        client.stdin.write("".join(f"{number}\n" for number in numbers))
        client.stdin.close()
        shown = ""
        while "ada: 20\n" not in shown:
            line = client.stdout.readline()
            assert line, shown
            shown += line
        service.send_signal(signal.SIGKILL)
        service.wait()
    with a_service(tmp_path, port):
        shown += client.stdout.read()
        assert client.wait(PATIENCE) == 0
        client.stdout.close()
        assert re.findall(r"ada: (\d+)$", shown, re.MULTILINE) == numbers
        assert "connected again\n" in shown
        again = subprocess.run(
            command(address, "ada"),
            input="/older\n" * 3,
            capture_output=True,
            text=True,
            check=True,
            env=environment(),
        )
        assert sorted(re.findall(r"ada: (\d+)$", again.stdout, re.MULTILINE), key=int) == numbers
