"""Streams read along while they pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routebook.chat.usage import Usage
from routebook.protocols.openai_chat.stream import StreamReader

DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    """One event as OpenAI sends it."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return (
        b"data: "
        + json.dumps({"id": "c", "model": "served-1", "choices": choices, **fields}, separators=(",", ":")).encode()
        + b"\n\n"
    )


ROLE = chunk({"role": "assistant", "content": ""})
TEXT = chunk({"content": "Hello"})
STOP = chunk({}, "stop")
USAGE = chunk(usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11})


def test_a_whole_stream_passes_unchanged_and_is_understood() -> None:
    """Every byte goes on; usage, finish reason, model and end are known."""
    reader = StreamReader()
    stream = ROLE + TEXT + STOP + USAGE + DONE
    assert reader.feed(stream) == stream
    assert (reader.usage, reader.finish_reason, reader.model) == (Usage(input=9, output=2), "stop", "served-1")
    assert reader.done and not reader.saw_error
    assert reader.events == 5


def test_usage_that_the_client_did_not_ask_for_is_kept_from_it() -> None:
    """Exactly that chunk is missing; it is counted all the same."""
    reader = StreamReader(hide_usage=True)
    assert reader.feed(ROLE + TEXT + STOP + USAGE + DONE) == ROLE + TEXT + STOP + DONE
    assert reader.usage == Usage(input=9, output=2)


def test_a_chunk_with_text_is_never_hidden() -> None:
    """Some vendors put usage on chunks that also hold text, or on every chunk."""
    both = chunk({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": 1})
    nothing = chunk({"content": "y"}, usage=None)
    reader = StreamReader(hide_usage=True)
    assert reader.feed(ROLE + both + nothing) == ROLE + both + nothing
    assert reader.usage == Usage(input=1, output=1)


def test_the_last_usage_counts() -> None:
    """Where usage comes with every chunk it grows, and the last is the whole."""
    reader = StreamReader()
    for tokens in (1, 2, 3):
        reader.feed(chunk({"content": "x"}, usage={"prompt_tokens": 5, "completion_tokens": tokens}))
    assert reader.usage == Usage(input=5, output=3)


@pytest.mark.parametrize("spacing", [(",", ":"), (", ", ": "), (" ,\t", " :  ")])
def test_what_matters_is_found_however_the_json_is_spaced(spacing: tuple[str, str]) -> None:
    """The tests by substring are a short cut, never the meaning."""

    def event(value: object) -> bytes:
        return b"data: " + json.dumps(value, separators=spacing).encode() + b"\n\n"

    reader = StreamReader(hide_usage=True)
    reader.feed(ROLE)
    finish = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "usage": None})
    usage = event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    assert reader.feed(finish + usage) == finish
    assert (reader.finish_reason, reader.usage) == ("length", Usage(input=1, output=2))


def test_words_of_the_protocol_inside_a_text_mean_nothing() -> None:
    """A model that talks about usage, errors and [DONE] is only talking."""
    talk = chunk({"content": 'say "usage":{"prompt_tokens":1} "error":{"code":1} "finish_reason":"stop" data: [DONE]'})
    reader = StreamReader(hide_usage=True)
    assert reader.feed(ROLE + talk + TEXT) == ROLE + talk + TEXT
    assert (reader.usage, reader.finish_reason, reader.saw_error, reader.done) == (None, None, False, False)


@pytest.mark.parametrize("word", ["usage", "error", "finish_reason", "[DONE]"])
def test_a_text_that_is_exactly_such_a_word_means_nothing(word: str) -> None:
    """The bytes look like a key; they are a value."""
    event = chunk({"content": word})
    reader = StreamReader(hide_usage=True)
    assert reader.feed(ROLE + event) == ROLE + event
    assert (reader.usage, reader.finish_reason, reader.saw_error, reader.done) == (None, None, False, False)


def test_an_error_is_seen_before_anything_has_to_be_sent() -> None:
    """A stream that begins with an error can still be mended by another candidate."""
    reader = StreamReader()
    reader.feed(b'data: {"error":{"message":"overloaded","type":"server_error","code":"overloaded"}}\n\n')
    assert (reader.events, reader.saw_error, reader.error_code) == (1, True, "overloaded")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b'data: {"error":{"type":"server_error","code":null}}\n\n', "server_error"),
        (b'data: {"error":"gone"}\n\n', "gone"),
        (b'event: error\ndata: {"code":500,"message":"x"}\n\n', "500"),
        (b"event: error\ndata: not json\n\n", None),
    ],
)
def test_errors_come_in_several_shapes(event: bytes, code: str | None) -> None:
    """As an object, a text, or an event of that name; its code is kept, its words are not."""
    reader = StreamReader()
    reader.feed(ROLE + TEXT)
    assert reader.feed(event) == event
    assert (reader.saw_error, reader.error_code) == (True, code)


def test_an_error_that_is_null_is_none() -> None:
    """Some vendors name the field in every chunk."""
    reader = StreamReader()
    reader.feed(chunk({"content": "x"}, error=None) + chunk({"content": "y"}, error=None))
    assert not reader.saw_error


def test_comments_are_passed_on_and_do_not_begin_a_stream() -> None:
    """A keep-alive before the first token leaves the choice of another candidate open."""
    reader = StreamReader()
    assert reader.feed(b": waiting\n\n") == b": waiting\n\n"
    assert reader.events == 0
    reader.feed(ROLE)
    assert reader.events == 1


def test_nothing_follows_the_end() -> None:
    """What an upstream sends after its own end is not the client's business."""
    reader = StreamReader()
    assert reader.feed(ROLE + DONE + TEXT) == ROLE + DONE
    assert reader.feed(TEXT) == b""
    assert reader.events == 2


@pytest.mark.parametrize(
    ("mark", "sent"),
    [(b"data: [DONE]\n", DONE), (b"data: [DONE]\r\n", b"data: [DONE]\r\n\r\n"), (b"data:[DONE]\n", b"data:[DONE]\n\n")],
)
def test_an_end_without_its_empty_line_is_an_end(mark: bytes, sent: bytes) -> None:
    """Some servers close the connection right after the line; the client gets a proper event."""
    reader = StreamReader()
    assert reader.feed(ROLE + mark) == ROLE + sent
    assert reader.done


def test_half_an_event_is_never_sent() -> None:
    """After a cut the rest is known and thrown away."""
    reader = StreamReader()
    assert reader.feed(ROLE + TEXT[:20]) == ROLE
    assert reader.rest == TEXT[:20]
    assert not reader.done


def test_events_that_are_not_json_are_passed_on() -> None:
    """The client's business, not ours; nothing is learned and nothing breaks."""
    reader = StreamReader()
    odd = b'data: {not json\n\ndata: \xff\xfe\n\ndata: "usage" ' + b"[" * 3000 + b"\n\n"
    assert reader.feed(odd) == odd
    assert reader.events == 3


def test_several_choices_report_the_first_ones_reason() -> None:
    """With n > 1 the record holds the reason of choice 0, whichever ends first."""
    reader = StreamReader()
    for index, reason in ((1, "length"), (0, "stop"), (2, "content_filter")):
        reader.feed(b"data: " + json.dumps({"choices": [{"index": index, "finish_reason": reason}]}).encode() + b"\n\n")
    assert reader.finish_reason == "stop"


def test_tokens_are_estimated_where_nobody_counted() -> None:
    """At least one for each chunk with text; more where chunks are longer."""
    reader = StreamReader()
    reader.feed(ROLE + TEXT * 10 + STOP)
    assert 10 <= reader.estimated_output <= 14
    longer = StreamReader()
    longer.feed(ROLE + chunk({"content": "x" * 4000}) + STOP)
    assert 900 <= longer.estimated_output <= 1100
    assert StreamReader().estimated_output == 0


def test_sound_is_estimated_by_its_length_and_apart() -> None:
    """A second is twenty tokens, however it is cut; its words are text."""
    reader = StreamReader()
    pieces = b"".join(chunk({"audio": {"data": "A" * 6400}}) for _ in range(10))
    reader.feed(ROLE + chunk({"audio": {"id": "audio_1"}}) + chunk({"audio": {"transcript": "Hello."}}) + pieces + STOP)
    assert 20 <= reader.estimated_sound <= 21
    assert 1 <= reader.estimated_output - reader.estimated_sound <= 12
    assert reader.saw_sound and reader.id == "audio_1"
    headless = StreamReader()
    headless.feed(pieces)
    assert 20 <= headless.estimated_sound <= 22
