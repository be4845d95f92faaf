"""gRPC, gRPC-Web and Connect, on the port of HTTP; server and client.

What a service's author needs of it has its name here, and is loaded when it is first used. Each
name lives in the file that the table names. Most of it needs protobuf, which is no dependency of
mainstay itself: ``pip install "mainstay[grpc]"``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mainstay.core.call import Stream
    from mainstay.errors import Code, RpcError
    from mainstay.rpc.call import RpcCall
    from mainstay.rpc.client.channel import Channel
    from mainstay.rpc.client.failures import (
        AbortedFailure,
        AlreadyExistsFailure,
        CancelledFailure,
        DataLossFailure,
        DeadlineExceededFailure,
        FailedPreconditionFailure,
        InternalFailure,
        InvalidArgumentFailure,
        NotFoundFailure,
        OutOfRangeFailure,
        PermissionDeniedFailure,
        ResourceExhaustedFailure,
        RpcFailed,
        UnauthenticatedFailure,
        UnavailableFailure,
        UnimplementedFailure,
        UnknownFailure,
    )
    from mainstay.rpc.client.limits import ChannelLimits
    from mainstay.rpc.definition import Rpc
    from mainstay.rpc.definition_client import RpcClient
    from mainstay.rpc.health import Health, ServingStatus
    from mainstay.rpc.method import Kind, MessageType, RpcMethod, RpcService
    from mainstay.rpc.proto.load import load_proto
    from mainstay.rpc.schema.marker import Field
    from mainstay.rpc.settings import RpcSettings
    from mainstay.rpc.transcoding.rules import Delete, Get, HttpRule, Patch, Post, Put

_HOMES: Final = {
    "AbortedFailure": "mainstay.rpc.client.failures",
    "AlreadyExistsFailure": "mainstay.rpc.client.failures",
    "CancelledFailure": "mainstay.rpc.client.failures",
    "Channel": "mainstay.rpc.client.channel",
    "ChannelLimits": "mainstay.rpc.client.limits",
    "Code": "mainstay.errors",
    "DataLossFailure": "mainstay.rpc.client.failures",
    "DeadlineExceededFailure": "mainstay.rpc.client.failures",
    "Delete": "mainstay.rpc.transcoding.rules",
    "FailedPreconditionFailure": "mainstay.rpc.client.failures",
    "Field": "mainstay.rpc.schema.marker",
    "Get": "mainstay.rpc.transcoding.rules",
    "Health": "mainstay.rpc.health",
    "HttpRule": "mainstay.rpc.transcoding.rules",
    "InternalFailure": "mainstay.rpc.client.failures",
    "InvalidArgumentFailure": "mainstay.rpc.client.failures",
    "Kind": "mainstay.rpc.method",
    "MessageType": "mainstay.rpc.method",
    "NotFoundFailure": "mainstay.rpc.client.failures",
    "OutOfRangeFailure": "mainstay.rpc.client.failures",
    "Patch": "mainstay.rpc.transcoding.rules",
    "PermissionDeniedFailure": "mainstay.rpc.client.failures",
    "Post": "mainstay.rpc.transcoding.rules",
    "Put": "mainstay.rpc.transcoding.rules",
    "ResourceExhaustedFailure": "mainstay.rpc.client.failures",
    "Rpc": "mainstay.rpc.definition",
    "RpcCall": "mainstay.rpc.call",
    "RpcClient": "mainstay.rpc.definition_client",
    "RpcError": "mainstay.errors",
    "RpcFailed": "mainstay.rpc.client.failures",
    "RpcMethod": "mainstay.rpc.method",
    "RpcService": "mainstay.rpc.method",
    "RpcSettings": "mainstay.rpc.settings",
    "ServingStatus": "mainstay.rpc.health",
    "Stream": "mainstay.core.call",
    "UnauthenticatedFailure": "mainstay.rpc.client.failures",
    "UnavailableFailure": "mainstay.rpc.client.failures",
    "UnimplementedFailure": "mainstay.rpc.client.failures",
    "UnknownFailure": "mainstay.rpc.client.failures",
    "load_proto": "mainstay.rpc.proto.load",
}

__all__ = [
    "AbortedFailure",
    "AlreadyExistsFailure",
    "CancelledFailure",
    "Channel",
    "ChannelLimits",
    "Code",
    "DataLossFailure",
    "DeadlineExceededFailure",
    "Delete",
    "FailedPreconditionFailure",
    "Field",
    "Get",
    "Health",
    "HttpRule",
    "InternalFailure",
    "InvalidArgumentFailure",
    "Kind",
    "MessageType",
    "NotFoundFailure",
    "OutOfRangeFailure",
    "Patch",
    "PermissionDeniedFailure",
    "Post",
    "Put",
    "ResourceExhaustedFailure",
    "Rpc",
    "RpcCall",
    "RpcClient",
    "RpcError",
    "RpcFailed",
    "RpcMethod",
    "RpcService",
    "RpcSettings",
    "ServingStatus",
    "Stream",
    "UnauthenticatedFailure",
    "UnavailableFailure",
    "UnimplementedFailure",
    "UnknownFailure",
    "load_proto",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module 'mainstay.rpc' has no attribute {name!r}"
        raise AttributeError(message)
    try:
        value = getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        from mainstay.rpc.extra import package_of  # noqa: PLC0415 - errors are the exception

        package = package_of(error)
        if package is None:
            raise
        # The compiler's extra has all of the other: who loads files installs once.
        extra = "proto" if name == "load_proto" else "grpc"
        message = f'mainstay.rpc.{name} needs {package}: pip install "mainstay[{extra}]"'
        raise ImportError(message, name=error.name) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
