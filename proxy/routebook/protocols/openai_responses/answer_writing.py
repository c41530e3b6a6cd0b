"""A whole answer, written for this dialect's clients: what the last event of its stream holds."""

from __future__ import annotations

import msgspec

from routebook.chat.answer import ChatAnswer
from routebook.chat.assembling import events_of
from routebook.protocols.codec import ReplyTo, Written
from routebook.protocols.openai_responses.stream_writing import ResponsesWriter


def write_answer(answer: ChatAnswer, reply: ReplyTo) -> Written:
    """The answer as one body."""
    writer = ResponsesWriter(reply)
    writer.write(events_of(answer))
    writer.end()
    return Written(msgspec.json.encode(writer.whole()), tuple(writer.losses))
