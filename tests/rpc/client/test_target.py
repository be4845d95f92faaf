"""Where a channel goes."""

import pytest

from mainstay.errors import UsageError
from mainstay.net.origin import Origin
from mainstay.rpc.client.target import parse_target


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("host:1", Origin("http", "host", 1)),
        ("tcp://host:1", Origin("http", "host", 1)),
        ("tcp://[::1]:1", Origin("http", "::1", 1)),
        ("http://host", Origin("http", "host", 80)),
        ("dns:///host:1", Origin("http", "host", 1)),
        ("dns:host:1", Origin("http", "host", 1)),
        ("tls://host", Origin("https", "host", 443)),
        ("https://host:1/", Origin("https", "host", 1)),
        ("unix:/run/x", Origin("http", "localhost", 80, unix="/run/x")),
        ("unix:///run/x", Origin("http", "localhost", 80, unix="/run/x")),
        ("unix:x", Origin("http", "localhost", 80, unix="x")),
    ],
)
def test_targets(target: str, expected: Origin) -> None:
    """All forms, gRPC's among them."""
    assert parse_target(target) == expected


def test_tls_by_argument() -> None:
    """A target that does not say is TLS's if the channel has TLS."""
    assert parse_target("host:1", tls=True).scheme == "https"
    assert parse_target("host", tls=True).port == 443
    assert parse_target("unix:/x", tls=True).scheme == "https"


@pytest.mark.parametrize(
    "target",
    [
        "",
        "host",
        "ftp://host:1",
        "host:x",
        "host:99999",
        "tcp://",
        "unix:",
        "http://u:p@h",
        "h:1/a",
    ],
)
def test_what_is_no_target(target: str) -> None:
    """Is refused with the forms that are."""
    with pytest.raises(UsageError, match="one of host:port"):
        parse_target(target)
