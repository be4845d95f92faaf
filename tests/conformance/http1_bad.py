"""Requests of HTTP/1.1 that a server must refuse, byte for byte.

Two implementations that read the same bytes differently are all that request smuggling needs, so
whatever can be read in two ways is refused: with the status given here, and then the connection is
closed, because nobody knows where the next request begins. What RFC 9112 and RFC 9110 say is named
behind each; where they leave a choice, all allowed statuses are given.

Every bad row is followed by one more request, `/smuggled`, when it is sent; it must never be
answered. `tests/fuzz/test_http1.py` bends the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = [
    "BAD",
    "CHUNK",
    "HOST",
    "LENGTH",
    "SMUGGLED",
    "TOKEN",
    "VALUE",
    "Bad",
    "chunked",
    "post",
    "request",
]

SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

LONG: Final = 40_000
"""Bytes; more than a head may have, by the default limits."""


@dataclass(frozen=True)
class Bad:
    """Bytes to be refused.

    Attributes:
        name: what is wrong with them.
        data: what is sent.
        statuses: one of these is the answer.
        source: which rule says so.
        before: statuses of good requests in front, which are answered first.
        followed: whether `SMUGGLED` is sent behind.
    """

    name: str
    data: bytes
    statuses: Sequence[int] = (400,)
    source: str = ""
    before: Sequence[int] = ()
    followed: bool = True


def request(*lines: bytes, target: bytes = b"/echo", method: bytes = b"GET") -> bytes:
    """A request whose lines behind the Host are given."""
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: a", *lines, b"", b""])


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """A POST with these lines and body."""
    return request(*lines, method=b"POST") + body


CHUNKED: Final = b"Transfer-Encoding: chunked"


def chunked(body: bytes) -> bytes:
    """A POST in chunks, which are given as sent."""
    return post(CHUNKED, body=body)


BOTH: Final = "RFC 9112 §6.3 (3)"
LENGTH: Final = "RFC 9110 §8.6, RFC 9112 §6.3 (5)"
CODING: Final = "RFC 9112 §6.1, §6.3 (4)"
CHUNK: Final = "RFC 9112 §7.1"
FIELD: Final = "RFC 9112 §5.1"
TOKEN: Final = "RFC 9110 §5.1, §5.6.2"
VALUE: Final = "RFC 9110 §5.5"
LINE: Final = "RFC 9112 §2.2, §3"
HOST: Final = "RFC 9112 §3.2"


def _lengths() -> list[Bad]:
    rows = [
        Bad(
            "length-and-chunked",
            post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"),
            source=BOTH,
        ),
        Bad(
            "chunked-and-length",
            post(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"),
            source=BOTH,
        ),
        Bad(
            "length-0-and-chunked",
            post(b"Content-Length: 0", CHUNKED, body=b"0\r\n\r\n"),
            source=BOTH,
        ),
        Bad(
            "length-and-unknown-coding",
            post(b"Content-Length: 5", b"Transfer-Encoding: x", body=b"hello"),
            (400, 501),
            BOTH,
        ),
        Bad("two-lengths-unequal", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello")),
        Bad("two-lengths-equal", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")),
        Bad("list-of-lengths-unequal", post(b"Content-Length: 5, 6", body=b"hello")),
        Bad("list-of-lengths-equal", post(b"Content-Length: 5, 5", body=b"hello")),
    ]
    values = {
        "plus": b"+5",
        "minus": b"-5",
        "minus-zero": b"-0",
        "hex": b"0x5",
        "hex-digit": b"a",
        "octal": b"0o5",
        "underscore": b"1_0",
        "decimal": b"5.0",
        "exponent": b"1e1",
        "inner-space": b"5 5",
        "inner-tab": b"5\t5",
        "quoted": b'"5"',
        "empty": b"",
        "comma": b",5",
        "word": b"five",
        "arabic-digits": "٥".encode(),
        "latin1-superscript": b"\xb9",
        "64-bits": b"18446744073709551616",
        "64-bits-signed": b"9223372036854775808",
        "wraps-to-5": b"18446744073709551621",
        "400-digits": b"9" * 400,
        "nul": b"5\x00",
        "vertical-tab": b"\x0b5",
        "form-feed": b"5\x0c",
        "parameter": b"5;q=1",
    }
    rows += [
        Bad(f"length-{name}", post(b"Content-Length: " + value, body=b"hello"), (400, 413), LENGTH)
        for name, value in values.items()
    ]
    return rows


def _codings() -> list[Bad]:
    values = {
        "xchunked": b"xchunked",
        "chunkedx": b"chunkedx",
        "twice": b"chunked, chunked",
        "identity-before": b"identity, chunked",
        "identity-after": b"chunked, identity",
        "identity": b"identity",
        "gzip-alone": b"gzip",
        "gzip-after": b"chunked, gzip",
        "gzip-before": b"gzip, chunked",
        "quoted": b'"chunked"',
        "single-quoted": b"'chunked'",
        "parameter": b"chunked;q=1",
        "parameter-of-unknown": b'x;a="chunked"',
        "empty": b"",
        "comma": b"chunked,",
        "comma-before": b",chunked",
        "inner-space": b"chun ked",
        "vertical-tab": b"\x0bchunked",
        "form-feed": b"\x0cchunked",
        "no-break-space": b"\xa0chunked",
        "nul": b"chunked\x00",
        "kelvin-sign": "chun\u212aed".encode(),
        "long-s": "\u017fchunked".encode(),
    }
    rows = [
        Bad(
            f"coding-{name}",
            post(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n"),
            (400, 501),
            CODING,
        )
        for name, value in values.items()
    ]
    old = b"POST /echo HTTP/1.0\r\nHost: a\r\n" + CHUNKED + b"\r\n\r\n0\r\n\r\n"
    rows += [
        Bad("two-codings", post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"), (400, 501), CODING),
        Bad(
            "two-codings-one-unknown",
            post(CHUNKED, b"Transfer-Encoding: x", body=b"0\r\n\r\n"),
            (400, 501),
            CODING,
        ),
        Bad("coding-in-http-1.0", old, (400,), "RFC 9112 §6.1"),
        Bad("space-before-colon-of-coding", post(b"Transfer-Encoding : chunked"), source=FIELD),
        Bad("tab-before-colon-of-coding", post(b"Transfer-Encoding\t: chunked"), source=FIELD),
        Bad("folded-coding", post(b"Transfer-Encoding:", b" chunked"), source=FIELD),
        Bad("coding-behind-bare-cr", post(b"A: b\rTransfer-Encoding: chunked"), source=VALUE),
        Bad("coding-behind-bare-lf", post(b"A: b\nTransfer-Encoding: chunked"), source=LINE),
        Bad("coding-behind-nul", post(b"A: b\x00Transfer-Encoding: chunked"), source=VALUE),
        Bad("coding-with-underscore-and-space", post(b"Transfer Encoding: chunked"), source=TOKEN),
    ]
    return rows


def _chunks() -> list[Bad]:
    bodies = {
        "size-empty": b"\r\nhello\r\n0\r\n\r\n",
        "size-plus": b"+5\r\nhello\r\n0\r\n\r\n",
        "size-minus": b"-5\r\nhello\r\n0\r\n\r\n",
        "size-0x": b"0x5\r\nhello\r\n0\r\n\r\n",
        "size-no-hex": b"g\r\nhello\r\n0\r\n\r\n",
        "size-underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
        "size-space-before": b" 5\r\nhello\r\n0\r\n\r\n",
        "size-inner-space": b"0 5\r\nhello\r\n0\r\n\r\n",
        "size-64-bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        "size-of-100-digits": b"f" * 100 + b"\r\nhello\r\n0\r\n\r\n",
        "size-decimal-point": b"5.0\r\nhello\r\n0\r\n\r\n",
        "size-nul": b"5\x00\r\nhello\r\n0\r\n\r\n",
        "size-vertical-tab": b"5\x0b\r\nhello\r\n0\r\n\r\n",
        "size-quoted": b'"5"\r\nhello\r\n0\r\n\r\n',
        "size-with-bare-lf": b"5\nhello\r\n0\r\n\r\n",
        "size-with-bare-cr": b"5\rhello\r\n0\r\n\r\n",
        "size-cr-cr-lf": b"5\r\r\nhello\r\n0\r\n\r\n",
        "no-crlf-behind-data": b"5\r\nhello0\r\n\r\n",
        "lf-behind-data": b"5\r\nhello\n0\r\n\r\n",
        "cr-behind-data": b"5\r\nhello\r0\r\n\r\n",
        "two-bytes-behind-data": b"5\r\nhelloXX0\r\n\r\n",
        "data-longer-than-size": b"3\r\nhello\r\n0\r\n\r\n",
        "data-shorter-than-size": b"7\r\nhello\r\n0\r\n\r\n",
        "last-chunk-with-bare-lf": b"5\r\nhello\r\n0\n\r\n",
        "no-crlf-behind-last-chunk": b"5\r\nhello\r\n0\r\nX",
        "bare-lf-at-the-end": b"5\r\nhello\r\n0\r\n\n",
        "extension-with-bare-lf": b"5;a=b\nhello\r\n0\r\n\r\n",
        "extension-with-bare-cr": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        "extension-endless": b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
        "extensions-many": b"1;aaaaaaaa\r\nx\r\n" * 10_000 + b"0\r\n\r\n",
        "trailer-with-bare-lf": b"0\r\nA: b\n\r\n",
        "trailer-with-bare-cr": b"0\r\nA: b\rc\r\n\r\n",
        "trailer-folded": b"0\r\nA: b\r\n c\r\n\r\n",
        "trailer-with-space-before-colon": b"0\r\nA : b\r\n\r\n",
        "trailer-without-colon": b"0\r\nA\r\n\r\n",
        "trailer-with-nul": b"0\r\nA: \x00\r\n\r\n",
        "trailers-endless": b"0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        "trailer-long": b"0\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
    }
    return [
        Bad(f"chunk-{name}", chunked(body), (400, 413, 431), CHUNK) for name, body in bodies.items()
    ]


def _fields() -> list[Bad]:
    lines = {
        "bare-lf-between-fields": b"A: b\nC: d",
        "bare-cr-between-fields": b"A: b\rC: d",
        "bare-cr-in-name": b"A\rB: c",
        "bare-cr-in-value": b"A: b\rc",
        "bare-cr-before-crlf": b"A: b\r",
        "bare-lf-in-name": b"A\nB: c",
        "obs-fold-space": b"A: b\r\n c",
        "obs-fold-tab": b"A: b\r\n\tc",
        "obs-fold-of-nothing": b"A: b\r\n ",
        "space-before-colon": b"A : b",
        "tab-before-colon": b"A\t: b",
        "space-in-name": b"A B: c",
        "nul-in-name": b"A\x00B: c",
        "nul-in-value": b"A: b\x00c",
        "nul-alone": b"A: \x00",
        "escape-in-value": b"A: \x1b[0m",
        "delete-in-value": b"A: \x7f",
        "vertical-tab-in-value": b"A: b\x0bc",
        "backspace-in-value": b"A: b\x08",
        "empty-name": b": b",
        "no-colon": b"A",
        "bytes-above-127-in-name": b"A\xe4: b",
        "utf-8-in-name": "Ä: b".encode(),
        **{
            f"name-with-{char:02x}": b"A" + bytes([char]) + b"B: c"
            for char in b'"(),/;<=>?@[\\]{}\x01\x1f\x7f'
        },
    }
    rows = [Bad(f"field-{name}", request(line), source=FIELD) for name, line in lines.items()]
    first = b"GET /echo HTTP/1.1\r\n"
    rows += [
        Bad("first-field-begins-with-space", first + b" Host: a\r\n\r\n", source="RFC 9112 §2.2"),
        Bad("first-field-begins-with-tab", first + b"\tHost: a\r\n\r\n", source="RFC 9112 §2.2"),
        Bad("lf-only", b"GET /echo HTTP/1.1\nHost: a\n\n", source=LINE),
        Bad("lf-at-the-end-of-the-head", b"GET /echo HTTP/1.1\r\nHost: a\r\n\n", source=LINE),
        Bad("lf-behind-the-request-line", b"GET /echo HTTP/1.1\nHost: a\r\n\r\n", source=LINE),
        Bad("cr-only", b"GET /echo HTTP/1.1\rHost: a\r\r", source=LINE),
        Bad("cr-cr-lf", b"GET /echo HTTP/1.1\r\r\nHost: a\r\r\n\r\r\n", source=LINE),
    ]
    return rows


def _request_lines() -> list[Bad]:
    lines = {
        "two-spaces-behind-method": b"GET  /echo HTTP/1.1",
        "two-spaces-before-version": b"GET /echo  HTTP/1.1",
        "tab-for-space": b"GET\t/echo\tHTTP/1.1",
        "vertical-tab-for-space": b"GET\x0b/echo HTTP/1.1",
        "space-before-method": b" GET /echo HTTP/1.1",
        "space-at-the-end": b"GET /echo HTTP/1.1 ",
        "word-at-the-end": b"GET /echo HTTP/1.1 x",
        "space-in-target": b"GET /echo x HTTP/1.1",
        "no-target": b"GET HTTP/1.1",
        "empty-target": b"GET  HTTP/1.1",
        "target-without-slash": b"GET echo HTTP/1.1",
        "nul-in-target": b"GET /ec\x00ho HTTP/1.1",
        "bare-cr-in-target": b"GET /ec\rho HTTP/1.1",
        "bare-cr-behind-version": b"GET /echo HTTP/1.1\r",
        "delete-in-target": b"GET /ec\x7fho HTTP/1.1",
        "escape-in-target": b"GET /\x1b[2J HTTP/1.1",
        "bytes-above-127-in-target": b"GET /\xff HTTP/1.1",
        "fragment-in-target": b"GET /echo#part HTTP/1.1",
        "colon-in-method": b"GE:T /echo HTTP/1.1",
        "slash-in-method": b"GE/T /echo HTTP/1.1",
        "nul-in-method": b"GE\x00T /echo HTTP/1.1",
        "bytes-above-127-in-method": b"G\xc4T /echo HTTP/1.1",
        "empty-method": b" /echo HTTP/1.1",
        "version-lower-case": b"GET /echo http/1.1",
        "version-short": b"GET /echo HTTP/1",
        "version-long": b"GET /echo HTTP/1.10",
        "version-two-digits": b"GET /echo HTTP/11.1",
        "version-padded": b"GET /echo HTTP/01.1",
        "version-plus": b"GET /echo HTTP/+1.1",
        "version-comma": b"GET /echo HTTP/1,1",
        "version-word": b"GET /echo HTTP/x.y",
        "version-of-something-else": b"GET /echo ICY/1.1",
        "no-version-slash": b"GET /echo HTTP1.1",
        "http-0.9": b"GET /echo",
    }
    rows = [
        Bad(f"line-{name}", line + b"\r\nHost: a\r\n\r\n", source=LINE)
        for name, line in lines.items()
    ]
    versions = {"0.9": (400, 505), "1.2": (400, 505), "2.0": (400, 505), "3.0": (400, 505)}
    rows += [
        Bad(
            f"version-{version}",
            f"GET /echo HTTP/{version}\r\nHost: a\r\n\r\n".encode(),
            statuses,
            "RFC 9110 §15.6.6",
        )
        for version, statuses in versions.items()
    ]
    rows += [
        Bad(
            "tls-client-hello",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
            source=LINE,
        ),
        Bad("nothing-but-nul", bytes(64) + b"\r\n\r\n", source=LINE),
        Bad("ssh", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", source=LINE),
    ]
    return rows


def _hosts() -> list[Bad]:
    get = b"GET /echo HTTP/1.1\r\n"
    values = {
        "with-space": b"a b",
        "with-comma-and-space": b"a, b",
        "with-path": b"a/b",
        "with-query": b"a?b",
        "with-fragment": b"a#b",
        "with-user": b"user@a",
        "with-scheme": b"http://a",
        "with-backslash": b"a\\b",
        "with-quote": b'a"b',
        "with-angle": b"<a>",
        "with-port-word": b"a:http",
        "with-port-sign": b"a:-1",
        "with-two-ports": b"a:1:2",
        "with-open-bracket": b"[::1",
        "with-bracket-word": b"[host]",
        "with-tab": b"a\tb",
        "with-bytes-above-127": b"\xe4.example",
        "with-nul": b"a\x00",
    }
    rows = [
        Bad(f"host-{name}", get + b"Host: " + value + b"\r\n\r\n", source=HOST)
        for name, value in values.items()
    ]
    rows += [
        Bad("host-missing", get + b"\r\n", source=HOST),
        Bad("host-missing-among-others", get + b"Accept: */*\r\n\r\n", source=HOST),
        Bad("host-twice", get + b"Host: a\r\nHost: b\r\n\r\n", source=HOST),
        Bad("host-twice-equal", get + b"Host: a\r\nHost: a\r\n\r\n", source=HOST),
        Bad("host-twice-in-other-case", get + b"Host: a\r\nhOST: b\r\n\r\n", source=HOST),
        Bad(
            "host-twice-in-http-1.0",
            b"GET /echo HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            source=HOST,
        ),
        Bad("host-folded", get + b"Host:\r\n a\r\n\r\n", source=FIELD),
        Bad("absolute-form-without-host-field", b"GET http://a/echo HTTP/1.1\r\n\r\n", source=HOST),
    ]
    return rows


def _forms() -> list[Bad]:
    def asked(line: bytes) -> bytes:
        return line + b" HTTP/1.1\r\nHost: a\r\n\r\n"

    form = "RFC 9112 §3.2"
    return [
        Bad("asterisk-form-of-get", asked(b"GET *"), source=form),
        Bad("authority-form-of-get", asked(b"GET a:80"), source=form),
        Bad("absolute-form-without-host", asked(b"GET http:///echo"), source=form),
        Bad("absolute-form-with-user", asked(b"GET http://user@a/echo"), source="RFC 9110 §4.2.4"),
        Bad("absolute-form-of-ftp", asked(b"GET ftp://a/echo"), (400, 421), source=form),
        Bad(
            "connect",
            asked(b"CONNECT a:80"),
            (400, 404, 405, 501),
            "RFC 9110 §9.3.6",
            followed=False,
        ),
    ]


def _sizes() -> list[Bad]:
    many = [b"F%d: x" % number for number in range(2_000)]
    return [
        Bad("target-long", request(target=b"/" + b"a" * LONG), (414,), "RFC 9112 §3"),
        Bad("target-a-little-long", request(target=b"/" + b"a" * 9_000), (414,), "RFC 9112 §3"),
        Bad("target-endless", b"GET /" + b"a" * 200_000, (414,), "RFC 9112 §3", followed=False),
        Bad("method-endless", b"A" * 200_000, (400, 414, 431, 501), "RFC 9112 §3", followed=False),
        Bad("query-long", request(target=b"/echo?" + b"a" * LONG), (414,), "RFC 9112 §3"),
        Bad("value-long", request(b"A: " + b"b" * LONG), (431,), "RFC 6585 §5"),
        Bad("name-long", request(b"A" * LONG + b": b"), (400, 431), "RFC 6585 §5"),
        Bad("fields-many", request(*many), (431,), "RFC 6585 §5"),
        Bad("fields-a-few-too-many", request(*many[:101]), (431,), "RFC 6585 §5"),
        Bad(
            "head-endless",
            request(*[b"A: " + b"b" * 100] * 2_000)[:-2],
            (431,),
            "RFC 6585 §5",
            followed=False,
        ),
    ]


def _others() -> list[Bad]:
    good = request()
    return [
        Bad("good-then-bad", good + request(b"A : b"), before=(200,), source=FIELD),
        Bad("two-good-then-bad", good + good + b"\x00\r\n\r\n", before=(200, 200), source=LINE),
        Bad(
            "good-chunked-then-bad",
            chunked(b"5\r\nhello\r\n0\r\n\r\n") + request(b"\x00: b"),
            before=(200,),
            source=FIELD,
        ),
        Bad(
            "good-with-body-then-garbage",
            post(b"Content-Length: 5", body=b"hello\x00") + good,
            before=(200,),
            source="RFC 9112 §6.3",
        ),
        Bad(
            "expectation-unknown",
            post(b"Content-Length: 5", b"Expect: the-best", body=b"hello"),
            (417,),
            "RFC 9110 §10.1.1",
        ),
        Bad(
            "smuggled-by-space-before-colon",
            post(b"Content-Length : 33", body=SMUGGLED[:33]),
            source=FIELD,
        ),
        Bad(
            "cl-te-prefix",
            post(b"Content-Length: 6", CHUNKED, body=b"0\r\n\r\nG"),
            source=BOTH,
        ),
        Bad(
            "te-cl-prefix",
            post(b"Content-Length: 4", CHUNKED, body=b"5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n"),
            source=BOTH,
        ),
    ]


BAD: Final[Sequence[Bad]] = (
    *_lengths(),
    *_codings(),
    *_chunks(),
    *_fields(),
    *_request_lines(),
    *_hosts(),
    *_forms(),
    *_sizes(),
    *_others(),
)
