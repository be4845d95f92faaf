"""Facts about the demo: it opens with something to read, and does what its welcome says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from websockets.sync.client import ClientConnection, connect

from examples.im import demo
from examples.im.api import HistoryOf
from examples.im.data.conversations import Conversations
from examples.im.data.database import Database, DatabaseSettings
from examples.im.data.messages import Messages
from mainstay import Service
from tests.process.ports import free_port

ROOT = Path(__file__).parents[3]

CHANGELOG = """\
tool (1.1) unstable; urgency=medium

  * Sharpen it.

 -- Ada Lovelace <ada@example.org>  Sat, 21 Nov 2026 10:00:00 +0000

tool (1.0) unstable; urgency=medium

  * Begin.

 -- Ada Lovelace <ada@example.org>  Fri, 20 Nov 2026 10:00:00 +0000
"""


@pytest.mark.real_loop
async def test_it_opens_with_changelogs_and_a_greeting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with the same ones, and no more, when it is started again."""
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "changelog.Debian.gz").write_text(CHANGELOG)
    monkeypatch.setattr(demo, "CHANGELOGS", tmp_path)
    monkeypatch.setattr(demo, "PACKAGES", ("tool", "missing"))
    settings = DatabaseSettings(f"sqlite:///{tmp_path / 'chat.db'}")
    added = [(await demo.prepare(settings)).added.messages for _ in range(2)]
    assert added == [2, 0]
    database = Database(settings)
    try:
        rooms = (await Conversations(database).rooms("", 0, 10)).items
        found = {each.name: each for each in rooms}
        assert set(found) == {"lobby", "tool"}
        of = HistoryOf(conversation=found["tool"].id)
        texts = [each.text for each in (await Messages(database).page(of)).items]
        assert texts == ["Begin.", "Sharpen it."]
        greeting = found["lobby"].last
        assert greeting is not None
        assert greeting.text.startswith("Welcome!")
    finally:
        await database.aclose()


@pytest.mark.parametrize("logic_port", ["", "8102"])
def test_the_welcome_names_what_there_is(logic_port: str) -> None:
    """Each module, each target of the services and each kind of import; and where the data is."""
    said = demo.welcome(DatabaseSettings(), "8001", logic_port)
    for module in re.findall(r"-m (\S+)", said):
        import_module(f"{module}.__main__")
    for target in (demo.ONE, demo.LOGIC, demo.GATEWAY):
        module, _, name = target.partition(":")
        assert isinstance(getattr(import_module(module), name), Service)
    assert (ROOT / "examples/im/README.md").exists()
    assert "What was said is in .im/chat.db; `rm .im/chat.db*` forgets it." in said
    restarted = re.findall(r"mainstay restart --control (\S+)", said)
    assert restarted == [f".im/run/{port}.sock" for port in (logic_port, "8001") if port]


def test_a_demo_elsewhere_names_its_own_data_and_its_own_service() -> None:
    """Commands of one demo do not reach another one."""
    said = demo.welcome(DatabaseSettings("sqlite:////data/im/chat.db"), "8001")
    assert "importing debian --database sqlite:////data/im/chat.db\n" in said
    assert "What was said is in /data/im/chat.db;" in said
    assert set(re.findall(r"--control (\S+)", said)) == {"/data/im/run/8001.sock"}
    said = demo.welcome(DatabaseSettings("postgresql://ada:secret@db/im"), "8001")
    assert "What was said is in your database." in said


def environment(folder: Path) -> dict[str, str]:
    """For a demo with ports and data of its own."""
    return {
        **os.environ,
        "PORT": str(free_port()),
        "LOGIC_PORT": str(free_port()),
        "IM__DATABASE__URL": f"sqlite:///{folder / 'chat.db'}",
        "XDG_RUNTIME_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }


def test_a_port_that_is_taken_is_said_before_anything_else(tmp_path: Path) -> None:
    """With the way to another port, and before any data is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "examples.im"],
            cwd=ROOT,
            env=environment(tmp_path) | {"PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    said = f"port {port} is taken; choose another one: PORT={port + 1} make demo\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    assert not (tmp_path / "chat.db").exists()


@contextmanager
def running(
    folder: Path, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The demo in processes of its own, and its environment; killed at the end if it still runs."""
    chosen = environment(folder)
    # Whoever runs the tests in the background of a shell has Ctrl-C ignored, and so have we.
    begin = "import signal, sys; from examples.im.demo import main; "
    begin += (
        "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", begin, *arguments],
        cwd=ROOT,
        env=chosen,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    sign = "supervisor: im-gateway runs on" if arguments else "supervisor: im runs on"
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if sign in line:
                break
        assert sign in said, said
        yield process, chosen
    finally:
        process.kill()
        process.communicate()


def sign_up(port: str, name: str) -> dict[str, str]:
    """A new user's cookie, as a field of requests."""
    asked = Request(
        f"http://127.0.0.1:{port}/api/sign-up",
        json.dumps({"name": name, "password": "correct horse"}).encode(),
        {"content-type": "application/json"},
    )
    with urlopen(asked, timeout=60) as reply:
        return {"cookie": reply.headers["set-cookie"].partition(";")[0]}


def status(control: Path) -> dict[str, Any]:
    """What the service at a control socket says of itself."""
    asked = [sys.executable, "-m", "mainstay", "status", "--json", "--control", str(control)]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True, timeout=60)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The next frame of a kind."""
    while True:
        frame: dict[str, Any] = json.loads(client.recv(60))
        if frame["type"] == kind:
            return frame


@pytest.mark.faults
@pytest.mark.parametrize("arguments", [(), ("split",)], ids=["one", "split"])
def test_two_people_talk_and_ctrl_c_ends_it_well(tmp_path: Path, arguments: tuple[str]) -> None:
    """In the page's way, through supervised workers that the welcome's commands reach; clients are told to come back at the end."""
    with running(tmp_path, *arguments) as (process, chosen):
        port = chosen["PORT"]
        address = f"ws://127.0.0.1:{port}/ws"
        ada, grace = sign_up(port, "ada"), sign_up(port, "grace")
        with (
            connect(address, additional_headers=ada, proxy=None, open_timeout=60) as hers,
            connect(address, additional_headers=grace, proxy=None, open_timeout=60) as other,
        ):
            for client in (hers, other):
                client.send('{"type": "hello"}')
            welcome = until(hers, "welcome")
            until(other, "welcome")
            (lobby,) = welcome["conversations"]
            say = {"conversation": lobby["id"], "client_id": "client-1", "text": "Hello!"}
            hers.send(json.dumps({"type": "say", **say}))
            acknowledged = until(hers, "acknowledged")
            said = until(other, "said")["message"]
            assert (said["text"], said["seq"]) == ("Hello!", acknowledged["seq"])
            for name in "PORT", "LOGIC_PORT":
                if name == "PORT" or arguments:
                    assert status(tmp_path / "run" / f"{chosen[name]}.sock")["pid"]
            process.send_signal(signal.SIGINT)
            assert "after" in until(other, "reconnect")
        assert process.wait(60) == 0
