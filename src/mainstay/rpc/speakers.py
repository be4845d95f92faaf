"""Which content type is which protocol, and what is answered when it is none.

gRPC over HTTP/2 by its usual names does not come here: it is the hot path, and needs no choice.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mainstay.errors import HttpError
from mainstay.net.exchange import Exchange, Fields
from mainstay.rpc.call import RpcCall
from mainstay.rpc.connect import ConnectCall, ConnectGetCall, ConnectJsonCall, ConnectJsonGetCall
from mainstay.rpc.connect_stream import ConnectJsonStreamCall, ConnectStreamCall
from mainstay.rpc.endpoint import RpcEndpoint
from mainstay.rpc.grpc import GrpcCall
from mainstay.rpc.grpc_json import GrpcJsonCall
from mainstay.rpc.method import Kind
from mainstay.rpc.origins import answer_preflight
from mainstay.rpc.settings import RpcSettings
from mainstay.rpc.web import WebCall, WebJsonCall
from mainstay.rpc.web_text import WebTextCall, WebTextJsonCall
from mainstay.wire.connect import parameters
from mainstay.wire.statuses import phrase_of

__all__ = [
    "Speaker",
    "choose",
    "content_type_of",
    "get_speakers",
    "refuse",
    "respond_problem",
    "speakers",
]

Speaker = type[RpcCall]
"""The class of the calls of one protocol and one codec."""


def speakers(settings: RpcSettings) -> dict[bytes, Speaker]:
    """By content type, without parameters and in lower case."""
    found: dict[bytes, Speaker] = {
        b"application/grpc": GrpcCall,
        b"application/grpc+proto": GrpcCall,
        b"application/grpc+json": GrpcJsonCall,
    }
    if settings.web:
        found |= {
            b"application/grpc-web": WebCall,
            b"application/grpc-web+proto": WebCall,
            b"application/grpc-web+json": WebJsonCall,
            b"application/grpc-web-text": WebTextCall,
            b"application/grpc-web-text+proto": WebTextCall,
            b"application/grpc-web-text+json": WebTextJsonCall,
        }
    if settings.connect:
        found |= {
            b"application/proto": ConnectCall,
            b"application/json": ConnectJsonCall,
            b"application/connect+proto": ConnectStreamCall,
            b"application/connect+json": ConnectJsonStreamCall,
        }
    return found


def get_speakers(settings: RpcSettings) -> dict[bytes, Speaker]:
    """By the parameter ``encoding`` of a GET."""
    if not settings.connect:
        return {}
    return {b"proto": ConnectGetCall, b"json": ConnectJsonGetCall}


def content_type_of(head: Mapping[bytes, bytes]) -> bytes:
    """Without parameters, in lower case."""
    return head.get(b"content-type", b"").partition(b";")[0].strip().lower()


def choose(
    exchange: Exchange,
    endpoint: RpcEndpoint,
    head: Mapping[bytes, bytes],
    posted: Mapping[bytes, Speaker],
    got: Mapping[bytes, Speaker],
) -> Speaker | None:
    """The class of a call of `endpoint`; None for what `refuse` answers.

    Args:
        exchange: of the call.
        endpoint: that it is of.
        head: of the request, by name.
        posted: see `speakers`.
        got: see `get_speakers`.
    """
    speaker: Speaker | None = None
    if exchange.method == "POST":
        speaker = posted.get(content_type_of(head))
    elif exchange.method == "GET" and endpoint.method.idempotent:
        try:
            given = parameters(exchange.target.partition(b"?")[2])
        except ValueError:
            return None
        speaker = got.get(given.get("encoding", b""))
    if speaker is None or speaker.unary not in (None, endpoint.unary):
        return None
    return None if _is_stuck(exchange, endpoint) else speaker


def _is_stuck(exchange: Exchange, endpoint: RpcEndpoint) -> bool:
    """Whether both sides would speak at once where only one can, and might wait forever."""
    return endpoint.method.kind is Kind.BIDI and exchange.version in ("1.0", "1.1")


def refuse(exchange: Exchange, endpoint: RpcEndpoint, settings: RpcSettings) -> None:
    """Answer a request for a method that is no call of it; or a browser that asks whether it may."""
    idempotent = endpoint.method.idempotent and endpoint.unary and settings.connect
    methods = b"GET, POST" if idempotent else b"POST"
    if settings.origins and answer_preflight(
        exchange, settings.origins, methods, credentials=settings.credentials
    ):
        return
    if exchange.method != "POST" and not (exchange.method == "GET" and idempotent):
        fields = ((b"allow", methods),)
        respond_problem(exchange, 405, "METHOD_NOT_ALLOWED", "a method is called by POST", fields)
    elif _is_stuck(exchange, endpoint):
        # A client that expects both directions may wait for ever on this connection.
        exchange.close_after()
        respond_problem(exchange, 505, HttpError.reason, "streams in both directions need HTTP/2")
    else:
        accepted = b", ".join(_accepted(endpoint, settings))
        fields = ((b"accept-post", accepted),)
        said = f"this method takes {accepted.decode()}"
        respond_problem(exchange, 415, "UNSUPPORTED_MEDIA_TYPE", said, fields)


def respond_problem(
    exchange: Exchange, status: int, reason: str, detail: str, fields: Fields = ()
) -> None:
    """Answer with a problem (RFC 9457), as everywhere by HTTP."""
    title = phrase_of(status)
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body = msgspec.json.encode({**problem, "reason": reason})
    exchange.respond(status, b"application/problem+json", fields, body)


def _accepted(endpoint: RpcEndpoint, settings: RpcSettings) -> list[bytes]:
    return [
        name for name, each in speakers(settings).items() if each.unary in (None, endpoint.unary)
    ]
