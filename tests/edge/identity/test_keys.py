"""What a key looks like, and what is kept of it."""

from __future__ import annotations

import hashlib
import hmac
import string

from hypothesis import given
from hypothesis import strategies as some

from routebook.edge.identity.keys import LENGTH, NOISE_BYTES, PREFIX, digest_of, is_ours, is_whole, key_of

NOISE = some.binary(min_size=NOISE_BYTES, max_size=NOISE_BYTES)


@given(NOISE, NOISE)
def test_a_key_is_one_word_that_holds_all_its_chance(noise: bytes, other: bytes) -> None:
    """Letters and digits behind a prefix, always as long; no two random numbers make the same key."""
    key = key_of(noise)
    assert len(key) == LENGTH and key.startswith(PREFIX) and is_ours(key) and is_whole(key)
    assert set(key.removeprefix(PREFIX)) <= set(string.ascii_letters + string.digits)
    assert (key == key_of(other)) == (noise == other)


@given(NOISE, some.integers(0, LENGTH - 1), some.sampled_from(string.ascii_letters + string.digits))
def test_a_slip_of_one_letter_is_told_apart(noise: bytes, place: int, letter: str) -> None:
    """The checksum finds every single change: CRC-32 finds each burst shorter than 32 bits."""
    key = key_of(noise)
    slipped = key[:place] + letter + key[place + 1 :]
    assert is_whole(slipped) == (slipped == key)


@given(some.text())
def test_anything_may_be_asked_about(text: str) -> None:
    """No text makes the check fail, nor the digest: credentials come from strangers."""
    assert not is_whole(text)
    assert len(digest_of(b"pepper", text)) == 32


def test_the_digest_is_the_one_that_the_policy_language_names() -> None:
    """HMAC-SHA256 keyed with the pepper: other programs can make it."""
    assert digest_of(b"pepper", "rb_key") == hmac.new(b"pepper", b"rb_key", hashlib.sha256).digest()
