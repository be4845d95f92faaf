"""Calls of a service whose description is at hand, without stubs."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol

from mainstay.errors import UsageError
from mainstay.rpc.method import RpcMethod, RpcService

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor

__all__ = ["Callers", "RpcClient", "described_client"]


class Callers(Protocol):
    """What a client needs of its channel."""

    def method(self, described: RpcMethod) -> Any:
        """What calls `described`."""


class RpcClient:
    """The methods of a service as attributes: by their names, and by those of their functions.

    What each takes and returns is as its kind: see `mainstay.rpc.client.methods`. A method that has
    no request is called without one.

    Args:
        service: what is called.
        names: of methods, by what else they are called.
        channel: to a server of it.

    Raises: WiringError for a definition that cannot be put together.
    """

    def __init__(self, service: RpcService, names: Mapping[str, str], channel: Callers) -> None:
        self._service = service
        self._names = {**{each.name: each.name for each in service}, **names}
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        called = self._names.get(name)
        if called is None:
            close = get_close_matches(name, self._names, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"{self._service.name} has no method {name!r}{hint}")
        described = self._service.methods[called]
        method = self._channel.method(described)
        if described.request.name == "google.protobuf.Empty" and not described.kind.requests_stream:
            method = _without_request(method, described)
        self.__dict__[name] = method
        return method

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self._names])

    def __repr__(self) -> str:
        return f"<RpcClient {self._service.name} {self._channel!r}>"


def described_client(descriptor: ServiceDescriptor, channel: Callers) -> RpcClient:
    """See `Channel.client`."""
    from google.protobuf import descriptor as kinds  # noqa: PLC0415 - whoever has one has loaded it

    from mainstay.rpc.proto.names import snake_case  # noqa: PLC0415 - same
    from mainstay.rpc.protobuf import service_of  # noqa: PLC0415 - same

    if not isinstance(descriptor, kinds.ServiceDescriptor):
        raise UsageError(
            f"{descriptor!r} is no descriptor of a service, such as load_proto(…)['shop.v1.Orders']; "
            "a service in code has .client(channel) itself"
        )
    service = service_of(descriptor)
    return RpcClient(service, {snake_case(each.name): each.name for each in service}, channel)


def _without_request(method: Any, described: RpcMethod) -> Any:
    empty = described.request.python_type()

    def call(request: Any = empty, **options: Any) -> Any:
        return method(request, **options)

    return call
