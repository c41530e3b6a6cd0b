"""Chat Completions as a subject of the laws of dialects."""

from __future__ import annotations

from hypothesis import strategies as st

from routebook.chat.conversation import ChatRequest
from routebook.chat.events import Finish
from routebook.protocols.codec import Sent
from routebook.protocols.openai_chat.dialect import OPENAI_CHAT
from routebook.protocols.openai_chat.request import OpenAIChat
from tests.protocols import laws
from tests.protocols.conversations import ALL_PARTS


def read(sent: Sent) -> ChatRequest:
    """What an upstream that speaks this dialect makes of a request."""
    return OpenAIChat(sent.body).chat


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
WORDS = [
    "role", "content", "type", "text", "tool_calls", "function", "name", "choices", "delta", "message", "index",
    "tools", "audio", "id", "arguments", "error", "usage", "logprobs", "image_url", "url", "file",
]  # fmt: skip

SUBJECT = laws.Subject(
    OPENAI_CHAT,
    read,
    OpenAIChat(b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}'),
    owner="openai",
    parts=ALL_PARTS - {"signature"},
    finishes=frozenset({Finish.STOP, Finish.LENGTH, Finish.TOOL_CALLS, Finish.FILTERED}),
    odd_streams=st.lists(PIECES, max_size=8).map(b"".join),
    odd_bodies=laws.in_words(WORDS, [b"%b", b"data: %b\n\n", b'{"model":"m","messages":[%b]}']),
)
