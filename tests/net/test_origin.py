import pytest

from mainstay.net.origin import Origin, Proxy, basic

PROXY = Proxy("proxy", 3128, authorization=basic("user", "hunter2"))


@pytest.mark.parametrize(
    ("origin", "authority", "with_port"),
    [
        (Origin("http", "a", 80), "a", "a:80"),
        (Origin("https", "a", 443), "a", "a:443"),
        (Origin("https", "a", 80), "a:80", "a:80"),
        (Origin("http", "::1", 80), "[::1]", "[::1]:80"),
        (Origin("http", "::1", 8000), "[::1]:8000", "[::1]:8000"),
    ],
)
def test_the_port_is_left_out_when_it_is_the_schemes_own(
    origin: Origin, authority: str, with_port: str
) -> None:
    """In the Host field, and never in a CONNECT."""
    assert (origin.authority, origin.with_port) == (authority, with_port)


def test_a_proxy_forwards_what_it_can_read() -> None:
    """Requests without TLS; the others go through a tunnel."""
    assert Origin("http", "a", 80, proxy=PROXY).forwarded
    assert not Origin("https", "a", 443, proxy=PROXY).forwarded
    assert not Origin("http", "a", 80).forwarded


def test_texts_tell_the_way_and_no_password() -> None:
    """An error message and a repr may be logged."""
    origin = Origin("http", "a", 80, proxy=PROXY)
    assert str(origin) == "http://a by proxy proxy:3128"
    assert str(Origin("http", "a", 80, unix="/run/x")) == "http://a at /run/x"
    assert basic("user", "hunter2") not in repr(origin)


def test_basic_credentials() -> None:
    """RFC 7617 §2."""
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
