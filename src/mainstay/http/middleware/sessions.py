"""Sessions in a signed cookie: what a browser brings back, and could not change.

The cookie holds the session itself, as JSON, with the time it was written and an HMAC-SHA256 of
both under a key of the service. So any instance can read it, nothing has to be stored; and the
user can *read* it: no secrets belong in it. What was given out holds until it is too old: to end
sessions sooner, keep a generation of the user in it and compare.

The shape is ``payload.time.signature``, in base64url, seconds and base64url; the name of the cookie
is signed along, so that one cookie cannot be passed off as another.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from mainstay.core.call import Call, Middleware
from mainstay.core.scope import Key, Scope
from mainstay.errors import PeerError, UsageError
from mainstay.http.call import HttpCall
from mainstay.http.cookies import SameSite, delete_cookie, set_cookie
from mainstay.http.middleware.base import HttpNext, SecretSource, http_only, secret_bytes, value_of
from mainstay.http.response import Response

__all__ = ["SESSION", "Session", "session_of", "sessions"]

_LONGEST: Final = 4096
"""Bytes of name and value together that every browser keeps (RFC 6265 §6.1)."""

_COOKIE: Final = re.compile(r"([A-Za-z0-9_-]+)\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Session(MutableMapping[str, Any]):
    """What is kept for one browser: names and values that JSON can hold.

    Read from the cookie when it is first looked at; written back if it is another at the end.
    """

    __slots__ = ("_found", "_load", "_values")

    def __init__(self, load: Callable[[], _Found | None]) -> None:
        self._load = load
        self._found: _Found | None = None
        self._values: dict[str, Any] | None = None

    @property
    def _all(self) -> dict[str, Any]:
        return self._read() if self._values is None else self._values

    def _read(self) -> dict[str, Any]:
        if self._values is None:
            self._found = self._load()
            self._values = {} if self._found is None else _decode(self._found.payload)
        return self._values

    @property
    def new(self) -> bool:
        """Whether the browser brought none, or none that holds."""
        self._read()
        return self._found is None

    def __getitem__(self, name: str) -> Any:
        return self._all[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._all[name] = value

    def __delitem__(self, name: str) -> None:
        del self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        # Names only: values are the user's, and a repr ends up in logs.
        return f"<Session {' '.join(self._values or ()) or 'empty'}>"


class _Found(NamedTuple):
    """A cookie that holds: its payload, and when it was written."""

    payload: bytes
    written: int


SESSION: Final = Key[Session]("session")
"""Where the scope of a call has its session."""


def session_of(where: Call | Scope | None = None) -> Session:
    """The session of a call, or of the call that runs now.

    Raises: UsageError when `sessions` is not around the handler.
    """
    return value_of(SESSION, where, "there is no session here: add sessions(…) to the middleware")


def sessions(
    keys: Sequence[str | bytes | SecretSource],
    *,
    cookie: str = "session",
    max_age: int = 14 * 24 * 3600,
    renew: bool = True,
    secure: bool | None = None,
    same_site: SameSite = "lax",
    path: str = "/",
    domain: str | None = None,
) -> Middleware:
    """Keep a `Session` for each browser; `session_of` has it in handlers.

    It is written when it was changed, also along with an error of the 400s, but not with a fault
    of ours; an empty one deletes the cookie. A stream's head goes out before its body is made, and
    a WebSocket's is out already: what they change is lost.

    Args:
        keys: of at least 16 bytes; the first signs, all verify. To change keys, put the new one in
            front, and take the old one out after `max_age`.
        cookie: its name.
        max_age: seconds that a session lasts from when it was written.
        renew: whether one that is used after half of that time is written anew.
        secure: whether it is sent over TLS only; unless given, if the request came by TLS.
        same_site: see `set_cookie`.
        path: see `set_cookie`.
        domain: see `set_cookie`.

    Raises: UsageError for no key, or a short one. The call fails with UsageError when a session
        gets larger than browsers keep: name and value 4096 bytes.
    """
    if isinstance(keys, str | bytes) or not keys:
        raise UsageError("sessions: keys is a list of at least one key")
    signer = _Signer([secret_bytes(key, "sessions") for key in keys], cookie, max_age)
    attributes = {"path": path, "domain": domain, "same_site": same_site}
    writer = _Writer(signer, cookie, max_age, attributes, secure=secure, renew=renew)

    async def layer(call: HttpCall, next: HttpNext) -> Response:
        scope = call.scope
        clock = scope.effects.clock
        brought = call.request.cookies.get(cookie)
        session = Session(lambda: signer.read(brought, int(clock.time())))
        scope.set(SESSION, session)
        try:
            response = await next(call)
        except PeerError:
            writer.write(call, session, brought)
            raise
        writer.write(call, session, brought)
        return response

    layer.__qualname__ = "sessions"
    return http_only(layer)


class _Writer:
    """Sends sessions back that were changed."""

    def __init__(
        self,
        signer: _Signer,
        cookie: str,
        max_age: int,
        attributes: dict[str, Any],
        *,
        secure: bool | None,
        renew: bool,
    ) -> None:
        self._signer = signer
        self._cookie = cookie
        self._max_age = max_age
        self._attributes = attributes
        self._secure = secure
        self._renew = renew

    def write(self, call: HttpCall, session: Session, brought: str | None) -> None:
        """Set or delete the cookie, if there is a reason."""
        values = session._values
        if values is None or call.begun:
            return
        request = call.request
        headers = request.reply_headers
        headers.vary("cookie")
        secure = request.scheme == "https" if self._secure is None else self._secure
        if not values:
            if brought is not None:
                kept = {name: self._attributes[name] for name in ("path", "domain")}
                delete_cookie(headers, self._cookie, **kept, secure=secure)
            return
        payload = _encode(values)
        now = int(call.scope.effects.clock.time())
        found = session._found
        if found is not None and payload == found.payload:
            young = now - found.written < self._max_age / 2
            if young or not self._renew:
                return
        value = self._signer.write(payload, now)
        set_cookie(
            headers,
            self._cookie,
            value,
            max_age=self._max_age,
            secure=secure,
            **self._attributes,
        )


class _Signer:
    """Payloads to cookies and back."""

    def __init__(self, keys: Sequence[bytes], cookie: str, max_age: int) -> None:
        self._keys = keys
        self._name = cookie
        self._max_age = max_age

    def write(self, payload: bytes, now: int) -> str:
        text = f"{urlsafe_b64encode(payload).rstrip(b'=').decode()}.{now}"
        made = f"{text}.{self._sign(self._keys[0], text)}"
        if len(self._name) + len(made) > _LONGEST:
            raise UsageError(
                f"the session has {len(made)} bytes as a cookie, and browsers keep {_LONGEST}: "
                "keep an id in it, and the rest in a store"
            )
        return made

    def read(self, cookie: str | None, now: int) -> _Found | None:
        """What the cookie holds; None for one that we did not write, or too long ago."""
        if cookie is None or len(cookie) > _LONGEST:
            return None
        match = _COOKIE.fullmatch(cookie)
        if match is None:
            return None
        text, given = f"{match[1]}.{match[2]}", match[3]
        if not any(hmac.compare_digest(self._sign(key, text), given) for key in self._keys):
            return None
        written = int(match[2])
        if now - written >= self._max_age:
            return None
        payload = urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))
        return _Found(payload, written)

    def _sign(self, key: bytes, text: str) -> str:
        message = f"mainstay.session:{self._name}:{text}".encode()
        digest = hmac.digest(key, message, hashlib.sha256)
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
