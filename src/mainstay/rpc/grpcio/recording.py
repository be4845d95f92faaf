"""A stand-in for grpcio's server: it takes what generated code registers, and serves nothing.

``add_GreeterServicer_to_server(servicer, server)`` makes a table of method handlers and gives it to
``server``, in two ways at once: as a generic handler, which every version of the generator does, and
as registered methods, which newer ones do as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mainstay.errors import WiringError

if TYPE_CHECKING:
    import grpc

__all__ = ["Later", "Recorder", "record"]


class Later:
    """A method of a servicer that is made when the service starts.

    Attributes:
        name: of the method.
        function: as the class has it, to tell what kind of function it is.
    """

    __slots__ = ("function", "name")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function


class _Prospect:
    """Has the methods of a class as `Later`, in place of an instance."""

    def __init__(self, made: type) -> None:
        self._made = made

    def __getattr__(self, name: str) -> Later:
        return Later(name, getattr(self._made, name))


class Recorder:
    """What is given to generated code as the server.

    Attributes:
        services: method handlers by service and method.
        generic: handlers that decide only when a call comes.
    """

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}
        self.generic: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """See `grpc.aio.Server`."""
        for handler in handlers:
            table = _table_of(handler)
            if table is None:
                self.generic.append(handler)
                continue
            for path, method in table.items():
                service, _, name = path.strip("/").rpartition("/")
                self.services.setdefault(service, {}).setdefault(name, method)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """See `grpc.aio.Server`; these go before generic ones."""
        self.services.setdefault(service, {}).update(handlers)

    def __getattr__(self, name: str) -> Any:
        raise WiringError(
            f"server.{name} is called while a servicer is added, and there is no server of grpcio: "
            "only add_generic_rpc_handlers and add_registered_method_handlers can be; addresses "
            "and TLS are settings of the service ([mainstay.http])"
        )


def _table_of(handler: grpc.GenericRpcHandler) -> Mapping[str, Any] | None:
    """The methods of what `grpc.method_handlers_generic_handler` has made, by path; else None.

    grpcio has no public way to ask. Should its attribute get another name, such a handler is asked
    at each call, as any other generic one.
    """
    import grpc  # noqa: PLC0415 - see the package

    table = getattr(handler, "_method_handlers", None)
    return (
        table if isinstance(handler, grpc.ServiceRpcHandler) and isinstance(table, dict) else None
    )


def record(add: Callable[[Any, Any], Any], servicer: Any) -> Recorder:
    """Let `add` register `servicer`, and return what it has registered.

    Raises: WiringError for arguments that are swapped, or not what they should be.
    """
    _check(add, servicer)
    recorder = Recorder()
    made = isinstance(servicer, type)
    try:
        add(_Prospect(servicer) if made else servicer, recorder)
    except AttributeError as error:
        if error.obj is not servicer:
            raise
        kind = servicer if isinstance(servicer, type) else type(servicer)
        raise WiringError(
            f"{kind.__qualname__} has no {error.name!r}, which {_said(add)} asks for; derive it "
            "from the generated Servicer class, or give it that method"
        ) from None
    if not recorder.services and not recorder.generic:
        raise WiringError(f"{_said(add)} has registered no method; {_WANTED}")
    return recorder


def _check(add: Any, servicer: Any) -> None:
    import grpc.aio  # noqa: PLC0415 - see the package

    if isinstance(add, type) or not callable(add):
        swapped = "; the two are swapped" if callable(servicer) else ""
        raise WiringError(f"{_said(add)} is no function that adds a servicer{swapped}; {_WANTED}")
    if servicer is None or isinstance(servicer, grpc.Server | grpc.aio.Server):
        raise WiringError(f"{servicer!r} is no servicer, and mainstay is the server; {_WANTED}")
    if callable(servicer) and not isinstance(servicer, type) and hasattr(servicer, "__code__"):
        raise WiringError(f"{_said(servicer)} is a function, and no servicer; {_WANTED}")


_WANTED = "write service.add_servicer(add_XServicer_to_server, XServicer())"


def _said(thing: Any) -> str:
    return getattr(thing, "__qualname__", None) or repr(thing)
