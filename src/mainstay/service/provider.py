r"""Resources: what they provide, what they need, how they open and close.

A resource is declared by a function whose return annotation says what kind it is:

=================================================  ==========================================
``async def f() -> AsyncIterator[T]``              opened up to its ``yield``, closed after it
``def f() -> Iterator[T]``                         the same, in a thread
``def f() -> AbstractAsyncContextManager[T]``      entered and left
``def f() -> AbstractContextManager[T]``           the same, in a thread
``async def f() -> T``, ``def f() -> T``           a value that needs no closing (def: in a thread)
a class                                            made from its constructor; entered if it is a
                                                   context manager, else ``aclose``\ d or closed
=================================================  ==========================================
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin

from mainstay.core.signature import (
    MISSING,
    Parameter,
    parameters_of,
    returns_of,
    say_type,
    where,
)
from mainstay.core.threads import to_thread
from mainstay.errors import UsageError, WiringError
from mainstay.service.fitting import fits

__all__ = ["Lifetime", "Ping", "Provider", "provider_of"]

Lifetime: TypeAlias = Literal["service", "call"]
_LIFETIMES: Final = ("service", "call")
Ping: TypeAlias = Callable[[Any], Awaitable[None]]
_Opener: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, eq=False)
class Provider:
    """One declared resource.

    Attributes:
        name: for logs and errors: the function's name.
        provides: the type that others ask for.
        lifetime: ``service``: opened once; ``call``: opened for each call that asks.
        needs: its own parameters.
        open: makes the async context manager that is its life.
        ping: asks a living one whether it works; fails by raising.
    """

    name: str
    provides: Any
    lifetime: Lifetime
    needs: tuple[Parameter, ...]
    open: _Opener
    origin: Callable[..., Any]
    ping: Ping | None = None

    def checked(self, value: Any) -> Any:
        """`value`, which opening it has given.

        Raises: UsageError when that can be nothing of the type it provides.
        """
        if value is not None and self.provides is self.origin:
            return value  # what a class is entered as is its own affair
        if fits(value, self.provides):
            return value
        given, hint = f"a {say_type(type(value))}", ""
        if value is None:
            given, hint = "None", "; is a `return` missing, or a value behind `yield`?"
        elif inspect.isawaitable(value):
            hint = "; await it"
        raise UsageError(
            f"{where(self.origin)} provides {given}, where its annotation says "
            f"{say_type(self.provides)}{hint}"
        )

    def __repr__(self) -> str:
        return f"resource {self.name!r}"


def provider_of(
    function: Callable[..., Any], *, lifetime: Lifetime = "service", ping: Ping | None = None
) -> Provider:
    """Read a declaration.

    Raises: WiringError when its return annotation does not say what it provides, or for a lifetime
        that there is not.
    """
    if lifetime not in _LIFETIMES:
        message = f"{where(function)}: a lifetime is 'service' or 'call', not {lifetime!r}"
        raise WiringError(message)
    provides, opener = _kind_of(function)
    return Provider(
        name=function.__name__,
        provides=provides,
        lifetime=lifetime,
        needs=parameters_of(function),
        open=opener,
        origin=function,
        ping=ping,
    )


def _kind_of(function: Callable[..., Any]) -> tuple[Any, _Opener]:
    if inspect.isclass(function):
        return function, _opener_of_class(function)
    returns = returns_of(function)
    if returns in (MISSING, None, type(None)):
        message = (
            f"{where(function)} provides nothing that others could ask for: annotate what it "
            "yields or returns, such as `-> AsyncIterator[Database]`"
        )
        raise WiringError(message)
    origin, args = get_origin(returns), get_args(returns)
    if inspect.isasyncgenfunction(function):
        _expect(function, returns, (AsyncIterator, AsyncGenerator))
        return args[0], asynccontextmanager(function)
    if inspect.isgeneratorfunction(function):
        _expect(function, returns, (Iterator, Generator))
        return args[0], _in_thread(contextmanager(function))
    _expect_no_iterator(function, origin)
    if origin is AbstractAsyncContextManager:
        return args[0], function
    if origin is AbstractContextManager:
        return args[0], _in_thread(function)
    return returns, _value(function)


def _expect(function: Callable[..., Any], returns: Any, wanted: tuple[type, ...]) -> None:
    if get_origin(returns) not in wanted or not get_args(returns):
        names = " or ".join(f"{kind.__name__}[…]" for kind in wanted)
        message = f"{where(function)} yields, so its return annotation must be {names}"
        raise WiringError(message)


def _expect_no_iterator(function: Callable[..., Any], origin: Any) -> None:
    if origin in (AsyncIterator, AsyncGenerator, Iterator, Generator):
        if hasattr(function, "__wrapped__"):
            name = "asynccontextmanager" if issubclass(origin, AsyncIterator) else "contextmanager"
            hint = f"declare it without @{name}"
        else:
            hint = "write `yield` in the place of `return`, or annotate what it returns"
        message = (
            f"{where(function)} is annotated to yield and does not: {hint}; if it provides an "
            "iterator, wrap that in a class of its own"
        )
        raise WiringError(message)


def _in_thread(make: Callable[..., AbstractContextManager[Any]]) -> _Opener:
    @asynccontextmanager
    async def opened(**arguments: Any) -> AsyncIterator[Any]:
        manager = await to_thread(make, **arguments)
        value = await to_thread(manager.__enter__)
        try:
            yield value
        except Exception as error:
            if not await to_thread(manager.__exit__, type(error), error, error.__traceback__):
                raise
        except BaseException as error:
            await to_thread(manager.__exit__, type(error), error, error.__traceback__)
            raise
        else:
            await to_thread(manager.__exit__, None, None, None)

    return opened


def _value(function: Callable[..., Any]) -> _Opener:
    @asynccontextmanager
    async def opened(**arguments: Any) -> AsyncIterator[Any]:
        if inspect.iscoroutinefunction(function):
            yield await function(**arguments)
        else:
            yield await to_thread(function, **arguments)

    return opened


def _opener_of_class(made: type) -> _Opener:
    @asynccontextmanager
    async def opened(**arguments: Any) -> AsyncIterator[Any]:
        value = made(**arguments)
        async with contextlib.AsyncExitStack() as stack:
            if hasattr(made, "__aenter__"):
                value = await stack.enter_async_context(value)
            elif hasattr(made, "__enter__"):
                value = await stack.enter_async_context(_in_thread(lambda: value)())
            elif hasattr(made, "aclose"):
                stack.push_async_callback(value.aclose)
            elif hasattr(made, "close"):
                stack.push_async_callback(to_thread, value.close)
            yield value

    return opened
