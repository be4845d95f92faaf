"""The methods by which one asks; all of them are `send` and `open` with arguments."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from contextlib import AbstractAsyncContextManager
from difflib import get_close_matches
from typing import Any, Final, TypedDict, TypeVar, Unpack, overload

from mainstay.errors import UsageError
from mainstay.http.client.bodies import Files, FormSource
from mainstay.http.client.reply import Reply
from mainstay.http.client.urls import Params
from mainstay.http.headers import HeaderSource

__all__ = ["ABSENT", "RequestOptions", "Verbs", "refuse_unknown"]

T = TypeVar("T")

ABSENT: Final = object()
"""Stands for no `json`, since None is JSON too."""


class RequestOptions(TypedDict, total=False):
    """What every way of asking takes.

    Attributes:
        params: added to the query.
        headers: beside the client's; they win over those.
        json: a value to be sent as JSON.
        content: bytes, text, or an async iterable of bytes, which is sent as the server takes it.
        form: fields of a form.
        files: files of a form, which is sent as multipart/form-data then.
        timeout: seconds instead of the client's; None for no limit but the scope's.
        follow_redirects: instead of the client's.
    """

    params: Params | None
    headers: HeaderSource | None
    json: Any
    content: bytes | str | AsyncIterable[bytes] | None
    form: FormSource | None
    files: Files | None
    timeout: float | None
    follow_redirects: bool


_OPTIONS: Final = frozenset(RequestOptions.__annotations__)
_ELSEWHERE: Final[Mapping[str, str]] = {
    "auth": "credentials are a header: headers={'authorization': …}",
    "body": "what is sent is content= (bytes or text), json= or form=",
    "cookies": (
        "make the client with cookies=True, or with a CookieJar, or send headers={'cookie': …}"
    ),
    "data": "the fields of a form are form=, and bytes or text are content=",
    "into": "the reply has no value here; it is for request, get, post, put, patch and delete",
    "allow_redirects": "it is follow_redirects=",
    "query": "what is added to the query is params=",
}
"""What other clients call something, or what is said in another place."""


def refuse_unknown(options: Mapping[str, Any]) -> None:
    """Raise UsageError, with a hint, for an option that no request takes: it would be lost."""
    if options.keys() <= _OPTIONS:
        return
    name = min(options.keys() - _OPTIONS)
    hint = _ELSEWHERE.get(name)
    if hint is None:
        near = get_close_matches(name, _OPTIONS, 1)
        hint = f"did you mean {near[0]}=?" if near else f"there are {', '.join(sorted(_OPTIONS))}"
    raise UsageError(f"a request takes no {name}=: {hint}")


class Verbs:
    """Base of the client.

    With ``into=T`` a method returns the value of the reply as a `T` instead of the reply, and
    raises UpstreamError when the status is an error or the reply is no such value.

    All raise: BrokenError when the server cannot be reached, leaves, or makes no sense;
    DeadlineExceeded; UsageError for what cannot be asked; ClosedError after `aclose`.
    """

    async def send(self, method: str, url: str, options: RequestOptions) -> Reply:
        """Ask, and read the whole reply."""
        raise NotImplementedError

    def open(
        self, method: str, url: str, options: RequestOptions
    ) -> AbstractAsyncContextManager[Reply]:
        """Ask, and let the caller read the reply."""
        raise NotImplementedError

    @overload
    async def request(
        self, method: str, url: str, *, into: type[T], **options: Unpack[RequestOptions]
    ) -> T: ...
    @overload
    async def request(self, method: str, url: str, **options: Unpack[RequestOptions]) -> Reply: ...
    async def request(
        self, method: str, url: str, *, into: Any = ABSENT, **options: Unpack[RequestOptions]
    ) -> Any:
        """Ask with any method. See `RequestOptions` and the class."""
        reply = await self.send(method, url, options)
        return reply if into is ABSENT else reply.raise_for_status().json(into)

    def stream(
        self, method: str, url: str, **options: Unpack[RequestOptions]
    ) -> AbstractAsyncContextManager[Reply]:
        """Ask, and read the reply as it comes: ``async with client.stream("GET", url) as reply:``.
        What is not read by the end of the block is not received."""
        return self.open(method, url, options)

    @overload
    async def get(self, url: str, *, into: type[T], **options: Unpack[RequestOptions]) -> T: ...
    @overload
    async def get(self, url: str, **options: Unpack[RequestOptions]) -> Reply: ...
    async def get(self, url: str, *, into: Any = ABSENT, **options: Unpack[RequestOptions]) -> Any:
        """See `request`."""
        return await self.request("GET", url, into=into, **options)

    @overload
    async def post(self, url: str, *, into: type[T], **options: Unpack[RequestOptions]) -> T: ...
    @overload
    async def post(self, url: str, **options: Unpack[RequestOptions]) -> Reply: ...
    async def post(self, url: str, *, into: Any = ABSENT, **options: Unpack[RequestOptions]) -> Any:
        """See `request`."""
        return await self.request("POST", url, into=into, **options)

    @overload
    async def put(self, url: str, *, into: type[T], **options: Unpack[RequestOptions]) -> T: ...
    @overload
    async def put(self, url: str, **options: Unpack[RequestOptions]) -> Reply: ...
    async def put(self, url: str, *, into: Any = ABSENT, **options: Unpack[RequestOptions]) -> Any:
        """See `request`."""
        return await self.request("PUT", url, into=into, **options)

    @overload
    async def patch(self, url: str, *, into: type[T], **options: Unpack[RequestOptions]) -> T: ...
    @overload
    async def patch(self, url: str, **options: Unpack[RequestOptions]) -> Reply: ...
    async def patch(
        self, url: str, *, into: Any = ABSENT, **options: Unpack[RequestOptions]
    ) -> Any:
        """See `request`."""
        return await self.request("PATCH", url, into=into, **options)

    @overload
    async def delete(self, url: str, *, into: type[T], **options: Unpack[RequestOptions]) -> T: ...
    @overload
    async def delete(self, url: str, **options: Unpack[RequestOptions]) -> Reply: ...
    async def delete(
        self, url: str, *, into: Any = ABSENT, **options: Unpack[RequestOptions]
    ) -> Any:
        """See `request`."""
        return await self.request("DELETE", url, into=into, **options)

    async def head(self, url: str, **options: Unpack[RequestOptions]) -> Reply:
        """See `request`."""
        return await self.send("HEAD", url, options)

    async def options(self, url: str, **options: Unpack[RequestOptions]) -> Reply:
        """See `request`."""
        return await self.send("OPTIONS", url, options)
