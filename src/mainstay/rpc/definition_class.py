"""Services that are defined by a ``.proto`` and answered by a class, checked against each other.

The class has a method for each of the service's, by its name or in snake_case. All that does not fit
is said at once, when the service starts, with what to do about it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mainstay.core.call import Stream
from mainstay.core.middleware import Layer
from mainstay.core.signature import MISSING, parameters_of, returns_of, say_type, where
from mainstay.errors import Unimplemented, WiringError
from mainstay.rpc.definition import streamed
from mainstay.rpc.late import LateService
from mainstay.rpc.method import Kind, RpcMethod, RpcService

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

__all__ = ["Described", "class_service", "snake_case"]

_EMPTY: Final = "google.protobuf.Empty"

Described: TypeAlias = "ServiceDescriptor"
"""What protobuf knows of a service."""


@dataclass(frozen=True, slots=True)
class _Definition:
    descriptor: Any
    cls: type
    partial: bool
    middleware: tuple[Layer, ...]
    timeout: float | None


def class_service(
    descriptor: Described,
    cls: type,
    *,
    partial: bool = False,
    middleware: Iterable[Layer] = (),
    timeout: float | None = None,
) -> RpcService:
    """The service of `descriptor`, answered by `cls`; checked when it is looked at.

    Args:
        descriptor: what it has to be.
        cls: of which one instance answers.
        partial: whether methods may be absent; they are answered with UNIMPLEMENTED.
        middleware: around its methods.
        timeout: seconds for a call, unless the caller allows less.

    Raises: WiringError, from the service, that names all that is missing, too much or wrong.
    """
    definition = _Definition(descriptor, cls, partial, tuple(middleware), timeout)
    return LateService(descriptor.full_name, lambda: _made(definition))


def _made(definition: _Definition) -> RpcService:
    descriptor = definition.descriptor
    faults: list[str] = []
    answers = _answers(definition, faults)
    methods = {}
    for method in descriptor.methods:
        name = answers.get(method.name)
        if name is None:
            methods[method.name] = _absent(definition, method)
            continue
        try:
            methods[method.name] = _method(definition, method, name, faults)
        except WiringError as fault:
            faults.append(fault.message)
    if faults:
        raise WiringError("\n".join(faults))
    doc = inspect.getdoc(definition.cls) or ""
    return RpcService(name=descriptor.full_name, methods=methods, descriptor=descriptor, doc=doc)


def _answers(definition: _Definition, faults: list[str]) -> dict[str, str]:
    """The names of the class's functions by those of the methods that they answer."""
    cls, descriptor = definition.cls, definition.descriptor
    found: dict[str, str] = {}
    every = [each.name for each in descriptor.methods]
    for name in every:
        there = [each for each in (name, snake_case(name)) if callable(getattr(cls, each, None))]
        if len(set(there)) > 1:
            faults.append(f"{cls.__qualname__} answers {name} twice, by {' and by '.join(there)}")
        if there:
            found[name] = there[0]
    absent = [each for each in every if each not in found]
    extra = [each for each in _public(cls) if each not in found.values()]
    # A base class, as a generated one, may have answers to all of them.
    inherited = [each for each in every if each in found and found[each] not in vars(cls)]
    for each in extra:
        open_names = absent + inherited
        close = get_close_matches(_plain(each), [_plain(name) for name in open_names], 1)
        meant = next((name for name in open_names if [_plain(name)] == close), None)
        if meant is not None:
            said = f"did you mean {meant}?"
            (absent if meant in absent else inherited).remove(meant)
        else:
            said = "if it is no method of the service, let its name begin with an underscore"
        faults.append(
            f"{where(getattr(cls, each))}: {descriptor.full_name} has no method of this name; {said}"
        )
    if absent and not definition.partial:
        faults.append(
            f"{cls.__qualname__} does not answer {', '.join(absent)} of {descriptor.full_name}; "
            "add what is missing, or say partial=True, and it is UNIMPLEMENTED"
        )
    return found


def _public(cls: type) -> Iterator[str]:
    """Names of what looks like an answer to a call."""
    for name in dir(cls):
        value = getattr(cls, name)
        coroutine = inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)
        if not name.startswith("_") and coroutine:
            yield name


def _absent(definition: _Definition, method: MethodDescriptor) -> RpcMethod:
    from mainstay.rpc.protobuf import bare_method  # noqa: PLC0415 - loads protobuf

    name = f"{definition.descriptor.full_name}/{method.name}"

    async def refuse(call: Any) -> Any:
        raise Unimplemented(f"{name} is not implemented")

    return bare_method(method, handler=refuse)


def _method(
    definition: _Definition, method: MethodDescriptor, name: str, faults: list[str]
) -> RpcMethod:
    from mainstay.rpc.protobuf import bare_method, message_type  # noqa: PLC0415 - loads protobuf
    from mainstay.rpc.schema.schema import nothing  # noqa: PLC0415 - same

    cls = definition.cls
    static = inspect.getattr_static(cls, name)
    function = getattr(cls, name)
    owned = not isinstance(static, staticmethod | classmethod)
    made = bare_method(method, function=function)
    made.owner = cls if owned else None
    made.middleware = definition.middleware
    made.timeout = definition.timeout
    request, response = _checked(method, made.kind, function, faults, owned=owned)
    # The classes that the handler names take the place of those of the pool: they are the same
    # message, and not the same class where a file was loaded twice.
    if request is not None:
        made.request = message_type(request)
    if response is type(None):
        made.response = nothing()
    elif response is not None:
        made.response = message_type(response)
    return made


def _checked(
    method: MethodDescriptor,
    kind: Kind,
    function: Callable[..., Any],
    faults: list[str],
    *,
    owned: bool,
) -> tuple[Any, Any]:
    """The classes that `function` has in the place of its request and reply, each None for none;
    NoneType for a reply that says nothing."""
    parameters = parameters_of(function)[1 if owned else 0 :]
    by_hand = any(each.annotation is Stream for each in parameters)
    wanted = method.input_type.full_name

    def fault(said: str) -> None:
        faults.append(f"{where(function)}: {said}")

    request = None
    candidates = [each for each in parameters if _is_message(streamed(each.annotation)[1])]
    if len(candidates) > 1:
        names = ", ".join(each.name for each in candidates)
        fault(f"several of its parameters are messages, and one is the request: {names}")
    elif candidates:
        is_stream, request = streamed(candidates[0].annotation)
        if is_stream and not kind.requests_stream:
            fault(f"{method.name} has one request: annotate it as {say_type(request)}")
        elif kind.requests_stream and not is_stream and not by_hand:
            fault(
                f"{method.name} gets a stream of requests: annotate "
                f"{candidates[0].name!r} as AsyncIterator[{say_type(request)}]"
            )
        if request.DESCRIPTOR.full_name != wanted:
            fault(f"its request is {request.DESCRIPTOR.full_name}, and {method.name} gets {wanted}")
    elif kind.requests_stream and not by_hand:
        fault(
            f"{method.name} gets a stream of requests: have a parameter that is annotated as "
            f"AsyncIterator[{method.input_type.name}], or as Stream"
        )
    return request, _reply(method, kind, function, fault, by_hand=by_hand)


def _reply(
    method: MethodDescriptor,
    kind: Kind,
    function: Callable[..., Any],
    fault: Callable[[str], None],
    *,
    by_hand: bool,
) -> Any:
    name, wanted = method.output_type.name, method.output_type.full_name
    yields = inspect.isasyncgenfunction(function)
    if inspect.isgeneratorfunction(function):
        fault("it yields: make it `async def` to stream its messages")
    elif yields and not kind.replies_stream:
        fault(f"it yields, and {method.name} has one reply: return it")
    elif kind.replies_stream and not yields and not by_hand:
        fault(
            f"{method.name} streams its replies: make it an `async def` that yields {name}, or ask "
            "for the Stream and send them"
        )
    returns = returns_of(function)
    is_stream, response = streamed(returns)
    if returns is MISSING or response is Any or (by_hand and response in (None, type(None))):
        return None
    if is_stream is not kind.replies_stream and not yields:
        return None  # said above, or a Stream is used by hand
    if response in (None, type(None)) and wanted == _EMPTY:
        return type(None)
    if not _is_message(response):
        fault(f"its reply is {say_type(response)}, and {method.name} has {wanted}")
        return None
    if response.DESCRIPTOR.full_name != wanted:
        fault(f"its reply is {response.DESCRIPTOR.full_name}, and {method.name} has {wanted}")
        return None
    return response


def _is_message(annotation: Any) -> bool:
    return isinstance(annotation, type) and hasattr(annotation, "DESCRIPTOR")


def snake_case(name: str) -> str:
    """``SayHello`` as ``say_hello``, and ``Import``, a word of Python's, as ``import_``."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return f"{snake}_" if iskeyword(snake) else snake


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
