"""Gemini as a subject of the laws of dialects."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.chat.conversation import ChatRequest
from routebook.chat.events import Finish
from routebook.chat.features import Feature
from routebook.chat.parts import Part, Signature, ToolCall
from routebook.protocols.codec import Sent
from routebook.protocols.gemini.dialect import GEMINI
from routebook.protocols.gemini.message_writing import UNSIGNED
from routebook.protocols.gemini.request import GeminiChat
from tests.protocols import laws
from tests.protocols.conversations import ALL_PARTS


def read(sent: Sent) -> ChatRequest:
    """What an upstream that speaks this dialect makes of a request; where a word stands for no signature, it has none."""
    chat = GeminiChat(sent.body, "m").chat
    return replace(chat, messages=tuple(replace(each, parts=tuple(map(_signed, each.parts))) for each in chat.messages))


def _signed(part: Part) -> Part:
    waived = isinstance(part, ToolCall) and part.signature == Signature("gemini", UNSIGNED)
    return replace(part, signature=None) if waived else part


BODY = b'{"contents":[]}'
PARTS = ALL_PARTS - {"refusal", "custom", "audio", "logprobs"}
"""What comes back as it was: a transcript and the bytes of tokens have no place, see test_writing.py."""

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
WORDS = [
    "role", "parts", "text", "thought", "thoughtSignature", "functionCall", "function_call", "name", "id", "args",
    "functionResponse", "response", "output", "inlineData", "mimeType", "data", "fileData", "fileUri", "content",
    "candidates", "index", "finishReason", "usageMetadata", "promptTokenCount", "promptFeedback", "blockReason",
    "error", "details", "tools", "functionDeclarations", "parameters", "type", "nullable", "anyOf", "properties",
    "generationConfig", "thinkingConfig", "speechConfig", "responseSchema", "toolConfig", "citationMetadata",
    "citations", "uri", "groundingMetadata", "groundingChunks", "groundingSupports", "web", "segment", "endIndex",
]  # fmt: skip
TYPES = st.sampled_from(["model", "image/png"])
FRAMES = [
    b"%b",
    b"data: %b\n\n",
    b"[%b]",
    b'{"candidates":[{"content":{"parts":[%b]}}]}',
    b'{"candidates":[%b]}',
    b'{"error":%b}',
]

SUBJECT = laws.Subject(
    GEMINI,
    read,
    GeminiChat(BODY, "m", True, "sse"),
    owner="google",
    has_turns=True,
    parts=PARTS,
    finishes=FINISHES,
    unlike=UNLIKE,
    odd_streams=EVENTS | ARRAYS,
    odd_bodies=laws.in_words(WORDS, FRAMES, TYPES),
    spare=0,
)
ARRAY = dataclasses.replace(SUBJECT, variant="-array", asked=GeminiChat(BODY, "m", True))
