"""The HTTP client: `HttpClient`, what it answers with, and what it is made from."""

from mainstay.http.client.client import HttpClient
from mainstay.http.client.cookie_jar import Cookie, CookieJar
from mainstay.http.client.proxies import Proxies
from mainstay.http.client.reply import Reply
from mainstay.http.client.request import ClientRequest
from mainstay.net.client_limits import ClientLimits
from mainstay.net.pool import PoolStatistics
from mainstay.net.tls_client import ClientTls, ClientTlsSettings

__all__ = [
    "ClientLimits",
    "ClientRequest",
    "ClientTls",
    "ClientTlsSettings",
    "Cookie",
    "CookieJar",
    "HttpClient",
    "PoolStatistics",
    "Proxies",
    "Reply",
]
