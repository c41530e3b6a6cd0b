"""Where events end."""

from __future__ import annotations

import pytest

from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.sse import Splitter, end_of_events, fields, spans


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", 0),
        (b"data: a\n", 0),
        (b"data: a\n\n", 9),
        (b"data: a\n\ndata: b\n", 9),
        (b"data: a\r\n\r\ndata: b", 11),
        (b"data: a\r\n", 0),
        (b"data: a\r\r", 9),
        (b"data: a\n\r\n", 10),
        (b"\n", 1),
        (b"data: a\n\n\n", 10),
        (b": comment\n\n", 11),
        (b"data: a\r\ndata: b\r\n", 0),
    ],
)
def test_an_event_ends_with_an_empty_line_whatever_ends_its_lines(data: bytes, end: int) -> None:
    """LF, CR LF and CR end lines, also mixed; two line ends in a row end the event, one CR LF does not."""
    assert end_of_events(data) == end


def test_a_run_of_whole_events_is_passed_on_without_a_copy() -> None:
    """The common case costs nothing: the very object that came in goes out."""
    chunk = b"data: a\n\ndata: b\n\n"
    assert Splitter().feed(chunk) is chunk


def test_what_has_not_ended_is_held_and_comes_with_its_end() -> None:
    """Nothing is lost, nothing is sent early, and what is left over is known."""
    splitter = Splitter()
    assert splitter.feed(b"data: a\n\ndata: ") == b"data: a\n\n"
    assert splitter.feed(b"b\n") == b""
    assert splitter.held == b"data: b\n"
    assert splitter.feed(b"\ndata") == b"data: b\n\n"
    assert splitter.held == b"data"


def test_an_event_without_end_is_refused_before_it_fills_the_memory() -> None:
    """An upstream that never ends its event is at fault, and said to be."""
    splitter = Splitter(limit=100)
    splitter.feed(b"data: " + b"x" * 200)
    with pytest.raises(ProtocolError) as caught:
        splitter.feed(b"x")
    assert caught.value.side is Side.UPSTREAM
    assert caught.value.code == "event_too_large"


def test_many_small_cuts_of_a_large_event_take_linear_time() -> None:
    """A megabyte that comes in 1,024 pieces is searched once, not 1,024 times."""
    splitter = Splitter()
    for _ in range(1024):
        assert splitter.feed(b"x" * 1024) == b""
    assert len(splitter.feed(b"\n\n")) == 1024 * 1024 + 2


@pytest.mark.parametrize(
    ("event", "name", "data"),
    [
        (b"data: a\n\n", None, b"a"),
        (b"data:a\n\n", None, b"a"),
        (b"data:  a\n\n", None, b" a"),
        (b"data: a\ndata: b\n\n", None, b"a\nb"),
        (b"event: error\ndata: {}\n\n", "error", b"{}"),
        (b": comment\n\n", None, None),
        (b"id: 5\r\nevent: x\r\n\r\n", "x", None),
        (b"data\n\n", None, b""),
        (b"\xef\xbb\xbfdata: a\n\n", None, b"a"),
        (b"event: \xff\ndata: a\n\n", "\ufffd", b"a"),
    ],
)
def test_the_fields_of_an_event(event: bytes, name: str | None, data: bytes | None) -> None:
    """One space after the colon belongs to it; several data lines are one text; comments are nothing."""
    assert fields(event) == (name, data)


def test_single_events_joined_are_the_run() -> None:
    """Nothing is lost between events, comments and odd line ends included."""
    run = b": hi\n\ndata: a\r\n\r\n\ndata: b\ndata: c\n\n"
    assert list(spans(run)) == [b": hi\n\n", b"data: a\r\n\r\n", b"\n", b"data: b\ndata: c\n\n"]
    assert b"".join(spans(run)) == run
