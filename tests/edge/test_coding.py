"""Reading what is encoded: what is sound is read, what is not or claims too much is not, in little memory."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.edge.coding import LEAST, WINDOW_LOG, plain

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("coding", PACK)
@given(st.binary(max_size=4000))
@settings(max_examples=30, deadline=None)
def test_what_is_sound_is_read(coding: str, body: bytes) -> None:
    """Whole; cut anywhere it is not."""
    packed = PACK[coding](body)
    assert plain(packed, coding) == plain(packed, f" {coding.upper()} ") == body
    assert plain(packed[:-1], coding) is None


@pytest.mark.parametrize("coding", PACK)
@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_is_read_or_not(coding: str, body: bytes) -> None:
    """Bytes of no kind raise nothing."""
    assert plain(body, coding) is None or plain(PACK[coding](plain(body, coding) or b""), coding) is not None


@pytest.mark.parametrize("coding", PACK)
def test_what_claims_too_much_is_not_unpacked(coding: str) -> None:
    """64 MiB of spaces are a few kilobytes: they are not read, nor is more than their bound ever held."""
    packed = PACK[coding](b" " * 2**26)
    tracemalloc.start()
    try:
        assert plain(packed, coding) is None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 * (LEAST + 50 * len(packed))


def test_a_frame_that_reaches_too_far_back_is_not_read() -> None:
    """A zstd frame may ask for a window of gigabytes in its head, however little it holds."""

    def framed(log: int) -> bytes:
        packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
        return packer.compress(b"word ") + packer.flush()

    assert plain(framed(WINDOW_LOG), "zstd") == b"word "
    assert plain(framed(27), "zstd") is None


@pytest.mark.parametrize("coding", ["", "compress", "gzip, br", "identity"])
def test_another_coding_is_not_read(coding: str) -> None:
    """What is encoded twice, or in a way that nobody uses, passes without being counted."""
    assert plain(b"{}", coding) is None
