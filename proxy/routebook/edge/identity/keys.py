"""A client's key: what it looks like, and the keyed digest that is all that is ever kept of it.

`rb_`, 43 characters for 256 random bits, six for a checksum. The checksum tells a slip of the keyboard from a key that is
not known; it proves nothing, and whoever is refused hears the same words either way.
"""

from __future__ import annotations

import hmac
import string
import zlib
from typing import Final

PREFIX: Final = "rb_"
NOISE_BYTES: Final = 32
"""Random bytes that a key is made of."""

_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH, _CHECK_LENGTH = 43, 6
LENGTH: Final = len(PREFIX) + _SECRET_LENGTH + _CHECK_LENGTH
"""Characters of a key."""


def key_of(noise: bytes) -> str:
    """The key that is made of so many random bytes (`NOISE_BYTES`)."""
    secret = PREFIX + _written(int.from_bytes(noise[:NOISE_BYTES], "big"), _SECRET_LENGTH)
    return secret + _check(secret)


def is_ours(text: str) -> bool:
    """Whether a text was meant to be a key of this program."""
    return text.startswith(PREFIX)


def is_whole(text: str) -> bool:
    """Whether a text is a key as it was made, without a slip."""
    return (
        len(text) == LENGTH
        and is_ours(text)
        and text.isascii()
        and text[-_CHECK_LENGTH:] == _check(text[:-_CHECK_LENGTH])
    )


def digest_of(pepper: bytes, key: str) -> bytes:
    """The keyed digest of whatever was presented as a key: HMAC-SHA256, 32 bytes."""
    return hmac.digest(pepper, key.encode("utf-8", "surrogatepass"), "sha256")


def fingerprint_of(pepper: bytes) -> str:
    """Eight bytes by which a store knows the pepper that its digests were made with."""
    return hmac.digest(pepper, b"routebook: fingerprint of the pepper", "sha256")[:8].hex()


def _check(secret: str) -> str:
    return _written(zlib.crc32(secret.encode()), _CHECK_LENGTH)


def _written(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        letters.append(_DIGITS[digit])
    return "".join(reversed(letters))
