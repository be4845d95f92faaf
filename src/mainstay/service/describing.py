"""What a service says of itself in OpenAPI: one place, for the server and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainstay.http.openapi.build import Info, build
from mainstay.http.openapi.security import Security
from mainstay.service.declaration import Declaration
from mainstay.service.endpoints import Endpoints
from mainstay.service.settings import Settings

if TYPE_CHECKING:
    from mainstay.rpc.method import RpcMethod
    from mainstay.rpc.openapi import RpcDocument
    from mainstay.service.rpc import RpcEndpoints

__all__ = ["describe"]


def describe(
    declaration: Declaration,
    endpoints: Endpoints | None,
    rpc: RpcEndpoints | None = None,
    *,
    settings: Settings | None = None,
) -> dict[str, Any]:
    """The document of a service that is wired.

    Args:
        declaration: what the service is made of.
        endpoints: its routes; None for none.
        rpc: its methods; None for none.
        settings: the prefix of paths, and what RPC speaks, are said.

    Raises: UsageError for a security scheme that nobody has described.
    """
    settings = settings or Settings()
    prefix = settings.http.prefix
    info = Info(
        title=declaration.title or declaration.name,
        version=declaration.version,
        description=declaration.description,
        servers=(prefix,) if prefix else (),
    )
    documented = [] if endpoints is None else endpoints.documented()
    document = dict(build(documented, info))
    if rpc is not None:
        from mainstay.rpc.openapi import document_rpc  # noqa: PLC0415 - not without RPC

        security = Security(info.security_schemes)

        def asked(method: RpcMethod) -> list[dict[str, list[str]]]:
            return security.of(method, (), (*declaration.middleware, *method.middleware))

        services, connect = declaration.rpc.values(), settings.rpc.connect
        _merge(document, document_rpc(services, rpc.paths, connect=connect, security=asked))
        if security.schemes:
            known = document["components"].get("securitySchemes", {})
            document["components"]["securitySchemes"] = {**security.schemes, **known}
    return document


def _merge(document: dict[str, Any], rpc: RpcDocument) -> None:
    """Add what RPC says; where both have something, what HTTP has said stays."""
    paths, components = document["paths"], document["components"]["schemas"]
    taken = {
        operation["operationId"]
        for path in paths.values()
        for operation in path.values()
        if "operationId" in operation
    }
    for path, operations in rpc.paths.items():
        for verb, operation in operations.items():
            wanted, number = operation["operationId"], 2
            while operation["operationId"] in taken:
                operation["operationId"], number = f"{wanted}_{number}", number + 1
            taken.add(operation["operationId"])
            paths.setdefault(path, {}).setdefault(verb, operation)
    for name, schema in rpc.schemas.items():
        components.setdefault(name, schema)
    known = {tag["name"] for tag in document.get("tags", ())}
    if more := [tag for tag in rpc.tags if tag["name"] not in known]:
        document.setdefault("tags", []).extend(more)
