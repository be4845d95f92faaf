"""What a service is made of, as data: written by the decorators, read when it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mainstay.core.middleware import Layer
from mainstay.interfaces.server import Server
from mainstay.service.probes import ProbeKind
from mainstay.service.provider import Provider
from mainstay.service.workers import Job, Worker

if TYPE_CHECKING:
    from mainstay.http.routes import Routes
    from mainstay.rpc.method import RpcService

__all__ = ["Declaration", "Function", "HookKind"]

Function: TypeAlias = Callable[..., Any]
HookKind: TypeAlias = Literal["start", "drain", "stop"]


@dataclass(eq=False)
class Declaration:
    """Everything that was said about a service.

    Attributes:
        name: of the service.
        config: the type of its configuration; None without one.
        middleware: around every handler, outermost first.
        handlers: by method.
        resources: in the order of declaration.
        workers: kept alive while the service runs.
        jobs: run when due.
        hooks: by the moment they run at, in the order of declaration.
        probes: extra checks, by probe.
        rpc: services of RPC, by name.
        servers: what accepts calls from outside: ready ones, and functions that make one.
        title: for people; the name unless given.
        version: of its interface.
        description: of its interface, in CommonMark.
    """

    name: str
    config: type | None = None
    middleware: list[Layer] = field(default_factory=list)
    handlers: dict[str, Function] = field(default_factory=dict)
    resources: list[Provider] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    hooks: dict[HookKind, list[Function]] = field(
        default_factory=lambda: {"start": [], "drain": [], "stop": []}
    )
    probes: dict[ProbeKind, list[Function]] = field(
        default_factory=lambda: {"live": [], "ready": [], "started": []}
    )
    rpc: dict[str, RpcService] = field(default_factory=dict)
    servers: list[Server | Function] = field(default_factory=list)
    title: str = ""
    version: str = "0.0.0"
    description: str = ""

    @cached_property
    def routes(self) -> Routes:
        """What answers by HTTP; made, and HTTP loaded, when it is first asked for."""
        from mainstay.http.routes import Routes  # noqa: PLC0415 - see above

        return Routes()

    @property
    def has_routes(self) -> bool:
        """Whether somebody has asked for `routes`, or there is RPC, which shares their port."""
        return "routes" in vars(self) or bool(self.rpc)
