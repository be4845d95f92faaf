"""Facts about `mainstay.net.tls_files`, with certificates made on the spot."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from mainstay.errors import ConfigError
from mainstay.net.tls_files import context_with, describe, load_ca, load_chain
from tests.net.certificates import Authority, Pair, encrypted


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def load(pair: Pair, password: str | None = None) -> None:
    file = None
    if password is not None:
        file = Path(pair.key + ".password")
        file.write_text(password + "\n")
    load_chain(
        context_with(ssl.PROTOCOL_TLS_SERVER, "1.2"),
        pair.certificate,
        pair.key,
        str(file) if file else None,
    )


def test_a_certificate_says_what_it_is_for(authority: Authority) -> None:
    """Names in lower case, wildcards and addresses among them, and when it expires."""
    pair = authority.issue("Example.org", "*.example.net", "127.0.0.1")
    found = describe(pair.certificate, pair.key, None)
    assert found.names == ("example.org", "*.example.net", "127.0.0.1")
    assert found.expires > 1.7e9


def test_a_common_name_counts_when_there_is_no_other(authority: Authority) -> None:
    """An old certificate without alternative names is for its common name."""
    pair = authority.issue(common_name="old.example.org")
    assert describe(pair.certificate, pair.key, None).names == ("old.example.org",)


def test_key_and_certificate_may_share_a_file(authority: Authority, tmp_path: Path) -> None:
    """Without `key`, the certificate's file is read for it."""
    pair = authority.issue("example.org")
    both = tmp_path / "both.pem"
    both.write_text(Path(pair.certificate).read_text() + Path(pair.key).read_text())
    assert describe(str(both), None, None).names == ("example.org",)


def test_an_encrypted_key_opens_with_its_password(authority: Authority) -> None:
    """And the terminal is never asked."""
    load(encrypted(authority.issue("example.org"), "open sesame"), "open sesame")


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (None, "the key in .*server.key.encrypted is encrypted; name its key_password_file"),
        ("open sesam", "the password in .* does not open the key in .*server.key.encrypted"),
    ],
)
def test_a_closed_key_is_told_as_such(
    authority: Authority, password: str | None, said: str
) -> None:
    """A missing password and a wrong one are told apart, and the password is not quoted."""
    with pytest.raises(ConfigError, match=said) as caught:
        load(encrypted(authority.issue("example.org"), "open sesame"), password)
    assert "open sesam" not in str(caught.value)


def test_a_key_of_another_certificate_is_told(authority: Authority) -> None:
    """Both files are named."""
    pair, other = authority.issue("a.org"), authority.issue("b.org", file="other")
    with pytest.raises(
        ConfigError, match=r"other\.key does not belong to the certificate in .*serv"
    ):
        load(Pair(pair.certificate, other.key))


def test_a_missing_file_is_told(authority: Authority) -> None:
    """With the system's reason."""
    with pytest.raises(ConfigError, match=r"/nowhere\.pem cannot be read: No such file"):
        load(Pair("/nowhere.pem", "/nowhere.key"))


def test_files_without_their_content_are_told(authority: Authority, tmp_path: Path) -> None:
    """Each of certificate, key and authority by its name."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing here")
    pair = authority.issue("example.org")
    with pytest.raises(ConfigError, match=r"empty\.pem holds no certificate in PEM form"):
        load(Pair(str(empty), pair.key))
    with pytest.raises(ConfigError, match=r"empty\.pem holds no private key in PEM form"):
        load(Pair(pair.certificate, str(empty)))
    with pytest.raises(ConfigError, match=r"empty\.pem holds no certificate in PEM form"):
        load_ca(context_with(ssl.PROTOCOL_TLS_SERVER, "1.2"), str(empty))


def test_broken_content_is_told(authority: Authority, tmp_path: Path) -> None:
    """What looks like PEM and is none."""
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(ConfigError, match=r"broken\.pem with the key in .* cannot be loaded"):
        load(Pair(str(broken), authority.issue("example.org").key))
    with pytest.raises(ConfigError, match=r"broken\.pem holds a certificate that cannot be read"):
        load_ca(context_with(ssl.PROTOCOL_TLS_SERVER, "1.2"), str(broken))


def test_an_expired_certificate_is_told(authority: Authority) -> None:
    """The start fails, rather than every client."""
    pair = authority.issue("example.org", expired=True)
    with pytest.raises(ConfigError, match=r"the certificate in .*server\.pem has expired"):
        describe(pair.certificate, pair.key, None)


def test_a_certificate_of_tomorrow_is_told(authority: Authority) -> None:
    """One whose time has not come is as useless."""
    pair = authority.issue("example.org", future=True)
    with pytest.raises(ConfigError, match=r"the certificate in .*server\.pem is not valid yet"):
        describe(pair.certificate, pair.key, None)
