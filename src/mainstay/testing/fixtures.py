"""Async fixtures: opened, used and closed in the task of the coroutine test that asks for them.

pytest sets fixtures up before it calls the test, when there is no loop yet. So an async fixture is
a `Deferred` until then; the test's coroutine opens it, in the order of pytest, and closes it after
the test, the last first. All of it is one task: task groups, timeouts and context variables of a
fixture reach into the test.

As everywhere in pytest, a fixture goes on after its ``yield`` whether the test failed or not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from mainstay.errors import UsageError

__all__ = ["Deferred", "call_with", "pytest_fixture_setup"]

# Plugins that run tests with these marks themselves, async fixtures included.
_OTHERS: Final = ("anyio", "asyncio", "trio")


class Deferred:
    """An async fixture that is not open yet.

    Args:
        name: of the fixture.
        function: what the author wrote, bound to the test's instance if it is a method.
        arguments: of the function; others of this kind among them are opened first.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], arguments: Mapping[str, Any]
    ) -> None:
        self._name = name
        self._function = function
        self._arguments = arguments

    def __repr__(self) -> str:
        return f"<async fixture {self._name!r}, not open>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what pytest and debuggers look for in any object
            raise AttributeError(name)
        raise UsageError(
            f"the async fixture {self._name!r} is not open here; "
            "ask for it in the arguments of the test or of another async fixture"
        )


def pytest_fixture_setup(fixturedef: Any, request: Any) -> Deferred | None:
    """Put an async fixture off until its test runs; pytest sets the others up.

    Raises: UsageError, when the fixture could not run in the loop of its test.
    """
    function = fixturedef.func
    try:
        if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            _refuse_early_use(fixturedef, request)
            return None
        if _is_of_others(request):
            return None
        _refuse_other_loops(fixturedef, request)
    except UsageError as error:
        # pytest closes only what has a result, and stumbles over the rest in the next test.
        fixturedef.cached_result = (None, fixturedef.cache_key(request), (error, None))
        raise
    if inspect.ismethod(function) and isinstance(request.instance, type(function.__self__)):
        function = function.__func__.__get__(request.instance)  # the instance of this very test
    arguments = {each: request.getfixturevalue(each) for each in fixturedef.argnames}
    deferred = Deferred(fixturedef.argname, function, arguments)
    fixturedef.cached_result = (deferred, fixturedef.cache_key(request), None)
    return deferred


def _is_of_others(request: Any) -> bool:
    """Whether another plugin runs the test."""
    present = request.config.pluginmanager.hasplugin
    return "anyio_backend" in request.fixturenames or any(
        present(mark) and request.node.get_closest_marker(mark) for mark in _OTHERS
    )


def _refuse_early_use(fixturedef: Any, request: Any) -> None:
    for each in fixturedef.argnames:
        if isinstance(request.getfixturevalue(each), Deferred):
            raise UsageError(
                f"the fixture {fixturedef.argname!r} asks for the async fixture {each!r}, which is "
                f"opened in the loop of the test; make {fixturedef.argname!r} async as well"
            )


def _refuse_other_loops(fixturedef: Any, request: Any) -> None:
    name, scope = fixturedef.argname, fixturedef.scope
    if scope != "function":
        raise UsageError(
            f"the async fixture {name!r} has the scope {scope!r}, but every test runs on a loop of "
            "its own; leave the scope out"
        )
    if not inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        raise UsageError(
            f"the async fixture {name!r} needs the loop of a test, but {request.node.name!r} is no "
            "coroutine; make it `async def`"
        )


async def call_with(
    fixtures: Mapping[str, Any], function: Callable[..., Any], arguments: Mapping[str, Any]
) -> None:
    """Open what is deferred, call the coroutine function, and close in the reverse order.

    Args:
        fixtures: the value of every fixture of the test, those that it does not name included.
        function: the test.
        arguments: of the test; those that are deferred are replaced by their values.

    Raises: what the test or a fixture raises; UsageError, for a fixture that does not yield once.
    """
    async with AsyncExitStack() as opened:
        values: dict[Deferred, Any] = {}
        for each in fixtures.values():
            await _value(each, values, opened)
        await function(
            **{name: await _value(arguments[name], values, opened) for name in arguments}
        )


async def _value(given: Any, values: dict[Deferred, Any], opened: AsyncExitStack) -> Any:
    if not isinstance(given, Deferred):
        return given
    if given not in values:
        arguments = {
            name: await _value(each, values, opened) for name, each in given._arguments.items()
        }
        values[given] = await _open(given._name, given._function(**arguments), opened)
    return values[given]


async def _open(name: str, made: Any, opened: AsyncExitStack) -> Any:
    if inspect.iscoroutine(made):
        return await made
    try:
        value = await anext(made)
    except StopAsyncIteration:
        raise UsageError(f"the async fixture {name!r} did not yield") from None
    opened.push_async_callback(_close, name, made)
    return value


async def _close(name: str, generator: Any) -> None:
    try:
        await anext(generator)
    except StopAsyncIteration:
        return
    await generator.aclose()
    raise UsageError(f"the async fixture {name!r} yielded more than once")
