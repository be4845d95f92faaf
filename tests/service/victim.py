"""A service to be signalled: run as a program, with what it is to get stuck in as first argument.

It says on stdout, a line each, how far it is; ``here`` when it is where it was told to get stuck, and
``heard NAME`` when the handler of a signal has begun to count.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from mainstay import Call, Handler, Running, Scope, Service
from mainstay.interfaces.server import ServerStatistics
from mainstay.service import signals
from mainstay.service.phases import Phase, Plan
from mainstay.service.signals import Action, SignalPolicy

STUCK, *FLAGS = sys.argv[1:]
if "--plain" in FLAGS:
    FLAGS.remove("--plain")
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # as if it were not installed
if "--together" in FLAGS:
    FLAGS.remove("--together")
    signals.TOGETHER = 3600.0  # type: ignore[misc]  # two signals are one, however late the second
FOR_EVER = 3600.0
service = Service("victim")


class First:
    """What opens first and closes last."""


class Second:
    """What needs it."""


def say(what: str) -> None:
    os.write(1, f"{what}\n".encode())


receive = SignalPolicy.receive
graceful = Plan.graceful


def tell(policy: SignalPolicy, number: int, now: float) -> Action:
    """Say that a signal counts from now."""
    action = receive(policy, number, now)
    say(f"heard {signal.Signals(number).name}")
    return action


def impatient(timeout: float, pre_stop_delay: float) -> Plan:
    """The plan of a stop that drains for a moment, and cancels for as long as it may."""
    plan = graceful(timeout, pre_stop_delay)
    before = list(Phase)[: list(Phase).index(Phase.CANCEL)]
    plan.ends.update({phase: min(plan.ends[phase], 0.3) for phase in before})
    return plan


SignalPolicy.receive = tell  # type: ignore[method-assign, assignment]
if STUCK == "cancel":
    Plan.graceful = impatient  # type: ignore[method-assign]


async def stick(place: str) -> None:
    """Get stuck if this is the place; a cancellation helps, unless it is the loop that is stuck."""
    block(f"loop at {place}")
    if place == STUCK:
        say("here")
        await asyncio.sleep(FOR_EVER)


def block(place: str) -> None:
    """Block the thread if this is the place; nothing helps."""
    if place == STUCK:
        say("here")
        time.sleep(3600)


async def swallow(place: str, when: Callable[[], Awaitable[Any]]) -> None:
    """Once `when` says so, swallow every cancellation if this is the place."""
    if place not in STUCK:
        return
    while True:
        try:
            await when()
        except asyncio.CancelledError:
            block(f"loop at {place}")
            say("here")


@service.resource
async def first() -> AsyncIterator[First]:
    await stick("opening")
    yield First()
    say("closed first")


@service.resource
async def second(first: First) -> AsyncIterator[Second]:
    yield Second()
    await stick("closing")
    say("closed second")


@service.on_start
async def begin() -> None:
    await stick("start")
    if STUCK == "failing start":
        raise ValueError("no")


class Server:
    """Accepts nothing."""

    async def open(self, handler: Handler, scope: Scope) -> list[str]:
        return []

    def accept(self) -> None:
        say("ready")

    async def stop_accepting(self) -> None:
        say("stop accepting")
        await stick("stop accepting")

    async def drain(self) -> None:
        return

    async def aclose(self) -> None:
        return

    def statistics(self) -> ServerStatistics:
        return ServerStatistics(0, 0)


service.add_server(Server())


@service.worker(drain=True)
async def deaf() -> None:
    await swallow("cancel", lambda: asyncio.sleep(FOR_EVER))


@service.worker
async def blocker(scope: Scope) -> None:
    while scope.draining is False and STUCK == "loop while running":
        await asyncio.sleep(0)
        block("loop while running")


if STUCK == "thread":  # elsewhere it could be cut before its thread has run at all

    @service.worker
    def thread() -> None:
        block("thread")


@service.worker
async def failing() -> None:
    if STUCK == "exit":
        raise SystemExit(5)


@service.on_drain
async def drain() -> None:
    say("drain")
    await stick("drain")
    if STUCK == "half a second of drain":
        await asyncio.sleep(0.5)


@service.on_stop
async def stop() -> None:
    say("close")
    await stick("close")


@service.middleware
async def around(call: Call, next: Handler) -> Any:
    return await next(call)


@service.on_start
async def user_thread(life: Running) -> None:
    if STUCK == "user thread":
        threading.Thread(target=time.sleep, args=(FOR_EVER,), name="user").start()


if __name__ == "__main__":
    code = service.run(files=[], flags=["mainstay.log.format=json", *FLAGS])
    say(f"returned {code}")
    if STUCK == "user thread":
        os._exit(code)
    sys.exit(code)
