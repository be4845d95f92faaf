"""Facts about `mainstay.net.tls_client`; its handshakes are in test_tls.py."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from mainstay.errors import ConfigError
from mainstay.net.tls_client import ClientTls, ClientTlsSettings
from tests.net.certificates import Authority


def test_a_client_trusts_the_system_unless_told() -> None:
    """Names and chains are checked, from TLS 1.2 on."""
    tls = ClientTls()
    assert tls.context.verify_mode is ssl.CERT_REQUIRED
    assert tls.context.check_hostname
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert repr(tls) == "<ClientTls trusts=the system certificate=None>"


def test_a_client_can_trust_one_authority_only(tmp_path: Path) -> None:
    """The system's are left out then."""
    tls = ClientTls(ClientTlsSettings(ca=Authority(tmp_path).path))
    assert tls.context.cert_store_stats()["x509_ca"] == 1


def test_a_client_can_trust_anybody() -> None:
    """For tests; the repr says so."""
    tls = ClientTls(ClientTlsSettings(verify=False))
    assert tls.context.verify_mode is ssl.CERT_NONE
    assert repr(tls) == "<ClientTls trusts=anybody certificate=None>"


def test_a_server_may_be_known_by_another_name() -> None:
    """The host is what is checked, unless the settings name something else."""
    assert ClientTls().server_hostname("10.0.0.7") == "10.0.0.7"
    named = ClientTls(ClientTlsSettings(server_name="billing.internal"))
    assert named.server_hostname("10.0.0.7") == "billing.internal"


def test_a_key_needs_its_certificate() -> None:
    """A key alone would be ignored."""
    with pytest.raises(ConfigError, match="no certificate goes with it"):
        ClientTls(ClientTlsSettings(key="client.key"))


def test_a_reload_takes_new_files_or_keeps_the_old(tmp_path: Path) -> None:
    """A new context for new connections; a broken file changes nothing."""
    authority = Authority(tmp_path)
    tls = ClientTls(ClientTlsSettings(ca=authority.path))
    before = tls.context
    tls.reload()
    assert tls.context is not before
    kept = tls.context
    Path(authority.path).write_text("broken")
    with pytest.raises(ConfigError, match="holds no certificate"):
        tls.reload()
    assert tls.context is kept
