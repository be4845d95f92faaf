"""Middleware that needs something of the service: its configuration, or a resource.

A list of middleware is written when modules are imported, and what the service consists of is
known later, when it starts. So there are two more forms beside ``async (call, next)``, and each
kind of `Layer` can stand wherever a middleware can:

- a middleware with more parameters, which are filled by type when the service starts;
- a factory, marked by `configured`, whose parameters are filled in the same way, and which makes
  the middleware then, once in each life of the service.

Here are the marks only; `mainstay.service.layers` finds the values.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import update_wrapper
from typing import Any, TypeAlias, overload

from mainstay.core.call import Middleware

__all__ = ["Configured", "Layer", "configured"]


class Configured:
    """A function that makes a middleware when the service starts; see `configured`.

    Attributes:
        function: the one that was decorated; its name and documentation are this object's, too.
        security, security_schemes: what its middleware asks for, for OpenAPI.
    """

    def __init__(
        self,
        function: Callable[..., Middleware],
        scheme: str | None,
        described: Mapping[str, Any] | None,
    ) -> None:
        update_wrapper(self, function)
        self.function = function
        self.security: tuple[Mapping[str, Sequence[str]], ...] = ()
        self.security_schemes: Mapping[str, Any] = {}
        if scheme is not None:
            self.security = ({scheme: ()},)
            if described is not None:
                self.security_schemes = {scheme: described}

    def __call__(self, *args: Any, **arguments: Any) -> Middleware:
        """Make a middleware by hand, as tests do."""
        return self.function(*args, **arguments)

    def __repr__(self) -> str:
        return f"<Configured {getattr(self.function, '__qualname__', self.function)}>"


Layer: TypeAlias = Callable[..., Awaitable[Any]] | Configured
"""What a list of middleware takes: ``async (call, next)``, the same with more parameters, or a
factory."""


@overload
def configured(function: Callable[..., Middleware]) -> Configured: ...
@overload
def configured(
    *, scheme: str | None = None, described: Mapping[str, Any] | None = None
) -> Callable[[Callable[..., Middleware]], Configured]: ...
def configured(
    function: Callable[..., Middleware] | None = None,
    *,
    scheme: str | None = None,
    described: Mapping[str, Any] | None = None,
) -> Configured | Callable[[Callable[..., Middleware]], Configured]:
    """Make a middleware of what the service has, when it starts::

        @configured(scheme="bearer")
        def authenticated(config: Config) -> Middleware:
            return jwt(config.key, algorithms=["HS256"])

        service = Service("shop", config=Config, middleware=[authenticated])

    The parameters are filled by type: the configuration, and resources that live as long as the
    service. It is called once in each life of the service, on the event loop, so it must not wait;
    wherever it is listed there is the same middleware, with the same state. A parameter that
    nothing provides, or a result that is no middleware, is a WiringError at the start.

    Args:
        function: a plain ``def``.
        scheme: the name of the security scheme that the middleware asks for, for OpenAPI, which is
            also made where nothing starts; `basic` and `bearer` are known.
        described: any other scheme, as OpenAPI describes it.
    """

    def mark(function: Callable[..., Middleware]) -> Configured:
        return Configured(function, scheme, described)

    return mark if function is None else mark(function)
