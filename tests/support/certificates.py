"""Certificates of an authority that this run of the tests made up, in files as `serve` is given them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trustme

AUTHORITY = trustme.CA()
"""Signs for this run of the tests; nothing else trusts it."""

LOCAL = "localhost", "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Written:
    """Files with a certificate, its key, and the authority that signed it."""

    certificate: Path
    key: Path
    authority: Path

    def options(self, prefix: str = "", asks: bool = False) -> list[str]:
        """What `serve` and `doctor` are told of it."""
        told = [f"--{prefix}tls-certificate", str(self.certificate), f"--{prefix}tls-key", str(self.key)]
        return [*told, f"--{prefix}tls-client-ca", str(self.authority)] if asks else told

    def renew(self, *names: str, ends: datetime | None = None, authority: trustme.CA = AUTHORITY) -> str:
        """Put a new certificate and its key in place; the certificate, as PEM."""
        pair = authority.issue_cert(*(names or LOCAL), not_after=ends)
        self.certificate.write_bytes(b"".join(part.bytes() for part in pair.cert_chain_pems))
        self.key.write_bytes(pair.private_key_pem.bytes())
        self.key.chmod(0o600)
        return pair.cert_chain_pems[0].bytes().decode()


def written(folder: Path, *names: str, ends: datetime | None = None, authority: trustme.CA = AUTHORITY) -> Written:
    """A new certificate of these names (this machine's where none is given) in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Written(folder / "certificate.pem", folder / "key.pem", folder / "authority.pem")
    made.renew(*names, ends=ends, authority=authority)
    authority.cert_pem.write_to_path(made.authority)
    return made


def trusting(mine: Written | None = None, authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    """How a client trusts the authority, and what it shows of itself (None: nothing)."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if mine is not None:
        context.load_cert_chain(mine.certificate, mine.key)
    return context
