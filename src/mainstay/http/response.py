"""What a handler answers with, once it is said in HTTP.

Handlers rarely make one: what they return is turned into a `Response` by `results`, so that every
HTTP middleware sees this one type, with headers it may still change.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, TypeAlias

from mainstay.http.headers import Headers, HeaderSource

__all__ = ["Body", "Response"]

Body: TypeAlias = "bytes | AsyncIterable[bytes]"


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
        if isinstance(body, str):
            body = body.encode()
            content_type = content_type or "text/plain; charset=utf-8"
        self.body = body
        self.status = status
        self.content_type = content_type
        self.length = length
        self.after = after
        self._headers = None if headers is None else Headers(headers)

    @property
    def headers(self) -> Headers:
        """The fields, to be read and changed."""
        if self._headers is None:
            self._headers = Headers()
        return self._headers

    @property
    def streams(self) -> bool:
        """Whether the body is iterated rather than whole."""
        return not isinstance(self.body, bytes)

    def __repr__(self) -> str:
        size = "stream" if self.streams else f"{len(self.body)} bytes"  # type: ignore[arg-type]
        return f"<Response {self.status} {self.content_type or 'untyped'} {size}>"
