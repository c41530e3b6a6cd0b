"""Anthropic's counts and the kinds that do not overlap."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from routebook.chat.usage import Usage
from routebook.protocols.anthropic.usage import WireUsage, merged, usage_of, write_usage

COUNTS = st.integers(0, 10**6)


@given(st.builds(Usage, *[COUNTS] * 7))
def test_written_usage_keeps_its_sums(usage: Usage) -> None:
    """All that went in and all that came out; sound is counted among them."""
    wire = msgspec.convert(write_usage(usage), WireUsage)
    read = usage_of(wire)
    assert read is not None
    assert (read.total_input, read.total_output) == (usage.total_input, usage.total_output)
    assert (read.cached_input, read.cache_write, read.reasoning) == (
        usage.cached_input, usage.cache_write, usage.reasoning,
    )  # fmt: skip


def test_input_excludes_what_was_cached() -> None:
    """The three add up to all that went in."""
    usage = usage_of(WireUsage(4, 7, 18000, 188))
    assert usage == Usage(4, 18000, 188, output=7)
    assert usage is not None and usage.total_input == 18192


def test_thought_is_a_part_of_the_output() -> None:
    """And never more than it."""
    wire = msgspec.convert(
        {"input_tokens": 0, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 9}}, WireUsage
    )
    assert usage_of(wire) == Usage(reasoning=5)


def test_what_was_not_counted_is_no_usage() -> None:
    """Nor is half of it: the other side is not known to be nothing."""
    assert usage_of(WireUsage(service_tier="standard")) is None
    assert usage_of(WireUsage(5)) is None
    assert usage_of(WireUsage(output_tokens=5, cache_read_input_tokens=9)) is None
    assert usage_of(WireUsage(0, 5)) == Usage(output=5)


def test_later_counts_replace_earlier_ones() -> None:
    """But for zeros in the place of what is not known."""
    start = WireUsage(25, 1, 7, None)
    assert merged(start, WireUsage(output_tokens=9)) == WireUsage(25, 9, 7)
    assert merged(start, WireUsage(30, 9, 0, 0)) == WireUsage(30, 9, 7, 0)
