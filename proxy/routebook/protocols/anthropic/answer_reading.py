"""An upstream's whole answer, read into the neutral form; and how many tokens it counted."""

from __future__ import annotations

from typing import Final

import msgspec

from routebook.chat.answer import ChatAnswer
from routebook.chat.assembling import Assembling
from routebook.chat.events import Failed
from routebook.chat.faults import Fault
from routebook.protocols.anthropic.faults import read_fault
from routebook.protocols.anthropic.telling import Telling
from routebook.protocols.anthropic.usage import Count
from routebook.protocols.anthropic.wire import WireMessage
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.forgiving import Forgiving

_MESSAGE: Final = Forgiving(WireMessage)


class _Counted(msgspec.Struct, gc=False):
    input_tokens: Count | None = None


_COUNTED: Final = Forgiving(_Counted)


def read_message(body: bytes, seed: str) -> ChatAnswer:
    """The answer in a body; raises ProtocolError where there is none.

    Some answer with an error and the status of a success: then it has a fault.
    """
    wire = _MESSAGE.read(body)
    telling, assembling = Telling(seed), Assembling()
    for event in telling.start(wire):
        assembling.take(event)
    if wire.type == "error" or wire.error is not None:
        assembling.take(Failed(read_fault(0, body)))
    elif telling.failed():
        assembling.take(Failed(Fault(502, "the model failed", "error")))
    else:
        for event in telling.end():
            assembling.take(event)
    return assembling.answer()


def read_count(body: bytes) -> int:
    """The tokens that an upstream counted; raises ProtocolError where it says no number."""
    counted = _COUNTED.read(body).input_tokens
    if counted is None:
        raise ProtocolError(Side.UPSTREAM, "the answer has no `input_tokens`")
    return counted
