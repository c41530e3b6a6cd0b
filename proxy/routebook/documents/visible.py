"""What a stranger wrote, made safe to show on a terminal or in a picture."""

from __future__ import annotations

import re

# A line of a policy is shown as its author sees it: only what a terminal would obey, or what hides, is written out.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069\ufeff]")


def visible(value: object) -> str:
    """A name or a value with everything written out that is not printed, as `\\x1b` or `\\u200b`; None is no text."""
    text = "" if value is None else str(value)
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def readable(text: str, *, keep_tabs: bool = False) -> str:
    """A text in any script with what a terminal would obey or hide written out; its spaces and joiners stay."""
    return _UNPRINTABLE.sub(
        lambda found: found[0] if keep_tabs and found[0] == "\t" else f"\\u{ord(found[0]):04x}", text
    )
