"""The part of a prompt that is read word by word: its beginning and its end, where people say what they want.

Sizes are those of the whole prompt; everything else is counted here, so that a prompt of any length takes the same time.
"""

from __future__ import annotations

from typing import Final

HEAD: Final = 3_000
TAIL: Final = 1_000
"""Characters that are read from the beginning and from the end."""


def excerpt(prompt: str) -> str:
    """A prompt, or the beginning and the end of a long one."""
    return prompt if len(prompt) <= HEAD + TAIL else f"{prompt[:HEAD]}\n{prompt[-TAIL:]}"
