"""A certificate with its key: read from files, tried, and made into the context of a listener.

A pair is read once, by the supervisor, and the same bytes go to every worker: files that are replaced one after the
other are never taken half old and half new, and a pair that does not work is found out before anybody uses it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

LARGEST: Final = 1024 * 1024
"""Bytes of a file at most: a bundle of every public authority takes a fifth of it."""

HANDSHAKE_SECONDS: Final = 10.0
"""How long a client may take for its handshake: as long as it would hold a connection without having asked anything."""

SHUTDOWN_SECONDS: Final = 2.0
"""How long a client may take to say goodbye."""

_NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name: dates are judged by the caller."""

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"

_ROUNDS: Final = 10
"""Turns that a handshake in memory may take; it takes three."""


class BadPair(Exception):
    """The files are no pair that can be used. `path` is the file to look at; the message says what is wrong with it."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class Files:
    """Where a listener's certificate stands (with its chain), its key, and the authorities of its clients' certificates
    (None: clients are not asked for one)."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """What stood in the files, as PEM. `ends` is when the certificate does (Unix time), `names` are whom it is for."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)
    client_ca: str | None = field(default=None, repr=False)
    ends: float = 0.0
    names: tuple[str, ...] = ()

    @property
    def leaf(self) -> str:
        """The certificate alone: without its chain, and without the key that may stand in the same file."""
        return self.certificate[self.certificate.index(_BEGIN) : self.certificate.index(_END) + len(_END)] + "\n"

    @property
    def asks_clients(self) -> bool:
        """Whether clients are asked for a certificate."""
        return self.client_ca is not None


def as_fields(pair: Pair) -> dict[str, str | None]:
    """What a worker needs of a pair."""
    return {"certificate": pair.certificate, "key": pair.key, "client_ca": pair.client_ca}


def of_fields(fields: Mapping[str, str | None]) -> Pair:
    """The pair that a worker was given."""
    return Pair(fields["certificate"] or "", fields["key"] or "", fields["client_ca"])


def read_pair(files: Files) -> Pair:
    """The pair in these files, tried in a handshake; raises BadPair. Dates are not judged: see `Pair.ends`."""
    certificate = _read(files.certificate, "certificate")
    key = certificate if files.key == files.certificate else _read(files.key, "key")
    authorities = None if files.client_ca is None else _read(files.client_ca, "client authorities")
    context = _server(files, certificate, key)
    if files.client_ca is not None and authorities is not None:
        _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), authorities, files.client_ca)
    shown = _shown(context, certificate, files.certificate)
    names = tuple(str(value) for _, value in shown.get("subjectAltName", ()))
    return Pair(certificate, key, authorities, ssl.cert_time_to_seconds(str(shown["notAfter"])), names)


def context_of(pair: Pair, *, required: bool = True) -> ssl.SSLContext:
    """The context of a listener that shows this pair. Where it asks clients for a certificate: whether a handshake fails
    without one; one that is shown must be right in any case."""
    nowhere = Path()
    context = _server(Files(nowhere, nowhere), pair.certificate, pair.key)
    if pair.client_ca is not None:
        _trust(context, pair.client_ca, nowhere)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def trusting(certificate: str) -> ssl.SSLContext:
    """The context of a client that trusts this one certificate alone, whatever its name is: that it is this one says who
    answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


def _read(path: Path, what: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise BadPair(f"the {what} cannot be read ({(error.strerror or str(error)).lower()})", path) from error
    if len(content) > LARGEST:
        raise BadPair(f"the {what} is larger than any real one", path)
    if b"-----BEGIN " not in content or not content.isascii():
        raise BadPair(f"the {what} is not PEM", path)
    return content.decode("ascii")


def _server(files: Files, certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 or newer, HTTP/1.1, no renegotiation: what a client could make a server do again and again."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    with _as_file(certificate) as chain, _as_file(key) as secret:
        try:
            context.load_cert_chain(chain, secret, _no_password)
        except _Encrypted:
            raise BadPair("the key is encrypted, and nobody is there to be asked for its password", files.key) from None
        except ssl.SSLError as error:
            says, path = _blame(error, files)
            raise BadPair(says, path) from error
    return context


def _blame(error: ssl.SSLError, files: Files) -> tuple[str, Path]:
    """What OpenSSL finds wrong, in words, and the file to look at. Its own words name lines of its source."""
    reason = error.reason or ""
    if "MISMATCH" in reason:
        return "the key is not that of the certificate", files.key
    if "TOO_SMALL" in reason or "TOO_WEAK" in reason:
        return f"the certificate is too weak to be used ({reason.lower().replace('_', ' ')})", files.certificate
    if "NO_START_LINE" in reason or not reason:
        return "there is no certificate, or no key, in the files", files.certificate
    return f"certificate and key cannot be used ({reason.lower().replace('_', ' ')})", files.certificate


def _trust(context: ssl.SSLContext, authorities: str, path: Path) -> None:
    """Take these authorities for those of clients; raises BadPair."""
    try:
        context.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError) as error:
        raise BadPair("there is no certificate of an authority in the file", path) from error


def _shown(context: ssl.SSLContext, certificate: str, path: Path) -> dict[str, Any]:
    """What a client that trusts the pair's own certificate is shown, in a handshake in memory; raises BadPair."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    try:
        client.load_verify_locations(cadata=certificate)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        asking = client.wrap_bio(to_client, to_server)
        answering = context.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(_ROUNDS):
            if all([_stepped(asking), _stepped(answering)]):
                break
        shown = asking.getpeercert()
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or "no handshake"
        raise BadPair(f"the certificate cannot be used ({str(reason).lower().replace('_', ' ')})", path) from error
    if not shown:
        raise BadPair("the certificate cannot be used (no handshake)", path)
    return shown


def _stepped(side: ssl.SSLObject) -> bool:
    """Whether one side of a handshake is through with it."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


class _Encrypted(Exception):
    """A password would be asked for."""


def _no_password() -> str:
    raise _Encrypted


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """A path under which OpenSSL can read a text that stands in no file: it takes nothing else."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, text.encode("ascii"))
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
