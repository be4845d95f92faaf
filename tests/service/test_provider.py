"""Facts about `mainstay.service.provider`."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from types import TracebackType
from typing import Any, Self

import pytest

from mainstay.errors import UsageError, WiringError
from mainstay.service.provider import provider_of
from tests.service.parts import Database, Events

EVENTS: list[tuple[str, bool]] = []


def seen(what: str) -> None:
    """Note `what`, and whether it happens on the thread of the test."""
    EVENTS.append((what, threading.current_thread() is threading.main_thread()))


async def async_generator() -> AsyncIterator[Database]:
    seen("open")
    yield Database()
    seen("close")


async def async_generator_of_three() -> AsyncGenerator[Database, None]:
    seen("open")
    yield Database()
    seen("close")


def generator() -> Iterator[Database]:
    seen("open")
    yield Database()
    seen("close")


def generator_of_three() -> Generator[Database, None, None]:
    seen("open")
    yield Database()
    seen("close")


def async_manager() -> AbstractAsyncContextManager[Database]:
    return asynccontextmanager(async_generator)()


def manager() -> AbstractContextManager[Database]:
    seen("make")
    return contextmanager(generator)()


async def coroutine() -> Database:
    seen("open")
    return Database()


def function() -> Database:
    seen("open")
    return Database()


class AsyncManaged(Database):
    async def __aenter__(self) -> Self:
        seen("open")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        seen("close")


class Managed(Database):
    def __enter__(self) -> Self:
        seen("open")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        seen("close")


class AsyncClosed(Database):
    async def aclose(self) -> None:
        seen("close")


class Closed(Database):
    def close(self) -> None:
        seen("close")


ON_LOOP, IN_THREAD = True, False
KINDS: list[tuple[Callable[..., Any], type, list[tuple[str, bool]]]] = [
    (async_generator, Database, [("open", ON_LOOP), ("close", ON_LOOP)]),
    (async_generator_of_three, Database, [("open", ON_LOOP), ("close", ON_LOOP)]),
    (generator, Database, [("open", IN_THREAD), ("close", IN_THREAD)]),
    (generator_of_three, Database, [("open", IN_THREAD), ("close", IN_THREAD)]),
    (async_manager, Database, [("open", ON_LOOP), ("close", ON_LOOP)]),
    (manager, Database, [("make", IN_THREAD), ("open", IN_THREAD), ("close", IN_THREAD)]),
    (coroutine, Database, [("open", ON_LOOP)]),
    (function, Database, [("open", IN_THREAD)]),
    (AsyncManaged, AsyncManaged, [("open", ON_LOOP), ("close", ON_LOOP)]),
    (Managed, Managed, [("open", IN_THREAD), ("close", IN_THREAD)]),
    (AsyncClosed, AsyncClosed, [("close", ON_LOOP)]),
    (Closed, Closed, [("close", IN_THREAD)]),
    (Database, Database, []),
]


@pytest.mark.parametrize(("declared", "provides", "events"), KINDS)
async def test_every_kind_opens_and_closes(
    declared: Callable[..., Any], provides: type, events: list[tuple[str, bool]]
) -> None:
    """The table at the top of the module holds, and what is not `async` runs off the loop."""
    EVENTS.clear()
    provider = provider_of(declared)
    assert provider.provides is provides
    async with provider.open() as value:
        assert isinstance(value, Database)
        assert [event for event in events if event[0] != "close"] == EVENTS
    assert events == EVENTS


def visible(events: Events) -> list[Callable[[], Any]]:
    """Resources of each closing kind that tell with which error they are left."""

    async def of_async() -> AsyncIterator[Database]:
        try:
            yield Database()
        except BaseException as error:
            events.append(type(error).__name__)
            raise

    def of_sync() -> Iterator[Database]:
        try:
            yield Database()
        except BaseException as error:
            events.append(type(error).__name__)
            raise

    return [of_async, of_sync]


@pytest.mark.parametrize("index", [0, 1], ids=["async", "sync"])
@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
async def test_a_resource_sees_the_error_of_its_user(error: BaseException, index: int) -> None:
    """What is raised where the resource is used comes out of its ``yield``, a cancellation too."""
    events = Events()
    with pytest.raises(type(error)):
        async with provider_of(visible(events)[index]).open():
            raise error
    assert events == [type(error).__name__]


def quiet() -> Iterator[Database]:
    try:
        yield Database()
    except ValueError:
        return


async def test_a_resource_may_swallow_an_error() -> None:
    """As any context manager: what its ``yield`` raised and it did not raise again is over."""
    async with provider_of(quiet).open():
        raise ValueError


def nothing_said() -> Any: ...


def untyped():  # type: ignore[no-untyped-def]  # noqa: ANN201
    return Database()


def none() -> None: ...


async def yields_untyped():  # type: ignore[no-untyped-def]  # noqa: ANN201
    yield Database()


async def yields_wrong() -> Database:  # type: ignore[misc]
    yield Database()


def yields_wrong_too() -> AsyncIterator[Database]:  # type: ignore[misc]
    yield Database()


async def returns_what_yields() -> AsyncIterator[Database]:
    return async_generator()


async def yields_something() -> AsyncIterator:  # type: ignore[type-arg]
    yield Database()


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (untyped, "annotate what it yields or returns"),
        (none, "annotate what it yields or returns"),
        (yields_untyped, "annotate what it yields or returns"),
        (yields_wrong, r"must be AsyncIterator\[…\] or AsyncGenerator\[…\]"),
        (yields_wrong_too, r"must be Iterator\[…\] or Generator\[…\]"),
        (yields_something, r"must be AsyncIterator\[…\]"),
        (asynccontextmanager(async_generator), "without @asynccontextmanager"),
        (contextmanager(generator), "without @contextmanager"),
        (returns_what_yields, "write `yield` in the place of `return`"),
    ],
)
def test_a_declaration_that_does_not_say_what_it_provides(
    declared: Callable[..., Any], says: str
) -> None:
    """The error names the function, its place and what to write instead."""
    name = declared.__name__
    with pytest.raises(WiringError, match=rf"{name} \(.*test_provider.py:\d+\).*{says}"):
        provider_of(declared)


def test_a_lifetime_that_there_is_not() -> None:
    """A slip of the pen is refused where it is declared, with those that there are."""
    with pytest.raises(
        WiringError, match=r"function \(.*\): a lifetime is 'service' or 'call', not"
    ):
        provider_of(function, lifetime="cal")  # type: ignore[arg-type]


async def forgets() -> Database: ...  # type: ignore[empty-body]


async def yields_nothing() -> AsyncIterator[Database]:
    yield  # type: ignore[misc]


def another() -> Database:
    return 5  # type: ignore[return-value]


def unawaited() -> Database:
    return coroutine()  # type: ignore[return-value]


class Entered(Database):
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (forgets, "None, where its annotation says Database; is a `return` missing"),
        (yields_nothing, "None, where its annotation says Database; .* behind `yield`"),
        (another, "a int, where its annotation says Database$"),
        (unawaited, "a coroutine, where its annotation says Database; await it$"),
        (Entered, "None, where its annotation says Entered; is a `return` missing"),
    ],
)
async def test_what_is_not_provided_as_it_says(declared: Callable[..., Any], says: str) -> None:
    """The error names the function and its place; a forgotten ``return`` is not given out."""
    provider = provider_of(declared)
    async with provider.open() as value:
        with pytest.raises(UsageError, match=rf"^{declared.__name__} .* provides {says}"):
            provider.checked(value)
        if asyncio.iscoroutine(value):
            value.close()


async def test_a_class_may_be_entered_as_something_else() -> None:
    """What its ``__enter__`` gives is what it means, though it is of another class."""

    class Pool:
        def __enter__(self) -> Database:
            return Database()

        def __exit__(self, *_: object) -> None: ...

    provider = provider_of(Pool)
    async with provider.open() as value:
        assert isinstance(provider.checked(value), Database)


def test_a_provider_shows_its_name() -> None:
    """As logs and errors name it."""
    assert repr(provider_of(async_generator)) == "resource 'async_generator'"


async def test_a_provider_keeps_its_ping() -> None:
    """For the ready probe."""

    async def ping(database: Database) -> None: ...

    kept: Callable[[Any], Awaitable[None]] | None = provider_of(function, ping=ping).ping
    assert kept is ping
