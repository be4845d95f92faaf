"""From the handlers that generated code makes to described methods.

Generated code has two functions for each method: the request class's ``FromString``, and
``SerializeToString``. Where they are those of the messages that the service's descriptor names, the
method is described by it, so that there is reflection, JSON and OpenAPI for it. Where they are
anything else, they are used as they are, and that is all that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mainstay.errors import WiringError
from mainstay.rpc.method import Kind, MessageType, RpcMethod, RpcService

__all__ = ["service_from"]


def service_from(name: str, handlers: Mapping[str, Any]) -> RpcService:
    """A service of grpcio's method handlers, by method; nothing answers its methods yet.

    Raises: WiringError for a name that is none, or a handler that is none.
    """
    if not name:
        raise WiringError("a service of grpcio has no name; methods are called by /service/method")
    descriptor = _descriptor_of(name, handlers)
    service = RpcService(name=name, descriptor=descriptor)
    for method, handler in handlers.items():
        if not hasattr(handler, "request_streaming"):
            raise WiringError(f"{name}/{method} is answered by {handler!r}, no grpc method handler")
        service.methods[method] = _method(service, method, handler)
    return service


def _method(service: RpcService, name: str, handler: Any) -> RpcMethod:
    kind = Kind((bool(handler.request_streaming), bool(handler.response_streaming)))
    found = None
    if service.descriptor is not None:
        found = service.descriptor.methods_by_name.get(name)
    if found is not None:
        from mainstay.rpc.protobuf import bare_method  # noqa: PLC0415 - not without protobuf

        described = bare_method(found)
        if described.kind is kind and _is_of(handler, described):
            return described
    return RpcMethod(
        service=service.name,
        name=name,
        kind=kind,
        request=_request_type(handler.request_deserializer, f"{service.name}/{name} request"),
        response=_plain(f"{service.name}/{name} reply", _same, handler.response_serializer),
    )


def _is_of(handler: Any, method: RpcMethod) -> bool:
    """Whether its functions are those of the messages that the method is described with."""
    request: Any = method.request.python_type
    response: Any = method.response.python_type
    return bool(
        handler.request_deserializer == request.FromString
        and handler.response_serializer == response.SerializeToString
    )


def _request_type(decode: Callable[[bytes], Any] | None, name: str) -> MessageType:
    made = _message_class(decode)
    if made is None:
        return _plain(name, decode, _same)
    from mainstay.rpc.protobuf import message_type  # noqa: PLC0415 - as above

    return message_type(made)


def _plain(
    name: str, decode: Callable[[bytes], Any] | None, encode: Callable[[Any], bytes] | None
) -> MessageType:
    """Messages that only their functions know; without one, bytes."""
    return MessageType(
        name=name,
        python_type=object,
        decode=_same if decode is None else _decoding(decode),
        encode=_same if encode is None else encode,
    )


def _decoding(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decoded(data: bytes) -> Any:
        try:
            return decode(data)
        except ValueError:
            raise
        except Exception as error:  # whatever a hand-written function raises
            raise ValueError("its bytes are malformed") from error

    return decoded


def _same(data: Any) -> Any:
    return data


def _message_class(decode: Any) -> Any:
    """The class of protobuf's whose ``FromString`` it is, or None."""
    owner = getattr(decode, "__self__", None)
    named = getattr(decode, "__name__", "") == "FromString"
    return owner if named and isinstance(owner, type) and hasattr(owner, "DESCRIPTOR") else None


def _descriptor_of(name: str, handlers: Mapping[str, Any]) -> Any:
    """Of the service, from the pool that its messages are in; None when nothing is known of it."""
    try:
        from google.protobuf.descriptor_pool import Default  # noqa: PLC0415 - as above
    except ImportError:
        return None
    pools = [Default()]
    for handler in handlers.values():
        made = _message_class(getattr(handler, "request_deserializer", None))
        if made is not None:
            pools.insert(0, made.DESCRIPTOR.file.pool)
            break
    for pool in pools:
        try:
            return pool.FindServiceByName(name)
        except KeyError:
            continue
    return None
