"""Certificates with their keys: what can be shown is taken, and what cannot is refused with the file and the reason."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from routebook.edge.tls.certificates import Certificates
from routebook.edge.tls.pair import BadPair, Files, context_of, read_pair
from tests.support.certificates import Written, trusting, written

NEVER = 32503680000.0
"""The year 3000, until when certificates of tests are valid unless they say otherwise."""


def files(made: Written, asks: bool = False) -> Files:
    """As the command line names them."""
    return Files(made.certificate, made.key, made.authority if asks else None)


def shakes_hands(context: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """The client's side of a handshake in memory; raises ssl.SSLError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there, server_hostname="localhost")
    answering = context.wrap_bio(there, back, server_side=True)
    for _ in range(6):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return asking


def test_a_good_pair(tmp_path: Path) -> None:
    """Its names and its end are known, and a client that trusts the authority takes it, for HTTP/1.1."""
    pair = read_pair(files(written(tmp_path)))
    client = trusting()
    client.set_alpn_protocols(["h2", "http/1.1"])
    asking = shakes_hands(context_of(pair), client)
    assert pair.names == ("localhost", "127.0.0.1") and pair.ends == NEVER
    assert asking.version() == "TLSv1.3" and asking.selected_alpn_protocol() == "http/1.1"


def test_one_file_may_hold_both(tmp_path: Path) -> None:
    """The key may stand behind the certificate; what others are told of the certificate never holds it."""
    made = written(tmp_path)
    made.certificate.write_text(made.key.read_text() + made.certificate.read_text())
    pair = read_pair(Files(made.certificate, made.certificate))
    assert "PRIVATE" in pair.certificate and "PRIVATE" not in pair.leaf
    assert "PRIVATE" not in repr(pair) and pair.leaf.count("-----BEGIN") == 1


def mismatched(made: Written) -> None:
    """The key of another certificate."""
    other = written(made.key.parent / "other")
    made.key.write_bytes(other.key.read_bytes())


def encrypted(made: Written) -> None:
    """A key that needs a password."""
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))


def another_kind(made: Written) -> None:
    """A key of another kind than the certificate's."""
    made.key.write_bytes(
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def cut(made: Written) -> None:
    """A certificate that was written half."""
    whole = made.certificate.read_bytes()
    made.certificate.write_bytes(whole[: len(whole) // 2])


def garbled(made: Written) -> None:
    """A certificate whose letters are no certificate."""
    made.certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


FAULTS = {
    "missing": (lambda made: made.key.unlink(), "key.pem", "the key cannot be read (no such file or directory)"),
    "no PEM": (lambda made: made.certificate.write_bytes(b"\x30\x82"), "certificate.pem", "the certificate is not PEM"),
    "mismatched": (mismatched, "key.pem", "the key is not that of the certificate"),
    "encrypted": (encrypted, "key.pem", "the key is encrypted, and nobody is there to be asked for its password"),
    "another kind": (another_kind, "key.pem", "the key is not that of the certificate"),
    "cut": (cut, "certificate.pem", "there is no certificate, or no key, in the files"),
    "garbled": (garbled, "certificate.pem", "there is no certificate, or no key, in the files"),
    "no authority": (
        lambda made: made.authority.write_bytes(made.key.read_bytes()),
        "authority.pem",
        "there is no certificate of an authority in the file",
    ),
    "huge": (
        lambda made: made.certificate.write_bytes(b"-----BEGIN " + b"A" * 2**20),
        "certificate.pem",
        "the certificate is larger than any real one",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_shown(tmp_path: Path, fault: str) -> None:
    """Each fault names the file to look at, in words, and nothing of what stands in it."""
    made = written(tmp_path)
    breaks, name, says = FAULTS[fault]
    breaks(made)
    with pytest.raises(BadPair) as bad:
        read_pair(files(made, asks=True))
    assert (bad.value.path.name, str(bad.value)) == (name, says)


def test_one_that_has_ended_takes_nobody_s_place(tmp_path: Path) -> None:
    """At a start it is what there is, and its end is known; in place of another one it is refused."""
    made = written(tmp_path, ends=datetime(2020, 1, 1))
    first = Certificates(files(made), None)
    first.read(now=1.6e9)
    assert first.take() and first.shown.ends() == [(("public",), 1577836800.0)]
    made.renew(ends=datetime(2020, 2, 1))
    with pytest.raises(BadPair, match="has ended already"):
        first.read(now=1.6e9)
    assert not first.take() and first.shown.ends() == [(("public",), 1577836800.0)]


def test_a_renewed_one_is_taken_once(tmp_path: Path) -> None:
    """The same files again are nothing new; a pair that is half renewed is refused, and the whole one taken."""
    made = written(tmp_path)
    certificates = Certificates(files(made), files(made))
    certificates.read(now=0.0)
    assert certificates.take()
    certificates.read(now=0.0)
    assert not certificates.take()
    before, key = certificates.shown, made.key.read_bytes()
    made.renew()
    new = made.key.read_bytes()
    made.key.write_bytes(key)
    with pytest.raises(BadPair, match="not that of the certificate"):
        certificates.read(now=0.0)
    assert not certificates.take() and certificates.shown is before
    made.key.write_bytes(new)
    certificates.read(now=0.0)
    assert certificates.take() and certificates.shown != before
