"""What generated code takes from mainstay, beside `mainstay.rpc`. Not for anybody else.

The four kinds of methods that a client has, with the types of their messages: what a channel makes
(`mainstay.rpc.client.methods`) is of any type.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Generator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, Protocol, Self, TypeVar

from mainstay.errors import Code, RpcError

if TYPE_CHECKING:
    from mainstay.rpc.client.methods import UnaryReply
    from mainstay.rpc.client.pairs import MetadataSource, PairTuple

__all__ = [
    "Bidi",
    "ClientStream",
    "ServerStream",
    "StreamOf",
    "Unary",
    "overridable",
    "unimplemented",
]

S = TypeVar("S")
Q = TypeVar("Q")
R = TypeVar("R")
Q_contra = TypeVar("Q_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


def overridable(function: Callable[[S, Q], R]) -> Callable[Concatenate[S, Q, ...], R]:
    """Let methods that override this one take more than the request, which is filled by type: to a
    checker it takes anything more. It is the function itself."""
    return function


def unimplemented(method: str) -> NoReturn:
    """Answer for a method, such as ``hello.v1.Greeter/SayHello``, that a server did not define.

    Raises: RpcError with UNIMPLEMENTED.
    """
    raise RpcError(Code.UNIMPLEMENTED, f"{method} is not implemented")


class StreamOf(Protocol[Q_contra, R_co]):
    """An `RpcStream` whose messages have types; its methods are explained there."""

    async def receive(self) -> R_co:
        """See `RpcStream.receive`."""

    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> R_co: ...
    async def reply(self) -> R_co:
        """See `RpcStream.reply`."""

    def __await__(self) -> Generator[Any, None, R_co]: ...
    async def send(self, message: Q_contra) -> None:
        """See `RpcStream.send`."""

    async def done_sending(self) -> None:
        """See `RpcStream.done_sending`."""

    async def initial_metadata(self) -> PairTuple:
        """See `RpcStream.initial_metadata`."""

    @property
    def trailing_metadata(self) -> PairTuple:
        """See `RpcStream.trailing_metadata`."""

    def cancel(self) -> None:
        """See `RpcStream.cancel`."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Unary(Protocol[Q_contra, R_co]):
    """A `UnaryMethod`: ``reply = await method(request)``."""

    async def __call__(
        self,
        request: Q_contra,
        *,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        wait_for_ready: bool | None = None,
        compression: str | None = None,
    ) -> R_co:
        """See `UnaryMethod`."""

    async def with_metadata(
        self,
        request: Q_contra,
        *,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        wait_for_ready: bool | None = None,
        compression: str | None = None,
    ) -> UnaryReply:
        """See `UnaryMethod`."""


class ServerStream(Protocol[Q_contra, R_co]):
    """A `ServerStreamMethod`: ``async for reply in method(request): …``."""

    def __call__(
        self,
        request: Q_contra,
        *,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        wait_for_ready: bool | None = None,
        compression: str | None = None,
    ) -> StreamOf[Q_contra, R_co]:
        """See `ServerStreamMethod`."""


class ClientStream(Protocol[Q_contra, R_co]):
    """A `ClientStreamMethod`: ``reply = await method(requests)``."""

    def __call__(
        self,
        requests: Iterable[Q_contra] | AsyncIterable[Q_contra] | None = None,
        *,
        timeout: float | None = None,
        metadata: MetadataSource | None = None,
        wait_for_ready: bool | None = None,
        compression: str | None = None,
    ) -> StreamOf[Q_contra, R_co]:
        """See `ClientStreamMethod`."""


class Bidi(ClientStream[Q_contra, R_co], Protocol[Q_contra, R_co]):
    """A `BidiMethod`: as `ClientStream`, with any number of replies."""
