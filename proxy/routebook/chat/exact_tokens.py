"""How many tokens a text has, exactly, where the extra `tokens` is installed (splintr-rs: 19 MB, no network).

The program does without: nothing here is asked but where an estimate is so near to what a decision depends on that its
error could turn it. A vocabulary takes some 50 ms and some megabytes when it is first used.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from routebook.chat.tokens import WEIGHTS

if TYPE_CHECKING:
    from splintr import AnyTokenizer

LONGEST: Final = 1024 * 1024
"""Characters of a text that is counted; some ten milliseconds."""


@lru_cache(maxsize=len(WEIGHTS))
def _tokenizer(family: str) -> AnyTokenizer | None:
    """The vocabulary of a family, under the same name there; None where it is not at hand."""
    try:
        from splintr import Tokenizer
    except ImportError:
        return None
    return Tokenizer.from_pretrained(family) if family in WEIGHTS else None


def can_count(family: str) -> bool:
    """Whether texts can be counted for a family; makes its vocabulary ready."""
    return _tokenizer(family) is not None


def count_tokens(text: str, family: str) -> int | None:
    """The tokens of a text as such (no marks of a template); None where nobody can count it."""
    if len(text) > LONGEST or (tokenizer := _tokenizer(family)) is None:
        return None
    try:
        return len(tokenizer.encode_ordinary(text))
    except UnicodeEncodeError:  # half a surrogate pair, which JSON may carry
        return None
