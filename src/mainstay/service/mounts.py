"""The lives of mounted ASGI applications: each starts before the service answers, and stops after
the drain, as a resource that nobody has to ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any

from mainstay.http.route import Route
from mainstay.service.container import Container
from mainstay.service.provider import Provider

__all__ = ["Mounts"]


class Mounts:
    """The applications among some routes; one that is mounted twice lives once.

    Attributes:
        providers: their lives.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._keys: dict[int, Any] = {}
        self.providers: list[Provider] = []
        for route in routes:
            if route.kind != "mount" or id(route.function) in self._keys:
                continue
            from mainstay.http.asgi.lifespan import lifespan  # noqa: PLC0415 - few have mounts

            name = f"ASGI at {route.host or ''}{route.path or '/'}"
            key = self._keys[id(route.function)] = Annotated[dict[str, Any], name]
            self.providers.append(
                Provider(
                    name=name,
                    provides=key,
                    lifetime="service",
                    needs=(),
                    open=partial(lifespan, route.function),
                    origin=route.function,
                )
            )

    def state(self, app: Any, container: Container) -> Mapping[str, Any]:
        """What the application yielded when it started; once the container is open."""
        state: Mapping[str, Any] = container.get(self._keys[id(app)])
        return state
