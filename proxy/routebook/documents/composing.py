"""From YAML's events to nodes, in one pass with a stack of its own: no recursion, and every limit is met before memory is.

YAML has ways to say a thing that no reader of a policy should have to know. They are refused here, with the place:
duplicate keys, merge keys, tags, keys that are not one word, several documents in a file, aliases that multiply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import yaml

from routebook.documents.nodes import Mapping, Node, Scalar, Sequence
from routebook.documents.problems import Location, Problems, did_you_mean

MAX_DEPTH = 64
"""Collections within collections. The language needs about ten; recursive readers stay far from Python's limit."""

MAX_VALUES = 1_000_000
"""Values in one file; 10,000 rules have about a quarter of it."""

MAX_ALIASED = 10_000
"""Values that aliases may add to a file: ten lines of them can otherwise stand for ten thousand million."""

MERGE_KEY = "<<"


class Refused(Exception):
    """Reading on would cost too much or mean nothing; the problem has been added."""


class _OpenSequence:
    """A list that is not closed yet. `size_before` tells its own size at the end; `height` counts levels within."""

    __slots__ = ("anchor", "height", "items", "location", "size_before")

    def __init__(self, location: Location, anchor: str | None, size_before: int) -> None:
        self.location, self.anchor, self.size_before, self.height = location, anchor, size_before, 1
        self.items: list[Node] = []

    def put(self, node: Node) -> None:
        self.items.append(node)

    def close(self) -> Node:
        return Sequence(tuple(self.items), self.location)


class _OpenMapping:
    """A mapping that is not closed yet: keys and values come by turns; a refused key's value is dropped."""

    __slots__ = ("_first", "_key", "_problems", "anchor", "entries", "height", "location", "size_before")

    def __init__(self, location: Location, anchor: str | None, size_before: int, problems: Problems) -> None:
        self.location, self.anchor, self.size_before, self.height = location, anchor, size_before, 1
        self.entries: list[tuple[Scalar, Node]] = []
        self._first: dict[str, Scalar] = {}
        self._key: Node | None = None
        self._problems = problems

    def put(self, node: Node) -> None:
        key = self._key
        if key is None:
            self._key = node
            return
        self._key = None
        if type(key) is Scalar and key.text not in self._first and (key.quoted or key.text not in _NOT_PLAIN_KEYS):
            self._first[key.text] = key
            self.entries.append((key, node))
        else:
            self._refuse(key)

    def close(self) -> Node:
        return Mapping(tuple(self.entries), self.location)

    def _refuse(self, key: Node) -> None:
        error = self._problems.error
        if not isinstance(key, Scalar):
            error(
                "document.key-not-text",
                "a key must be one word, this is a list or a mapping",
                key.location,
                "put a text that begins with `{` or `[` in quotes; templates such as `{{ name }}` are not filled in",
            )
        elif key.is_null:
            error("document.key-not-text", "a key is missing before `:`", key.location)
        elif key.text == MERGE_KEY and not key.quoted:
            error(
                "document.merge-key",
                "the merge key `<<` is not part of the policy language",
                key.location,
                "write the keys out, or use `pools` and `conditions` for what is shared",
            )
        else:
            first = self._first[key.text]
            error(
                "document.duplicate-key",
                f"the key `{key.text}` stands twice in this mapping",
                key.location,
                "only one of them can be meant: remove or rename the other",
                [(first.location, f"`{key.text}` stands here first")],
            )


_NOT_PLAIN_KEYS = frozenset({MERGE_KEY, "", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A node that aliases may name, with the number of values in it and how deep they go."""

    node: Node
    size: int
    height: int


class Composer:
    """Builds the content of one file from its events; adds problems for what it refuses."""

    def __init__(self, file: str, problems: Problems) -> None:
        self.root: Node | None = None
        self._file = file
        self._problems = problems
        self._stack: list[_OpenMapping | _OpenSequence] = []
        self._anchors: dict[str, _Anchored] = {}
        self._anchor_places: dict[str, Location] = {}
        self._size = 0
        self._aliased = 0
        self._documents = 0
        self._handlers: dict[type[yaml.Event], Callable[..., None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }

    def read(self, next_event: Callable[[], yaml.Event | None]) -> None:
        """Take events up to the end of the file.

        Raises `Refused` where reading must stop, and lets the YAML parser's own errors through.
        """
        handlers = self._handlers
        while True:
            event = next_event()
            kind = type(event)
            if kind in handlers:
                handlers[kind](event)
            elif kind is yaml.StreamEndEvent:
                return

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        # Nine of ten events come here, so the place and the count are taken without a call.
        mark: yaml.Mark = event.start_mark  # type: ignore[assignment]  # a parser's events always have their marks
        location = Location(self._file, mark.line + 1, mark.column + 1)
        # libyaml calls the style of a plain scalar "", PyYAML's own parser None.
        node = Scalar(event.value, location, bool(event.style))
        if event.tag is not None:
            self._refuse_tag(event.tag, location)
        if event.anchor is not None:
            self._name(event.anchor, location)
            self._anchors[event.anchor] = _Anchored(node, 1, 0)
        self._size += 1
        if self._size > MAX_VALUES:
            self._count(0, location)
        if self._stack:
            self._stack[-1].put(node)
        else:
            self.root = node

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        location = self._place_of(event)
        if event.tag is not None:
            self._refuse_tag(event.tag, location)
        if len(self._stack) >= MAX_DEPTH:
            self._stop(
                "document.too-deep", f"lists and mappings stand more than {MAX_DEPTH} deep in each other", location
            )
        if event.anchor is not None:
            self._name(event.anchor, location)
        if type(event) is yaml.MappingStartEvent:
            self._stack.append(_OpenMapping(location, event.anchor, self._size, self._problems))
        else:
            self._stack.append(_OpenSequence(location, event.anchor, self._size))
        self._count(1, location)

    def _close(self, _: yaml.Event) -> None:
        closed = self._stack.pop()
        node = closed.close()
        if closed.anchor is not None:
            self._anchors[closed.anchor] = _Anchored(node, self._size - closed.size_before, closed.height)
        if self._stack:
            parent = self._stack[-1]
            parent.height = max(parent.height, closed.height + 1)
            parent.put(node)
        else:
            self.root = node

    def _alias(self, event: yaml.AliasEvent) -> None:
        location, name = self._place_of(event), event.anchor or ""
        target = self._anchors.get(name)
        if target is None:
            self._stop_at_loose_alias(name, location)
        self._aliased += target.size
        if self._aliased > MAX_ALIASED:
            self._stop(
                "document.too-many-aliases",
                f"the aliases of this file stand for more than {MAX_ALIASED:,} values",
                location,
                "name what is used often as a pool or a condition of the policy instead",
            )
        if len(self._stack) + target.height > MAX_DEPTH:
            self._stop(
                "document.too-deep",
                f"with the alias `*{name}`, lists and mappings stand more than {MAX_DEPTH} deep in each other",
                location,
            )
        self._count(target.size, location)
        parent = self._stack[-1]  # an alias always stands in a collection: nothing could be anchored before a lone one
        parent.height = max(parent.height, target.height + 1)
        parent.put(target.node)

    def _stop_at_loose_alias(self, name: str, location: Location) -> NoReturn:
        if name in self._anchor_places:
            self._stop(
                "document.recursive-alias",
                f"the alias `*{name}` stands inside what it names",
                location,
                related=((self._anchor_places[name], f"`&{name}` is here"),),
            )
        self._stop(
            "document.unknown-alias",
            f"no anchor `&{name}` stands before the alias `*{name}`",
            location,
            did_you_mean(name, self._anchors) or f'put a text that begins with `*` in quotes: `"*{name}"`',
        )

    def _document(self, event: yaml.Event) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop(
                "document.several-documents",
                "a second document begins here",
                self._place_of(event),
                "a policy file is one document: remove `---`, or move what follows into a file of its own",
            )

    def _name(self, anchor: str, location: Location) -> None:
        if anchor in self._anchor_places:
            self._problems.error(
                "document.duplicate-anchor",
                f"the anchor `&{anchor}` stands twice in this file",
                location,
                related=[(self._anchor_places[anchor], f"`&{anchor}` stands here first")],
            )
        self._anchor_places[anchor] = location
        self._anchors.pop(anchor, None)

    def _refuse_tag(self, tag: str, location: Location) -> None:
        written = tag.replace("tag:yaml.org,2002:", "!!")
        hint = "remove it, and put a text that begins with `!` in quotes"
        self._problems.error("document.tag", f"the tag `{written}` is not part of the policy language", location, hint)

    def _count(self, values: int, location: Location) -> None:
        self._size += values
        if self._size > MAX_VALUES:
            self._stop("document.too-many-values", f"the file has more than {MAX_VALUES:,} values", location)

    def _place_of(self, event: yaml.Event) -> Location:
        mark: yaml.Mark = event.start_mark  # type: ignore[assignment]  # a parser's events always have their marks
        return Location(self._file, mark.line + 1, mark.column + 1)

    def _stop(
        self,
        code: str,
        message: str,
        location: Location,
        hint: str | None = None,
        related: tuple[tuple[Location, str], ...] = (),
    ) -> NoReturn:
        self._problems.error(code, message, location, hint, related)
        raise Refused
