"""What a client asks, as its middleware sees it."""

from __future__ import annotations

from mainstay.core.redact import hide_in_urls
from mainstay.http.client.bodies import Body
from mainstay.http.client.reply import Reply
from mainstay.http.client.urls import Url
from mainstay.http.headers import Headers

__all__ = ["ClientRequest"]


class ClientRequest:
    """One request before it is sent; middleware may change it.

    Attributes:
        method: ``GET``, …
        url: absolute.
        headers: with the client's own; to be read and changed.
        body: what is sent.
        streamed: whether the caller reads the reply's body piece by piece; otherwise it is read by
            the time that the innermost handler returns.
        follow_redirects: as asked.
        replies: every reply received so far for it; those that nobody returned are closed.
    """

    __slots__ = ("body", "follow_redirects", "headers", "method", "replies", "streamed", "url")

    def __init__(
        self,
        method: str,
        url: Url,
        headers: Headers,
        body: Body,
        *,
        streamed: bool = False,
        follow_redirects: bool = False,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.streamed = streamed
        self.follow_redirects = follow_redirects
        self.replies: list[Reply] = []

    def __repr__(self) -> str:
        return f"<ClientRequest {self.method} {hide_in_urls(str(self.url))}>"
