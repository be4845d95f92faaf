"""What the tests of the service share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from mainstay import Call, Running, Scope, Service, Settings
from mainstay.core.call import Handler
from mainstay.core.metadata import Metadata
from mainstay.errors import UsageError
from mainstay.interfaces.server import ServerStatistics
from mainstay.service.phases import StopReport
from mainstay.service.settings import ShutdownSettings
from mainstay.testing.clock import VirtualLoop

FOR_EVER = 3600.0


class Database:
    """A thing that services need; `open` while it may be used."""

    open = True


class Cache(Database):
    """Another one."""


class Session(Database):
    """A thing that lives for one call."""


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


def stall(seconds: float) -> None:
    """What a machine does that stops for a while: nobody runs, and time passes."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop._now += seconds


class Events(list[str]):
    """What happened, in order, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, float] = {}

    def __call__(self, what: str) -> None:
        self.append(what)
        self.times[what] = now()


def within(seconds: float, **more: Any) -> Settings:
    """The settings with a shutdown of `seconds`."""
    return Settings(shutdown=ShutdownSettings(timeout=seconds), **more)


def running(service: Service, **more: Any) -> AbstractAsyncContextManager[Running]:
    """`Service.running` in the world of the test."""
    return service.running(effects=Scope.current().effects, **more)


def make(service: Service, **more: Any) -> Running:
    """A life of `service`, to be driven step by step."""
    settings = more.pop("settings", Settings())
    effects = Scope.current().effects
    return Running(service.declaration, settings=settings, effects=effects, **more)


def notes(report: StopReport) -> str:
    """Everything noted, as one text."""
    return "\n".join(note for phase in report.phases for note in phase.notes)


async def begun(service: Service, settings: Settings | None = None) -> Running:
    """A life of `service` that has started."""
    life = make(service, settings=settings or Settings())
    await life.start()
    return life


class Stubborn:
    """Work that swallows every cancellation, until the test lets it go with `release`.

    Attributes:
        cancellations: how many it swallowed.
    """

    def __init__(self) -> None:
        self.cancellations = 0
        self._released = asyncio.Event()

    async def hold(self) -> None:
        """Wait for `release`, whatever happens."""
        while not self._released.is_set():
            try:
                await self._released.wait()
            except asyncio.CancelledError:
                self.cancellations += 1

    async def release(self) -> None:
        """Let it end, and give it the turns it needs for that."""
        self._released.set()
        for _ in range(5):
            await asyncio.sleep(0)


class FakeServer:
    """A `mainstay.interfaces.server.Server` whose calls the test makes.

    Args:
        events: told of each step.
        name: shown in them.
        fail: the step that fails.
        slow: seconds that a step takes, by its name.
    """

    def __init__(
        self,
        events: Events,
        name: str = "server",
        fail: str = "",
        slow: Mapping[str, float] | None = None,
    ) -> None:
        self._events = events
        self._name = name
        self._fail = fail
        self._slow = slow or {}
        self.handler: Handler | None = None
        self.scope: Scope | None = None

    async def open(self, handler: Handler, scope: Scope) -> list[str]:
        """Bind nothing."""
        self.handler, self.scope = handler, scope
        await self._step("open")
        return [f"fake://{self._name}"]

    def accept(self) -> None:
        """Accept."""
        self._events(f"{self._name} accept")

    async def stop_accepting(self) -> None:
        """Stop that."""
        await self._step("stop_accepting")

    async def drain(self) -> None:
        """Drain."""
        await self._step("drain")

    async def aclose(self) -> None:
        """Close."""
        await self._step("aclose")

    def statistics(self) -> ServerStatistics:
        """Nothing to count."""
        return ServerStatistics(0, 0)

    async def call(self, method: str, request: Any = None, **scope: Any) -> Any:
        """Make a call as a peer would."""
        assert self.handler is not None
        with Scope(method, parent=self.scope, metadata=Metadata(), **scope) as own:
            return await self.handler(Call("fake", method, own, request))

    async def _step(self, step: str) -> None:
        await asyncio.sleep(self._slow.get(step, 0))
        if step == self._fail:
            raise UsageError(f"{step} went wrong")
        self._events(f"{self._name} {step}")

    def __repr__(self) -> str:
        return f"server {self._name!r}"


def resource(
    events: Events, name: str, provides: type, *, fail: str = "", closing: float = 0
) -> Callable[[], AsyncIterator[Any]]:
    """A resource that tells of its opening and closing, and may fail at either."""

    async def opened() -> AsyncIterator[Any]:
        if fail == "open":
            raise UsageError(f"{name} went wrong")
        events(f"open {name}")
        yield provides()
        await asyncio.sleep(closing)
        events(f"close {name}")
        if fail == "close":
            raise UsageError(f"{name} went wrong")

    opened.__name__ = opened.__qualname__ = name
    opened.__annotations__["return"] = AsyncIterator[provides]  # type: ignore[valid-type]
    return opened


@asynccontextmanager
async def released(stubborn: Stubborn) -> AsyncIterator[Stubborn]:
    """`stubborn`, let go at the end."""
    try:
        yield stubborn
    finally:
        await stubborn.release()
