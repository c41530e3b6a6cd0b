"""Patterns over prompt text: RE2, whose time is linear in the text whatever the pattern says.

Nothing else may search a prompt: an expression of `re` can be made to run for hours by a text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

_MEMORY = 1 << 20
"""Bytes that one compiled pattern may take; a larger one is refused when the policy loads."""


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern, in RE2's words; None where nothing is."""
    try:
        compile_pattern(pattern)
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return None


def compile_pattern(pattern: str) -> Any:
    """A pattern, compiled under a limit of memory; raises `re2.error`."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    return re2.compile(pattern, options)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """A valid pattern, compiled once."""
    return compile_pattern(pattern)


def matches_everything(pattern: str) -> bool:
    """Whether a valid pattern finds a match in every text, the empty one included."""
    return compile_pattern(pattern).search("") is not None
