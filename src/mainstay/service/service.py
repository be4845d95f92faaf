"""The service as its author writes it: an object to which decorators add what it is made of.

Declaring starts nothing and imports little; the machinery is loaded by `Service.run` and
`Service.running`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from mainstay.core.backoff import Backoff
from mainstay.core.effects import Effects
from mainstay.core.middleware import Layer
from mainstay.core.signature import where
from mainstay.errors import WiringError
from mainstay.interfaces.server import Server
from mainstay.service.answering import Answering
from mainstay.service.declaration import Declaration, HookKind
from mainstay.service.importing import refuse_to_run
from mainstay.service.probes import ProbeKind
from mainstay.service.provider import Lifetime, Ping, provider_of
from mainstay.service.rpc_answering import AnsweringRpc
from mainstay.service.schedule import Cron, Every, Trigger
from mainstay.service.workers import Job, Restart, Worker

if TYPE_CHECKING:
    from mainstay.service.asgi import ServiceAsgi
    from mainstay.service.running import Running
    from mainstay.service.settings import Settings
    from mainstay.service.web import Front

__all__ = ["Service"]

F = TypeVar("F", bound=Callable[..., Any])
L = TypeVar("L", bound=Layer)
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")


class Service(Answering, AnsweringRpc):
    """Handlers, resources, workers and servers under one lifecycle::

        service = Service("hello")

        @service.handler("hello")
        async def hello(name: str) -> str:
            return f"Hello, {name}!"

        if __name__ == "__main__":
            raise SystemExit(service.run())

    Args:
        name: lower-case letters, digits and dashes, a letter first; it names the configuration
            file (``hello.toml``) and the environment variables (``HELLO__…``).
        config: the type of the service's own configuration, which handlers and resources can ask
            for; a `msgspec.Struct`, dataclass or pydantic model.
        middleware: around every handler; the first listed runs first. Its parameters beyond the
            call and the next handler are filled by type, and `configured` makes some at start.
        title: what people call it, in the description of its interface; the name unless given.
        version: of that interface.
        description: of that interface, in CommonMark.

    Raises: WiringError for a name that cannot be one.
    """

    def __init__(
        self,
        name: str,
        *,
        config: type | None = None,
        middleware: Sequence[Layer] = (),
        title: str = "",
        version: str = "0.0.0",
        description: str = "",
    ) -> None:
        if not _NAME.fullmatch(name):
            message = (
                f"{name!r} cannot name a service: use up to 63 lower-case letters, digits and "
                "dashes, a letter first"
            )
            raise WiringError(message)
        self.declaration = Declaration(
            name,
            config,
            list(middleware),
            title=title,
            version=version,
            description=description,
        )
        self._asgi: ServiceAsgi | None = None

    @property
    def name(self) -> str:
        """The service's name."""
        return self.declaration.name

    # --- what answers ---------------------------------------------------------------------------

    def handler(self, method: str) -> Callable[[F], F]:
        """Answer calls to `method` with the decorated function.

        Its parameters are filled by type: `Scope`, `Call`, the configuration, resources; the one
        left takes the request. ``async def`` is awaited, ``def`` runs in a thread, an async
        generator streams.

        Raises: WiringError when the method has a handler already; both are named.
        """
        if not isinstance(cast("object", method), str):
            message = (
                f"@service.handler needs the name that is called, such as 'greet', not {method!r}"
            )
            raise WiringError(message)

        def add(function: F) -> F:
            other = self.declaration.handlers.setdefault(method, function)
            if other is not function:
                message = (
                    f"{method!r} is answered twice: by {where(other)} and by {where(function)}"
                )
                raise WiringError(message)
            return function

        return add

    def middleware(self, function: L) -> L:
        """Put the decorated function around every handler, inside those listed before it."""
        self.declaration.middleware.append(function)
        return function

    def add_server(self, server: Server) -> None:
        """Let `server` bring calls from outside."""
        self.declaration.servers.append(server)

    def server(self, function: F) -> F:
        """Let the server that the decorated function makes bring calls from outside.

        Its parameters are filled by type, so that an address can come from the configuration. It
        must not block: opening is the server's own affair.
        """
        self.declaration.servers.append(function)
        return function

    # --- what they need -------------------------------------------------------------------------

    @overload
    def resource(self, function: F) -> F: ...
    @overload
    def resource(
        self, *, lifetime: Lifetime = "service", ping: Ping | None = None
    ) -> Callable[[F], F]: ...
    def resource(
        self,
        function: F | None = None,
        *,
        lifetime: Lifetime = "service",
        ping: Ping | None = None,
    ) -> F | Callable[[F], F]:
        """Provide what the decorated function yields or returns to all who ask for its type.

        Args:
            function: see `mainstay.service.provider` for the kinds it may be of.
            lifetime: ``service``: opened before the service answers, closed after its drain, in
                reverse order; ``call``: opened for each call that asks for it.
            ping: asks it whether it works; part of the ``ready`` probe; fails by raising.

        Raises: WiringError when the function does not say what it provides.
        """

        def add(function: F) -> F:
            provider = provider_of(function, lifetime=lifetime, ping=ping)
            self.declaration.resources.append(provider)
            return function

        return add if function is None else add(function)

    # --- what works in the background -----------------------------------------------------------

    @overload
    def worker(self, function: F) -> F: ...
    @overload
    def worker(
        self,
        *,
        restart: Restart = "on-failure",
        backoff: Backoff | None = None,
        give_up_after: int | None = 5,
        drain: bool = False,
    ) -> Callable[[F], F]: ...
    def worker(
        self,
        function: F | None = None,
        *,
        restart: Restart = "on-failure",
        backoff: Backoff | None = None,
        give_up_after: int | None = 5,
        drain: bool = False,
    ) -> F | Callable[[F], F]:
        """Keep the decorated function running while the service runs.

        Args:
            function: its parameters are filled by type.
            restart: ``on-failure``; ``always``, also when it returns; ``never``: its failure ends
                the service.
            backoff: the waits between its starts; 1 s, growing to 30 s.
            give_up_after: failures in a row that end the service; None to try for ever.
            drain: it ends by itself once `Scope.draining` is set, and is waited for; any other
                worker is cancelled when the last call has ended.
        """

        def add(function: F) -> F:
            worker = Worker(
                function.__name__, function, restart, backoff or Backoff(), give_up_after, drain
            )
            self.declaration.workers.append(worker)
            return function

        return add if function is None else add(function)

    def every(
        self, seconds: float, *, timeout: float | None = None, jitter: float = 0.0
    ) -> Callable[[F], F]:
        """Run the decorated function each `seconds`, first after one interval.

        Args:
            seconds: from start to start; a time that comes while it runs is skipped.
            timeout: seconds for one run.
            jitter: seconds by which a run may be late, at random.
        """
        return self._job(Every(seconds), timeout, jitter)

    def cron(
        self,
        expression: str,
        *,
        timezone: str = "UTC",
        timeout: float | None = None,
        jitter: float = 0.0,
    ) -> Callable[[F], F]:
        """Run the decorated function by a cron expression, such as ``0 4 * * *``.

        Args:
            expression: five fields, or six with seconds last.
            timezone: an IANA name.
            timeout: seconds for one run.
            jitter: seconds by which a run may be late, at random.
        """
        return self._job(Cron(expression, timezone), timeout, jitter)

    def _job(self, trigger: Trigger, timeout: float | None, jitter: float) -> Callable[[F], F]:
        def add(function: F) -> F:
            job = Job(function.__name__, function, trigger, timeout, jitter)
            self.declaration.jobs.append(job)
            return function

        return add

    # --- moments and questions ------------------------------------------------------------------

    def on_start(self, function: F) -> F:
        """Run the decorated function when the resources are open and nothing is answered yet."""
        return self._hook("start", function)

    def on_drain(self, function: F) -> F:
        """Run the decorated function when the drain begins; the drain waits for it."""
        return self._hook("drain", function)

    def on_stop(self, function: F) -> F:
        """Run the decorated function when work has ended, before the resources close; the last
        declared runs first."""
        return self._hook("stop", function)

    def _hook(self, kind: HookKind, function: F) -> F:
        self.declaration.hooks[kind].append(function)
        return function

    def probe(self, kind: ProbeKind) -> Callable[[F], F]:
        """Ask the decorated function when ``live``, ``ready`` or ``started`` is asked; it fails by
        raising."""
        if kind not in self.declaration.probes:
            message = f"{kind!r} is no probe; there are live, ready and started"
            raise WiringError(message)

        def add(function: F) -> F:
            self.declaration.probes[kind].append(function)
            return function

        return add

    # --- its life -------------------------------------------------------------------------------

    def run(
        self,
        *,
        files: Sequence[Path | str] | None = None,
        flags: Sequence[str] = (),
        target: str = "",
    ) -> int:
        """Run until a signal or a failure ends it; blocks; returns the exit code.

        It loads the configuration, takes over logging and signals, and leaves both as they were.

        Args:
            files: configuration files; ``<name>.toml`` if there is one, unless given.
            flags: ``key=value`` each; they win over everything else.
            target: how ``mainstay status`` and its like name it, such as ``shop.app:service``: it
                then has a control socket, unless ``mainstay.process.control`` says otherwise.

        Returns: 0 stopped well; 1 a component failed; 3 the start failed; 78 the configuration is
        wrong; 124 work had to be cut to stop in time.

        Raises: UsageError outside of the main thread, and while ``mainstay`` imports the module.
        """
        refuse_to_run()
        from mainstay.service.hosting import host  # noqa: PLC0415 - see the module's docstring

        return host(self.declaration, files=files, flags=flags, target=target)

    @property
    def asgi(self) -> ServiceAsgi:
        """The service as an ASGI application, for another server: ``uvicorn hello:service.asgi``."""
        if self._asgi is None:
            from mainstay.service.asgi import ServiceAsgi  # noqa: PLC0415 - as above

            self._asgi = ServiceAsgi(self.declaration)
        return self._asgi

    @asynccontextmanager
    async def running(
        self,
        *,
        config: Any = None,
        settings: Settings | None = None,
        effects: Effects | None = None,
        overrides: Mapping[Any, Any] | None = None,
        front: Front | None = None,
    ) -> AsyncIterator[Running]:
        """Run for as long as the ``async with`` block; for tests and for embedding.

        No signal, no logging is touched, and no file is read.

        Args:
            config: the service's configuration; its defaults unless given.
            settings: the framework's; the defaults unless given.
            effects: the world; see `mainstay.testing.virtual_effects`.
            overrides: values that take the place of resources, by type.
            front: makes what brings the calls of HTTP, instead of a server that listens.

        Raises: StartError, WiringError, ConfigError; at the end, what made a component fail.
        """
        from mainstay.service.loading import defaults  # noqa: PLC0415
        from mainstay.service.running import Running  # noqa: PLC0415

        own, framework = defaults(self.declaration, config, settings)
        running = Running(
            self.declaration,
            settings=framework,
            config=own,
            effects=effects,
            overrides=overrides,
            front=front,
        )
        await running.start()
        try:
            yield running
        finally:
            report = await running.finish()
        if report.failure is not None:
            raise report.failure

    def __repr__(self) -> str:
        made_of = self.declaration
        return (
            f"<Service {self.name!r} handlers={len(made_of.handlers)} "
            f"resources={len(made_of.resources)} workers={len(made_of.workers)}>"
        )
