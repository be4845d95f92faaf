"""Facts about callers behind proxies."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.errors import UsageError
from mainstay.http.middleware.trusted_proxies import parse_forwarded, trusted_proxies
from mainstay.http.response import Response
from tests.http.middleware.desk import Desk

PROXY = "10.0.0.1:4000"


async def seen(call: Any) -> Response:
    """Says who calls, by what and whom."""
    request, scope = call.request, call.scope
    assert scope.peer == request.peer == call.exchange.peer
    return Response(
        f"{request.peer.address} {request.scheme} {request.host} {request.peer.identity}"
    )


async def ask(*fields: tuple[str, str], peer: str = PROXY, **options: Any) -> str:
    desk = Desk([trusted_proxies(["10.0.0.0/8", "fd00::/8"], **options)], {"GET /": seen})
    return (await desk.ask(fields=fields, peer=peer, identity="the proxy")).body.decode()


async def test_a_trusted_proxy_tells_who_calls() -> None:
    """And how; the proxy's certificate is not the caller's."""
    found = await ask(
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    )
    assert found == "203.0.113.9:0 https shop.example None"
    assert await ask(("x-forwarded-for", "2001:DB8::9")) == "[2001:db8::9]:0 http example.org None"


async def test_others_can_claim_nothing() -> None:
    """Whoever is not in the networks is who they are."""
    fields = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=10.0.0.1;proto=https;host=evil.example"),
    ]
    for peer in ("192.0.2.7:5000", "[2001:db8::7]:5000", "unix"):
        assert await ask(*fields, peer=peer) == f"{peer} http example.org the proxy"
        found = await ask(*fields, peer=peer, fields="forwarded")
        assert found == f"{peer} http example.org the proxy"


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("198.51.100.1, 203.0.113.9", "203.0.113.9:0"),
        ("10.0.0.66, 203.0.113.9", "203.0.113.9:0"),
        ("198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9:0"),
        ("203.0.113.9:5123", "203.0.113.9:0"),
        ("[2001:db8::9]:5123, fd00::1", "[2001:db8::9]:0"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3:0"),
        ("::ffff:10.0.0.2", "10.0.0.2:0"),
        ("203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9:0"),
        ("203.0.113.9, garbage", PROXY),
        ("203.0.113.9, unknown, 10.0.0.2", "10.0.0.2:0"),
        ("203.0.113.9, 10.0.0.2\x00", PROXY),
        ("010.0.0.1", PROXY),
        ("", PROXY),
        (", ,", PROXY),
    ],
)
async def test_the_list_is_walked_from_the_right(listed: str, expected: str) -> None:
    """Up to the first who is not trusted; what they wrote may be invented."""
    assert (await ask(("x-forwarded-for", listed))).split()[0] == expected


async def test_several_fields_are_one_list() -> None:
    """A client's own field stands left of the proxy's."""
    fields = [("x-forwarded-for", "10.0.0.66"), ("x-forwarded-for", "203.0.113.9")]
    assert (await ask(*fields)).split()[0] == "203.0.113.9:0"


async def test_a_list_without_end_is_bounded() -> None:
    """Thirty-two proxies in a row are enough."""
    listed = "203.0.113.9, " + ", ".join(["10.0.0.2"] * 5000)
    assert (await ask(("x-forwarded-for", listed))).split()[0] == "10.0.0.2:0"


@pytest.mark.parametrize(
    "host", ["evil.example/path", "a b", "user@evil.example", "evil.example,x y", "x" * 300, "<b>"]
)
async def test_a_host_that_is_none_does_not_count(host: str) -> None:
    """It ends up in addresses and in mails."""
    found = await ask(("x-forwarded-for", "203.0.113.9"), ("x-forwarded-host", host))
    assert found.split()[2] == "example.org"


async def test_a_scheme_that_is_none_does_not_count() -> None:
    """Those of WebSockets are understood."""
    assert (await ask(("x-forwarded-proto", "gopher"))).split()[1] == "http"
    assert (await ask(("x-forwarded-proto", "wss"))).split()[1] == "https"


async def test_the_nearest_proxys_word_counts_for_the_scheme() -> None:
    """Unless each proxy has written one, as it did with the addresses."""
    one = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https, http")]
    assert (await ask(*one)).split()[1] == "http"
    two = [("x-forwarded-for", "203.0.113.9, 10.0.0.2"), ("x-forwarded-proto", "https, http")]
    assert (await ask(*two)).split()[1] == "https"


async def test_forwarded_is_walked_in_the_same_way() -> None:
    """RFC 7239; the other fields do not count then."""
    fields = [
        ("forwarded", 'for=198.51.100.1, For="[2001:db8::9]:47011";proto=https;host="a.example"'),
        ("forwarded", "for=10.0.0.2;proto=http"),
        ("x-forwarded-for", "198.51.100.2"),
    ]
    assert await ask(*fields, fields="forwarded") == "[2001:db8::9]:0 https a.example None"
    hidden = ("forwarded", "for=198.51.100.1, for=_hidden;proto=https")
    assert await ask(hidden, fields="forwarded") == f"{PROXY} https example.org the proxy"


@pytest.mark.parametrize(
    "field",
    ['for="203.0.113.9', 'for="a" b', "for=a;for=b", "for", "=a", 'for="203.0.113.9\\'],
)
async def test_a_malformed_field_does_not_count_at_all(field: str) -> None:
    """A quote that a client opens would swallow what the proxy wrote."""
    assert parse_forwarded(field) == []
    fields = [("forwarded", field), ("forwarded", "for=203.0.113.9")]
    assert (await ask(*fields, fields="forwarded")).split()[0] == PROXY


def test_the_elements_of_a_field() -> None:
    """Names in any case, values quoted or not."""
    field = 'for=192.0.2.43, For="[2001:db8:cafe::17]:4711" ; proto=https,,by=203.0.113.43 '
    assert parse_forwarded(field) == [
        {"for": "192.0.2.43"},
        {"for": "[2001:db8:cafe::17]:4711", "proto": "https"},
        {"by": "203.0.113.43"},
    ]
    assert parse_forwarded(r'a="b\"c,d"') == [{"a": 'b"c,d'}]
    assert parse_forwarded("") == []


async def test_a_unix_socket_is_trusted_if_that_is_said() -> None:
    """Its peers have no address."""
    field = ("x-forwarded-for", "203.0.113.9")
    assert (await ask(field, peer="unix", unix=True)).split()[0] == "203.0.113.9:0"
    assert (await ask(field, peer="unix")).split()[0] == "unix"
    assert (await ask(field, peer="memory", unix=True)).split()[0] == "memory"


async def test_a_scope_that_exists_is_told() -> None:
    """So that limits and the log agree, whichever came first."""

    async def early(call: Any, next: Any) -> Any:
        assert call.scope.peer.address == PROXY
        return await next(call)

    desk = Desk([early, trusted_proxies(["10.0.0.1"])], {"GET /": seen})
    reply = await desk.ask(fields=[("x-forwarded-for", "203.0.113.9")], peer=PROXY)
    assert reply.body.startswith(b"203.0.113.9:0 ")


def test_what_is_no_network_is_refused() -> None:
    """When it is made: bits beside the mask are a mistake, too."""
    for wrong in ("10.0.0.1/8", "nope", "10.0.0.0/33"):
        with pytest.raises(UsageError, match="trusted_proxies"):
            trusted_proxies([wrong])
    with pytest.raises(UsageError, match="list"):
        trusted_proxies("10.0.0.0/8")
    with pytest.raises(UsageError, match="x-forwarded or forwarded"):
        trusted_proxies([], fields="x-real-ip")  # type: ignore[arg-type]
