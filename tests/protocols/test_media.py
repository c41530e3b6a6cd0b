"""Media as they are written."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.chat.parts import Inline, Url
from routebook.protocols.media import as_url, read_url, standard


@given(st.binary(max_size=50))
def test_both_alphabets_are_read(data: bytes) -> None:
    """With padding or without, in lines or not: the same bytes in the standard form."""
    usual = base64.b64encode(data).decode()
    for written in (usual, base64.urlsafe_b64encode(data).decode(), usual.rstrip("="), "\n".join(usual)):
        assert standard(written) == usual
    assert read_url(as_url(Inline("image/png", usual))) == Inline("image/png", usual)


@pytest.mark.parametrize("written", ["?", "A", "ж", "AAA*"])
def test_what_is_no_base64_is_refused(written: str) -> None:
    """A provider would refuse it later, in words that nobody understands."""
    with pytest.raises(ValueError, match=r".+"):
        standard(written)


@pytest.mark.parametrize(
    ("url", "read_as"),
    [
        ("https://x.test/a,b", Url("https://x.test/a,b")),
        ("data:,hello%20you", Inline("text/plain", "aGVsbG8geW91")),
        ("data:image/SVG+xml;charset=utf-8,<svg/>", Inline("image/svg+xml", "PHN2Zy8+")),
        ("DATA:image/png;BASE64,AAE", Inline("image/png", "AAE=")),
    ],
)
def test_urls_are_read(url: str, read_as: Inline | Url) -> None:
    """Data URLs are what they hold."""
    assert read_url(url) == read_as


def test_a_broken_data_url_is_refused() -> None:
    """It has a comma, and base64 behind it where it says so."""
    for url in ("data:image/png", "data:image/png;base64,?"):
        with pytest.raises(ValueError, match=r".+"):
            read_url(url)
