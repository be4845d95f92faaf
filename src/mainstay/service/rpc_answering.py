"""How a service is told what it answers by RPC: the part of `Service` that is about methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mainstay.errors import WiringError
from mainstay.service.rpc_servicers import AnsweringServicers

if TYPE_CHECKING:
    from mainstay.core.middleware import Layer
    from mainstay.rpc.definition import Rpc
    from mainstay.rpc.definition_class import Described
    from mainstay.rpc.method import RpcService

__all__ = ["AnsweringRpc"]

C = TypeVar("C", bound=type)


class AnsweringRpc(AnsweringServicers):
    """Services of RPC. gRPC, gRPC-Web, Connect and JSON call them on the port of HTTP."""

    def add_rpc(self, definition: Rpc | RpcService) -> None:
        """Answer with a service that is defined by code; see `mainstay.rpc.Rpc`.

        Methods that it gets later count as well.

        Args:
            definition: the service.

        Raises: WiringError when a service of that name is answered already.
        """
        from mainstay.rpc.method import RpcService  # noqa: PLC0415 - not without RPC

        service: Any = getattr(definition, "service", definition)
        if not isinstance(service, RpcService):
            raise WiringError(
                f"add_rpc takes an Rpc, not {definition!r}; a class for a .proto is decorated with "
                "@service.rpc(descriptor), a servicer of grpcio goes to add_servicer"
            )
        self._add(service)

    def rpc(
        self,
        descriptor: Described,
        *,
        partial: bool = False,
        middleware: Iterable[Layer] = (),
        timeout: float | None = None,
    ) -> Callable[[C], C]:
        """Answer the service of a ``.proto`` with the decorated class::

            @service.rpc(load_proto("greeter.proto")["hello.v1.Greeter"])
            class Greeter:
                def __init__(self, store: Store) -> None: ...
                async def SayHello(self, request: HelloRequest) -> HelloReply: ...

        One instance is made when the service starts, its parameters filled by type. So are those of
        its methods, but for the request. They are named as in the ``.proto``, or in snake_case;
        ``async def`` is awaited, ``def`` runs in a thread, an async generator streams.

        Args:
            descriptor: from `mainstay.rpc.load_proto`, or of generated code:
                ``greeter_pb2.DESCRIPTOR.services_by_name["Greeter"]``.
            partial: whether methods may be absent; those are UNIMPLEMENTED.
            middleware: around its methods, inside that of the service.
            timeout: seconds for one call, unless the caller allows less.

        Raises: WiringError for what is no descriptor, or answered already; at the start, one that
            names all that does not fit.
        """
        if not hasattr(cast("object", descriptor), "methods_by_name"):
            raise WiringError(
                f"@service.rpc takes the descriptor of a service, not {descriptor!r}; have it from "
                'load_proto("greeter.proto")["hello.v1.Greeter"] or from generated code, '
                'greeter_pb2.DESCRIPTOR.services_by_name["Greeter"]'
            )

        def add(cls: C) -> C:
            from mainstay.rpc.definition_class import class_service  # noqa: PLC0415 - with RPC

            if not isinstance(cast("object", cls), type):
                raise WiringError(f"@service.rpc decorates a class, and {cls!r} is none")
            self._add(
                class_service(
                    descriptor, cls, partial=partial, middleware=middleware, timeout=timeout
                )
            )
            self._provide(cls)
            return cls

        return add

    def _add(self, service: RpcService) -> None:
        known: Any = self.declaration.rpc.setdefault(service.name, service)
        if known is not service:
            raise WiringError(f"{service.name!r} is answered twice; one service has one definition")
