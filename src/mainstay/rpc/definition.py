"""Services that are defined by code: functions whose annotations are the types of the messages.

What protobuf needs to know is made of the annotations when the service is first looked at: see
`mainstay.rpc.schema` for what becomes of which type, and for the numbers of fields.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_args, get_origin, overload

from mainstay.core.call import Stream
from mainstay.core.middleware import Layer
from mainstay.core.signature import MISSING, Parameter, parameters_of, returns_of, say_type, where
from mainstay.errors import UsageError, WiringError
from mainstay.rpc.late import LateService
from mainstay.rpc.method import Kind, RpcMethod, RpcService
from mainstay.rpc.schema.models import is_model
from mainstay.rpc.transcoding.rules import HttpRule

if TYPE_CHECKING:
    from mainstay.rpc.client.channel import Channel
    from mainstay.rpc.definition_client import RpcClient
    from mainstay.rpc.schema.schema import Schema

__all__ = ["STREAMS", "Rpc", "camel_case", "streamed"]

F = TypeVar("F", bound=Callable[..., Any])
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_VERBS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_REQUESTS: Final = ("request", "requests")

STREAMS: Final = frozenset({AsyncIterator, AsyncIterable, AsyncGenerator})
"""Types of messages that come one after another."""

_ONE_BY_ONE: Final = (Iterator, Iterable, Generator, list, tuple, Sequence)
"""Types by which somebody may mean the same."""


@dataclass(frozen=True, slots=True)
class _Entry:
    function: Callable[..., Any]
    name: str
    timeout: float | None
    idempotent: bool
    middleware: tuple[Layer, ...]
    http: tuple[HttpRule, ...]


@dataclass(frozen=True, slots=True)
class _Types:
    kind: Kind
    request: Any
    response: Any


class Rpc:
    """One service of RPC, to which `method` adds functions; `Service.add_rpc` puts it to work::

        greeter = Rpc("hello.v1.Greeter")

        @greeter.method
        async def say_hello(request: HelloRequest) -> HelloReply:
            return HelloReply(message=f"Hello, {request.name}!")

    Args:
        name: full, its package first.
        middleware: around its methods, inside that of the service.
        timeout: seconds for a call of a method that has no other, unless the caller allows less.
        doc: for people.

    Attributes:
        name, doc: as given.

    Raises: UsageError for a name that cannot be one.
    """

    def __init__(
        self,
        name: str,
        *,
        middleware: Iterable[Layer] = (),
        timeout: float | None = None,
        doc: str = "",
    ) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot name a service: write it as in hello.v1.Greeter")
        self.name = name
        self.doc = doc
        self._middleware = tuple(middleware)
        self._timeout = timeout
        self._entries: dict[str, _Entry] = {}
        self._late = LateService(name, self._build)

    @overload
    def method(self, function: F) -> F: ...
    @overload
    def method(
        self,
        *,
        name: str | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        middleware: Iterable[Layer] = (),
        http: HttpRule | Iterable[HttpRule] = (),
    ) -> Callable[[F], F]: ...
    def method(
        self,
        function: F | None = None,
        *,
        name: str | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        middleware: Iterable[Layer] = (),
        http: HttpRule | Iterable[HttpRule] = (),
    ) -> F | Callable[[F], F]:
        """Answer a method with the decorated function.

        The request is the parameter of that name (or ``requests``), else the first whose type is a
        class with named fields or a protobuf message; an ``AsyncIterator`` of such is a stream of
        them. The reply is what it returns, or yields, by its annotation. All other parameters are
        filled by type, as everywhere; without a request, and for ``-> None``, the message is empty.

        Args:
            function: ``async def``; ``def``, which runs in a thread; or an async generator.
            name: of the method; the function's in CamelCase unless given.
            timeout: seconds for one call, unless the caller allows less.
            idempotent: whether it changes nothing, so that it may be asked by GET.
            middleware: around it, inside that of the service.
            http: paths of HTTP by which it is called with JSON, beside its own.

        Raises: WiringError when the service has a method of that name, for what is no function, and
            for paths that are no rules.
        """

        def add(function: F) -> F:
            called = camel_case(function.__name__) if name is None else name
            other = self._entries.get(called)
            if other is not None:
                raise WiringError(
                    f"{self.name}/{called} is answered twice: by {where(other.function)} and by "
                    f"{where(function)}"
                )
            if "." in called or not _NAME.fullmatch(called):
                raise WiringError(f"{called!r} cannot name a method of {self.name}")
            rules = _rules_of(http, f"{self.name}/{called}")
            self._entries[called] = _Entry(
                function, called, timeout, idempotent, tuple(middleware), rules
            )
            self._late.renew()
            return function

        if function is None:
            return add
        if not callable(function):
            raise WiringError(
                f"{self.name}: {function!r} is no function that answers a method; a name is given "
                "as in @rpc.method(name=…)"
            )
        return add(function)

    @property
    def service(self) -> RpcService:
        """What it defines; put together when it is looked at.

        Raises: WiringError, then, that lists everything that cannot be.
        """
        return self._late

    def client(self, channel: Channel) -> RpcClient:
        """Calls of this service over a channel: ``await client.say_hello(HelloRequest("Ada"))``.

        Raises: WiringError for a definition that cannot be put together.
        """
        from mainstay.rpc.definition_client import RpcClient  # noqa: PLC0415 - for who calls only

        names = {each.function.__name__: each.name for each in self._entries.values()}
        return RpcClient(self._late, names, channel)

    def __repr__(self) -> str:
        return f"<Rpc {self.name} methods={len(self._entries)}>"

    # --- putting it together --------------------------------------------------------------------

    def _build(self) -> RpcService:
        from mainstay.rpc.schema.building import Signature  # noqa: PLC0415 - loads protobuf
        from mainstay.rpc.schema.schema import Schema  # noqa: PLC0415 - same

        schema = Schema(self.name)
        faults = []
        found: dict[str, _Types] = {}
        signatures = []
        for entry in self._entries.values():
            try:
                types = found[entry.name] = _types_of(entry.function)
                request = _named(schema, entry.function, types.request, "request")
                response = _named(schema, entry.function, types.response, "reply")
            except WiringError as fault:
                faults.append(fault.message)
                continue
            signatures.append(
                Signature(entry.name, types.kind, request, response, entry.idempotent)
            )
        faults += schema.faults
        if faults:
            raise WiringError("\n".join(faults))
        descriptor = schema.build(signatures)
        return RpcService(
            name=self.name,
            methods={name: self._method(name, found[name], schema, descriptor) for name in found},
            descriptor=descriptor,
            doc=self.doc,
        )

    def _method(self, name: str, types: _Types, schema: Schema, descriptor: Any) -> RpcMethod:
        entry = self._entries[name]
        return RpcMethod(
            service=self.name,
            name=name,
            kind=types.kind,
            request=schema.message_type(types.request, request=True),
            response=schema.message_type(types.response),
            function=entry.function,
            middleware=(*self._middleware, *entry.middleware),
            timeout=self._timeout if entry.timeout is None else entry.timeout,
            idempotent=entry.idempotent,
            descriptor=descriptor.methods_by_name[name],
            http=entry.http,
        )


def _rules_of(given: object, method: str) -> tuple[HttpRule, ...]:
    """The rules of a method. Raises: WiringError that says how one is written."""
    several = isinstance(given, Iterable) and not isinstance(given, str)
    rules = []
    for each in given if several else (given,):  # type: ignore[attr-defined]
        if not isinstance(each, HttpRule):
            raise WiringError(
                f"{method}: http={each!r} is no rule; write {_rule_meant(each)}, of mainstay.rpc"
            )
        rules.append(each)
    return tuple(rules)


def _rule_meant(given: object) -> str:
    """How to write what somebody has given as text."""
    verb, _, path = str(given).strip().partition(" ")
    known = verb.capitalize() if verb.upper() in _VERBS else ""
    if not known or not path:
        path = given if isinstance(given, str) and given.startswith("/") else "/v1/books/{id}"
    return f'http={known or "Get"}("{path.strip()}")'


def _named(schema: Schema, function: Callable[..., Any], annotation: Any, role: str) -> str:
    try:
        return schema.name_of(annotation)
    except WiringError as fault:
        said = "is not annotated" if annotation is MISSING else f"is {say_type(annotation)}"
        hint = ""
        if get_origin(annotation) in _ONE_BY_ONE or annotation in _ONE_BY_ONE:
            hint = "; messages one after another are an AsyncIterator, which `async def` yields"
        raise WiringError(f"{where(function)}: its {role} {said}; {fault.message}{hint}") from None


def _types_of(function: Callable[..., Any]) -> _Types:
    """What a function is, by its annotations. Raises: WiringError."""
    parameters = parameters_of(function)
    parameter = _request_of(parameters)
    requests_stream, request = False, None
    if parameter is None:
        _refuse_untyped(function, parameters)
    else:
        requests_stream, request = streamed(parameter.annotation)
    replies_stream, response = streamed(returns_of(function))
    yields = inspect.isasyncgenfunction(function)
    by_hand = any(each.annotation is Stream for each in parameters)
    if yields and not replies_stream:
        raise WiringError(
            f"{where(function)} yields its replies: annotate it as AsyncIterator of their type"
        )
    if replies_stream and not yields and not by_hand:
        raise WiringError(
            f"{where(function)} says that it streams replies: make it yield them, in an "
            "`async def`, or ask for the `Stream` and send them"
        )
    return _Types(Kind((requests_stream, replies_stream)), request, response)


def _request_of(parameters: tuple[Parameter, ...]) -> Parameter | None:
    for parameter in parameters:
        if parameter.name in _REQUESTS:
            return parameter
    for parameter in parameters:
        _, annotation = streamed(parameter.annotation)
        if parameter.default is MISSING and (is_model(annotation) or _is_protobuf(annotation)):
            return parameter
    return None


def _refuse_untyped(function: Callable[..., Any], parameters: tuple[Parameter, ...]) -> None:
    """Raises: WiringError for a parameter that may have been meant as the request."""
    for each in parameters:
        if each.annotation is MISSING and each.default is MISSING:
            raise WiringError(
                f"{where(function)}: parameter {each.name!r} has no type; annotate the request with "
                "its message, a class with named fields, or leave it out"
            )


def _is_protobuf(annotation: Any) -> bool:
    return isinstance(annotation, type) and hasattr(annotation, "DESCRIPTOR")


def streamed(annotation: Any) -> tuple[bool, Any]:
    """Whether it is of messages one after another; and the type of one of them."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in STREAMS:
        return True, get_args(annotation)[0]
    return False, annotation


def camel_case(name: str) -> str:
    """``say_hello`` as ``SayHello``; a name that is in CamelCase stays as it is."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))
