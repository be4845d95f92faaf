"""``grpc.health.v1``: what `Health` knows, as a service (grpc/grpc-proto, grpc/health/v1)."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from mainstay.core.call import Call
from mainstay.errors import NotFound
from mainstay.rpc.builtin_files import (
    add_enum,
    add_map_entry,
    add_message,
    add_method,
    new_file,
    service_in_own_pool,
)
from mainstay.rpc.health import Health, ServingStatus
from mainstay.rpc.method import RpcService
from mainstay.rpc.protobuf import bare_method

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor

__all__ = ["NAME", "health_service"]

NAME: Final = "grpc.health.v1.Health"


_LONGEST: Final = 200
"""Characters of a name that is told; it is the caller's."""


def health_service(health: Health) -> RpcService:
    """The service that answers from `health`: ``Check``, ``List`` and ``Watch``.

    A name that nobody knows is NOT_FOUND for ``Check``, and SERVICE_UNKNOWN for ``Watch``, which
    goes on, since the name may become known. ``Watch`` ends when the drain begins, after it has
    said NOT_SERVING.
    """
    descriptor = _described()
    methods = {each.name: each for each in descriptor.methods}
    reply: Any = bare_method(methods["Check"]).response.python_type
    listed: Any = bare_method(methods["List"]).response.python_type

    async def check(call: Call) -> Any:
        status = await health.check(call.request.service)
        if status is ServingStatus.SERVICE_UNKNOWN:
            raise NotFound(f"there is no service {call.request.service[:_LONGEST]!r} here")
        return reply(status=status.value)

    async def list_all(call: Call) -> Any:
        found = await health.check_all()
        return listed(statuses={name: reply(status=each.value) for name, each in found.items()})

    async def watch(call: Call) -> None:
        stream = call.stream
        assert stream is not None
        service = (await stream.receive()).service
        async with aclosing(health.watch(service)) as statuses:
            async for status in statuses:
                await stream.send(reply(status=status.value))

    handlers = {"Check": check, "List": list_all, "Watch": watch}
    answered = {
        name: bare_method(methods[name], handler=handler) for name, handler in handlers.items()
    }
    for each in ("Check", "List"):
        answered[each].vital = True
    return RpcService(
        name=descriptor.full_name,
        methods=answered,
        descriptor=descriptor,
        doc="Whether the services here take calls.",
    )


def _described() -> ServiceDescriptor:
    file = new_file("grpc/health/v1/health.proto", "grpc.health.v1")
    add_message(file, "HealthCheckRequest", "string service = 1")
    status = "enum HealthCheckResponse.ServingStatus status = 1"
    reply = add_message(file, "HealthCheckResponse", status)
    add_enum(reply, "ServingStatus", [each.name for each in ServingStatus])
    add_message(file, "HealthListRequest")
    entry = "repeated HealthListResponse.StatusesEntry statuses = 1"
    listed = add_message(file, "HealthListResponse", entry)
    add_map_entry(listed, "StatusesEntry", ".grpc.health.v1.HealthCheckResponse")
    add_method(file, "Health/Check", "HealthCheckRequest", "HealthCheckResponse")
    add_method(file, "Health/List", "HealthListRequest", "HealthListResponse")
    add_method(file, "Health/Watch", "HealthCheckRequest", "HealthCheckResponse", "response")
    return service_in_own_pool(file)
