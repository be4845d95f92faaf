"""Whether a service could start, found out without starting it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mainstay.core.effects import Effects
from mainstay.errors import BugError
from mainstay.service.background import Background
from mainstay.service.declaration import Declaration
from mainstay.service.describing import describe
from mainstay.service.loading import FRAMEWORK, OWN, configuration
from mainstay.service.probes import ProbeKind, ProbeResult
from mainstay.service.running import Running
from mainstay.service.settings import Settings
from mainstay.service.web import Web
from mainstay.service.wiring import Wiring

__all__ = ["check", "document", "wired"]


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
    yield from _section("handlers", list(declaration.handlers))
    if declaration.has_routes:
        yield from _section("routes", [str(len(declaration.routes.routes()))])
    yield from _section("resources", wiring.container.names())
    yield from _section("workers", [worker.name for worker in declaration.workers])
    yield from _section("jobs", [f"{job.name} {job.trigger!r}" for job in declaration.jobs])
    yield from _section("servers", [name for name, _ in wiring.servers()])


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
    return _wired(declaration, files, flags, environ)[0]


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
    wiring, settings = _wired(declaration, files, flags, environ)
    return describe(declaration, wiring.endpoints, wiring.rpc, settings=settings)


def _wired(
    declaration: Declaration,
    files: Sequence[Path | str] | None,
    flags: Sequence[str],
    environ: Mapping[str, str],
) -> tuple[Wiring, Settings]:
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


def _section(title: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"  {title}: {', '.join(names)}"
