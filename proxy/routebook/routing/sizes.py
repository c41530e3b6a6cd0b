"""How large a prompt is: exactly where it is cheap, by a sample where it is not, and said which."""

from __future__ import annotations

from typing import Final

from routebook.chat.asked import Asked
from routebook.chat.tokens import DEFAULT_FAMILY, estimate_tokens

MESSAGE_TOKENS: Final = 4
"""What the frame of a message costs (its role and its marks)."""

IMAGE_TOKENS: Final = 1000
"""What an image counts for: vendors count 85 to 1,600, by its size, which is not known here."""

TOOL_BYTES_PER_TOKEN: Final = 3.6
"""Bytes of JSON to a token, as measured for chat requests."""

SMALL: Final = 4096
"""A body of so many bytes is read in full for every record: it costs a few microseconds."""

SLICE: Final = 1024
"""Bytes of each of the three slices by which a large body is judged."""


def prompt_tokens(asked: Asked, family: str = DEFAULT_FAMILY) -> int:
    """Tokens of the whole prompt, estimated: its text, its messages' frames, its tools and its images."""
    frames = asked.messages * MESSAGE_TOKENS if asked.operation == "chat" else asked.counted_tokens
    return (estimate_tokens(asked.text, family) + frames + asked.images * IMAGE_TOKENS
            + round(asked.tool_bytes / TOOL_BYTES_PER_TOKEN))


def sampled_tokens(asked: Asked, family: str = DEFAULT_FAMILY) -> int:
    """About the same from three slices of the body: for sums that need no more, at the price of a few microseconds."""
    body = asked.body
    size = len(body)
    middle = (size - SLICE) // 2
    sample = body[:SLICE] + body[middle:middle + SLICE] + body[-SLICE:]
    return round(estimate_tokens(sample.decode("utf-8", "replace"), family) * size / len(sample))


def most_tokens(asked: Asked) -> int:
    """More tokens than the prompt can have: no token is shorter than a byte, and an image costs what images cost."""
    images = 0 if asked.operation != "chat" or "vision" not in asked.needs else asked.images
    return asked.body_bytes + images * IMAGE_TOKENS
