"""What a handler answers with, once it is said in HTTP.

Handlers rarely make one: what they return is turned into a `Response` by `results`, so that every
HTTP middleware sees this one type, with headers it may still change.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mainstay.errors import UsageError
from mainstay.http.cookies import SameSite, delete_cookie, set_cookie
from mainstay.http.headers import Headers, HeaderSource

if TYPE_CHECKING:
    from mainstay.http.request import Request

__all__ = ["Body", "Prepared", "Response"]

Body: TypeAlias = "bytes | AsyncIterable[bytes]"


_LEAST: Final = 200
_MOST: Final = 599
_SWITCHED: Final = 101
"""What a WebSocket's call ends with; its connection has said it long before."""


class Response:
    """A status, fields and a body.

    Args:
        body: bytes, text (sent as UTF-8), or an async iterable of bytes, which is sent as the
            peer takes it, inside the call's scope and deadline.
        status: 200 to 599.
        headers: fields beside content-type, content-length, date and connection.
        content_type: None for none. Text without one is ``text/plain; charset=utf-8``.
        length: bytes of a body that is iterated, if it is known.
        after: awaited when the reply was sent or broken off, still as part of the call: the drain
            waits for it. Its failure is logged.

    Attributes:
        status, content_type, length: as given.
        body: bytes or an async iterable of bytes. Middleware may replace it.
    """

    __slots__ = ("_headers", "after", "body", "content_type", "length", "status")

    def __init__(
        self,
        body: Body | str = b"",
        status: int = 200,
        headers: HeaderSource | None = None,
        *,
        content_type: str | None = None,
        length: int | None = None,
        after: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        if not _LEAST <= status <= _MOST and status != _SWITCHED:
            raise UsageError(f"a reply has a status from 200 to 599, not {status}")
        fields = None if headers is None else Headers(headers)
        if fields is not None and "content-type" in fields:
            content_type = content_type or fields.get("content-type")
            fields.remove("content-type")  # one home, so that no reply has two
        if isinstance(body, str):
            body = body.encode()
            content_type = content_type or "text/plain; charset=utf-8"
        self.body = body
        self.status = status
        self.content_type = content_type
        self.length = length
        self.after = after
        self._headers = fields

    @property
    def headers(self) -> Headers:
        """The fields, to be read and changed."""
        if self._headers is None:
            self._headers = Headers()
        return self._headers

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = True,
        http_only: bool = True,
        same_site: SameSite | None = "lax",
        partitioned: bool = False,
    ) -> None:
        """Let the browser keep a cookie; see `mainstay.http.cookies.set_cookie`."""
        set_cookie(
            self.headers,
            name,
            value,
            max_age=max_age,
            path=path,
            domain=domain,
            secure=secure,
            http_only=http_only,
            same_site=same_site,
            partitioned=partitioned,
        )

    def delete_cookie(
        self, name: str, *, path: str | None = "/", domain: str | None = None
    ) -> None:
        """Ask the browser to forget a cookie that was set with this `path` and `domain`."""
        delete_cookie(self.headers, name, path=path, domain=domain)

    @property
    def streams(self) -> bool:
        """Whether the body is iterated rather than whole."""
        return not isinstance(self.body, bytes)

    def __repr__(self) -> str:
        size = "stream" if self.streams else f"{len(self.body)} bytes"  # type: ignore[arg-type]
        return f"<Response {self.status} {self.content_type or 'untyped'} {size}>"


class Prepared(Response):
    """A response that cannot be made without the request, or without waiting: files, templates.

    The innermost handler awaits `prepare` before it returns, so middleware sees what it made.
    """

    __slots__ = ()

    async def prepare(self, request: Request) -> Response:
        """The response to send, which is no `Prepared`."""
        raise NotImplementedError
