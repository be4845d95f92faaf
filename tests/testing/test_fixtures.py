"""Facts about `mainstay.testing.fixtures`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from mainstay import Service
from mainstay.errors import UsageError
from mainstay.http import HttpClient
from mainstay.testing import VirtualLoop, http_client
from mainstay.testing.fixtures import Deferred, call_with

service = Service("greeter")
who: ContextVar[str] = ContextVar("who", default="nobody")


@service.get("/hello")
async def hello() -> str:
    return "Hello!"


@pytest.fixture
def name() -> str:
    return "Ada"


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with http_client(service) as client:
        yield client


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    await asyncio.sleep(60)
    return asyncio.get_running_loop()


@pytest.fixture
async def guest(name: str, loop: asyncio.AbstractEventLoop) -> AsyncIterator[str]:
    assert loop is asyncio.get_running_loop()
    token = who.set(name)
    async with asyncio.timeout(3600):  # of this task and no other
        yield name
    who.reset(token)


@pytest.fixture(params=[1, 2])
async def number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


async def test_a_client_of_the_service_can_be_a_fixture(client: HttpClient) -> None:
    """A generator's value is what it yields, inside its context managers."""
    assert (await client.get("/hello")).text == "Hello!"


async def test_fixtures_share_loop_clock_and_context_with_their_test(
    guest: str, loop: asyncio.AbstractEventLoop
) -> None:
    """The minute that one slept has passed, a variable that one set is set; each is opened once."""
    assert isinstance(loop, VirtualLoop)
    assert loop is asyncio.get_running_loop()
    assert loop.time() == 60
    assert (guest, who.get()) == ("Ada", "Ada")


@pytest.mark.parametrize("factory", ["virtual"])
async def test_parameters_of_fixtures_are_kept(number: int, factory: str) -> None:
    """A parametrised async fixture sees its `request`, beside parameters of the test."""
    assert (number in (1, 2), factory) == (True, "virtual")


class TestMethods:
    """Fixtures that are methods."""

    @pytest.fixture(autouse=True)
    async def prepare(self) -> None:
        self.prepared = asyncio.get_running_loop()

    async def test_a_fixture_shares_the_instance_of_its_test(self) -> None:
        """An autouse fixture that the test does not name is opened too, on the same instance."""
        assert self.prepared is asyncio.get_running_loop()


@pytest.mark.real_loop
class TestRealLoop:
    """Fixtures of tests in real time."""

    @pytest.fixture
    async def own(self) -> AsyncIterator[asyncio.AbstractEventLoop]:
        yield (running := asyncio.get_running_loop())
        assert running is asyncio.get_running_loop()

    async def test_a_fixture_runs_on_the_real_loop_of_its_test(
        self, own: asyncio.AbstractEventLoop
    ) -> None:
        """The mark holds for fixtures as well."""
        assert own is asyncio.get_running_loop()
        assert not isinstance(own, VirtualLoop)


async def test_fixtures_close_last_first_and_after_a_failure() -> None:
    """What follows a `yield` runs though the test failed, as in pytest."""
    log: list[str] = []

    async def outer() -> AsyncIterator[str]:
        yield "outer"
        log.append("outer")

    async def inner(above: str) -> AsyncIterator[str]:
        yield f"{above}, inner"
        log.append("inner")

    async def test(value: str) -> None:
        log.append(value)
        raise ValueError

    first = Deferred("first", outer, {})
    second = Deferred("second", inner, {"above": first})
    with pytest.raises(ValueError):
        await call_with({"second": second, "first": first}, test, {"value": second})
    assert log == ["outer, inner", "inner", "outer"]


async def test_a_fixture_yields_exactly_once() -> None:
    """One that does not yield, or yields again, is told by name."""

    async def count(times: int) -> AsyncIterator[int]:
        for each in range(times):
            yield each

    async def test() -> None: ...

    with pytest.raises(UsageError, match="'never' did not yield"):
        await call_with({"a": Deferred("never", count, {"times": 0})}, test, {})
    with pytest.raises(UsageError, match="'twice' yielded more than once"):
        await call_with({"a": Deferred("twice", count, {"times": 2})}, test, {})


def test_what_is_not_open_says_so() -> None:
    """Whoever got hold of a fixture outside of its loop is told, and can still show it."""

    async def late() -> None: ...

    deferred: Any = Deferred("late", late, {})
    assert repr(deferred) == "<async fixture 'late', not open>"
    assert not hasattr(deferred, "__len__")
    with pytest.raises(UsageError, match="'late' is not open here"):
        deferred.get("/")


OTHER_TESTS = """
import asyncio
import pytest

@pytest.fixture(scope="module")
async def wide():
    return 1

@pytest.fixture
async def narrow():
    return asyncio.get_running_loop()

@pytest.fixture
def early(narrow):
    return narrow

@pytest.fixture
def anyio_backend():
    return "asyncio"

async def test_wide(wide): ...
async def test_early(early): ...
def test_sync(narrow): ...
async def test_dynamic(request):
    request.getfixturevalue("narrow").time()

@pytest.mark.anyio
async def test_anyio(narrow):
    assert narrow is asyncio.get_running_loop()
    assert type(narrow).__name__ != "VirtualLoop"
"""


def test_what_cannot_be_is_refused_and_other_plugins_keep_theirs(tmp_path: Path) -> None:
    """A wide scope and a sync user are told what to do; tests of anyio's get anyio's fixtures."""
    (tmp_path / "test_others.py").write_text(OTHER_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "mainstay.testing.plugin", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = done.stdout
    assert "the async fixture 'wide' has the scope 'module'" in said
    assert "make 'early' async as well" in said
    assert "'test_sync' is no coroutine" in said
    assert "the async fixture 'narrow' is not open here" in said
    assert "1 failed, 1 passed, 3 errors" in said
