"""An upstream's whole answer, read into the neutral form."""

from __future__ import annotations

from routebook.chat.answer import ChatAnswer
from routebook.chat.assembling import Assembling
from routebook.chat.events import Failed
from routebook.protocols.gemini.faults import read_fault
from routebook.protocols.gemini.stream_reading import ANSWER, Reading


def read_chat_answer(body: bytes, seed: str) -> ChatAnswer:
    """The answer in a body; raises ProtocolError where there is none.

    Some answer with an error and the status of a success, or with a reason to stop that is one: then it has a fault.
    """
    wire = ANSWER.read(body)
    reading, assembling = Reading(seed), Assembling()
    for event in reading.tell(wire):
        assembling.take(event)
    for event in reading.end():
        assembling.take(event)
    if wire.error is not None:
        assembling.take(Failed(read_fault(0, body)))
    return assembling.answer()
