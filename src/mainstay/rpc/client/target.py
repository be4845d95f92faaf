"""Where a channel goes."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from mainstay.errors import UsageError
from mainstay.net.origin import Origin

__all__ = ["parse_target"]

_SECURE: Final = {
    "tcp": False,
    "http": False,
    "dns": False,
    "https": True,
    "tls": True,
    "grpcs": True,
}


def parse_target(target: str, *, tls: bool = False) -> Origin:
    """The server that a target names.

    Args:
        target: ``host:port``, ``tcp://host:port``, ``http://…``, ``dns:///host:port``,
            ``tls://host[:port]``, ``https://…``, ``unix:/path`` or ``unix:///path``.
        tls: whether TLS is spoken where the target does not say.

    Raises: UsageError for what is none of these.
    """
    if target.startswith("unix:"):
        path = target[len("unix:") :].removeprefix("//")
        if not path:
            raise _wrong(target, "names no socket")
        return Origin("https" if tls else "http", "localhost", 443 if tls else 80, unix=path)
    scheme, found, rest = target.partition("://")
    if not found:
        scheme, rest = "tcp", target.removeprefix("dns:")
    secure = _SECURE.get(scheme.lower())
    if secure is None:
        raise _wrong(target, f"begins with {scheme!r}, which is unknown here")
    secure = secure or tls
    try:
        parts = urlsplit("//" + (rest.lstrip("/") if scheme == "dns" else rest))
        port = parts.port
    except ValueError as error:
        raise _wrong(target, str(error)) from None
    if not parts.hostname or parts.username is not None or parts.path.strip("/") or parts.query:
        raise _wrong(target, "names no host, or more than host and port")
    if port is None:
        if scheme.lower() in ("tcp", "dns") and not tls:
            raise _wrong(target, "names no port")
        port = 443 if secure else 80
    return Origin("https" if secure else "http", parts.hostname, port)


def _wrong(target: str, why: str) -> UsageError:
    known = "host:port, tcp://host:port, tls://host:port, https://host or unix:/path"
    return UsageError(f"the target {target!r} {why}; it is one of {known}")
