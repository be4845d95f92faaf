"""What can be set for RPC."""

from typing import Any

import msgspec
import pytest

from mainstay.rpc.settings import RpcSettings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"origins": ["app.example.org"]}, "is no origin"),
        ({"origins": ["https://app.example.org/"]}, "is no origin"),
        ({"origins": ["*"], "credentials": True}, "name the origins"),
        ({"receive_size": 0}, ">= 1"),
        ({"receive_elements": 0}, ">= 1"),
        ({"compression": "br"}, "Invalid enum value 'br'"),
        ({"receive_siz": 1}, "unknown field"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    """When it is read, which is at the start."""
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(settings, RpcSettings)


def test_origins_are_named_or_all() -> None:
    """With cookies for those that are named."""
    named = {"origins": ["https://app.example.org", "http://localhost:5173"], "credentials": True}
    assert msgspec.convert(named, RpcSettings).credentials
    assert msgspec.convert({"origins": ["*"]}, RpcSettings).origins == ("*",)


def test_nobody_is_allowed_and_everything_is_spoken_by_default() -> None:
    """The messages that are received are bounded as in grpcio: 4 MiB."""
    settings = RpcSettings()
    assert settings.origins == ()
    assert (settings.connect, settings.web, settings.transcoding) == (True, True, True)
    assert settings.receive_size == 4 * 1024 * 1024
    assert settings.receive_elements == 100_000
