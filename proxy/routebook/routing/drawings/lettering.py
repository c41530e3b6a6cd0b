"""Words in pictures: how wide they are, where they are broken, and what must not stand in them."""

from __future__ import annotations

import unicodedata

CUT = "…"


def columns(text: str) -> int:
    """How many columns of a fixed pitch a text takes: two for wide characters, none for marks on others."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1
        for letter in text
    )


def clipped(text: str, width: int) -> str:
    """A text of at most so many columns; what is cut off is marked."""
    if columns(text) <= width:
        return text
    kept, used = [], 1
    for letter in text:
        used += columns(letter)
        if used > width:
            break
        kept.append(letter)
    return "".join(kept).rstrip() + CUT


def wrapped(text: str, width: int, most: int) -> list[str]:
    """A text in lines of so many columns, at most so many of them, broken at spaces where there are any."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        grown = f"{line} {word}" if line else word
        if columns(grown) <= width:
            line = grown
            continue
        if line:
            lines.append(line)
        while columns(word) > width:
            head = clipped(word, width + 1).removesuffix(CUT)
            lines.append(head)
            word = word[len(head) :]
        line = word
    lines.append(line)
    if len(lines) > most:
        lines[most - 1 :] = [
            clipped(f"{lines[most - 1]} {CUT}", width)
            if columns(lines[most - 1]) + 2 > width
            else f"{lines[most - 1]} {CUT}"
        ]
    return lines
