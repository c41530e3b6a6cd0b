"""From pieces to text: one form, whoever wrote the file.

Two spaces for each level, items of a list indented under their key, one blank line where there were several, none at the
beginning. What was written in brackets stays in brackets where it fits on one line without a comment in it; otherwise it
is written out, one entry a line. What was written out stays so.
"""

from __future__ import annotations

from collections.abc import Iterable

from routebook.documents.formatting.pieces import Collection, Comment, Entry, Piece, Word, is_commented

WIDTH = 120
"""Characters of a line, as far as it is in the formatter's hands: a long text is not broken."""

STEP = 2
"""Spaces for each level."""


def write_pieces(root: Piece | None, loose: Iterable[Comment]) -> str:
    """The text of a file; loose comments stand at its end."""
    page = _Page()
    match root:
        case Collection() if root.entries and _inline(root, 0) is None:
            if root.anchor is not None:
                page.line(0, f"&{root.anchor}")
            page.entries(root, 0)
        case Collection() | Word():
            page.value("", root, 0)
            page.comments(root.foot if isinstance(root, Collection) else (), 0)
        case None:
            pass
    page.comments(loose, 0)
    return page.text()


class _Page:
    """The lines written so far."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def text(self) -> str:
        """The lines as a file; empty where there are none."""
        return "\n".join(self._lines) + "\n" if self._lines else ""

    def line(self, indent: int, text: str) -> None:
        """One line; an indented nothing is nothing."""
        self._lines.append(" " * indent + text if text else "")

    def blank(self, wanted: bool) -> None:
        """A blank line where one is wanted and none is there."""
        if wanted and self._lines and self._lines[-1].strip():
            self._lines.append("")

    def comments(self, comments: Iterable[Comment], indent: int) -> None:
        """Comments on lines of their own."""
        for comment in comments:
            self.blank(comment.blank)
            self.line(indent, comment.text)

    def entries(self, collection: Collection, indent: int, opening: str | None = None) -> None:
        """The entries of a block, and what stands behind them; the first one on the line of an `opening` (`- `)."""
        for number, entry in enumerate(collection.entries):
            _settle(entry, indent)
            first = opening is not None and number == 0
            if not first:
                self._above(entry, indent)
            lead = (opening or "") if first else " " * indent
            self._entry(entry, lead, indent)
        self.comments(collection.foot, indent)

    def value(self, lead: str, value: Piece, indent: int, behind: Comment | None = None) -> None:
        """A value behind its lead (`key: `) on the lead's line and, where it has several, on those after it."""
        shown = _inline(value, len(lead))
        anchor = "" if value.anchor is None else f"&{value.anchor} "
        if shown is not None:
            self._lead(lead, shown, behind)
        elif isinstance(value, Word):
            texts = value.lines if value.header is None else [value.header, *value.lines]
            self._lead(lead, anchor + texts[0], behind if value.header is not None or len(texts) == 1 else None)
            for text in texts[1:]:
                self.line(indent + STEP, text)
            if behind is not None and value.header is None and len(texts) > 1:
                self._lines[-1] += f"  {behind.text}"

    def _above(self, entry: Entry, indent: int) -> None:
        self.comments(entry.above, indent)
        self.blank(entry.blank)

    def _entry(self, entry: Entry, lead: str, indent: int) -> None:
        lead += "- " if entry.key is None else f"{_key(entry.key)}: "
        value = entry.value
        if isinstance(value, Word) or not value.entries or _inline(value, len(lead)) is not None:
            self.value(lead, value, indent, entry.behind)
            if isinstance(value, Collection):
                self.comments(value.foot, indent)
            return
        above = [] if entry.behind is None else [entry.behind]
        anchor = "" if value.anchor is None else f"&{value.anchor}"
        opens = entry.key is None and not anchor and not above and not value.entries[0].above
        if opens:
            self.entries(value, indent + STEP, lead)
            return
        self._lead(lead, anchor, entry.head or (above.pop() if above else None))
        if above:
            self.comments(above, indent + STEP)
        self.entries(value, indent + STEP)

    def _lead(self, lead: str, shown: str, behind: Comment | None) -> None:
        line = (lead + shown).rstrip()
        self._lines.append(line if behind is None else f"{line}  {behind.text}")


def _settle(entry: Entry, indent: int) -> None:
    """Comments of an item that will be written out stand above it: there is no line between it and its dash."""
    value = entry.value
    if entry.key is None and isinstance(value, Collection) and value.entries and _inline(value, indent + STEP) is None:
        _settle(value.entries[0], indent + STEP)
        entry.above += value.entries[0].above + ([] if entry.behind is None else [entry.behind])
        value.entries[0].above, entry.behind = [], None


def _key(key: Word) -> str:
    text = " ".join(key.lines)
    if key.anchor is not None:
        text = f"&{key.anchor} {text}"
    return f"{text} " if text.startswith("*") else text


def _inline(value: Piece, at: int) -> str | None:
    """A value on one line from a column on; None where it does not fit, or was written on several lines."""
    if isinstance(value, Word):
        return _one_line(value)
    if value.entries and not value.flow:
        return None
    if is_commented(value) and value.entries:
        return None
    text = _bracketed(value)
    return text if text is not None and (not value.entries or at + len(text) <= WIDTH) else None


def _one_line(word: Word) -> str | None:
    if word.header is not None or len(word.lines) != 1:
        return None
    anchor = "" if word.anchor is None else f"&{word.anchor} "
    return anchor + word.lines[0]


def _bracketed(value: Piece) -> str | None:
    if isinstance(value, Word):
        return _one_line(value)
    shown = [_in_brackets(entry) for entry in value.entries]
    if any(text is None for text in shown):
        return None
    inner = ", ".join(text for text in shown if text is not None)
    anchor = "" if value.anchor is None else f"&{value.anchor} "
    return f"{anchor}{{{inner}}}" if value.mapping else f"{anchor}[{inner}]"


def _in_brackets(entry: Entry) -> str | None:
    value = entry.value
    text = "null" if isinstance(value, Word) and value.null else _bracketed(value)
    if text is None or entry.key is None:
        return text
    return f"{_key(entry.key)}: {text}"
