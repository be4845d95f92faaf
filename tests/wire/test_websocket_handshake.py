"""Facts about `mainstay.wire.websocket_handshake`."""

from __future__ import annotations

import base64

import pytest

from mainstay.errors import HttpError, InvalidRequest
from mainstay.wire.websocket_handshake import (
    Fields,
    accept_of,
    agree_on_deflate,
    choose_subprotocol,
    offer,
    read_agreement,
    verify_request,
)

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
VERSION = (b"sec-websocket-version", b"13")
EXTENSIONS = b"sec-websocket-extensions"


def test_the_key_of_the_rfc_is_answered_as_the_rfc_says() -> None:
    """RFC 6455 §1.3."""
    assert accept_of(KEY) == ACCEPT
    assert verify_request([VERSION, (b"sec-websocket-key", KEY)], "1.1") == ACCEPT


def test_http_2_needs_no_key() -> None:
    """RFC 8441 §5."""
    assert verify_request([VERSION], "2") is None


@pytest.mark.parametrize("versions", [[], [b"8"], [b"13", b"13"], [b"013"]])
def test_another_version_is_told_which_one_is_spoken(versions: list[bytes]) -> None:
    """426 with the version, RFC 6455 §4.4."""
    fields = [(b"sec-websocket-version", version) for version in versions]
    with pytest.raises(HttpError) as caught:
        verify_request([*fields, (b"sec-websocket-key", KEY)], "1.1")
    assert (caught.value.status, caught.value.reason) == (426, "UPGRADE_REQUIRED")
    assert caught.value.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [KEY, KEY],
        [b""],
        [b"short"],
        [base64.b64encode(b"x" * 15)],
        [KEY + b"!"],
        [b"\xff" * 24],
    ],
)
def test_a_key_has_to_be_sixteen_bytes(keys: list[bytes]) -> None:
    """Once, in base64."""
    fields = [VERSION, *((b"sec-websocket-key", key) for key in keys)]
    with pytest.raises(InvalidRequest, match="16 bytes in base64"):
        verify_request(fields, "1.1")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        ([b"chat"], "chat"),
        ([b"other"], None),
        ([b"old, chat"], "chat"),
        ([b"chat", b"superchat"], "superchat"),
    ],
)
def test_our_preference_decides_on_the_subprotocol(
    offered: list[bytes], chosen: str | None
) -> None:
    """Of those that the client offers, in one field or several."""
    fields = [(b"sec-websocket-protocol", value) for value in offered]
    assert choose_subprotocol(fields, ["superchat", "chat"]) == chosen


def test_an_empty_subprotocol_is_refused() -> None:
    """A list with a hole in it is malformed."""
    with pytest.raises(InvalidRequest, match="empty name"):
        choose_subprotocol([(b"sec-websocket-protocol", b"chat,,x")], ["chat"])


@pytest.mark.parametrize(
    ("offered", "granted"),
    [
        (None, None),
        (b"x-webkit-deflate-frame", None),
        (
            b"permessage-deflate",
            b"permessage-deflate; server_max_window_bits=12",
        ),
        (
            b"permessage-deflate; client_max_window_bits",
            b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (b"permessage-deflate; unknown", None),
        (
            b"permessage-deflate; unknown, permessage-deflate",
            b"permessage-deflate; server_max_window_bits=12",
        ),
    ],
)
def test_compression_is_agreed_on_within_our_bounds(
    offered: bytes | None, granted: bytes | None
) -> None:
    """The first offer that can be kept; without one, none."""
    fields: Fields = [] if offered is None else [(EXTENSIONS, offered)]
    value, extension = agree_on_deflate(fields)
    assert value == granted
    assert (extension is None) is (granted is None)


def test_an_offer_that_cannot_be_read_is_refused() -> None:
    """Rather than ignored: the client means something."""
    with pytest.raises(InvalidRequest, match="cannot be read"):
        agree_on_deflate([(EXTENSIONS, b"permessage-deflate; =")])


def test_both_sides_of_us_agree() -> None:
    """What the client offers the server takes, and the client takes the answer."""
    key = b"0123456789abcdef"
    asked = offer(key, ["chat"])
    accept = verify_request(asked, "1.1")
    value, _ = agree_on_deflate(asked)
    assert accept is not None
    assert value is not None
    answer = [
        (b"sec-websocket-accept", accept),
        (b"sec-websocket-protocol", b"chat"),
        (EXTENSIONS, value),
    ]
    subprotocol, extension = read_agreement(answer, key, ["chat"])
    assert subprotocol == "chat"
    assert extension is not None


def test_a_client_may_offer_nothing() -> None:
    """Over HTTP/2, without subprotocols and compression, the version alone is left."""
    assert offer(b"", compress=False) == [VERSION]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ((b"sec-websocket-accept", b"rubbish"), "does not fit our key"),
        ((b"sec-websocket-protocol", b"other"), "not offered"),
        ((EXTENSIONS, b"bbf-usp"), "not offered"),
        ((EXTENSIONS, b"permessage-deflate; client_max_window_bits=15"), "do not fit"),
        ((EXTENSIONS, b"; ;"), "do not fit"),
    ],
)
def test_a_server_that_agrees_to_something_else_is_refused(
    field: tuple[bytes, bytes], said: str
) -> None:
    """RFC 6455 §4.1: the client has to fail the connection."""
    key = b"0123456789abcdef"
    fields = [(b"sec-websocket-accept", accept_of(base64.b64encode(key)))]
    if field[0] == b"sec-websocket-accept":
        fields.clear()
    with pytest.raises(InvalidRequest, match=said):
        read_agreement([*fields, field], key, ["chat"])


def test_compression_that_was_not_offered_is_refused() -> None:
    """Also when it is ours."""
    with pytest.raises(InvalidRequest, match="not offered"):
        read_agreement([(EXTENSIONS, b"permessage-deflate")], b"", compress=False)
