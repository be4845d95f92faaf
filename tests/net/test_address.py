"""Facts about `mainstay.net.address`."""

from __future__ import annotations

import pytest

from mainstay.errors import UsageError
from mainstay.net.address import Address

UNDERSTOOD = {
    "tcp://127.0.0.1:8000": Address("tcp", host="127.0.0.1", port=8000),
    "tcp://[::1]:0": Address("tcp", host="::1", port=0),
    "tcp://:8000": Address("tcp", port=8000),
    ":8000": Address("tcp", port=8000),
    "127.0.0.1:8000": Address("tcp", host="127.0.0.1", port=8000),
    "localhost:65535": Address("tcp", host="localhost", port=65535),
    "[fe80::1%eth0]:80": Address("tcp", host="fe80::1%eth0", port=80),
    "unix:/run/x.sock": Address("unix", path="/run/x.sock"),
    "unix:///run/x.sock": Address("unix", path="/run/x.sock"),
    "unix:x.sock": Address("unix", path="x.sock"),
    "fd:3": Address("fd", descriptor=3),
    "fd://web": Address("fd", name="web"),
}

REFUSED = {
    "": "no port",
    "8000": "no port",
    "localhost": "no port",
    "[::1]": "no port",
    "tcp://localhost:": "'' is no port number",
    "localhost:http": "'http' is no port number",
    "localhost:-1": "'-1' is no port number",
    "localhost:\u0663": "is no port number",
    "localhost:65536": "at most 65535",
    "::1:8000": "brackets",
    "[localhost]:8000": "'localhost' is no IPv6 address",
    "tcp://127.0.0.1:8000/path": "'8000/path' is no port number",
    "user@host:80": "'user@host' is no host name",
    "http://localhost:8000": "http:// is no kind of address",
    "unix:": "no path",
    "unix:a\0b": "no path",
    "fd:": "'' is no descriptor number",
    "fd://": "it has no name",
    "fd://a b": "with a space or a colon",
    "fd:x": "'x' is no descriptor number",
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_every_documented_form_is_understood(text: str) -> None:
    """Each form gives its address, and the address's own text gives the same again."""
    address = Address.from_text(text)
    assert address == UNDERSTOOD[text]
    assert Address.from_text(str(address)) == address


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_wrong_is_said_with_an_example(text: str) -> None:
    """A bad address is quoted, with the reason and forms that work."""
    with pytest.raises(UsageError) as caught:
        Address.from_text(text)
    message = str(caught.value)
    assert repr(text) in message
    assert REFUSED[text] in message
    assert "tcp://127.0.0.1:8000" in message


def test_a_port_is_replaced() -> None:
    """`with_port` keeps everything else."""
    assert str(Address.from_text("tcp://[::1]:0").with_port(7)) == "tcp://[::1]:7"
