"""How large a prompt is: by its text where something depends on it, by its bytes where nothing does."""

from __future__ import annotations

from typing import Final

from routebook.chat.asked import Asked
from routebook.chat.tokens import DEFAULT_FAMILY, estimate_tokens

MESSAGE_TOKENS: Final = 4
"""What the frame of a message costs (its role and its marks)."""

IMAGE_TOKENS: Final = 1000
"""What an image counts for: vendors count 85 to 1,600, by its size, which is not known here."""

BYTES_PER_TOKEN: Final = 3.6
"""Bytes of a chat request's JSON to a token, as measured (o200k: 3.56, typically within 18 %)."""

HEARD_MS: Final = 20
"""Milliseconds of sound to a token at least: OpenAI counts ten a second, Google 32."""

SMALL: Final = 4096
"""The messages of a body of so many bytes are counted for every record: it costs two microseconds."""


def prompt_tokens(asked: Asked, family: str = DEFAULT_FAMILY) -> int:
    """Tokens of the whole prompt, estimated: its text, its messages' frames, its tools and its images."""
    frames = asked.messages * MESSAGE_TOKENS if asked.operation == "chat" else asked.counted_tokens
    return (
        estimate_tokens(asked.text, family)
        + frames
        + asked.images * IMAGE_TOKENS
        + round(asked.tool_bytes / BYTES_PER_TOKEN)
    )


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
