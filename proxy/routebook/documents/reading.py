"""Reading nodes by the type that the language expects, collecting problems on the way.

Every function returns the value, or None after adding a problem; a caller goes on with what it has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from routebook.documents.nodes import Mapping, Node, Scalar, Sequence
from routebook.documents.problems import Location, Problems, did_you_mean
from routebook.documents.quantities import EXAMPLES, NOUNS, Unit, meant_by, parse_quantity

_JOINED = re.compile(r"[A-Za-z_.]+:[^\s/]")

TRUE = ("true", "True", "TRUE")
FALSE = ("false", "False", "FALSE")


def kind_of(node: Node) -> str:
    """What a node is, in an author's words."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar() if node.is_null:
            return "nothing"
        case Scalar():
            return f"`{node.text}`"


def _wrong_type(node: Node, expected: str, problems: Problems, instead: str | None = None) -> None:
    # `name:auto` is one word to YAML, and what an author means is seldom a word with a colon.
    joined = isinstance(node, Scalar) and not node.quoted and _JOINED.match(node.text)
    hint = "put a space after `:`" if joined else instead
    problems.error("document.wrong-type", f"expected {expected}, found {kind_of(node)}", node.location, hint)


def read_text(node: Node, problems: Problems, what: str = "a text") -> str | None:
    """A text; an unquoted number or word counts as its own text."""
    if isinstance(node, Scalar) and not node.is_null:
        return node.text
    _wrong_type(node, what, problems)
    return None


def read_flag(node: Node, problems: Problems) -> bool | None:
    """`true` or `false`, nothing else (not `yes`, `on`, `1`)."""
    if isinstance(node, Scalar) and not node.quoted:
        if node.text in TRUE:
            return True
        if node.text in FALSE:
            return False
    hint = "write `true` or `false`" if isinstance(node, Scalar) else None
    problems.error("document.wrong-type", f"expected `true` or `false`, found {kind_of(node)}", node.location, hint)
    return None


def read_quantity(node: Node, unit: Unit, problems: Problems) -> int | float | None:
    """A number with its unit, in the unit's Python form (see `documents.quantities`)."""
    if not isinstance(node, Scalar) or node.is_null:
        _wrong_type(node, f"{NOUNS[unit]} such as {EXAMPLES[unit]}", problems)
        return None
    value = parse_quantity(node.text, unit)
    if value is None:
        problems.error(
            "document.wrong-unit", f"`{node.text}` is not {NOUNS[unit]}", node.location, _instead_of(node.text, unit)
        )
    return value


def _instead_of(text: str, unit: Unit) -> str:
    """What to write instead: what may have been meant, or how such quantities are written."""
    meant = meant_by(text, unit)
    return f"write it as {EXAMPLES[unit]}" if meant is None else f"did you mean `{quoted(meant, unit)}`?"


def quoted(text: str, unit: Unit) -> str:
    """A quantity as it stands in a file: times and dates in quotes, without which other YAML readers take them amiss."""
    return f'"{text}"' if unit in (Unit.CLOCK, Unit.DATE) else text


def read_word(node: Node, words: Collection[str], problems: Problems, what: str) -> str | None:
    """One of a closed set of words; a near miss gets a suggestion."""
    text = read_text(node, problems, what)
    if text is None or text in words:
        return text
    hint = did_you_mean(text, words) or "it is one of " + ", ".join(f"`{word}`" for word in words)
    problems.error("document.unknown-word", f"`{text}` is not {what}", node.location, hint)
    return None


def read_list(node: Node, problems: Problems, what: str) -> tuple[Node, ...]:
    """The items of a list; a single value counts as a list of one."""
    match node:
        case Sequence():
            return node.items
        case Mapping():
            _wrong_type(node, what, problems)
            return ()
        case Scalar() if node.is_null:
            _wrong_type(node, what, problems)
            return ()
        case Scalar():
            return (node,)


def read_texts(node: Node, problems: Problems, what: str = "a list of texts") -> tuple[str, ...]:
    """A list of texts; a single text counts as a list of one."""
    texts = [read_text(item, problems) for item in read_list(node, problems, what)]
    return tuple(text for text in texts if text is not None)


def _known_keys(key: str, known: Collection[str]) -> str:
    if key.partition(":")[0] in known:
        return "put a space after `:`"
    return did_you_mean(key, known) or "it takes " + ", ".join(f"`{name}`" for name in known)


@dataclass(slots=True)
class Fields:
    """A mapping whose keys are known: each is taken once, unknown ones are reported with a suggestion.

    >>> # fields = Fields.of(node, ("name", "when", "route"), problems, "a rule"); fields.take("name")
    """

    mapping: Mapping
    problems: Problems

    @classmethod
    def of(
        cls, node: Node, known: Collection[str], problems: Problems, what: str, required: Collection[str] = ()
    ) -> Fields | None:
        """The fields of a mapping, after reporting keys that are unknown and required ones that are absent."""
        if not isinstance(node, Mapping):
            keys = ", ".join(f"{name}: ..." for name in [*(required or known)][:2])
            _wrong_type(node, f"{what} (a mapping)", problems, f"write it with its keys, as `{{{keys}}}`")
            return None
        for key, _ in node:
            if key.text not in known:
                problems.error(
                    "document.unknown-key",
                    f"unknown key `{key.text}` in {what}",
                    key.location,
                    _known_keys(key.text, known),
                )
        for name in required:
            if node.get(name) is None:
                problems.error("document.missing-key", f"{what} needs `{name}`", node.location)
        return cls(node, problems)

    @property
    def location(self) -> Location:
        """Where the mapping begins."""
        return self.mapping.location

    def node(self, name: str) -> Node | None:
        """The value under a key; None where the key is absent."""
        return self.mapping.get(name)

    def text(self, name: str, default: str | None = None) -> str | None:
        """The text under a key, or the default."""
        node = self.mapping.get(name)
        return default if node is None else read_text(node, self.problems)

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts under a key; none where it is absent."""
        node = self.mapping.get(name)
        return () if node is None else read_texts(node, self.problems)

    def flag(self, name: str, default: bool = False) -> bool:
        """The flag under a key, or the default."""
        node = self.mapping.get(name)
        value = None if node is None else read_flag(node, self.problems)
        return default if value is None else value

    def quantity(self, name: str, unit: Unit) -> int | float | None:
        """The quantity under a key, in the unit's Python form; None where it is absent or wrong."""
        node = self.mapping.get(name)
        return None if node is None else read_quantity(node, unit, self.problems)

    def word(self, name: str, words: Collection[str], what: str, default: str | None = None) -> str | None:
        """One of a closed set of words under a key, or the default."""
        node = self.mapping.get(name)
        return default if node is None else read_word(node, words, self.problems, what) or default

    def items(self, name: str, what: str) -> tuple[Node, ...]:
        """The items of the list under a key; none where it is absent."""
        node = self.mapping.get(name)
        return () if node is None else read_list(node, self.problems, what)

    def named(self, name: str, what: str) -> Iterator[tuple[Scalar, Node]]:
        """The entries of the mapping under a key (`models: {NAME: ...}`); none where it is absent."""
        node = self.mapping.get(name)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return
        if not isinstance(node, Mapping):
            _wrong_type(node, what, self.problems)
            return
        yield from node
