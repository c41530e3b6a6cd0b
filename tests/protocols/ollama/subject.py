"""Ollama's chat API as a subject of the laws of dialects."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.chat.answer import ChatAnswer
from routebook.chat.conversation import ChatRequest
from routebook.chat.events import Finish
from routebook.chat.usage import Usage
from routebook.protocols.codec import Sent
from routebook.protocols.ollama.dialect import OLLAMA
from routebook.protocols.ollama.request import OllamaChat
from tests.protocols import laws


def read(sent: Sent) -> ChatRequest:
    """What an upstream that speaks this dialect makes of a request."""
    return OllamaChat(sent.body).chat


def sayable(answer: ChatAnswer) -> ChatAnswer:
    """The answer without an id, which this dialect has not, and counted as it counts."""
    usage = answer.usage or Usage()
    counted = Usage(input=usage.total_input, output=usage.total_output)
    return replace(answer, id=None, usage=counted)


class Subject(laws.Subject):
    """Answers of this dialect have no id, and are counted as it counts."""

    def answers(self) -> st.SearchStrategy[ChatAnswer]:
        """Answers that it can say."""
        return super().answers().map(sayable)


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
WORDS = [
    "role", "content", "thinking", "tool_calls", "function", "name", "arguments", "message", "done", "error",
    "options", "stop", "tools", "images", "think", "format", "logprobs", "token", "created_at", "done_reason",
]  # fmt: skip

SUBJECT = Subject(
    OLLAMA,
    read,
    OllamaChat(b'{"model":"m","messages":[]}'),
    owner="ollama",
    many_texts=False,
    parts=frozenset({"reasoning", "text", "calls", "logprobs"}),
    finishes=frozenset({Finish.STOP, Finish.LENGTH, Finish.TOOL_CALLS}),
    most_choices=1,
    odd_streams=st.lists(PIECES, max_size=8).map(b"".join),
    odd_bodies=laws.in_words(WORDS, [b"%b", b"%b\n", b'{"model":"m","messages":[%b],"options":%b}']),
)
