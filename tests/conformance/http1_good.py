"""Requests of HTTP/1.1 that a server must take, byte for byte, and the replies to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.conformance.http1_bad import (
    CHUNK,
    HOST,
    LENGTH,
    SMUGGLED,
    TOKEN,
    VALUE,
    chunked,
    post,
    request,
)

__all__ = ["GOOD", "Good"]


@dataclass(frozen=True)
class Good:
    """Bytes to be answered, request by request.

    Attributes:
        name: what is special about them.
        data: what is sent.
        replies: for each request, status and body.
        closes: whether the connection is closed after the last.
        source: which rule says so.
        heads: the methods of the requests, where one is HEAD.
    """

    name: str
    data: bytes
    replies: Sequence[tuple[int, bytes]]
    closes: bool = False
    source: str = ""
    heads: Sequence[bool] = ()


def answer(method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
    """What the program answers."""
    return 200, f"{method} {target} {len(body)} ".encode() + body


HELLO: Final = answer("POST", "/echo", b"hello")
ECHO: Final = answer("GET", "/echo")
LAST: Final = request(b"Connection: close")


def _bodies() -> list[Good]:
    hello = b"5\r\nhello\r\n0\r\n\r\n"
    return [
        Good("length", post(b"Content-Length: 5", body=b"hello"), [HELLO]),
        Good("length-0", post(b"Content-Length: 0"), [answer("POST", "/echo")]),
        Good(
            "length-with-zeros", post(b"Content-Length: 005", body=b"hello"), [HELLO], source=LENGTH
        ),
        Good("length-with-spaces", post(b"Content-Length:\t 5 \t", body=b"hello"), [HELLO]),
        Good("neither", post(), [answer("POST", "/echo")], source="RFC 9112 §6.3 (7)"),
        Good(
            "get-with-body",
            request(b"Content-Length: 5") + b"hello",
            [answer("GET", "/echo", b"hello")],
        ),
        Good("chunked", chunked(hello), [HELLO], source=CHUNK),
        Good("chunked-in-capitals", post(b"TRANSFER-ENCODING: CHUNKED", body=hello), [HELLO]),
        Good("chunked-with-spaces", post(b"Transfer-Encoding: \t chunked \t", body=hello), [HELLO]),
        Good("chunks", chunked(b"1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n"), [HELLO]),
        Good(
            "chunk-size-in-capitals",
            chunked(b"A\r\n0123456789\r\n0\r\n\r\n"),
            [answer("POST", "/echo", b"0123456789")],
        ),
        Good("chunk-size-with-zeros", chunked(b"00005\r\nhello\r\n000\r\n\r\n"), [HELLO]),
        Good("chunk-extension", chunked(b'5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n'), [HELLO]),
        Good("chunked-empty", chunked(b"0\r\n\r\n"), [answer("POST", "/echo")]),
        Good("trailers", chunked(b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"), [HELLO]),
        Good(
            "crlf-in-a-chunk",
            chunked(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
            [answer("POST", "/echo", b"\r\n0\r\n\r\n")],
        ),
    ]


def _pipelines() -> list[Good]:
    body = post(b"Content-Length: 5", body=b"hello")
    chunks = chunked(b"5\r\nhello\r\n0\r\n\r\n")
    return [
        Good("two", request() + request(), [ECHO, ECHO], source="RFC 9112 §9.3.2"),
        Good("twenty", request() * 20, [ECHO] * 20),
        Good("mixed", body + chunks + request() + body, [HELLO, HELLO, ECHO, HELLO]),
        Good(
            "chunked-with-trailers-then-get",
            chunks[:-2] + b"A: b\r\n\r\n" + request(),
            [HELLO, ECHO],
        ),
        Good("close-ends-it", LAST + SMUGGLED, [ECHO], closes=True, source="RFC 9112 §9.6"),
        Good(
            "head-then-get",
            request(method=b"HEAD") + request(),
            [(200, b""), ECHO],
            heads=[True, False],
        ),
        Good("missing-then-get", request(target=b"/missing") + request(), [(404, b"*"), ECHO]),
        Good(
            "unread-body-then-get",
            post(b"Content-Length: 5", body=b"hello").replace(b"/echo", b"/missing") + request(),
            [(404, b"*"), ECHO],
        ),
        Good("204-then-get", request(target=b"/nothing") + request(), [(204, b""), ECHO]),
        Good("304-then-get", request(target=b"/not-modified") + request(), [(304, b""), ECHO]),
        Good(
            "slow-then-fast", request(target=b"/slow") + request(), [answer("GET", "/slow"), ECHO]
        ),
    ]


def _lines() -> list[Good]:
    def get(target: bytes) -> bytes:
        return request(target=target)

    return [
        Good("plain", request(), [ECHO]),
        Good("crlf-before", b"\r\n" + request(), [ECHO], source="RFC 9112 §2.2"),
        Good("crlf-between", request() + b"\r\n" + request(), [ECHO, ECHO], source="RFC 9112 §2.2"),
        Good("query", get(b"/echo?a=b&c=%20d"), [answer("GET", "/echo?a=b&c=%20d")]),
        Good("query-empty", get(b"/echo?"), [answer("GET", "/echo?")]),
        Good("query-with-slashes", get(b"/echo?/?/"), [answer("GET", "/echo?/?/")]),
        Good("percent-encoded", get(b"/%65cho"), [answer("GET", "/%65cho")]),
        Good("percent-lower-case", get(b"/echo?%c3%a4"), [answer("GET", "/echo?%c3%a4")]),
        Good("absolute-form", get(b"http://a/echo"), [ECHO], source="RFC 9112 §3.2.2"),
        Good(
            "absolute-form-of-another-host", get(b"http://other/echo?x"), [answer("GET", "/echo?x")]
        ),
        Good(
            "asterisk-form",
            request(method=b"OPTIONS", target=b"*"),
            [(204, b"")],
            source="RFC 9110 §9.3.7",
        ),
        Good("lower-case-method", request(method=b"get"), [(405, b"*")], source="RFC 9110 §9.1"),
        Good("unknown-method", request(method=b"BREW"), [(405, b"*")], source="RFC 9110 §9.1"),
        Good(
            "target-nearly-long",
            get(b"/echo?" + b"a" * 7_900),
            [answer("GET", "/echo?" + "a" * 7_900)],
        ),
    ]


def _other_fields() -> list[Good]:
    return [
        Good("value-empty", request(b"A:"), [ECHO], source=VALUE),
        Good("value-of-spaces", request(b"A: \t "), [ECHO]),
        Good("no-space-behind-colon", request(b"A:b"), [ECHO]),
        Good("spaces-around-value", request(b"A: \t b \t"), [ECHO]),
        Good("tab-in-value", request(b"A: b\tc"), [ECHO], source=VALUE),
        Good("bytes-above-127-in-value", request(b"A: \xe4\xff"), [ECHO], source=VALUE),
        Good("name-of-symbols", request(b"!#$%&'*+-.^_`|~0: b"), [ECHO], source=TOKEN),
        Good("the-same-name-twice", request(b"A: b", b"A: c"), [ECHO]),
        Good("name-in-any-case", request(b"cOnTeNt-LeNgTh: 0"), [ECHO]),
        Good("ninety-fields", request(*[b"F%d: x" % number for number in range(90)]), [ECHO]),
        Good("value-of-8000", request(b"A: " + b"b" * 8_000), [ECHO]),
        Good("host-with-port", request().replace(b"Host: a", b"Host: a:8080"), [ECHO]),
        Good("host-ipv6", request().replace(b"Host: a", b"Host: [::1]:8080"), [ECHO]),
        Good("host-empty", request().replace(b"Host: a", b"Host:"), [ECHO], source=HOST),
        Good("host-last", b"GET /echo HTTP/1.1\r\nA: b\r\nhost: a\r\n\r\n", [ECHO]),
        Good("upgrade-unknown", request(b"Connection: upgrade", b"Upgrade: x/1"), [ECHO]),
        Good(
            "upgrade-unknown-with-body",
            post(b"Connection: Upgrade", b"Upgrade: x", b"Content-Length: 5", body=b"hello")
            + request(),
            [HELLO, ECHO],
            source="RFC 9110 §7.8",
        ),
        Good("upgrade-without-connection", request(b"Upgrade: websocket"), [ECHO]),
        Good(
            "upgrade-to-h2c",
            request(
                b"Connection: Upgrade, HTTP2-Settings",
                b"Upgrade: h2c",
                b"HTTP2-Settings: AAMAAABkAAQAAP__",
            )
            + request(),
            [ECHO, ECHO],
            source="RFC 9113 §3.1",
        ),
    ]


def _connections() -> list[Good]:
    old = b"GET /echo HTTP/1.0\r\n"
    return [
        Good("close", LAST, [ECHO], closes=True),
        Good("close-in-capitals", request(b"CONNECTION: CLOSE"), [ECHO], closes=True),
        Good("close-in-a-list", request(b"Connection: x, close"), [ECHO], closes=True),
        Good("keep-alive", request(b"Connection: keep-alive"), [ECHO]),
        Good("1.0", old + b"\r\n", [ECHO], closes=True, source="RFC 9112 §9.3"),
        Good("1.0-with-host", old + b"Host: a\r\n\r\n", [ECHO], closes=True),
        Good("1.0-keep-alive", (old + b"Connection: keep-alive\r\n\r\n") * 2, [ECHO, ECHO]),
        Good(
            "1.0-with-body",
            b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
            [HELLO],
            closes=True,
        ),
        Good(
            "1.0-with-expectation",
            b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
            [HELLO],
            closes=True,
            source="RFC 9110 §10.1.1",
        ),
        Good(
            "head-closes",
            request(b"Connection: close", method=b"HEAD"),
            [(200, b"")],
            True,
            heads=[True],
        ),
        Good("stream", request(target=b"/stream") + request(), [(200, b"0123456789" * 10), ECHO]),
        Good(
            "1.0-stream",
            b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            [(200, b"0123456789" * 10)],
            closes=True,
            source="RFC 9112 §6.3 (8)",
        ),
    ]


GOOD: Final[Sequence[Good]] = (
    *_bodies(),
    *_pipelines(),
    *_lines(),
    *_other_fields(),
    *_connections(),
)
