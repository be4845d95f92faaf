"""Facts about `mainstay.process.lifeline`: the parent is played by the test, word for word."""

import asyncio
import os
import socket
from typing import Any, Self

import pytest

from mainstay.errors import BrokenError, ResourceError, ShuttingDown
from mainstay.net.registry import ListenRequest
from mainstay.process import lifeline
from mainstay.process.channel import Channel, channel_pair
from mainstay.process.lifeline import (
    PARENT,
    ParentLifeline,
    find_parent,
    noticed_by,
    tell_parent,
)
from mainstay.process.messages import (
    Abort,
    Commit,
    Failed,
    FromChild,
    FromParent,
    Heartbeat,
    Hello,
    Listen,
    Listener,
    Pause,
    Prepared,
    Progress,
    Serving,
    Welcome,
    decode_from_child,
    encode,
)

pytestmark = pytest.mark.real_loop

REQUEST = ListenRequest("tcp://127.0.0.1:0", 16, False, 0o600)


class Parent:
    """What a child talks to; `child` is its end."""

    def __init__(self) -> None:
        ours, theirs = channel_pair()
        self._heard: asyncio.Queue[FromChild] = asyncio.Queue()
        self.channel = Channel(ours, self._received, lambda: None)
        self.told: list[FromParent] = []
        self.orphaned: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.given_up: list[str] = []
        self.child = ParentLifeline(
            theirs.detach(),
            "secret",
            name="hello",
            settings={"probation": 3.0},
            told=self.told.append,
            orphaned=self.orphaned.set_result,
            given_up=self.given_up.append,
        )

    def _received(self, packet: bytes, descriptors: list[int]) -> None:
        assert not descriptors
        self._heard.put_nowait(decode_from_child(packet))

    async def hear(self, kind: type[Any]) -> Any:
        """The next word of the child but for `Progress`; it has to be of this kind."""
        while isinstance(message := await self._heard.get(), Progress):
            pass
        assert isinstance(message, kind)
        return message

    def say(self, message: FromParent, *descriptors: int) -> None:
        """Say something."""
        self.channel.send(encode(message), descriptors)

    async def welcome(self, role: str = "successor") -> None:
        """Get to know each other."""
        await self.hear(Hello)
        self.say(Welcome(1, role, 4, 2, 0.5, 99.0))
        await self.child.greeted()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.child.close()
        self.channel.close()


def test_a_parent_is_found_in_the_environment_once() -> None:
    """The descriptor is not inherited any further, and neither is the variable."""
    one, two = socket.socketpair()
    with one, two:
        two.set_inheritable(True)
        environ = {PARENT: f"{two.fileno()}:secret"}
        assert find_parent(environ) == (two.fileno(), "secret")
        assert environ == {}
        assert not two.get_inheritable()
        assert find_parent(environ) is None


@pytest.mark.parametrize("value", ["", "x:y", "12345:secret"])
def test_a_variable_that_names_no_descriptor(value: str, caplog: pytest.LogCaptureFixture) -> None:
    """Is reported, and the process starts without a parent."""
    assert find_parent({PARENT: value}) is None
    assert "names no open descriptor" in caplog.text


def test_the_last_word_of_a_process_that_comes_to_nothing() -> None:
    """Before there is an event loop; without a parent it is nobody's."""
    one, two = channel_pair()
    with one:
        tell_parent({PARENT: f"{two.detach()}:secret"}, "no such module", 4)
        assert decode_from_child(one.recv(1000)) == Failed("no such module", 4)
    tell_parent({}, "no such module", 4)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("asks", [True, False])
async def test_a_start_that_is_cancelled_as_the_parent_answers_is_cancelled(
    turns: int, asks: bool
) -> None:
    """In whichever turn of the loop; a start that went on would wait for the word to serve."""
    with Parent() as parent:
        if asks:
            await parent.welcome()
            waiting: asyncio.Future[Any] = asyncio.ensure_future(parent.child.listen(REQUEST))
            await parent.hear(Listen)
            answer: FromParent = Listener(1, False)
        else:
            waiting = asyncio.ensure_future(parent.child.greeted())
            await asyncio.sleep(0)
            answer = Welcome(1, "successor", 4, 2, 0.5, 99.0)
        parent.child._received(encode(answer), [])
        for _ in range(turns):
            await asyncio.sleep(0)
        done = waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled() is not done


async def test_it_introduces_itself() -> None:
    """And learns what it is."""
    with Parent() as parent:
        hello = await parent.hear(Hello)
        assert hello == Hello([1], "secret", os.getpid(), "hello", {"probation": 3.0})
        parent.say(Welcome(1, "worker", 4, 2, 0.5, 99.0))
        await parent.child.greeted()
        child = parent.child
        assert (child.role, child.generation, child.index) == ("worker", 4, 2)
        assert (child.heartbeat, child.started) == (0.5, 99.0)


async def test_a_version_that_it_does_not_speak_ends_it() -> None:
    """The parent is to see to it that this does not happen; the child looks all the same."""
    with Parent() as parent:
        parent.say(Welcome(99, "successor", 1))
        with pytest.raises(BrokenError, match="version 99"):
            await parent.child.greeted()
        assert "version 99" in parent.given_up[0]


@pytest.mark.parametrize("role", ["worker", "successor"])
async def test_a_socket_is_taken_over(role: str) -> None:
    """Its path is the taker's to remove only if the parent leaves."""
    with Parent() as parent, socket.create_server(("127.0.0.1", 0)) as held:
        await parent.welcome(role)
        asked = asyncio.ensure_future(parent.child.listen(REQUEST))
        question = await parent.hear(Listen)
        assert question == Listen(1, "tcp://127.0.0.1:0", 16, False, 0o600)
        parent.say(Listener(1, True, inode=(3, 4)), held.fileno())
        granted = await asked
        assert granted is not None
        with granted.socket as taken:
            assert taken.getsockname() == held.getsockname()
            assert not taken.get_inheritable()
            assert not taken.getblocking()
        assert (granted.inode, granted.owned) == ((3, 4), role == "successor")


async def test_a_socket_that_nobody_holds() -> None:
    """Is the child's to bind, unless the parent says why it cannot be had."""
    with Parent() as parent:
        await parent.welcome()
        asked = asyncio.ensure_future(parent.child.listen(REQUEST))
        await parent.hear(Listen)
        parent.say(Listener(1, False))
        assert await asked is None
        again = asyncio.ensure_future(parent.child.listen(REQUEST))
        assert (await parent.hear(Listen)).number == 2
        parent.say(Listener(2, False, "somebody has it"))
        with pytest.raises(ResourceError, match="somebody has it"):
            await again


async def test_a_descriptor_that_is_lost_or_wrong() -> None:
    """The kernel knows what it is, whatever the parent says."""
    with Parent() as parent:
        await parent.welcome()
        asked = asyncio.ensure_future(parent.child.listen(REQUEST))
        await parent.hear(Listen)
        parent.say(Listener(1, True))
        with pytest.raises(ResourceError, match="ulimit -n"):
            await asked
        again = asyncio.ensure_future(parent.child.listen(REQUEST))
        await parent.hear(Listen)
        with socket.socket() as deaf:
            parent.say(Listener(2, True), deaf.fileno())
            with pytest.raises(ResourceError, match="does not listen"):
                await again


async def test_garbage_and_descriptors_that_nobody_asked_for_are_dropped() -> None:
    """Nothing stays open, and the next word counts."""
    reading, writing = os.pipe()
    with Parent() as parent:
        parent.channel.send(b"\x00", [writing])
        parent.say(Listener(9, True), writing)
        parent.say(Pause(), writing)
        os.close(writing)
        await parent.welcome()
        assert parent.told == [Pause()]
        assert os.read(reading, 1) == b""  # nobody has the other end any more
    os.close(reading)


async def prepared(parent: Parent, role: str = "successor") -> "asyncio.Future[None]":
    """Bring the child to where it waits for the word."""
    await parent.welcome(role)
    waiting = asyncio.ensure_future(parent.child.prepared(["tcp://x:1"]))
    assert await parent.hear(Prepared) == Prepared(["tcp://x:1"])
    return waiting


async def test_it_serves_when_it_is_told_to() -> None:
    """And says so; then it tells how it is, in every heartbeat, until it leaves."""
    with Parent() as parent:
        waiting = await prepared(parent)
        assert not waiting.done()
        parent.say(Commit())
        await waiting
        parent.child.serving()
        await parent.hear(Serving)
        requests = iter(range(100))
        parent.child.heartbeat = 0.01
        parent.child.beat(lambda: Heartbeat(1, 2, next(requests), 4))
        for number in range(3):
            assert await parent.hear(Heartbeat) == Heartbeat(1, 2, number, 4)
        parent.child.close()
        left = next(requests)
        later = asyncio.Event()  # a timer that is due after the next beat would have been
        asyncio.get_running_loop().call_later(5 * parent.child.heartbeat, later.set)
        await later.wait()
        assert next(requests) == left + 1
        assert parent.given_up == []


async def test_it_gives_up_when_it_is_told_to() -> None:
    """Though the end of the channel follows at once, it takes nothing over."""
    with Parent() as parent:
        waiting = await prepared(parent)
        parent.say(Abort("the operator changed their mind"))
        parent.channel.close()
        with pytest.raises(ShuttingDown, match="changed their mind"):
            await waiting
        assert len(parent.given_up) == 1


async def test_a_prepared_successor_takes_over_from_a_dead_parent() -> None:
    """It is the last who holds the queue; it learns that it is alone once it serves."""
    with Parent() as parent:
        waiting = await prepared(parent)
        parent.channel.close()
        await waiting
        parent.child.serving()
        assert await parent.orphaned == "successor"
        assert parent.given_up == []


@pytest.mark.parametrize("role", ["worker", "successor"])
async def test_without_its_parent_it_does_not_start(role: str) -> None:
    """A successor that is not prepared yet, and a worker that is: both would be nobody's."""
    with Parent() as parent:
        if role == "worker":
            waiting = await prepared(parent, role)
        else:
            await parent.welcome()
            waiting = asyncio.ensure_future(_ask(parent))
            await parent.hear(Listen)
        parent.channel.close()
        with pytest.raises(ShuttingDown, match="the parent is gone"):
            await waiting
        assert parent.given_up == ["the parent is gone"]


async def _ask(parent: Parent) -> None:
    await parent.child.listen(REQUEST)


@pytest.mark.parametrize("role", ["worker", "successor"])
async def test_an_orphan_that_serves_is_told_so(role: str) -> None:
    """What it makes of that depends on its role."""
    with Parent() as parent:
        waiting = await prepared(parent, role)
        parent.say(Commit())
        await waiting
        parent.child.serving()
        parent.channel.close()
        assert await parent.orphaned == role


async def test_whoever_watches_learns_that_the_loop_has_noticed() -> None:
    """Once the parent is gone, and not before."""
    noticed: list[str] = []
    noticed_by(lambda: noticed.append("noticed"))
    try:
        with Parent() as parent:
            waiting = await prepared(parent, "worker")
            assert noticed == []
            parent.channel.close()
            with pytest.raises(ShuttingDown):
                await waiting
        assert noticed == ["noticed"]
    finally:
        noticed_by(lambda: None)


async def test_a_parent_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is waited for with a bound."""
    monkeypatch.setattr(lifeline, "PATIENCE", 0.01)
    with Parent() as parent:
        with pytest.raises(BrokenError, match=r"did not answer within 0\.01 s"):
            await parent.child.greeted()
        parent.say(Welcome(1, "successor", 1))
        await parent.hear(Hello)
        with pytest.raises(BrokenError, match=r"hand over tcp://127\.0\.0\.1:0 in time"):
            await parent.child.listen(REQUEST)
