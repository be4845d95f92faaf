"""What a peer asks for, as handlers and middleware see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from mainstay.core.metadata import Metadata, Peer
from mainstay.http.headers import Headers
from mainstay.http.pairs import Pairs, parse_query
from mainstay.net.exchange import Exchange

if TYPE_CHECKING:
    from mainstay.http.forms import FormData, FormLimits, Part

__all__ = ["Request"]

_NO_PARAMS: Final[Mapping[str, Any]] = {}


class Request:
    """One HTTP request; made when somebody asks for it.

    Args:
        exchange: what it came by.
        params: the values of the path's parameters, converted.

    Attributes:
        exchange: what it came by; for the framework's own middleware.
        method: ``GET``, …
        params: of the path.
        path: decoded, without the query. Middleware that strips a prefix changes it before
            routing; see `root`.
        root: what was stripped from the path on the way here (a mount's prefix).
        scheme: ``http`` or ``https``; a trusted proxy's word counts if that middleware is used.
        host: the authority as sent, such as ``example.org:8000``.
        peer: who is at the other end; the client's, where a trusted proxy tells.
    """

    __slots__ = (
        "_body",
        "_cookies",
        "_form",
        "_headers",
        "_query",
        "_reply_headers",
        "exchange",
        "host",
        "method",
        "params",
        "path",
        "peer",
        "root",
        "scheme",
    )

    def __init__(self, exchange: Exchange, params: Mapping[str, Any] = _NO_PARAMS) -> None:
        self.exchange = exchange
        self.params = params
        self.method = exchange.method
        self.scheme = exchange.scheme
        self.host = exchange.authority
        self.peer: Peer = exchange.peer
        self.root = ""
        path = exchange.target.partition(b"?")[0].decode("latin-1")
        self.path = unquote(path, errors="replace") if "%" in path else path
        self._headers: Metadata | None = None
        self._query: Pairs | None = None
        self._cookies: Mapping[str, str] | None = None
        self._reply_headers: Headers | None = None
        self._body: bytes | None = exchange.body
        self._form: FormData | None = None

    @property
    def headers(self) -> Metadata:
        """The fields of the request."""
        if self._headers is None:
            self._headers = Metadata.from_fields(self.exchange.fields)
        return self._headers

    @property
    def query_string(self) -> str:
        """What stands behind the question mark, as sent."""
        return self.exchange.target.partition(b"?")[2].decode("latin-1")

    @property
    def query(self) -> Pairs:
        """The parameters of the query."""
        if self._query is None:
            self._query = Pairs(parse_query(self.query_string))
        return self._query

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that came along; of a name that comes twice, the first (RFC 6265 §5.4)."""
        if self._cookies is None:
            found: dict[str, str] = {}
            for line in self.headers.get_all("cookie"):
                for part in line.split(";"):
                    name, equals, value = part.strip().partition("=")
                    if equals:
                        found.setdefault(name, value.strip('"'))
            self._cookies = found
        return self._cookies

    @property
    def url(self) -> str:
        """The whole address, as the peer wrote it."""
        return f"{self.scheme}://{self.host}{self.exchange.target.decode('latin-1')}"

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters; empty without one."""
        return (self.headers.get("content-type") or "").partition(";")[0].strip().lower()

    @property
    def reply_headers(self) -> Headers:
        """Fields that the reply gets, whatever it will be: also a problem that is raised later.

        What the response sets itself wins, except that ``set-cookie`` and ``vary`` add up.
        """
        if self._reply_headers is None:
            self._reply_headers = Headers()
        return self._reply_headers

    async def read(self) -> bytes:
        """The whole body; a second time from memory.

        Raises: TooLarge, PeerGone, PeerTooSlow, InvalidRequest; see `Exchange.receive`.
        """
        if self._body is None:
            parts = []
            while part := await self.exchange.receive():
                parts.append(part)
            self._body = b"".join(parts)
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; the peer waits while nobody asks for more.

        Raises: as `read` does.
        """
        if self._body is not None:
            if self._body:
                yield self._body
            return
        while part := await self.exchange.receive():
            yield part

    async def form(self, limits: FormLimits | None = None) -> FormData:
        """The body as a form, urlencoded or multipart; a second time the same one.

        Its files are let go of when the call ends.

        Raises: HttpError 415 when the body is no form; InvalidRequest, TooLarge; and as `read`.
        """
        if self._form is None:
            # Here, because most services have no forms, and the parser takes time to import.
            from mainstay.http.forms import FormLimits, read_form  # noqa: PLC0415

            field = self.headers.get("content-type") or ""
            self._form = await read_form(field, self.chunks(), limits or FormLimits())
        return self._form

    async def parts(self, limits: FormLimits | None = None) -> AsyncIterator[Part]:
        """The parts of a multipart form, as they come: for uploads of any size.

        Raises: as `form`.
        """
        from mainstay.http.forms import FormLimits, read_parts  # noqa: PLC0415

        field = self.headers.get("content-type") or ""
        async for part in read_parts(field, self.chunks(), limits or FormLimits()):
            yield part

    def close(self) -> None:
        """Let go of the files of the form; for whoever ends the call. Idempotent."""
        if self._form is not None:
            self._form.close()

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"
