"""An upstream's whole answer, read into the neutral form."""

from __future__ import annotations

from typing import Final

from routebook.chat.answer import ChatAnswer
from routebook.chat.assembling import Assembling
from routebook.protocols.forgiving import Forgiving, loosely
from routebook.protocols.openai_responses.stream_reading import Reading
from routebook.protocols.openai_responses.wire import WireResponse

_ANSWER: Final = Forgiving(WireResponse)


def read_answer(body: bytes, seed: str) -> ChatAnswer:
    """The answer in a body; raises ProtocolError where there is none. One that failed has a fault."""
    reading, assembling = Reading(seed), Assembling()
    for event in reading.end(_ANSWER.read(body), lambda: loosely(body)):
        assembling.take(event)
    return assembling.answer()
