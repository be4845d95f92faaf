"""Whether a service could start, found out without starting it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstay.core.effects import Effects
from mainstay.errors import BugError
from mainstay.service.background import Background
from mainstay.service.declaration import Declaration
from mainstay.service.describing import describe
from mainstay.service.loading import FRAMEWORK, OWN, configuration, overlooked
from mainstay.service.probes import ProbeKind, ProbeResult
from mainstay.service.running import Running
from mainstay.service.settings import Settings
from mainstay.service.web import Web
from mainstay.service.wiring import Wiring

if TYPE_CHECKING:
    from mainstay.rpc.method import RpcService

__all__ = ["check", "document", "wired", "wired_with_settings"]


def check(
    declaration: Declaration,
    *,
    files: Sequence[Path | str] | None = None,
    flags: Sequence[str] = (),
    environ: Mapping[str, str],
) -> Iterator[str]:
    """Load the configuration and wire everything; yield lines that say what there is.

    Raises: ConfigError, WiringError.
    """
    wiring = wired(declaration, files=files, flags=flags, environ=environ)
    yield f"{declaration.name} is well"
    routes = len(declaration.routes.routes()) if declaration.has_routes else 0
    yield from _section("handlers", list(declaration.handlers))
    yield from _section("routes", [str(routes)] if routes else [])
    yield from _section("rpc", list(map(_methods, declaration.rpc.values())))
    yield from _section("resources", wiring.container.names())
    yield from _section("workers", [worker.name for worker in declaration.workers])
    yield from _section("jobs", [f"{job.name} {job.trigger!r}" for job in declaration.jobs])
    yield from _section("servers", [name for name, _ in wiring.servers()])
    parts = (declaration.handlers, declaration.rpc, declaration.workers, declaration.jobs)
    if not routes and not any(parts) and not wiring.servers():
        yield "  it answers nothing: no handler, route, method of RPC or server was added to it"
    for line in overlooked(declaration, files, environ):
        yield f"  {line}"


def wired(
    declaration: Declaration,
    *,
    files: Sequence[Path | str] | None = None,
    flags: Sequence[str] = (),
    environ: Mapping[str, str],
) -> Wiring:
    """The service put together as for a start, with nothing opened.

    Raises: ConfigError, WiringError.
    """
    return wired_with_settings(declaration, files=files, flags=flags, environ=environ)[0]


def document(
    declaration: Declaration,
    *,
    files: Sequence[Path | str] | None = None,
    flags: Sequence[str] = (),
    environ: Mapping[str, str],
) -> dict[str, Any]:
    """What the service answers at ``/openapi.json`` with this configuration.

    Raises: ConfigError, WiringError; UsageError as `describe`.
    """
    wiring, settings = wired_with_settings(declaration, files=files, flags=flags, environ=environ)
    return describe(declaration, wiring.endpoints, wiring.rpc, settings=settings)


def wired_with_settings(
    declaration: Declaration,
    *,
    files: Sequence[Path | str] | None = None,
    flags: Sequence[str] = (),
    environ: Mapping[str, str],
) -> tuple[Wiring, Settings]:
    """The same, with the settings that it would start with.

    Raises: ConfigError, WiringError.
    """
    loaded = configuration(declaration, files=files, flags=flags, environ=environ)
    # Wiring looks at types only; what stands behind the last two is made at the start.
    settings: Settings = loaded.get(FRAMEWORK)
    values: dict[Any, Any] = {
        Settings: settings,
        Effects: Effects(environ=environ),
        Running: None,
        Background: None,
    }
    if declaration.config is not None:
        values[declaration.config] = loaded.get(OWN)
    web = Web(declaration, settings, _no_probe)
    if web.health is not None:
        values[type(web.health)] = web.health
    wiring = Wiring(declaration, values, beside=web.beside, slashes=settings.http.slashes)
    return wiring, settings


async def _no_probe(kind: ProbeKind) -> ProbeResult:
    raise BugError(f"the probe {kind} was asked of a service that does not run")


def _methods(service: RpcService) -> str:
    count = len(list(service))
    return f"{service.name} ({count or 'no'} method{'' if count == 1 else 's'})"


def _section(title: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"  {title}: {', '.join(names)}"
