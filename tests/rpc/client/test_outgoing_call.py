"""The scope of a call with middleware: made when asked for, and as if it had always been there."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

import pytest

from mainstay.core.call import Call, Handler
from mainstay.core.scope import Key, Scope
from mainstay.errors import Cancelled, DeadlineExceeded
from mainstay.rpc.client.outgoing_call import OutgoingCall
from tests.rpc.client.world import World, settle, unary

NOTE = Key[str]("note")

Around = Callable[[Call, Handler], Awaitable[Any]]


async def call_with(around: Around, **options: Any) -> tuple[Any, World]:
    """The reply of a call with one middleware, in a scope with a deadline."""
    world = World()
    with Scope("around", timeout=60):
        async with world.channel(middleware=[around], **options) as channel:
            return await unary(channel)(b"q"), world


async def test_a_call_that_asks_for_no_scope_makes_none() -> None:
    """The deadline of the scope around it is sent, and that scope is current again at the end."""
    world = World()
    with Scope("around", timeout=60) as around:

        async def silent(call: Call, next: Handler) -> Any:
            assert Scope.nearest() is around
            reply = await next(call)
            assert around.children() == []
            return reply

        async with world.channel(middleware=[silent]) as channel:
            assert await unary(channel)(b"q") == b"q"
        assert Scope.current() is around
    assert world.heads[0][b"grpc-timeout"] == b"60000m"


async def test_whoever_asks_gets_the_same_scope() -> None:
    """The call, the code of the middleware, a scope inside, and a task that it starts."""

    async def asking(call: Call, next: Handler) -> Any:
        scope = call.scope
        assert scope is Scope.current() is Scope.nearest() is call.scope
        assert scope.name == "test.Service/Unary"
        assert scope.parent is not None
        assert scope.parent.name == "around"
        assert scope.deadline == scope.parent.deadline
        with Scope() as inner:
            assert inner.parent is scope
        return await next(call)

    async def in_a_task(call: Call, next: Handler) -> Any:
        async def look() -> Scope:
            return Scope.current()

        found = await asyncio.create_task(look())
        assert found is call.scope
        assert [*found.tasks()] == [asyncio.current_task()]
        return await next(call)

    assert (await call_with(asking))[0] == b"q"
    assert (await call_with(in_a_task))[0] == b"q"


async def test_values_stay_with_the_call() -> None:
    """What a middleware sets is seen inside, and not around it."""

    async def noting(call: Call, next: Handler) -> Any:
        call.scope.set(NOTE, "here")
        reply = await next(call)
        assert Scope.current().get(NOTE) == "here"
        return reply

    world = World()
    with Scope("around") as around:
        async with world.channel(middleware=[noting]) as channel:
            assert await unary(channel)(b"q") == b"q"
        assert around.get(NOTE) is None


async def test_a_middleware_may_cancel_the_scope_of_its_call() -> None:
    """The call ends on the wire, and the cause is what is raised, whenever the scope was made."""

    async def cancelling(call: Call, next: Handler) -> Any:
        asyncio.get_running_loop().call_soon(lambda: call.scope.cancel("enough"))
        return await next(call)

    world = World()
    world.answers = False
    with Scope("around") as around:
        async with world.channel(middleware=[cancelling]) as channel:
            await channel.wait_ready()
            with pytest.raises(Cancelled, match="enough"):
                await unary(channel)(b"q")
            await settle()
            assert world.side.resets == {1: 8}
        assert not around.cancelled
        assert around.children() == []
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_limit_inside_of_the_call_ends_it() -> None:
    """And is sent; the scope around it has more time."""

    async def limiting(call: Call, next: Handler) -> Any:
        with Scope("limit", timeout=0.02):
            return await next(call)

    world = World()
    world.answers = False
    with Scope("around", timeout=60):
        async with world.channel(middleware=[limiting]) as channel:
            with pytest.raises(DeadlineExceeded):
                await unary(channel)(b"q")
    assert int(world.heads[0][b"grpc-timeout"][:-1]) <= 20


@pytest.mark.parametrize("asks", [False, True])
async def test_the_scope_around_ends_the_call(asks: bool) -> None:
    """Its cause is raised where it was opened, and not before."""
    seen: list[type[BaseException]] = []

    async def watched(call: Call, next: Handler) -> Any:
        if asks:
            assert call.scope.parent is Scope.current().parent
        try:
            return await next(call)
        except BaseException as error:
            seen.append(type(error))
            raise

    world = World()
    world.answers = False
    async with world.channel(middleware=[watched]) as channel:
        with pytest.raises(Cancelled, match="all of it"), Scope("around") as around:
            asyncio.get_running_loop().call_soon(around.cancel, "all of it")
            try:
                await unary(channel)(b"q")
            except BaseException as error:
                seen.append(type(error))
                raise
    assert seen == [asyncio.CancelledError] * 2


async def test_a_call_of_another_task_ends_with_the_scope_around_it_too() -> None:
    """One that was started without the scope, and only knows it: its call has its own at once."""
    seen: list[bool] = []

    async def watched(call: Call, next: Handler) -> Any:
        assert isinstance(call, OutgoingCall)
        task = asyncio.current_task()
        assert task is not None
        seen.append(call.scope.holds(task))
        return await next(call)

    world = World()
    world.answers = False
    async with world.channel(middleware=[watched]) as channel:
        with Scope("around") as around:
            other = asyncio.create_task(unary(channel)(b"q"))
            await settle()
            assert [each.name for each in around.children()] == ["test.Service/Unary"]
            around.cancel("all of it")
            with pytest.raises(asyncio.CancelledError):
                await other
            assert seen == [True]


async def test_a_call_without_a_scope_around_has_its_own() -> None:
    """With the world of the channel."""
    found: list[Scope] = []

    async def asking(call: Call, next: Handler) -> Any:
        found.append(call.scope)
        assert Scope.current() is call.scope
        return await next(call)

    async def calling() -> None:
        async with World().channel(middleware=[asking]) as channel:
            assert await unary(channel)(b"q") == b"q"
            assert found[0].effects is channel.effects
        assert Scope.current_or_none() is None

    await asyncio.create_task(calling(), context=Context())
    assert found[0].parent is None


async def test_a_call_inside_of_a_middleware_belongs_to_the_call_around_it() -> None:
    """Such as one for a token: when its scope is made, that of the other one is, too."""
    names: list[list[str]] = []

    async def asking(call: Call, next: Handler) -> Any:
        scope: Any = call.scope
        names.append([])
        while scope is not None:
            names[-1].append(scope.name)
            scope = scope.parent
        return await next(call)

    world = World()
    with Scope("around"):
        async with world.channel(middleware=[asking]) as other:

            async def with_token(call: Call, next: Handler) -> Any:
                await unary(other)(b"token")
                return await next(call)

            async with world.channel(middleware=[with_token]) as channel:
                assert await unary(channel)(b"q") == b"q"
    assert [each[:3] for each in names] == [["test.Service/Unary", "test.Service/Unary", "around"]]


async def test_another_thread_sees_the_scope_around() -> None:
    """As long as nobody has asked on the thread of the call."""
    found: list[Scope] = []

    async def threaded(call: Call, next: Handler) -> Any:
        found.append(await asyncio.to_thread(Scope.current))
        found.append(call.scope)
        found.append(await asyncio.to_thread(Scope.current))
        return await next(call)

    assert (await call_with(threaded))[0] == b"q"
    around, own, again = found
    assert (around.name, own.name, own is again) == ("around", "test.Service/Unary", True)


async def test_after_the_end_there_is_a_scope_that_is_over() -> None:
    """For whoever kept the call; it holds nothing in the tree."""
    kept: list[Call] = []

    async def keeping(call: Call, next: Handler) -> Any:
        kept.append(call)
        return await next(call)

    world = World()
    with Scope("around") as around:
        async with world.channel(middleware=[keeping]) as channel:
            await unary(channel)(b"q")
        assert kept[0].scope.parent is around
        assert [*kept[0].scope.tasks()] == []
        assert around.children() == []


async def test_what_metadata_may_be() -> None:
    """Pairs or a mapping; a call has a list of its own."""
    call = OutgoingCall("grpc", "a.B/C", None)
    given = [("a", "1")]
    call.add(given)
    call.add({"b": "2"})
    call.add(None)
    assert call.metadata == [("a", "1"), ("b", "2")]
    assert given == [("a", "1")]
