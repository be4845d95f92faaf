"""HTTP: routes, binding, replies, middleware, WebSocket, the server and the client.

What a service's author needs of it has its name here, and is loaded when it is first used. Each
name lives in the file that the table names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mainstay.errors import (
        Conflict,
        HttpError,
        InvalidRequest,
        NotFound,
        PermissionDenied,
        Unauthenticated,
        Violation,
    )
    from mainstay.http.client import (
        ClientLimits,
        ClientTlsSettings,
        CookieJar,
        HttpClient,
        Proxies,
        Reply,
    )
    from mainstay.http.client_settings import ClientSettings
    from mainstay.http.cookies import delete_cookie, set_cookie
    from mainstay.http.files import File
    from mainstay.http.forms import FormData, FormLimits, Part
    from mainstay.http.headers import Headers
    from mainstay.http.middleware.access_log import access_log
    from mainstay.http.middleware.auth import basic, bearer, passwords, tokens
    from mainstay.http.middleware.body_limit import body_limit
    from mainstay.http.middleware.compression import compression
    from mainstay.http.middleware.cors import cors
    from mainstay.http.middleware.csrf import csrf, csrf_token_of
    from mainstay.http.middleware.jwt import JwtKeys, jwt
    from mainstay.http.middleware.principal import Principal, principal_of, require
    from mainstay.http.middleware.rate_limit import rate_limit
    from mainstay.http.middleware.recover import recover
    from mainstay.http.middleware.request_id import request_id
    from mainstay.http.middleware.security_headers import security_headers
    from mainstay.http.middleware.sessions import Session, session_of, sessions
    from mainstay.http.middleware.static_files import static_files
    from mainstay.http.middleware.strip_prefix import strip_prefix
    from mainstay.http.middleware.timeout import timeout
    from mainstay.http.middleware.trusted_proxies import trusted_proxies
    from mainstay.http.problems import Problem, problem_of
    from mainstay.http.replies import Created, Html, NoContent, Redirect
    from mainstay.http.request import Request
    from mainstay.http.response import Response
    from mainstay.http.results import ContentType
    from mainstay.http.routes import Routes
    from mainstay.http.settings import HttpSettings
    from mainstay.http.sources import Body, Cookie, Form, Header, Json, Path, Query, RawBody, Upload
    from mainstay.http.sse import Event, EventStream
    from mainstay.http.templates import Templates
    from mainstay.http.uploads import UploadFile
    from mainstay.http.websocket import WebSocket
    from mainstay.http.websocket_options import WebSocketOptions
    from mainstay.net.limits import Limits
    from mainstay.net.tls import TlsSettings

_HOMES: Final = {
    "Body": "mainstay.http.sources",
    "ClientLimits": "mainstay.http.client",
    "ClientSettings": "mainstay.http.client_settings",
    "ClientTlsSettings": "mainstay.http.client",
    "Conflict": "mainstay.errors",
    "ContentType": "mainstay.http.results",
    "Cookie": "mainstay.http.sources",
    "CookieJar": "mainstay.http.client",
    "Created": "mainstay.http.replies",
    "Event": "mainstay.http.sse",
    "EventStream": "mainstay.http.sse",
    "File": "mainstay.http.files",
    "Form": "mainstay.http.sources",
    "FormData": "mainstay.http.forms",
    "FormLimits": "mainstay.http.forms",
    "Header": "mainstay.http.sources",
    "Headers": "mainstay.http.headers",
    "Html": "mainstay.http.replies",
    "HttpClient": "mainstay.http.client",
    "HttpError": "mainstay.errors",
    "HttpSettings": "mainstay.http.settings",
    "InvalidRequest": "mainstay.errors",
    "Json": "mainstay.http.sources",
    "JwtKeys": "mainstay.http.middleware.jwt",
    "Limits": "mainstay.net.limits",
    "NoContent": "mainstay.http.replies",
    "NotFound": "mainstay.errors",
    "Part": "mainstay.http.forms",
    "Path": "mainstay.http.sources",
    "PermissionDenied": "mainstay.errors",
    "Principal": "mainstay.http.middleware.principal",
    "Problem": "mainstay.http.problems",
    "Proxies": "mainstay.http.client",
    "Query": "mainstay.http.sources",
    "RawBody": "mainstay.http.sources",
    "Redirect": "mainstay.http.replies",
    "Reply": "mainstay.http.client",
    "Request": "mainstay.http.request",
    "Response": "mainstay.http.response",
    "Routes": "mainstay.http.routes",
    "Session": "mainstay.http.middleware.sessions",
    "Templates": "mainstay.http.templates",
    "TlsSettings": "mainstay.net.tls",
    "Unauthenticated": "mainstay.errors",
    "Upload": "mainstay.http.sources",
    "UploadFile": "mainstay.http.uploads",
    "Violation": "mainstay.errors",
    "WebSocket": "mainstay.http.websocket",
    "WebSocketOptions": "mainstay.http.websocket_options",
    "access_log": "mainstay.http.middleware.access_log",
    "basic": "mainstay.http.middleware.auth",
    "bearer": "mainstay.http.middleware.auth",
    "body_limit": "mainstay.http.middleware.body_limit",
    "compression": "mainstay.http.middleware.compression",
    "cors": "mainstay.http.middleware.cors",
    "csrf": "mainstay.http.middleware.csrf",
    "csrf_token_of": "mainstay.http.middleware.csrf",
    "delete_cookie": "mainstay.http.cookies",
    "jwt": "mainstay.http.middleware.jwt",
    "passwords": "mainstay.http.middleware.auth",
    "principal_of": "mainstay.http.middleware.principal",
    "problem_of": "mainstay.http.problems",
    "rate_limit": "mainstay.http.middleware.rate_limit",
    "recover": "mainstay.http.middleware.recover",
    "request_id": "mainstay.http.middleware.request_id",
    "require": "mainstay.http.middleware.principal",
    "security_headers": "mainstay.http.middleware.security_headers",
    "session_of": "mainstay.http.middleware.sessions",
    "sessions": "mainstay.http.middleware.sessions",
    "set_cookie": "mainstay.http.cookies",
    "static_files": "mainstay.http.middleware.static_files",
    "strip_prefix": "mainstay.http.middleware.strip_prefix",
    "timeout": "mainstay.http.middleware.timeout",
    "tokens": "mainstay.http.middleware.auth",
    "trusted_proxies": "mainstay.http.middleware.trusted_proxies",
}

__all__ = [
    "Body",
    "ClientLimits",
    "ClientSettings",
    "ClientTlsSettings",
    "Conflict",
    "ContentType",
    "Cookie",
    "CookieJar",
    "Created",
    "Event",
    "EventStream",
    "File",
    "Form",
    "FormData",
    "FormLimits",
    "Header",
    "Headers",
    "Html",
    "HttpClient",
    "HttpError",
    "HttpSettings",
    "InvalidRequest",
    "Json",
    "JwtKeys",
    "Limits",
    "NoContent",
    "NotFound",
    "Part",
    "Path",
    "PermissionDenied",
    "Principal",
    "Problem",
    "Proxies",
    "Query",
    "RawBody",
    "Redirect",
    "Reply",
    "Request",
    "Response",
    "Routes",
    "Session",
    "Templates",
    "TlsSettings",
    "Unauthenticated",
    "Upload",
    "UploadFile",
    "Violation",
    "WebSocket",
    "WebSocketOptions",
    "access_log",
    "basic",
    "bearer",
    "body_limit",
    "compression",
    "cors",
    "csrf",
    "csrf_token_of",
    "delete_cookie",
    "jwt",
    "passwords",
    "principal_of",
    "problem_of",
    "rate_limit",
    "recover",
    "request_id",
    "require",
    "security_headers",
    "session_of",
    "sessions",
    "set_cookie",
    "static_files",
    "strip_prefix",
    "timeout",
    "tokens",
    "trusted_proxies",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module 'mainstay.http' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
