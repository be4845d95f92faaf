"""What is asked for, and what every peer must answer before it is measured."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["HTTP2", "JSON", "WORKLOADS", "Workload", "differences"]

ITEM: Final = b'{"name":"lamp","price":12.5,"tags":["home","light"]}'
BAD_ITEMS: Final = (b'{"name":"lamp","price":-1,"tags":[]}', b'{"name":3,"price":1,"tags":[]}')
TEN_KB: Final = 10_240


@dataclass(frozen=True)
class Workload:
    """One request, sent again and again.

    Attributes:
        key: its name on the command line.
        title: what it is.
        path: with the query.
        body: of a POST in JSON; None for a GET.
        http2: over HTTP/2 without TLS, several streams on each connection.
    """

    key: str
    title: str
    path: str
    body: bytes | None = None
    http2: bool = False


JSON: Final = Workload(
    "json", "JSON route, path parameter, query, two middlewares", "/hello/world?excited=true"
)
HTTP2: Final = Workload(
    "h2", "the same over HTTP/2, 4 connections of 16 streams", JSON.path, http2=True
)
WORKLOADS: Final = (
    JSON,
    Workload("plain", "plain text, two middlewares", "/plain"),
    Workload("ten-kb", "a body of 10 KiB, two middlewares", "/ten-kb"),
    Workload("upload", "JSON upload with validation, answered", "/items", ITEM),
    HTTP2,
)


def differences(port: int) -> Iterator[str]:
    """What a server answers otherwise than it should; nothing when it is one to compare with."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

    def asked(method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
        headers = {} if body is None else {"content-type": "application/json"}
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        content = reply.read()
        # An error that passes by a peer's middleware is its own way.
        if reply.status < 400 and not reply.getheader("x-request-id"):
            raise LookupError(f"{method} {path}: no x-request-id")
        return reply.status, reply.getheader("content-type") or "", content

    try:
        for path, text in (
            (JSON.path, "Hello, world!"),
            ("/hello/you?excited=false", "Hello, you."),
            ("/hello/me", "Hello, me."),
        ):
            status, kind, content = asked("GET", path)
            if status != 200 or "json" not in kind or json.loads(content) != {"message": text}:
                yield f"GET {path}: {status} {kind} {content[:80]!r}"
        status, kind, content = asked("GET", "/plain")
        if (status, content) != (200, b"Hello, world!") or not kind.startswith("text/plain"):
            yield f"GET /plain: {status} {kind} {content[:80]!r}"
        status, kind, content = asked("GET", "/ten-kb")
        if (status, len(content)) != (200, TEN_KB):
            yield f"GET /ten-kb: {status}, {len(content)} bytes"
        status, kind, content = asked("POST", "/items", ITEM)
        if status != 200 or json.loads(content) != json.loads(ITEM):
            yield f"POST /items: {status} {content[:80]!r}"
        for bad in BAD_ITEMS:
            status, kind, content = asked("POST", "/items", bad)
            if not 400 <= status < 500:
                yield f"POST /items of {bad!r}: {status}, not refused"
        status, kind, content = asked("GET", "/count")
        if status != 200 or int(content) < 7:
            yield f"GET /count: {status} {content[:80]!r}"
    except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
        yield f"{type(error).__name__}: {error}"
    finally:
        connection.close()
