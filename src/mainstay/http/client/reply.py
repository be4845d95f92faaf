"""What a server answered, as a client sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar, overload

import msgspec

from mainstay.core.metadata import Metadata
from mainstay.core.signature import say_type
from mainstay.errors import BrokenError, UpstreamError, UsageError
from mainstay.http.client.decompression import WrongEncoding, decompressor
from mainstay.http.encode import is_model
from mainstay.http.problems import PROBLEM_JSON, Problem
from mainstay.net.client_limits import ClientLimits
from mainstay.net.outgoing import Incoming

__all__ = ["Reply"]

T = TypeVar("T")

_FIRST_ERROR: Final = 400
_MOST_SHOWN: Final = 200


class Reply:
    """One reply. `read` has the body whole and keeps it, `chunks` has it as it comes, once.

    Args:
        incoming: what arrives on the connection.
        method: of the request.
        url: of the request, the last one after redirects; for messages too, so without passwords.
        limits: of the client.
        decompress: whether to undo ``content-encoding``.

    Attributes:
        status: 200 to 599.
        headers: the fields; what `decompress` undoes is still named there.
        version: ``1.0``, ``1.1`` or ``2``.
        method, url: as given.
        redirects: the URLs that were asked before this one.
    """

    __slots__ = (
        "_body",
        "_decompress",
        "_incoming",
        "_limits",
        "_started",
        "headers",
        "method",
        "redirects",
        "status",
        "url",
        "version",
    )

    def __init__(
        self,
        incoming: Incoming,
        method: str,
        url: str,
        limits: ClientLimits,
        *,
        decompress: bool = True,
    ) -> None:
        self.status = incoming.status
        self.headers = Metadata.from_fields(incoming.fields)
        self.version = incoming.version
        self.method = method
        self.url = url
        self.redirects: tuple[str, ...] = ()
        self._incoming = incoming
        self._limits = limits
        self._decompress = decompress
        self._started = False
        self._body: bytes | None = None

    @property
    def ok(self) -> bool:
        """Whether the status is no error: below 400."""
        return self.status < _FIRST_ERROR

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters; empty without one."""
        return (self.headers.get("content-type") or "").partition(";")[0].strip().lower()

    @property
    def trailers(self) -> Metadata:
        """Trailer fields; empty before the end of the body."""
        return Metadata.from_fields(self._incoming.trailers)

    # --- the body -------------------------------------------------------------------------------

    async def read(self) -> bytes:
        """The whole body; a second time from memory.

        Raises: BrokenError when it does not come whole, or is longer than `ClientLimits.body_size`;
        UpstreamError when it cannot be decompressed.
        """
        if self._body is None:
            limit = self._limits.body_size
            parts = []
            size = 0
            async for part in self.chunks():
                size += len(part)
                if size > limit:
                    self.close()
                    message = f"the reply to {self!r} is longer than body_size, {limit} bytes"
                    raise BrokenError(message, retryable=False)
                parts.append(part)
            self._body = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, decompressed; the server waits while nobody asks for more.

        Raises: as `read`, but for the length; UsageError the second time.
        """
        if self._body is not None:
            if self._body:
                yield self._body
            return
        if self._started:
            raise UsageError(f"the reply to {self!r} was read already; chunks() goes once")
        self._started = True
        encoding = self.headers.get("content-encoding") if self._decompress else None
        plain = decompressor(encoding) if encoding else None
        receive = self._incoming.receive
        if plain is None:
            while part := await receive():
                yield part
            return
        try:
            while part := await receive():
                for piece in plain.feed(part):
                    yield piece
            plain.finish()
        except WrongEncoding as error:
            self.close()
            message = f"the reply to {self!r} is no {encoding}: {error}"
            raise UpstreamError(message, status=self.status) from None

    @property
    def body(self) -> bytes:
        """The whole body, once it was read.

        Raises: UsageError before that.
        """
        if self._body is None:
            raise UsageError(
                "a streamed reply has no body yet: await reply.read(), or use chunks()"
            )
        return self._body

    @property
    def text(self) -> str:
        """The whole body as text, by its charset (UTF-8 unless it names one); undecodable bytes
        become U+FFFD. Raises: UsageError before it was read."""
        try:
            return self.body.decode(self._charset(), "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def _charset(self) -> str:
        value = self.headers.get("content-type")
        if value is None or "charset" not in value.lower():
            return "utf-8"
        message = Message()
        message["content-type"] = value
        return str(message.get_param("charset", "utf-8"))

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, type: type[T]) -> T: ...
    @overload
    def json(self, type: Any) -> Any: ...
    def json(self, type: Any = Any) -> Any:
        """The body as JSON: of `type`, whatever msgspec or pydantic can make, else plain values.

        Raises: UpstreamError that says what is wrong; UsageError before it was read.
        """
        try:
            return _decoder(type)(self.body)
        except ValueError as error:  # pydantic's and msgspec's too
            message = f"the reply to {self!r} is no {say_type(type)} in JSON: {error}"
            raise UpstreamError(message, status=self.status) from None

    # --- errors ---------------------------------------------------------------------------------

    @property
    def problem(self) -> Problem | None:
        """The problem details of the body (RFC 9457), if it has any."""
        if self.content_type != PROBLEM_JSON or self._body is None:
            return None
        try:
            return Problem.decode(self._body)
        except ValueError:
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait (RFC 9110 §10.2.3), or None. A date counts from the
        server's own ``date``, since clocks differ."""
        value = self.headers.get("retry-after")
        if value is None:
            return None
        if value.isascii() and value.isdigit():
            return float(value)
        try:
            end = parsedate_to_datetime(value)
            now = parsedate_to_datetime(self.headers.get("date") or "")
            return max(0.0, (end - now).total_seconds())
        except (TypeError, ValueError):
            return None

    def raise_for_status(self) -> Self:
        """Itself, if the status is no error.

        Raises: UpstreamError with the status, and the problem details if the server sent some.
        """
        if self.ok:
            return self
        problem = self.problem
        said = "" if problem is None else problem.detail or problem.title
        if not said and self._body and self.content_type.startswith("text/plain"):
            said = self.text[:_MOST_SHOWN]
        message = f"{self.method} {self.url} answered {self.status} {_phrase(self.status)}".rstrip()
        raise UpstreamError(
            f"{message}: {said}" if said else message,
            status=self.status,
            problem=problem,
            retry_after=self.retry_after,
        )

    def close(self) -> None:
        """Want no more of it; for whoever holds a streamed reply. Idempotent."""
        self._incoming.close()

    def __repr__(self) -> str:
        return f"<Reply {self.status} to {self.method} {self.url}>"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _decoder(type: Any) -> Callable[[bytes], Any]:
    try:
        return _made(type)
    except TypeError:  # a type that cannot be a key
        return _new_decoder(type)


def _new_decoder(type: Any) -> Callable[[bytes], Any]:
    if is_model(type):
        validate: Callable[[bytes], Any] = type.model_validate_json
        return validate
    if type in (Any, object):
        return msgspec.json.decode
    return msgspec.json.Decoder(type, dec_hook=_convert).decode


_made: Final = lru_cache(maxsize=256)(_new_decoder)


def _convert(type: Any, value: Any) -> Any:
    if type is object:
        return value
    if is_model(type):
        return type.model_validate(value)
    if isinstance(value, Mapping | list | str | int | float):
        return type(value)
    raise NotImplementedError(f"{say_type(type)} is no type that JSON can be decoded to")
