"""How large a prompt is: by its text where something depends on it, by its bytes where nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from routebook.chat.asked import Asked
from routebook.chat.exact_tokens import count_tokens
from routebook.chat.tokens import DEFAULT_FAMILY, FIT_MARGIN, count_classes, tokens_of

BYTES: Final = "bytes"
ESTIMATE: Final = "estimate"
EXACT: Final = "exact"
GIVEN: Final = "given"
"""How tokens are found: by bytes alone, estimated or counted by the text, or told."""

COUNTED: Final = (ESTIMATE, EXACT)
"""Ways that read the text."""

MESSAGE_TOKENS: Final = 4
"""What the frame of a message costs (its role and its marks)."""

IMAGE_TOKENS: Final = 1000
"""What an image counts for: vendors count 85 to 1,600, by its size, which is not known here."""

BYTES_PER_TOKEN: Final = 3.6
"""Bytes of a chat request's JSON to a token, as measured (o200k: 3.56, typically within 18 %)."""

HEARD_MS: Final = 20
"""Milliseconds of sound to a token at least: OpenAI counts ten a second, Google 32."""

SMALL: Final = 4096
"""The messages of a body of so many bytes are counted for every record, and its tokens are estimated wherever a rule asks:
it costs some microseconds."""


class Size(msgspec.Struct, frozen=True, gc=False):
    """Tokens of a prompt, and how they were found: `bytes`, `estimate`, `exact` or `given`."""

    tokens: int
    by: str


def prompt_tokens(asked: Asked, family: str = DEFAULT_FAMILY, counts: Sequence[int] | None = None) -> int:
    """Tokens of the whole prompt, estimated: its text, its messages' frames, its tools and its images. `counts` are those
    of its text, where they are known (`chat.tokens.count_classes`)."""
    return tokens_of(count_classes(asked.text) if counts is None else counts, family) + _beside(asked)


def exact_prompt_tokens(asked: Asked, family: str) -> int | None:
    """The same with the text counted exactly; None where that cannot be done here, or frames, tools and images say so
    little of what a vendor makes of them that it would not be exact."""
    if asked.images:
        return None
    counted = count_tokens(asked.text, family)
    return None if counted is None else counted + _beside(asked)


def _beside(asked: Asked) -> int:
    frames = asked.messages * MESSAGE_TOKENS if asked.operation == "chat" else asked.counted_tokens
    return frames + asked.images * IMAGE_TOKENS + round(asked.tool_bytes / BYTES_PER_TOKEN)


def bytes_decide(most: int, limits: Sequence[float] | None) -> bool:
    """Whether a prompt of so many tokens at most is below all limits that conditions put it to, the least first (None:
    they are not known)."""
    return limits is not None and (not limits or most < limits[0])


def may_exceed(estimate: int, limit: float) -> bool:
    """Whether the estimate's error could put a prompt on the other side of a limit."""
    return estimate / FIT_MARGIN <= limit <= estimate * FIT_MARGIN


def tokens_by_bytes(size: int) -> int:
    """About the same from the body's size alone: for figures that nothing depends on."""
    return round(size / BYTES_PER_TOKEN)


def most_tokens(asked: Asked) -> int:
    """More tokens than the prompt can have: no token is shorter than a byte, an image costs what images cost, and no
    vendor counts 50 tokens for a second of sound."""
    if asked.most_ms:
        return asked.most_ms // HEARD_MS + len(asked.prompt)
    images = 0 if asked.operation != "chat" or "vision" not in asked.needs else asked.images
    return asked.body_bytes + images * IMAGE_TOKENS
