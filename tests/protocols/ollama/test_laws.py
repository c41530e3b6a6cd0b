"""Ollama's chat API under the laws of dialects."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.chat.answer import ChatAnswer
from routebook.chat.conversation import ChatRequest
from routebook.chat.events import Finish
from routebook.chat.faults import Fault
from routebook.chat.usage import Usage
from routebook.protocols.codec import Sent
from routebook.protocols.ollama.dialect import OLLAMA
from routebook.protocols.ollama.request import OllamaChat
from tests.protocols import laws
from tests.protocols.conversations import ANY_WORDS


def read(sent: Sent) -> ChatRequest:
    """What an upstream that speaks this dialect makes of a request."""
    return OllamaChat(sent.body).chat


SUBJECT = laws.Subject(
    OLLAMA,
    read,
    OllamaChat(b'{"model":"m","messages":[]}'),
    owner="ollama",
    many_texts=False,
    parts=frozenset({"reasoning", "text", "calls", "logprobs"}),
    finishes=frozenset({Finish.STOP, Finish.LENGTH, Finish.TOOL_CALLS}),
    most_choices=1,
)


def sayable(answer: ChatAnswer) -> ChatAnswer:
    """The answer without an id, which this dialect has not, and counted as it counts."""
    usage = answer.usage or Usage()
    counted = Usage(input=usage.total_input, output=usage.total_output)
    return replace(answer, id=None, usage=counted)


ANSWERS = SUBJECT.answers().map(sayable)
CUTS = st.lists(st.integers(0, 10_000), max_size=8)
PIECES = st.sampled_from(
    [
        b'{"model":"m","message":{"content":"a"}}\n',
        b'{"message":{"thinking":"hm"}}\r\n',
        b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]}}\n',
        b'{"message":{"tool_calls":[{"function":{"arguments":"{}"}},7]},"created_at":"never"}\n',
        b'{"message":7,"logprobs":[{"token":"a","logprob":-1}]}\n',
        b'{"message":{"content":"\\ud83d"},"done":true,"done_reason":"length","eval_count":"x"}\n',
        b'{"done":true,"prompt_eval_count":-4,"created_at":"2025-11-21T10:00:00.123456789Z"}\n',
        b'{"error":"x","status_code":503}\n',
        b'{"error":{"message":"y"}}',
        b"7\n",
        b"{\n",
        b"\n",
        b"\xff\n",
    ]
)


@settings(deadline=None)
@given(SUBJECT.exact_chats())
def test_requests_survive(chat: ChatRequest) -> None:
    """What is written to an upstream says what the client said, but for what the losses name."""
    laws.requests_survive(SUBJECT, chat)


@settings(deadline=None)
@given(SUBJECT.marked_chats())
def test_nothing_is_missing(chat: ChatRequest) -> None:
    """No word of a client is passed over in silence."""
    laws.nothing_is_missing(SUBJECT, chat)


@settings(deadline=None)
@given(ANSWERS)
def test_answers_survive(answer: ChatAnswer) -> None:
    """Whole and streamed, an answer says the same."""
    laws.answers_survive(SUBJECT, answer)


@settings(deadline=None)
@given(st.data(), ANSWERS)
def test_pieces_do_not_matter(data: st.DataObject, answer: ChatAnswer) -> None:
    """A text cut anywhere is the same text."""
    laws.pieces_do_not_matter(SUBJECT, data.draw(laws.in_pieces(answer)), answer)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=8).map(b"".join), CUTS)
def test_cuts_do_not_matter(data: bytes, places: list[int]) -> None:
    """However the network cuts a stream, odd or not, it tells the same."""
    assert OLLAMA.upstream is not None
    laws.cuts_do_not_matter(lambda: OLLAMA.upstream.reader("seed"), data, places)  # type: ignore[union-attr]


@settings(deadline=None)
@given(ANSWERS, st.integers(1, 10_000))
def test_a_cut_stream_is_not_done(answer: ChatAnswer, short: int) -> None:
    """What ends before the line that says so has been cut; that line may lack its end."""
    stream = laws.written(SUBJECT, laws.events_of(answer))
    laws.a_cut_stream_is_not_done(SUBJECT, stream, len(stream) - 2 - short % (len(stream) - 2))


@settings(deadline=None)
@given(st.binary(max_size=200) | st.lists(PIECES, max_size=3).map(b"".join))
def test_any_bytes_are_read(data: bytes) -> None:
    """Nothing but ProtocolError ever comes out of a reader."""
    laws.any_bytes_are_read(SUBJECT, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_WORDS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["role", "content", "thinking", "tool_calls", "function", "name", "arguments", "message", "done", "error",
             "options", "stop", "tools", "images", "think", "format", "logprobs", "token", "created_at", "done_reason"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(JSON)
def test_any_json_is_read(value: object) -> None:
    """Nor does any JSON in the dialect's own words surprise them."""
    data = json.dumps(value).encode()
    laws.any_bytes_are_read(SUBJECT, data)
    laws.any_bytes_are_read(SUBJECT, data + b"\n")
    laws.any_bytes_are_read(SUBJECT, b'{"model":"m","messages":[' + data + b'],"options":' + data + b"}")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
def test_errors_survive(status: int) -> None:
    """An error in a stream keeps its kind."""
    laws.errors_survive(SUBJECT, Fault(status, "too much", "some_code"))
