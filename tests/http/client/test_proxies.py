import pytest

from mainstay.errors import UsageError
from mainstay.http.client.proxies import Proxies
from mainstay.http.client.urls import parse_url
from mainstay.net.origin import Proxy, basic


def test_a_proxy_for_each_scheme() -> None:
    """With its credentials, which no repr shows."""
    proxies = Proxies(http="http://u:hunter2@p:3128", https="https://q")
    found = proxies.find(parse_url("http://a/"))
    assert found == Proxy("p", 3128, authorization=basic("u", "hunter2"))
    assert proxies.find(parse_url("https://a/")) == Proxy("q", 443, tls=True)
    assert repr(proxies) == "<Proxies http=proxy p:3128 https=proxy q:443>"
    assert repr(Proxies()) == "<Proxies none>"


@pytest.mark.parametrize(
    ("entry", "url", "direct"),
    [
        ("*", "http://a/", True),
        ("example.org", "http://example.org/", True),
        ("example.org", "http://a.example.org/", True),
        (".example.org", "http://a.example.org/", True),
        ("*.example.org", "http://a.example.org/", True),
        ("example.org", "http://notexample.org/", False),
        ("Example.org:8000", "http://example.org:8000/", True),
        ("example.org:8000", "http://example.org/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("::1", "http://[::1]:8000/", True),
        ("[::1]:8000", "http://[::1]:8000/", True),
        ("", "http://a/", False),
    ],
)
def test_who_is_reached_directly(entry: str, url: str, direct: bool) -> None:
    """Names with all below them, addresses, networks, ports."""
    proxies = Proxies(http="http://p:3128", no_proxy=["x.invalid", entry])
    assert (proxies.find(parse_url(url)) is None) is direct


def test_the_environment_as_curl_reads_it() -> None:
    """Lower case first; HTTP_PROXY is what an attacker can set of a CGI program (CVE-2016-5385)."""
    proxies = Proxies.from_environment(
        {"HTTP_PROXY": "http://evil", "HTTPS_PROXY": "p:3128", "no_proxy": "a, b"}
    )
    assert proxies.find(parse_url("http://c/")) is None
    assert proxies.find(parse_url("https://c/")) == Proxy("p", 3128)
    assert proxies.find(parse_url("https://b/")) is None
    every = Proxies.from_environment({"ALL_PROXY": "http://p"})
    assert every.find(parse_url("http://c/")) == Proxy("p", 80)


def test_what_is_no_proxy() -> None:
    """Refused when it is given, its password hidden."""
    with pytest.raises(UsageError, match="the proxy") as caught:
        Proxies(http="socks5://u:hunter2@p")
    assert "hunter2" not in str(caught.value)
