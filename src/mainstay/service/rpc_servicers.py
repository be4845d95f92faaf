"""How a service takes servicers that were written for grpcio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mainstay.errors import WiringError

if TYPE_CHECKING:
    from mainstay.service.declaration import Declaration

__all__ = ["AnsweringServicers"]


class AnsweringServicers:
    """The part of `Service` that is about code that grpcio-tools has generated.

    Attributes:
        declaration: what the service is made of.
    """

    declaration: Declaration

    def add_servicer(
        self,
        add: Callable[[Any, Any], Any],
        servicer: Any,
        *,
        interceptors: Sequence[Any] = (),
    ) -> None:
        """Answer with a servicer of grpcio::

            service.add_servicer(greeter_pb2_grpc.add_GreeterServicer_to_server, Greeter())

        Its methods may be ``async def``, async generators, plain functions (they run in threads)
        and plain generators; they get a context that keeps the contract of `grpc.aio`, plain ones
        that of `grpc`.

        Args:
            add: what grpcio-tools has generated, unchanged.
            servicer: an instance; or a class, which is made when the service starts, its parameters
                filled by type.
            interceptors: instances of `grpc.aio.ServerInterceptor`, or of `grpc.ServerInterceptor`,
                around this servicer; the first is the outermost.

        Raises: WiringError for arguments that are swapped or not what they should be, and for a
        service that is answered already.
        """
        try:
            from mainstay.rpc.grpcio.servicers import adopt, services_of  # noqa: PLC0415 - see there

            adopt()
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith(("grpc", "google")):
                raise
            raise WiringError(
                "add_servicer needs grpcio and protobuf, as the generated code does: "
                "pip install grpcio protobuf"
            ) from error
        declared = self.declaration
        services = services_of(add, servicer, interceptors)
        for service in services:
            if service.name in declared.rpc:
                raise WiringError(
                    f"{service.name!r} is answered twice: {declared.rpc[service.name]!r} was added "
                    f"before {_said(servicer)}"
                )
        if isinstance(servicer, type):
            self._provide(servicer)
        for service in services:
            declared.rpc[service.name] = service

    def _provide(self, made: type) -> None:
        """Let an instance be made when the service starts."""
        from mainstay.service.provider import provider_of  # noqa: PLC0415 - not without servicers

        resources = self.declaration.resources
        if all(each.provides is not made for each in resources):
            resources.append(provider_of(made))


def _said(servicer: Any) -> str:
    kind = servicer if isinstance(servicer, type) else type(servicer)
    return kind.__qualname__
