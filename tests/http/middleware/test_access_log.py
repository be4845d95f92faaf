"""Facts about the record of each call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mainstay.errors import NotFound, UsageError
from mainstay.http.middleware.access_log import access_log
from mainstay.http.middleware.request_id import request_id
from mainstay.http.response import Response
from mainstay.testing.exchange import MemoryExchange
from tests.http.middleware.desk import Desk, ok


@pytest.fixture(autouse=True)
def _level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mainstay.access")


def records(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(each) for each in caplog.records if each.name == "mainstay.access"]


async def test_a_call_is_one_record_with_its_facts(caplog: pytest.LogCaptureFixture) -> None:
    """The route and the path, how long and how much, who and by what."""

    async def slow(call: Any) -> Response:
        await asyncio.sleep(0.25)
        return Response("hello")

    desk = Desk([access_log()], {"GET /users/{id}": slow})
    fields = [("user-agent", "curl/8"), ("x-request-id", "r1")]
    await desk.ask("/users/7?token=abc", fields=fields)
    (record,) = records(caplog)
    assert record["message"] == "GET /users/7 200"
    assert record["route"] == "GET /users/{id}"
    assert record["seconds"] == pytest.approx(0.25, abs=0.05)
    found = {name: record[name] for name in ("method", "status", "bytes", "peer", "request_id")}
    assert found == {
        "method": "GET",
        "status": 200,
        "bytes": 5,
        "peer": "192.0.2.7:5000",
        "request_id": "r1",
    }
    assert (record["user_agent"], record["http"]) == ("curl/8", "1.1")
    assert "abc" not in str(record)


async def test_errors_are_records_too(caplog: pytest.LogCaptureFixture) -> None:
    """With the status that they become; those of ours are warnings."""

    async def fail(call: Any) -> Response:
        raise NotFound("no")

    async def bug(call: Any) -> Response:
        raise ValueError("secret")

    desk = Desk([access_log()], {"GET /": fail, "GET /bug": bug})
    await desk.ask()
    await desk.ask("/bug")
    await desk.ask("/nope")
    found = [(each["status"], each["levelno"], each["route"]) for each in records(caplog)]
    assert found == [
        (404, logging.INFO, "GET /"),
        (500, logging.WARNING, "GET /bug"),
        (404, logging.INFO, "unmatched"),
    ]


async def test_the_size_of_a_problem_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Though it is made of an exception further out; without a body it is zero."""
    desk = Desk([request_id(), access_log()])
    sent = [len((await desk.ask("/nope", method)).body) for method in ("GET", "DELETE", "HEAD")]
    assert [each["bytes"] for each in records(caplog)] == sent
    assert min(sent[:2]) > sent[2] == 0


async def test_a_peer_that_left_and_a_deadline_that_passed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """499 and 504: what the cancellation was for."""

    async def wait(call: Any) -> Response:
        await asyncio.sleep(3600)
        raise AssertionError("nobody waits that long")

    desk = Desk([access_log()], {"GET /": wait})
    exchange = MemoryExchange("GET", "/")
    desk.app.begin(exchange)
    exchange.leave()
    await asyncio.sleep(0.01)
    assert (await desk.ask()).status == 504
    assert [each["status"] for each in records(caplog)] == [499, 504]


async def test_a_stream_is_told_of_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """With all its bytes and its whole time."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"1234"
            assert records(caplog) == []
            await asyncio.sleep(1)

    async def stream(call: Any) -> Response:
        return Response(parts())

    assert (await Desk([access_log()], {"GET /": stream}).ask()).finished
    (record,) = records(caplog)
    assert (record["status"], record["bytes"]) == (200, 12)
    assert record["seconds"] == pytest.approx(3, abs=0.1)
    assert "broken" not in record


async def test_a_stream_that_is_cut_off_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever cut it; and what it held is released."""
    ended = []

    async def parts() -> AsyncIterator[bytes]:
        try:
            yield b"1234"
            await asyncio.sleep(60)
        finally:
            ended.append("closed")

    async def failing() -> AsyncIterator[bytes]:
        yield b"12"
        raise ValueError("late")

    async def stream(call: Any) -> Response:
        return Response(parts())

    async def failed(call: Any) -> Response:
        return Response(failing())

    desk = Desk([access_log()], {"GET /": stream, "GET /failed": failed})
    exchange = MemoryExchange("GET", "/")
    desk.app.begin(exchange)
    await asyncio.sleep(0.1)
    exchange.leave()
    await asyncio.sleep(0.1)
    await desk.ask("/failed")
    found = [(each["status"], each["bytes"], each["broken"]) for each in records(caplog)]
    assert found == [(200, 4, True), (200, 2, True)]
    assert ended == ["closed"]


async def test_head_of_a_stream_is_no_broken_stream(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody iterates it."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"never"

    async def stream(call: Any) -> Response:
        return Response(parts())

    await Desk([access_log()], {"GET /": stream}).ask("/", "HEAD")
    (record,) = records(caplog)
    assert (record["status"], record["bytes"]) == (200, 0)
    assert "broken" not in record


async def test_a_query_is_logged_if_asked_for_without_its_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also when the name is written with escapes."""
    desk = Desk([access_log(query=True)])
    await desk.ask("/?a=1&api_key=swordfish&%74oken=herring&flag")
    (record,) = records(caplog)
    assert record["path"] == "/?a=1&api_key=***&%74oken=***&flag"


async def test_a_peer_cannot_forge_lines(caplog: pytest.LogCaptureFixture) -> None:
    """What does not print is escaped, and what is long is cut."""
    desk = Desk([access_log()])
    await desk.ask(b"/\x1b[2J\x85x", fields=[("user-agent", b"a\x1b[31m\x9b" + b"b" * 1000)])
    (record,) = records(caplog)
    assert record["path"] == r"/\x1b[2J\x85x"
    assert record["user_agent"].isprintable()
    assert len(record["user_agent"]) < 600


async def test_probes_and_samples_leave_errors_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Only what went well is left out."""

    async def fail(call: Any) -> Response:
        raise NotFound("no")

    desk = Desk([access_log()], {"GET /livez": ok, "GET /readyz": fail})
    await desk.ask("/livez")
    await desk.ask("/readyz")
    assert [each["path"] for each in records(caplog)] == ["/readyz"]
    caplog.clear()
    desk = Desk([access_log(sample=0.5)])
    for _ in range(200):
        await desk.ask()
    assert 60 < len(records(caplog)) < 140
    caplog.clear()
    desk = Desk([access_log(sample=0)])
    await desk.ask()
    await desk.ask("/nope")
    assert [each["status"] for each in records(caplog)] == [404]


async def test_a_logger_that_is_off_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Not even the request is looked at."""
    made = []

    async def look(call: Any) -> Response:
        made.append(call._request)
        return Response("ok")

    caplog.set_level(logging.WARNING, "mainstay.access")
    await Desk([access_log()], {"GET /": look}).ask()
    assert made == [None]
    assert records(caplog) == []


def test_a_sample_is_a_part() -> None:
    """From none to all."""
    with pytest.raises(UsageError, match="from 0 to 1"):
        access_log(sample=2)
