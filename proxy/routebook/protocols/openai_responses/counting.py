"""How many tokens would go in: the answer of `/responses/input_tokens`, read and written."""

from __future__ import annotations

from typing import Final

import msgspec

from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.forgiving import Forgiving
from routebook.protocols.responses_usage import Count


class _Counted(msgspec.Struct, gc=False):
    input_tokens: Count | None = None


_COUNTED: Final = Forgiving(_Counted)


def write_count_answer(tokens: int) -> bytes:
    """The answer to a client."""
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})


def read_count_answer(body: bytes) -> int:
    """What an upstream counted; raises ProtocolError where it says no number."""
    counted = _COUNTED.read(body).input_tokens
    if counted is None:
        raise ProtocolError(Side.UPSTREAM, "the upstream counted nothing")
    return counted
