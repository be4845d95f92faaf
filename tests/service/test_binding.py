"""Facts about `mainstay.service.binding`."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from mainstay import Call, Scope, Service, Stream
from mainstay.core.call import Handler
from mainstay.errors import (
    DeadlineExceeded,
    InvalidRequest,
    ShuttingDown,
    UsageError,
    WiringError,
)
from mainstay.http.call import HttpCall
from mainstay.http.request import Request
from mainstay.service.binding import CLEANUP, bind, handler_of, sources_of
from mainstay.service.container import Container
from mainstay.service.local import LocalStream
from mainstay.service.provider import provider_of
from mainstay.testing.exchange import MemoryExchange
from tests.service.parts import FOR_EVER, Cache, Database, Events, Session, now

EMPTY = Container([], {})


def handler(function: Callable[..., Any], container: Container = EMPTY) -> Handler:
    """`function` as a handler."""
    return handler_of(bind(function, container, request=True), container)


async def call(function: Callable[..., Any], request: Any = None, *resources: Any) -> Any:
    """Answer one call with `function`; `resources` live for one call."""
    container = Container([provider_of(each, lifetime="call") for each in resources], {int: 7})
    with Scope("call") as scope:
        return await handler(function, container)(Call("test", "m", scope, request))


async def stream(function: Callable[..., Any], *messages: Any) -> tuple[Any, list[Any]]:
    """What `function` returns and sends, as the handler of a streaming call."""
    ours = LocalStream(messages, capacity=100)
    with Scope("call") as scope:
        returned = await handler(function)(Call("test", "m", scope, None, ours))
    ours.replies.close()
    return returned, [message async for message in ours.replies]


class TestHandlers:
    async def test_a_coroutine_is_awaited(self) -> None:
        """Its parameters by type, the one left is the request."""

        async def hello(name: str, number: int, scope: Scope, call: Call) -> str:
            return f"{name} {number} {scope.name} {call.method}"

        assert await call(hello, "Ada") == "Ada 7 call m"

    async def test_a_plain_function_runs_in_a_thread(self) -> None:
        """With its scope carried along, a child of the call's."""

        def hello(name: str, scope: Scope) -> tuple[str, bool, Any]:
            here = threading.current_thread() is threading.main_thread()
            return name, here, Scope.current().parent is scope

        assert await call(hello, "Ada") == ("Ada", False, True)

    async def test_an_async_generator_is_sent(self) -> None:
        """Item by item, and the stream is closed after the last."""

        async def count(scope: Scope) -> AsyncIterator[int]:
            yield 1
            yield 2

        assert await stream(count) == (None, [1, 2])

    async def test_a_stream_can_be_asked_for(self) -> None:
        """For handlers that want the four events themselves."""

        async def echo(stream: Stream) -> None:
            await stream.send(await stream.receive())
            await stream.close()

        assert await stream(echo, "a") == (None, ["a"])

    async def test_the_messages_of_the_peer_are_an_async_iterator(self) -> None:
        """Client streaming: many in, one out. Both directions: many in, many out."""

        async def total(numbers: AsyncIterator[int]) -> int:
            return sum([number async for number in numbers])

        async def doubled(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
            async for number in numbers:
                yield 2 * number

        assert await stream(total, 1, 2, 3) == (6, [])
        assert await stream(doubled, 1, 2, 3) == (None, [2, 4, 6])

    @pytest.mark.parametrize("number", [0, 1, 2])
    async def test_a_streaming_handler_wants_a_streaming_call(self, number: int) -> None:
        """Called for a single reply, it is the caller's error."""

        async def sends() -> AsyncIterator[int]:
            yield 1

        async def receives(numbers: AsyncIterator[int]) -> int:
            return 1

        async def both(stream: Stream) -> None: ...

        with pytest.raises(InvalidRequest, match="m streams, and was called for a single reply"):
            await call((sends, receives, both)[number])

    async def test_a_generator_that_is_left_is_closed_at_once(self) -> None:
        """Its ``finally`` runs when the caller leaves, and does not wait for the collector."""
        events = Events()

        async def count() -> AsyncIterator[int]:
            try:
                yield 1
                yield 2
            finally:
                events("closed")

        class Broken(LocalStream):
            async def send(self, message: Any) -> None:
                raise ConnectionError

        with Scope("call") as scope, pytest.raises(ConnectionError):
            await handler(count)(Call("test", "m", scope, None, Broken()))
        assert events == ["closed"]

    async def test_a_handler_without_parameters(self) -> None:
        """The request is dropped."""

        async def hello() -> str:
            return "hello"

        assert await call(hello, "ignored") == "hello"

    async def test_an_untyped_parameter_takes_the_request(self) -> None:
        """One parameter is left, so it is the request, annotated or not."""

        async def hello(name):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            return name

        assert await call(hello, "Ada") == "Ada"

    async def test_the_request_is_the_parameter_without_a_default(self) -> None:
        """The others keep theirs; if all have one, the first is the request."""

        async def needed(a: str = "a", *, b: str, c: str = "c") -> str:
            return a + b + c

        async def optional(a: str = "a", c: str = "c") -> str:
            return a + c

        assert await call(needed, "B") == "aBc"
        assert await call(optional, "A") == "Ac"

    async def test_a_wrapped_coroutine_function_is_awaited(self) -> None:
        """A plain decorator around ``async def`` does not change the answer."""

        async def hello(name: str) -> str:
            return f"hello {name}"

        @functools.wraps(hello)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return hello(*args, **kwargs)

        assert await call(wrapper, "Ada") == "hello Ada"

    async def test_a_method_is_a_handler(self) -> None:
        """A class may hold handlers."""

        class Greeter:
            greeting = "hello"

            async def greet(self, name: str) -> str:
                return f"{self.greeting} {name}"

        assert await call(Greeter().greet, "Ada") == "hello Ada"


class TestWhatCannotBeBound:
    def test_two_requests(self) -> None:
        """A handler takes one; the error names both parameters, and what could be provided."""

        def hello(first: str, second: str) -> None: ...

        with pytest.raises(WiringError, match=r"hello \(.*:\d+\).*first: str, second: str"):
            bind(hello, EMPTY, request=True)

    def test_nothing_provides_it(self) -> None:
        """Outside of handlers there is no request."""

        def work(database: Database) -> None: ...

        with pytest.raises(WiringError, match=r"work \(.*nothing provides Database .*'database'"):
            bind(work, EMPTY)

    @pytest.mark.parametrize("annotation", [Call, Stream, Session])
    def test_there_is_no_call(self, annotation: Any) -> None:
        """A worker or hook cannot have what lives for one call."""

        def session() -> Session:
            return Session()

        def work(it) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

        work.__annotations__["it"] = annotation
        container = Container([provider_of(session, lifetime="call")], {})
        with pytest.raises(WiringError, match=r"work \(.*runs outside of any call.*: it"):
            bind(work, container)

    def test_a_generator_that_is_not_async(self) -> None:
        """Found when the service is put together, not when it starts."""

        def count() -> Iterator[int]:
            yield 1

        with pytest.raises(WiringError, match=r"count \(.*yields: make it `async def`"):
            bind(count, EMPTY, request=True)

    def test_a_default_saves_what_nothing_provides(self) -> None:
        """An optional dependency."""

        def work(database: Database | None = None) -> None: ...

        assert bind(work, EMPTY).service == {}


class TestResourcesOfACall:
    async def test_they_open_and_close_around_the_call(self) -> None:
        """Needed ones first, each once however many ask, closed in reverse."""
        events = Events()

        async def database(call: Call, scope: Scope) -> AsyncIterator[Database]:
            events(f"open database for {call.method} in {scope.name}")
            yield Database()
            events("close database")

        def cache(database: Database, number: int) -> Iterator[Cache]:
            events.append("open cache")
            yield Cache()
            events.append("close cache")

        async def work(cache: Cache, database: Database, text: str) -> str:
            events(text)
            return "done"

        assert await call(work, "work", cache, database) == "done"
        assert events == [
            "open database for m in call",
            "open cache",
            "work",
            "close cache",
            "close database",
        ]

    async def test_one_instance_is_shared_within_a_call_and_not_between_calls(self) -> None:
        """Whoever asks within one call gets the same."""

        def database() -> Database:
            return Database()

        async def cache(database: Database) -> AsyncIterator[list[Database]]:
            yield [database]

        async def work(databases: list[Database], database: Database) -> Database:
            assert databases == [database]
            return database

        first = await call(work, None, cache, database)
        assert first is not await call(work, None, cache, database)

    async def test_one_that_gives_nothing_fails_the_call(self) -> None:
        """The error is about the resource, and not about what the handler does with None."""

        def database() -> Database: ...  # type: ignore[empty-body]

        async def work(database: Database) -> None:
            raise AssertionError

        with pytest.raises(UsageError, match=r"database \(.*\) provides None"):
            await call(work, None, database)

    async def test_they_see_the_error_of_the_handler(self) -> None:
        """So that a transaction can roll back; the caller gets the same error."""
        events = Events()

        async def database() -> AsyncIterator[Database]:
            try:
                yield Database()
            except ValueError:
                events("rollback")
                raise

        async def work(database: Database) -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await call(work, None, database)
        assert events == ["rollback"]

    @pytest.mark.parametrize("reason", ["deadline", "cancel"])
    async def test_cleanup_is_shielded_when_the_call_is_cancelled(self, reason: str) -> None:
        """The cancellation is visible at the ``yield``; what the cleanup awaits is not cut."""
        events = Events()

        async def database() -> AsyncIterator[Database]:
            try:
                yield Database()
            except asyncio.CancelledError:
                await asyncio.sleep(CLEANUP - 1)
                events("rollback")
                raise

        async def work(database: Database) -> None:
            await asyncio.sleep(FOR_EVER)

        timeout = 1 if reason == "deadline" else None
        with (
            pytest.raises(DeadlineExceeded if timeout else ShuttingDown),
            Scope("outer", timeout=timeout) as scope,
        ):
            asyncio.get_running_loop().call_later(1, scope.cancel, ShuttingDown("it stops"))
            await call(work, None, database)
        assert events.times["rollback"] == pytest.approx(CLEANUP, abs=0.1)

    async def test_cleanup_has_a_bound(self) -> None:
        """A rollback that hangs is cut after `CLEANUP` seconds."""
        events = Events()

        async def database() -> AsyncIterator[Database]:
            try:
                yield Database()
            finally:
                try:
                    await asyncio.sleep(FOR_EVER)
                finally:
                    events("cut")

        async def work(database: Database) -> str:
            return "done"

        with pytest.raises(DeadlineExceeded, match="5 s"):
            await call(work, None, database)
        assert now() == pytest.approx(CLEANUP, abs=0.1)
        assert events == ["cut"]

    async def test_a_failing_opening_closes_what_had_opened(self) -> None:
        """The handler does not run, and the caller gets the error."""
        events = Events()

        async def database() -> AsyncIterator[Database]:
            yield Database()
            events("never")

        async def closed(database: Database) -> AsyncIterator[Cache]:
            try:
                yield Cache()
            finally:
                events("closed")

        async def failing(cache: Cache) -> Session:
            raise ValueError("no")

        async def work(session: Session) -> None:
            events("never")

        with pytest.raises(ValueError, match="no"):
            await call(work, None, database, closed, failing)
        assert events == ["closed"]

    async def test_they_span_a_whole_stream(self) -> None:
        """Closed after the last message, not after the first."""
        events = Events()

        async def database() -> AsyncIterator[Database]:
            events("open")
            yield Database()
            events("close")

        async def count(database: Database) -> AsyncIterator[int]:
            yield 1
            events("between")
            yield 2

        ours = LocalStream(capacity=100)
        container = Container([provider_of(database, lifetime="call")], {})
        with Scope("call") as scope:
            await handler(count, container)(Call("test", "m", scope, None, ours))
        assert events == ["open", "between", "close"]


class TestOptionalParameters:
    """What a handler can do without."""

    async def test_a_default_holds_for_a_call_without_a_request(self) -> None:
        """Whoever calls without a request means the default, and whoever gives one means that."""
        service = Service("s")

        @service.handler("greet")
        async def greet(name: str = "world") -> str:
            return f"Hello, {name}"

        async with service.running() as running:
            assert await running.call("greet") == "Hello, world"
            assert await running.call("greet", "Ada") == "Hello, Ada"

    async def test_an_optional_resource_is_given_when_there_is_one(self) -> None:
        """`Database | None` is the database of a service that has one, and never the request."""
        service = Service("s")
        service.resource(Database)

        @service.handler("ask")
        async def ask(request: str, database: Database | None = None) -> str:
            return f"{request} {type(database).__name__}"

        async with service.running() as running:
            assert await running.call("ask", "who") == "who Database"

    def test_a_handler_without_a_name_is_refused(self) -> None:
        """`@service.handler` without parentheses would otherwise register nothing."""
        service = Service("s")
        with pytest.raises(WiringError, match="needs the name that is called"):
            service.handler(lambda name: name)  # type: ignore[arg-type]


async def test_the_request_of_http_is_brought_by_calls_that_came_so() -> None:
    """A handler that asks for it is told when it was called otherwise."""

    async def greet(request: Request) -> str:
        return request.path

    container = Container([], {})
    binding = bind(greet, container, request=True)
    assert binding.brought == {"request": Request}
    handle = handler_of(binding, container)
    here = Scope.current()
    exchange = MemoryExchange(target="/a%20b")
    assert await handle(HttpCall("http", "greet", here, exchange, None, {})) == "/a b"
    with pytest.raises(UsageError, match="greet was called by local, and asks for an HTTP request"):
        await handle(Call("local", "greet", here))


def test_parameters_that_stand_apart_are_left() -> None:
    """Somebody else fills them, whatever their types are."""

    async def read(number: int, other: int, text: str, scope: Scope) -> None: ...

    sources = sources_of(read, Container([], {int: 1}), apart={"number"})
    assert [parameter.name for parameter in sources.left] == ["number", "text"]
    assert sources.service == {"other": int}
    assert sources.brought == {"scope": Scope}
    assert sources.call == {}
