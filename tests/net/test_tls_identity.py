"""Facts about `mainstay.net.tls_identity`."""

from __future__ import annotations

from typing import Any

import pytest

from mainstay.net.tls_identity import identity_in, identity_of

CN = ((("countryName", "CH"),), (("commonName", "billing"),))
DNS = ("DNS", "billing.internal")
URI = ("URI", "https://billing.example/")
SPIFFE = ("URI", "spiffe://prod/billing")


@pytest.mark.parametrize(
    ("certificate", "identity"),
    [
        (None, None),
        ({}, None),
        ({"subject": CN}, "billing"),
        ({"subject": CN, "subjectAltName": (DNS,)}, "billing.internal"),
        ({"subject": CN, "subjectAltName": (DNS, URI)}, "https://billing.example/"),
        ({"subjectAltName": (DNS, URI, SPIFFE)}, "spiffe://prod/billing"),
        ({"subject": ()}, None),
    ],
)
def test_the_most_telling_name_wins(certificate: Any, identity: str | None) -> None:
    """SPIFFE before other URIs, before DNS, before the common name; nothing for nobody."""
    assert identity_in(certificate) == identity


def test_a_plain_connection_has_no_identity() -> None:
    """Nothing was proved on a transport without TLS."""

    class Plain:
        def get_extra_info(self, name: str) -> None:
            return None

    assert identity_of(Plain()) is None
