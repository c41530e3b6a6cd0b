"""Chat Completions under the laws of dialects."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.chat.answer import ChatAnswer
from routebook.chat.conversation import ChatRequest
from routebook.chat.events import Finish
from routebook.chat.faults import Fault
from routebook.protocols.codec import Sent
from routebook.protocols.openai_chat.dialect import OPENAI_CHAT
from routebook.protocols.openai_chat.request import OpenAIChat
from tests.protocols import laws
from tests.protocols.conversations import ALL_PARTS, ANY_WORDS


def read(sent: Sent) -> ChatRequest:
    """What an upstream that speaks this dialect makes of a request."""
    return OpenAIChat(sent.body).chat


SUBJECT = laws.Subject(
    OPENAI_CHAT,
    read,
    OpenAIChat(b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}'),
    owner="openai",
    parts=ALL_PARTS - {"signature"},
    finishes=frozenset({Finish.STOP, Finish.LENGTH, Finish.TOOL_CALLS, Finish.FILTERED}),
)

CUTS = st.lists(st.integers(0, 10_000), max_size=8)
PIECES = st.sampled_from(
    [
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"a":1}}}]}}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":7,"content":["x",{"text":"y"}]},"finish_reason":"stop"}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\ud83d"}}],"usage":{"prompt_tokens":"x","completion_tokens":2}}\n\n',
        b'data: {"choices":{"0":1},"id":7,"model":[]}\n\n',
        b'data: {"choices":[{"index":99999999,"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"delta":{"audio":{"data":"AA=="},"annotations":[{}],"images":[{}]}}]}\n\n',
        b"data: 7\n\n",
        b"data: {\n\n",
        b'data: {"error":"x"}\n\n',
        b"event: error\ndata: {}\n\n",
        b": x\n\n",
        b"data: [DONE]\n\n",
        b"data: [DONE]\n",
        b"\xff\n\n",
        b"data: ",
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
@given(SUBJECT.answers())
def test_answers_survive(answer: ChatAnswer) -> None:
    """Whole and streamed, an answer says the same."""
    laws.answers_survive(SUBJECT, answer)


@settings(deadline=None)
@given(st.data(), SUBJECT.answers())
def test_pieces_do_not_matter(data: st.DataObject, answer: ChatAnswer) -> None:
    """A text cut anywhere is the same text."""
    laws.pieces_do_not_matter(SUBJECT, data.draw(laws.in_pieces(answer)), answer)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=8).map(b"".join), CUTS)
def test_cuts_do_not_matter(data: bytes, places: list[int]) -> None:
    """However the network cuts a stream, odd or not, it tells the same."""
    laws.cuts_do_not_matter(lambda: OPENAI_CHAT.upstream.reader("seed"), data, places)


@settings(deadline=None)
@given(SUBJECT.answers(), st.integers(1, 10_000))
def test_a_cut_stream_is_not_done(answer: ChatAnswer, short: int) -> None:
    """What ends before `[DONE]` has been cut."""
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
            ["role", "content", "type", "text", "tool_calls", "function", "name", "choices", "delta", "message", "index",
             "tools", "audio", "id", "arguments", "error", "usage", "logprobs", "image_url", "url", "file"]
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
    laws.any_bytes_are_read(SUBJECT, b"data: " + data + b"\n\n")
    laws.any_bytes_are_read(SUBJECT, b'{"model":"m","messages":[' + data + b"]}")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
def test_errors_survive(status: int) -> None:
    """An error in a stream keeps its kind."""
    laws.errors_survive(SUBJECT, Fault(status, "too much", "some_code"))
