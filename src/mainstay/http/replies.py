"""Answers that a handler makes itself, where the value alone does not say enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import quote

from mainstay.errors import UsageError
from mainstay.http.encode import encode_json
from mainstay.http.headers import HeaderSource
from mainstay.http.response import Response

__all__ = ["Created", "Html", "NoContent", "Redirect"]

if TYPE_CHECKING:
    # Python itself knows the default from 3.13 on.
    T_co = TypeVar("T_co", covariant=True, default=Any)
else:
    T_co = TypeVar("T_co", covariant=True)

_REDIRECTS: Final = (301, 302, 303, 307, 308)
# What RFC 3986 lets stand in a URI, and the percent of what is escaped already.
_URI: Final = "%:/?#[]@!$&'()*+,;=~"


class Html(Response):
    """A page.

    Args:
        text: sent as UTF-8. Text of users in it has to be escaped; `Templates` does it.
        status, headers: see `Response`.
    """

    __slots__ = ()

    def __init__(self, text: str, status: int = 200, headers: HeaderSource | None = None) -> None:
        super().__init__(text, status, headers, content_type="text/html; charset=utf-8")


class Redirect(Response):
    """Send the peer elsewhere.

    Args:
        url: absolute, or relative to the request's; characters that a URI lacks are escaped. A
            URL from the request itself leads wherever its author wants: check the host first.
        status: 303 (the default) to get the other with GET, after a form for instance; 307 to
            repeat the request there; 308 to do so from now on; 301 and 302 are the older forms,
            after which browsers turn POST into GET.
        headers: see `Response`.

    Raises: UsageError for another status.
    """

    __slots__ = ()

    def __init__(self, url: str, status: int = 303, headers: HeaderSource | None = None) -> None:
        if status not in _REDIRECTS:
            known = ", ".join(map(str, _REDIRECTS))
            raise UsageError(f"a redirect has one of the statuses {known}, not {status}")
        super().__init__(b"", status, headers)
        self.headers.set("location", quote(url, safe=_URI))


class Created(Response, Generic[T_co]):
    """201: something new exists (RFC 9110 §15.3.2). ``-> Created[Item]`` says what, for the
    description of the interface and for type checkers; ``-> Created`` leaves it open.

    Args:
        value: what was made, as JSON; None for no body.
        location: its URL.
        headers: see `Response`.

    Raises: UsageError when `value` cannot be said in JSON.
    """

    __slots__ = ()

    def __init__(
        self,
        value: T_co | None = None,
        location: str | None = None,
        headers: HeaderSource | None = None,
    ) -> None:
        if value is None:
            super().__init__(b"", 201, headers)
        else:
            super().__init__(encode_json(value), 201, headers, content_type="application/json")
        if location is not None:
            self.headers.set("location", quote(location, safe=_URI))


class NoContent(Response):
    """204: it is done, and there is nothing to say."""

    __slots__ = ()

    def __init__(self, headers: HeaderSource | None = None) -> None:
        super().__init__(b"", 204, headers)
