"""Facts about `mainstay.service.wiring`."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from mainstay import Call, Handler, Scope, Service, Stream, StreamMiddleware
from mainstay.errors import WiringError
from mainstay.service.local import LocalStream
from mainstay.service.wiring import Wiring
from tests.service.parts import Cache, Database, Events


def wiring(service: Service, values: dict[Any, Any] | None = None) -> Wiring:
    """`service`, put together."""
    return Wiring(service.declaration, values or {})


def declare(service: Service, kind: str, function: Callable[..., Any]) -> None:
    """Declare `function` as one kind of thing."""
    add: dict[str, Callable[[Any], Any]] = {
        "handler": service.handler("m"),
        "resource": service.resource,
        "worker": service.worker,
        "every": service.every(1),
        "cron": service.cron("* * * * *"),
        "on_start": service.on_start,
        "on_drain": service.on_drain,
        "on_stop": service.on_stop,
        "probe": service.probe("ready"),
    }
    add[kind](function)


KINDS = (
    *("handler", "resource", "worker", "every", "cron"),
    *("on_start", "on_drain", "on_stop", "probe"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_function_is_checked_before_anything_starts(kind: str) -> None:
    """Whatever was declared: a parameter that nothing fills is found, with its place."""

    def asks(database: Database, cache: Cache) -> Callable[[], None]:
        raise AssertionError

    service = Service("s")
    declare(service, kind, asks)
    with pytest.raises(WiringError, match=r"asks \(.*test_wiring.py:\d+\).*(Database|Cache)"):
        wiring(service)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("handler", "resource")])
def test_a_function_that_yields_to_nobody_is_refused(kind: str) -> None:
    """A worker or hook written as a generator would never run."""

    async def yields() -> AsyncIterator[int]:
        yield 1

    def yields_too() -> Iterator[int]:
        yield 1

    for function in (yields, yields_too):
        service = Service("s")
        declare(service, kind, function)
        with pytest.raises(WiringError, match="yields, and nobody takes"):
            wiring(service)


async def test_runners_have_their_parameters_and_their_thread() -> None:
    """Coroutine functions run here, others in a thread; both get values and the scope."""
    got: list[Any] = []
    service = Service("s")

    @service.on_start
    async def first(number: int, scope: Scope) -> None:
        got.extend([number, scope is Scope.current(), threading.current_thread().name])

    @service.on_start
    def second(number: int, scope: Scope) -> None:
        got.extend([number, scope is Scope.current().parent, threading.current_thread().name])

    hooks = wiring(service, {int: 7}).hooks("start")
    with Scope("hook"):
        for _, run in hooks:
            await run()
    assert [name for name, _ in hooks] == [
        f"start hook {first.__qualname__!r}",
        f"start hook {second.__qualname__!r}",
    ]
    main, other = got.pop(2), got.pop(-1)
    assert got == [7, True, 7, True]
    assert main == threading.main_thread().name != other


class TestMiddleware:
    async def test_the_first_listed_runs_first_around_every_handler(self) -> None:
        """Those of the constructor, then those declared; in, and in reverse out."""
        events = Events()

        def layer(name: str) -> Callable[[Call, Handler], Awaitable[Any]]:
            async def around(call: Call, next: Handler) -> Any:
                events(f"{name} in")
                reply = await next(call)
                events(f"{name} out")
                return f"{reply} {name}"

            return around

        service = Service("s", middleware=[layer("a"), layer("b")])
        service.middleware(layer("c"))

        @service.handler("m")
        async def answer() -> str:
            events("answer")
            return "reply"

        with Scope("call") as scope:
            reply = await wiring(service).handlers()["m"](Call("test", "m", scope))
        assert events == ["a in", "b in", "c in", "answer", "c out", "b out", "a out"]
        assert reply == "reply c b a"

    async def test_it_spans_a_whole_stream_and_sees_its_messages(self) -> None:
        """The first listed is outermost for what is sent too: it sees what the inner ones made."""
        events = Events()

        def layer(name: str) -> Callable[[Call, Handler], Awaitable[Any]]:
            class Marked(StreamMiddleware):
                async def send(self, message: Any) -> None:
                    events(f"{name} sends {message}")
                    await self.inner.send(f"{message}{name}")

                async def receive(self) -> Any:
                    return f"{await self.inner.receive()}{name}"

            async def around(call: Call, next: Handler) -> Any:
                assert call.stream is not None
                call.stream = Marked(call.stream)
                reply = await next(call)
                events(f"{name} out")
                return reply

            return around

        service = Service("s", middleware=[layer("a"), layer("b")])

        @service.handler("m")
        async def echo(texts: AsyncIterator[str]) -> AsyncIterator[str]:
            async for text in texts:
                yield text

        ours = LocalStream(["x"], capacity=9)
        with Scope("call") as scope:
            await wiring(service).handlers()["m"](Call("test", "m", scope, None, ours))
        assert [message async for message in ours.replies] == ["xabba"]
        assert events == ["b sends xab", "a sends xabb", "b out", "a out"]

    async def test_it_can_answer_alone(self) -> None:
        """The handler does not run, and its resources are not opened."""
        service = Service("s")

        @service.middleware
        async def refuse(call: Call, next: Handler) -> str:
            return "no"

        @service.resource(lifetime="call")
        async def database() -> Database:
            raise AssertionError

        @service.handler("m")
        async def answer(database: Database) -> None:
            raise AssertionError

        with Scope("call") as scope:
            assert await wiring(service).handlers()["m"](Call("test", "m", scope)) == "no"

    async def test_a_tighter_scope_reaches_the_handler(self) -> None:
        """A handler's `Scope` is the innermost: what a middleware opened around it counts."""
        service = Service("s")

        @service.middleware
        async def hurry(call: Call, next: Handler) -> Any:
            with Scope("hurry", timeout=1):
                return await next(call)

        @service.handler("m")
        async def answer(scope: Scope) -> float:
            return scope.remaining()

        with Scope("call", timeout=9) as scope:
            assert await wiring(service).handlers()["m"](Call("test", "m", scope)) == 1


class TestChecks:
    async def test_ready_asks_pings_then_checks(self) -> None:
        """Pings of open resources by the resource's name; a ping may be any kind of function."""
        events = Events()
        service = Service("s")

        async def ping(cache: Cache) -> None:
            events(f"ping {cache.open}")

        def blocking(database: Database) -> None:
            events.append("ping blocking")

        def wrapped(number: list[int]) -> Awaitable[None]:
            return ping(Cache())

        service.resource(ping=blocking)(database)  # type: ignore[arg-type]
        service.resource(ping=ping)(cache)
        service.resource(ping=wrapped)(numbers)

        @service.probe("ready")
        async def own(cache: Cache) -> None:
            events("own")

        put = wiring(service)
        await put.container.open(Scope.current(), 1)
        checks = put.checks("ready")
        assert [check.name for check in checks] == [
            "database",
            "cache",
            "numbers",
            own.__qualname__,
        ]
        for check in checks:
            await check.run()
        assert events == ["ping blocking", "ping True", "ping True", "own"]
        assert put.checks("live") == []
        for living in reversed(put.container.living()):
            await living.close()


def database() -> Database:
    return Database()


def cache(database: Database) -> Cache:
    return Cache()


def numbers(cache: Cache) -> list[int]:
    return []


async def test_a_resource_asked_for_beside_its_overridden_user_is_open() -> None:
    """What only an overridden resource and a handler need is there for the handler."""
    service = Service("s")
    service.resource(database)
    service.resource(cache)

    @service.handler("m")
    async def ask(database: Database, cache: Cache) -> bool:
        return database.open

    put = Wiring(service.declaration, {}, {Cache: Cache()})
    await put.container.open(Scope.current(), 1)
    with Scope("call") as scope:
        assert await put.handlers()["m"](Call("test", "m", scope))
    await put.container.living()[0].close()


async def test_the_stream_is_the_call_s() -> None:
    """A handler that asks for its `Stream` gets the one that middleware put in place."""
    service = Service("s")
    marked = StreamMiddleware(LocalStream())

    @service.middleware
    async def around(call: Call, next: Handler) -> Any:
        call.stream = marked
        return await next(call)

    @service.handler("m")
    async def ask(stream: Stream) -> bool:
        return stream is marked

    with Scope("call") as scope:
        call = Call("test", "m", scope, None, LocalStream())
        assert await wiring(service).handlers()["m"](call)


def test_every_fault_is_told_at_once() -> None:
    """Two handlers and a hook that cannot be filled are three lines of one error."""
    service = Service("s")

    @service.handler("one")
    async def one(a: int, b: bytes) -> None: ...

    @service.handler("two")
    async def two(c: int, d: bytes) -> None: ...

    @service.on_start
    async def three(e: complex) -> None: ...

    with pytest.raises(WiringError) as caught:
        Wiring(service.declaration, {})
    lines = caught.value.message.splitlines()
    assert [name for name in ("one", "two", "three") for line in lines if f".{name} (" in line] == [
        "one",
        "two",
        "three",
    ]
