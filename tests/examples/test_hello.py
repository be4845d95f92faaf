"""Facts about the guestbook: it does over HTTP what its welcome says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.process.ports import free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds for what takes a moment, on a machine that is busy."""


class Hello:
    """The guestbook in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.welcome = ""

    def ask(self, method: str, path: str, body: Any = None, **fields: str) -> tuple[int, Any]:
        """One request; its status, and the JSON or text of its reply."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            if body is not None:
                fields["content-type"] = "application/json"
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, fields)
            reply = connection.getresponse()
            data = reply.read().decode()
            kind = reply.getheader("content-type") or ""
            return reply.status, json.loads(data) if "json" in kind else data
        finally:
            connection.close()

    def busy(self) -> str:
        """The line of the metrics that counts the calls under way."""
        lines: list[str] = self.ask("GET", "/metrics")[1].splitlines()
        (line,) = [each for each in lines if each.startswith("http_server_active_requests ")]
        return line


@contextmanager
def hello(**environment: str) -> Iterator[Hello]:
    """The guestbook, running on a free port; killed at the end if it still does."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.hello"],
        cwd=ROOT,
        env={
            **os.environ,
            "PORT": str(port),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # no terminal, whoever runs the tests
    )
    running = Hello(process, port)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            running.welcome += line
            if "runs on" in line:
                break
        yield running
    finally:
        process.kill()
        process.communicate()


def test_it_greets_and_validates_and_keeps_guests() -> None:
    """A route, its configuration, a refused and an accepted body, a page, one that is missing."""
    with hello(HELLO__GREETING="Moin") as running:
        assert running.ask("GET", "/hello/Ada") == (200, {"message": "Moin, Ada!"})
        assert running.ask("GET", "/hello/Ada?shout=yes") == (200, {"message": "MOIN, ADA!"})
        status, problem = running.ask("POST", "/guests", {"name": "", "stars": 9})
        assert status == 422
        assert [each["pointer"] for each in problem["errors"]] == ["/body/name", "/body/stars"]
        ada = {"id": 1, "name": "Ada", "stars": 5}
        assert running.ask("POST", "/guests", {"name": "Ada"}) == (201, ada)
        assert running.ask("GET", "/guests/1") == (200, ada)
        assert running.ask("GET", "/guests?limit=5") == (200, [ada])
        assert running.ask("GET", "/guests/7")[0] == 404


def test_it_describes_itself_and_answers_operators() -> None:
    """The page, the description with every documented route, the probes, the metrics."""
    with hello() as running:
        assert running.ask("GET", "/docs")[0] == 200
        _, document = running.ask("GET", "/openapi.json")
        paths = {"/hello/{name}", "/guests", "/guests/{id}", "/feed", "/work"}
        assert paths <= set(document["paths"])
        assert running.ask("GET", "/readyz")[0] == 200
        assert 'http_route="/docs"' in running.ask("GET", "/metrics")[1]


def test_the_feed_tells_of_guests_as_they_sign() -> None:
    """A browser that comes back with the last id gets what it has missed, and then what is new."""
    with hello() as running:
        for name in ("Ada", "Grace"):
            running.ask("POST", "/guests", {"name": name})
        connection = HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)
        connection.request("GET", "/feed", headers={"last-event-id": "1"})
        reply = connection.getresponse()
        lines = [reply.readline().decode().strip() for _ in range(4)]
        assert lines == ["event: guest", "id: 2", 'data: {"id":2,"name":"Grace","stars":5}', ""]
        running.ask("POST", "/guests", {"name": "Barbara"})
        assert [reply.readline().decode().strip() for _ in range(2)] == ["event: guest", "id: 3"]
        connection.close()


def test_the_conversation_comes_back() -> None:
    """The service speaks first, over a WebSocket."""
    with (
        hello() as running,
        connect(f"ws://127.0.0.1:{running.port}/echo", proxy=None, open_timeout=PATIENCE) as client,
    ):
        assert client.recv(PATIENCE) == "Hello! Say something."
        client.send("hi")
        assert client.recv(PATIENCE) == "you said: hi"


def test_the_deadline_of_the_caller_stops_the_work() -> None:
    """It is answered 504 as soon as its time is over, and what is no number 422."""
    with hello() as running:
        assert running.ask("GET", "/work?seconds=0.1")[0] == 200
        status, problem = running.ask("GET", "/work?seconds=50", **{"x-request-timeout": "0.2"})
        assert (status, problem["reason"]) == (504, "DEADLINE_EXCEEDED")
        assert running.ask("GET", "/work?seconds=long")[0] == 422


def test_ctrl_c_finishes_the_call_under_way() -> None:
    """The slow call is answered, the conversation is ended; the exit code is 0."""
    with hello() as running:
        answers: list[tuple[int, Any]] = []
        with connect(
            f"ws://127.0.0.1:{running.port}/echo", proxy=None, open_timeout=PATIENCE
        ) as client:
            client.recv(PATIENCE)
            busy = running.busy()
            asking = threading.Thread(
                target=lambda: answers.append(running.ask("GET", "/work?seconds=6"))
            )
            asking.start()
            while running.busy() == busy:
                assert asking.is_alive()
            running.process.send_signal(signal.SIGINT)
            asking.join(PATIENCE)
            assert answers == [(200, {"message": "done, after 6 s of work"})]
            assert running.process.wait(PATIENCE) == 0
            assert client.close_code is None or client.close_code == 1001


def test_a_port_that_is_taken_is_said_before_anything_else() -> None:
    """There is no welcome to somebody else's server, but the way to another port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "examples.hello"],
            cwd=ROOT,
            env={**os.environ, "PORT": port, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    said = f"port {port} is taken; choose another one by PORT=8001 before the command\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_every_line_of_the_welcome_works_as_it_is_typed() -> None:
    """What a newcomer copies is answered, or refused where the welcome says so."""
    with hello() as running:
        lines = re.findall(r"^    (curl .*)$", running.welcome, re.MULTILINE)
        assert len(lines) == 6
        for typed in lines:
            line = typed.replace("seconds=8", "seconds=1")  # no proof takes eight seconds of work
            if "/feed" in line:
                assert_streams(line)
                continue
            shown = ["sh", "-c", f"{line} -sS --max-time 60 -w '%{{http_code}}'"]
            done = subprocess.run(shown, capture_output=True, text=True, check=False)
            expected = {"stars": "422", "timeout": "504"}
            status = next((code for word, code in expected.items() if word in line), "200")
            assert done.stdout.endswith(status), (line, done)
            assert done.returncode == 0


def assert_streams(line: str) -> None:
    """What it asks for is answered with a stream, which goes on."""
    command = ["sh", "-c", f"exec {line} -sS -i --max-time 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        assert curl.stdout.readline() == "HTTP/1.1 200 OK\n"
        assert "content-type: text/event-stream\n" in iter(curl.stdout.readline, "")
        assert curl.poll() is None
        curl.terminate()
