"""Facts about `mainstay.testing.plugin`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mainstay.testing import VirtualLoop
from mainstay.testing.plugin import TestHung, pytest_pyfunc_call


def item(
    function: Callable[..., Any], *, mark: Any = None, cls: Any = None, **funcargs: Any
) -> Any:
    return SimpleNamespace(
        obj=function, name="test", cls=cls, funcargs=funcargs, get_closest_marker=lambda _: mark
    )


def loop_used(*, mark: Any = None, cls: Any = None, **funcargs: Any) -> type[Any]:
    seen: list[type[Any]] = []

    async def plain() -> None:
        seen.append(type(asyncio.get_running_loop()))

    async def parametrised(loop_factory: Any) -> None:
        await plain()

    test = parametrised if funcargs else plain
    assert pytest_pyfunc_call(item(test, mark=mark, cls=cls, **funcargs)) is True
    return seen[0]


class RealLoop(asyncio.SelectorEventLoop):
    """A loop to be recognised."""


def test_functions_are_left_to_pytest() -> None:
    """The plugin runs coroutine functions only."""
    assert pytest_pyfunc_call(item(lambda: None)) is None


def test_the_loop_is_virtual_unless_something_says_otherwise() -> None:
    """Argument before class before marker before the default."""
    mark, cls = SimpleNamespace(kwargs={}), SimpleNamespace(loop_factory=RealLoop)
    assert loop_used() is VirtualLoop
    assert loop_used(mark=mark) is not VirtualLoop
    assert loop_used(mark=mark, cls=cls) is RealLoop
    assert loop_used(mark=mark, cls=cls, loop_factory=VirtualLoop) is VirtualLoop


def test_a_hanging_test_is_ended() -> None:
    """After the timeout of real time the test fails, though a thread would hold it for ever."""

    async def hang() -> None:
        await asyncio.sleep(3600)

    mark = SimpleNamespace(kwargs={"timeout": 0.05})
    with pytest.raises(TestHung, match=r"0\.05 s of real time"):
        pytest_pyfunc_call(item(hang, mark=mark))
