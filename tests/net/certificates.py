"""Certificates for tests, made on the spot."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in files."""

    certificate: str
    key: str


class Authority:
    """An authority whose files stand in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.path = str(folder / f"{name}.pem")
        self.ca.cert_pem.write_to_path(self.path)

    def issue(
        self,
        *names: str,
        file: str = "server",
        common_name: str | None = None,
        expired: bool = False,
        future: bool = False,
    ) -> Pair:
        """A pair for `names`, in files called `file`."""
        made = self.ca.issue_cert(
            *names,
            common_name=common_name,
            not_before=NOW + DAY if future else NOW - 2 * DAY,
            not_after=NOW - DAY if expired else NOW + 2 * DAY,
        )
        pair = Pair(str(self.folder / f"{file}.pem"), str(self.folder / f"{file}.key"))
        for number, blob in enumerate(made.cert_chain_pems):
            blob.write_to_path(pair.certificate, append=number > 0)
        made.private_key_pem.write_to_path(pair.key)
        return pair


def encrypted(pair: Pair, password: str) -> Pair:
    """The same pair, its key encrypted in another file."""
    key = serialization.load_pem_private_key(Path(pair.key).read_bytes(), None)
    path = Path(pair.key + ".encrypted")
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            BestAvailableEncryption(password.encode()),
        )
    )
    return Pair(pair.certificate, str(path))
