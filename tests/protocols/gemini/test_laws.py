"""Gemini under the laws of dialects."""

from __future__ import annotations

import contextlib
import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.chat.answer import ChatAnswer
from routebook.chat.conversation import ChatRequest
from routebook.chat.events import Finish
from routebook.chat.faults import Fault
from routebook.chat.features import Feature
from routebook.chat.parts import Part, Signature, ToolCall
from routebook.protocols.codec import Sent
from routebook.protocols.errors import ProtocolError
from routebook.protocols.gemini.dialect import GEMINI
from routebook.protocols.gemini.message_writing import UNSIGNED
from routebook.protocols.gemini.request import GeminiChat
from tests.protocols import laws
from tests.protocols.conversations import ALL_PARTS, ANY_WORDS


def read(sent: Sent) -> ChatRequest:
    """What an upstream that speaks this dialect makes of a request; where a word stands for no signature, it has none."""
    chat = GeminiChat(sent.body, "m").chat
    return replace(chat, messages=tuple(replace(each, parts=tuple(map(_signed, each.parts))) for each in chat.messages))


def _signed(part: Part) -> Part:
    waived = isinstance(part, ToolCall) and part.signature == Signature("gemini", UNSIGNED)
    return replace(part, signature=None) if waived else part


BODY = b'{"contents":[]}'
PARTS = ALL_PARTS - {"refusal", "custom", "audio", "logprobs"}
"""What comes back as it was: a transcript and the bytes of tokens have no place, see test_stream_writing.py."""

UNLIKE = frozenset(
    {
        # Drawn ids have no media type, without which nobody can tell what a file is.
        Feature.IMAGE_STORED,
        Feature.DOCUMENT_STORED,
        Feature.AUDIO_SAID,
        # Parts and tools are named by their only key, and not by a `type`.
        Feature.FOREIGN_PART,
        Feature.TOOLS_FOREIGN,
    }
)
FINISHES = frozenset({Finish.STOP, Finish.LENGTH, Finish.TOOL_CALLS, Finish.FILTERED})

SUBJECT = laws.Subject(
    GEMINI,
    read,
    GeminiChat(BODY, "m", True, "sse"),
    owner="google",
    has_turns=True,
    parts=PARTS,
    finishes=FINISHES,
    unlike=UNLIKE,
)
ARRAY = dataclasses.replace(SUBJECT, asked=GeminiChat(BODY, "m", True))

CUTS = st.lists(st.integers(0, 10_000), max_size=8)
CHUNKS = st.sampled_from(
    [
        b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"}]\\"{["}]},"index":1}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"g","args":{"a":[1]}}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":7,"args":[]},"thoughtSignature":"c2ln"}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"t","thought":true},{"text":"","thoughtSignature":"c2ln"}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"\\ud83d"},7,{"inlineData":{"data":"%"}}]},"finishReason":"STOP"}]}',
        b'{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"audio/L16","data":"-_"}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"executableCode":{"code":"1"}}]}}],"usageMetadata":{"promptTokenCount":"x"}}',
        b'{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"no"}]}',
        b'{"candidates":[{"finishReason":"SAFETY","citationMetadata":{"citations":[{"uri":"u","endIndex":1}]}}]}',
        b'{"candidates":[{"index":99999999}],"createTime":"never","usageMetadata":{"totalTokenCount":3}}',
        b'{"promptFeedback":{"blockReason":"SAFETY"}}',
        b'{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}',
        b'{"candidates":{"0":1},"responseId":7}',
        b"{}",
        b"7",
        b"{",
        b'"a',
        b"\xff",
    ]
)
EVENTS = st.lists(
    CHUNKS.map(lambda chunk: b"data: %b\n\n" % chunk)
    | st.sampled_from([b": x\r\n\r\n", b"data: [DONE]\n\n", b"data: "])
).map(b"".join)
ARRAYS = st.tuples(
    st.sampled_from([b"[", b" [\r\n", b""]), st.lists(CHUNKS), st.sampled_from([b"]", b"\n]\n", b""])
).map(lambda drawn: drawn[0] + b",\r\n".join(drawn[1]) + drawn[2])
BOTH = pytest.mark.parametrize("subject", [SUBJECT, ARRAY], ids=["events", "array"])


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


@BOTH
@settings(deadline=None)
@given(answer=SUBJECT.answers())
def test_answers_survive(subject: laws.Subject, answer: ChatAnswer) -> None:
    """Whole and streamed, an answer says the same."""
    laws.answers_survive(subject, answer)


@BOTH
@settings(deadline=None)
@given(data=st.data(), answer=SUBJECT.answers())
def test_pieces_do_not_matter(subject: laws.Subject, data: st.DataObject, answer: ChatAnswer) -> None:
    """A text cut anywhere is the same text."""
    laws.pieces_do_not_matter(subject, data.draw(laws.in_pieces(answer)), answer)


@settings(deadline=None)
@given(EVENTS | ARRAYS, CUTS)
def test_cuts_do_not_matter(data: bytes, places: list[int]) -> None:
    """However the network cuts a stream, odd or not, it tells the same."""
    laws.cuts_do_not_matter(lambda: SUBJECT.upstream.reader("seed"), data, places)


@BOTH
@settings(deadline=None)
@given(answer=SUBJECT.answers(), short=st.integers(1, 10_000))
def test_a_cut_stream_is_not_done(subject: laws.Subject, answer: ChatAnswer, short: int) -> None:
    """What ends before every answer has a reason to stop, or before an array's bracket, has been cut."""
    stream = laws.written(subject, laws.events_of(answer))
    laws.a_cut_stream_is_not_done(subject, stream, len(stream) - 1 - short % (len(stream) - 1))


@settings(deadline=None)
@given(st.binary(max_size=200) | EVENTS | ARRAYS)
def test_any_bytes_are_read(data: bytes) -> None:
    """Nothing but ProtocolError ever comes out of a reader."""
    laws.any_bytes_are_read(SUBJECT, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_WORDS | st.just("model") | st.just("image/png"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["role", "parts", "text", "thought", "thoughtSignature", "functionCall", "function_call", "name", "id", "args",
             "functionResponse", "response", "output", "inlineData", "mimeType", "data", "fileData", "fileUri", "content",
             "candidates", "index", "finishReason", "usageMetadata", "promptTokenCount", "promptFeedback", "blockReason",
             "error", "details", "tools", "functionDeclarations", "parameters", "type", "nullable", "anyOf", "properties",
             "generationConfig", "thinkingConfig", "speechConfig", "responseSchema", "toolConfig", "citationMetadata",
             "citations", "uri", "groundingMetadata", "groundingChunks", "groundingSupports", "web", "segment", "endIndex"]
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
    for written in (
        data,
        b"data: " + data + b"\n\n",
        b"[" + data + b"]",
        b'{"candidates":[{"content":{"parts":[' + data + b"]}}]}",
        b'{"candidates":[' + data + b"]}",
        b'{"error":' + data + b"}",
    ):
        laws.any_bytes_are_read(SUBJECT, written)
    for name, form in {**dict.fromkeys(WHOLES, b"%b"), **dict.fromkeys(LISTS, b"[%b]")}.items():
        _is_read(b'{"contents":[],"%b":%b}' % (name.encode(), form % data))
    _is_read(b'{"contents":[{"role":"model","parts":[' + data + b"]}]}")


WHOLES = ("generationConfig", "toolConfig", "systemInstruction")
LISTS = ("contents", "tools")


def _is_read(body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert GeminiChat(body, "m").chat.model == "m"


@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
def test_errors_survive(subject: laws.Subject, status: int) -> None:
    """An error in a stream keeps its kind."""
    laws.errors_survive(subject, Fault(status, "too much", "some_code", retry_after=1.5))
