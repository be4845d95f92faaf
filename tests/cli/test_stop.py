"""``mainstay stop``: it waits until the process is gone, and what it does if that takes long."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from mainstay.cli import stop
from tests.cli.controls import service
from tests.cli.world import PATIENCE

BUSY = """
    import asyncio
    from mainstay import Service
    service = Service("good")

    @service.worker
    async def work() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await asyncio.sleep(3600)
"""
DRAINING = """
    import asyncio
    from mainstay import Service
    service = Service("good")

    @service.on_drain
    async def wait() -> None:
        await asyncio.sleep(3600)
"""


def test_it_ends_when_the_service_has(tmp_path: Path) -> None:
    """The exit code of the service is its own, and no socket is left."""
    with service(tmp_path) as own:
        done = own.ask("stop")
        assert (done.code, done.err) == (0, "")
        assert f"process {own.process.process.pid} has stopped after" in done.out
        assert own.gone(own.process.process.pid)
        assert own.process.end() == 0
        assert not own.control.exists()
        assert own.ask("stop").code == 6


def test_work_that_was_cut_is_said(tmp_path: Path) -> None:
    """Whether the service cut it by itself, as its time was over, or was told to."""
    options = ("--set", "mainstay.shutdown.timeout=0.5", "--workers", "1")
    with service(tmp_path, *options, module=DRAINING) as own:
        done = own.ask("stop")
        assert (done.code, done.out) == (124, "")
        assert f"process {own.process.process.pid} has stopped after" in done.err
        assert "work was cut; its log says which" in done.err
        assert own.process.end() == 124


@pytest.mark.parametrize(
    ("said", "code", "end"),
    [
        (b'{"id":1,"exit_code":0}\n', 0, ""),
        (b'{"id":1,"exit_code":1}\n', 1, ", with exit code 1; its log says why"),
        (b'{"id":1,"exit_code":124}\n', 124, ", and work was cut; its log says which"),
        (b"", 124, ", and has not said how; its log may"),
    ],
)
def test_the_end_that_it_tells_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, code: int, end: str
) -> None:
    """What a hook that failed has lost, or a process that was killed, is no success."""
    monkeypatch.delattr(os, "pidfd_open")  # or this process would have to end
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control"))
        listener.listen()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(b'{"id":1,"result":{"pid":1}}\n' + said)

        thread = threading.Thread(target=serve)
        thread.start()
        done = CliRunner().invoke(stop.command, ["--control", str(tmp_path / "control")])
        thread.join(PATIENCE)
    assert done.exit_code == code
    assert re.search(
        rf"process {os.getpid()} has stopped after \S+ s{re.escape(end)}\n", done.output
    )


def test_a_drain_that_takes_long_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service goes on stopping; `--force` then cuts its work."""
    with service(tmp_path, "--set", "mainstay.shutdown.timeout=600", module=DRAINING) as own:
        done = own.ask("stop", "--timeout", "0.2")
        assert (done.code, "is still stopping after 0.2 s" in done.err) == (124, True)
        assert own.status()["state"] == "stopping"
        monkeypatch.setattr(stop, "_FORCED", PATIENCE)
        options = ["--control", str(own.control), "--timeout", "0.2", "--force"]
        forced = CliRunner().invoke(stop.command, options)
        assert forced.exit_code == 124
        assert "has stopped, and its work was cut" in forced.output
        own.process.end()


def test_a_process_that_hears_nothing_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only with `--force`, and the exit code says that work was lost."""
    monkeypatch.setattr(stop, "_HEARD", 0.1)
    monkeypatch.setattr(stop, "_HEARD_FORCED", 0.1)
    monkeypatch.setattr(stop, "_FORCED", 0.1)
    with service(tmp_path) as own:
        pid = own.process.process.pid
        os.kill(pid, signal.SIGSTOP)
        options = ["--control", str(own.control), "--timeout", "0"]
        done = CliRunner().invoke(stop.command, options)
        assert done.exit_code == 6
        assert "did not answer" in done.output
        done = CliRunner().invoke(stop.command, [*options, "--force"])
        assert done.exit_code == 124
        assert f"process {pid} did not stop, and was killed" in done.output
        assert own.process.end() == -signal.SIGKILL
