"""From a sound file to its pieces: YAML's events say where values stand, and what is between them holds the comments."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

import yaml

from routebook.documents.formatting.pieces import Collection, Comment, Entry, Piece, Word
from routebook.documents.loading import FASTEST

_COMMENT = re.compile("#[^\n]*")
_FRAMING = re.compile(r"^(?:%[^\n]*|---(?=\s|\Z)|\.\.\.(?=\s|\Z))", re.MULTILINE)
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+")
_AWKWARD = re.compile(r'["\\]')

_Event = Any
"""An event of PyYAML; its marks are always there when a text is parsed, which its types do not say."""

_FRAME = (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


def comments_in(text: str) -> list[str]:
    """The comments of a text that the loader took, in their order."""
    return [found[0].rstrip() for found in _COMMENT.finditer(_without_values(text, _events(text)))]


def read_pieces(text: str) -> tuple[Piece | None, list[Comment]]:
    """The content of a file that the loader took, whose lines end in a line feed; and comments that no entry can hold."""
    events = _events(text)
    reader = _Reader(text, events)
    if not events:
        return None, reader.before(len(text))
    above = [] if isinstance(events[0], yaml.CollectionStartEvent) else reader.before(events[0].start_mark.index)
    root = reader.value()
    left = above + reader.before(len(text))
    if isinstance(root, Collection):
        root.foot += left
        return root, []
    return root, left


class _Reader:
    """Goes through the events, with a second cursor through the comments: each comment is taken once, in its order."""

    def __init__(self, text: str, events: list[_Event]) -> None:
        self._text, self._events, self._at = text, events, 0
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        between = _without_values(text, events)
        self._comments = [self._comment(found) for found in _COMMENT.finditer(between)]
        self._signs = _ANCHOR.sub(_blank, _COMMENT.sub(_blank, between))
        self._next = 0
        self._done = 0

    def value(self) -> Piece:
        """The value that begins at the cursor, with the comments within it."""
        event = self._events[self._at]
        self._at += 1
        if isinstance(event, yaml.CollectionStartEvent):
            return self._collection(event)
        self._done = event.end_mark.index
        return _word(event, self._text[event.start_mark.index : event.end_mark.index])

    def before(self, index: int) -> list[Comment]:
        """The comments up to an index that nothing has taken yet."""
        first = self._next
        while self._next < len(self._comments) and self._comments[self._next].index < index:
            self._next += 1
        return self._comments[first : self._next]

    def _comment(self, found: re.Match[str]) -> Comment:
        index = found.start()
        line = self._line_of(index)
        return Comment(found[0].rstrip(), index, index - self._starts[line], self._is_blank_above(line))

    def _line_of(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1

    def _column_of(self, index: int) -> int:
        return index - self._starts[self._line_of(index)]

    def _is_blank_above(self, line: int) -> bool:
        return line > 0 and not self._lines[line - 1].strip()

    def _collection(self, event: _Event) -> Collection:
        mapping = isinstance(event, yaml.MappingStartEvent)
        found = Collection(mapping, bool(event.flow_style), [], event.anchor)
        column = 0
        while not isinstance(self._events[self._at], _ENDS):
            begin = self._begin_of_entry(found)
            column = column if found.entries else self._column_of(begin)
            found.entries.append(self._entry(mapping, begin))
        end = self._events[self._at]
        self._at += 1
        if found.flow:
            found.foot = self.before(end.start_mark.index)
            self._done = end.end_mark.index
        else:
            found.foot = self._foot(column)
        return found

    def _begin_of_entry(self, collection: Collection) -> int:
        """Where the next entry begins: at its key, or at the dash of an item."""
        begin: int = self._events[self._at].start_mark.index
        if collection.mapping or collection.flow:
            return begin
        dash = self._signs.rfind("-", self._done, begin)
        return begin if dash < 0 else dash

    def _foot(self, column: int) -> list[Comment]:
        """The comments behind a block's last entry that are indented as far as it is, and further than what follows."""
        at = self._at
        while at < len(self._events) and isinstance(self._events[at], _ENDS):
            at += 1
        following = self._events[at] if at < len(self._events) else None
        until, least = len(self._text), column
        if following is not None:
            until = following.start_mark.index
            dash = self._signs.find("-", self._done, until)
            until = until if dash < 0 else dash
            least = max(column, self._column_of(until) + 1)
        first = self._next
        while self._next < len(self._comments) and self._comments[self._next].index < until:
            if self._comments[self._next].column < least:
                break
            self._next += 1
        return self._comments[first : self._next]

    def _entry(self, mapping: bool, begin: int) -> Entry:
        above = self.before(begin)
        line = self._line_of(begin)
        alone = not self._text[self._starts[line] : begin].strip()
        entry = Entry(None, Word([]), above=above, blank=alone and self._is_blank_above(line))
        if mapping:
            key = self._events[self._at]
            entry.key, entry.name = self._key(), getattr(key, "value", None)
        self._finish(entry)
        return entry

    def _key(self) -> Word:
        key = self.value()
        assert isinstance(key, Word), "the loader lets no other key through"
        return key

    def _finish(self, entry: Entry) -> None:
        """Read the value of an entry, and give the entry the comments around it."""
        event = self._events[self._at]
        block = isinstance(event, yaml.CollectionStartEvent) and not event.flow_style
        if not block:
            entry.above += self.before(event.start_mark.index)
        elif entry.key is not None:
            entry.head = self._same_line()
        entry.value = self.value()
        if not block:
            # a text block ends where the next line begins; a comment in its header is part of the header
            in_block = isinstance(entry.value, Word) and entry.value.header is not None
            entry.behind = None if in_block else self._same_line()
        elif entry.key is None:
            _lift(entry)

    def _same_line(self) -> Comment | None:
        """The next comment, where nothing but a comma or a colon stands between it and what was read last."""
        if self._next == len(self._comments):
            return None
        comment = self._comments[self._next]
        between = self._signs[self._done : comment.index]
        if "\n" in between or between.strip(" \t:,"):
            return None
        self._next += 1
        return comment


def _events(text: str) -> list[_Event]:
    return [event for event in yaml.parse(text, Loader=FASTEST) if not isinstance(event, _FRAME)]


def _without_values(text: str, events: list[_Event]) -> str:
    """The text with all values blanked out, so that a `#` in it begins a comment and a `-` an item."""
    parts: list[str] = []
    at = 0
    for event in events:
        if type(event) in (yaml.ScalarEvent, yaml.AliasEvent):
            start, end = event.start_mark.index, event.end_mark.index
            parts += [text[at:start], re.sub("[^\n]", " ", text[start:end])]
            at = end
    parts.append(text[at:])
    return _FRAMING.sub(_blank, "".join(parts))


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _lift(entry: Entry) -> None:
    """Comments above the first thing of an item stand above the item: there is no line between it and its dash."""
    value = entry.value
    if isinstance(value, Collection) and value.entries:
        entry.above += value.entries[0].above
        value.entries[0].above = []


def _word(event: _Event, raw: str) -> Word:
    if isinstance(event, yaml.AliasEvent):
        return Word([f"*{event.anchor}"])
    if event.anchor is not None:
        raw = raw.removeprefix(f"&{event.anchor}").lstrip()
    if event.style in ("|", ">"):
        return _block(event, raw)
    first, *more = raw.split("\n")
    lines = [first, *(line.lstrip() for line in more)]
    if not event.style:
        lines = [line.rstrip() for line in lines]
    elif not more:
        lines = [_quoted(event.value, first)]
    return Word(lines, event.anchor, null=not event.style and not event.value)


def _block(event: _Event, raw: str) -> Word:
    """A text block; its lines keep their indentation against each other, and those at its end only where they count."""
    header, _, rest = raw.partition("\n")
    lines = rest.split("\n")
    marks = re.match(r"[|>]([-+0-9]*)", header)
    said = marks[1] if marks else ""
    if event.value and not event.value.endswith("\n") and "-" not in said:
        # the file ends within the block, and would end in a line feed
        header = header[0] + "-" + header[1:].replace("+", "", 1)
    digit = re.search("[0-9]", said)
    if digit is None:
        margin = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    else:
        margin = len(lines[0]) - len(event.value.split("\n")[0]) if lines else 0
        header = header.replace(digit[0], "2", 1)
    lines = [line[margin:] for line in lines]
    if "+" in said:
        lines = lines[:-1] if not lines[-1] else lines
    while "+" not in said and lines and not lines[-1]:
        lines.pop()
    return Word(lines, event.anchor, header.rstrip())


def _quoted(value: str, raw: str) -> str:
    """A text in double quotes; in single ones where it would need escapes, as it is where only escapes can say it."""
    if not value.isprintable():
        return raw
    return f'"{value}"' if _AWKWARD.search(value) is None else "'" + value.replace("'", "''") + "'"
