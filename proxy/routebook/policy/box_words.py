"""Boxes of requests as conditions in the policy's own words: `tags: {any: [batch]}, prompt.tokens: {at_least: 32k}`.

What is written reads back as the same box: an author may copy it into a rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from routebook.documents.quantities import Unit
from routebook.policy.axes import Aspect, Axis
from routebook.policy.facts import FactType
from routebook.policy.globs import is_plain
from routebook.policy.number_line import Place
from routebook.policy.regions import Box, Region, Space
from routebook.policy.saying import say_value

EVERY_REQUEST = "every request"
"""The words of a box that leaves everything open: a rule says it by having no `when`."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*\Z")
_QUANTITY = re.compile(r"\$?[0-9][0-9._]*[A-Za-z%]*\Z")
_SPOKEN = frozenset({"true", "false", "yes", "no", "on", "off", "null"})

Test = dict[str, str]
"""Operators of one question, each with its operand as written."""

_ONE_OF = ""
"""Of texts: `any`, which need not be written where nothing else is asked."""

Asked = tuple[str, Test]
"""The name of a fact, and what is asked of it."""


@dataclass(frozen=True, slots=True)
class Said:
    """A region in words: what all of it meets, and beside that one of the choices, where there are any."""

    common: str
    choices: tuple[str, ...] = ()

    @property
    def when(self) -> str:
        """The whole as the entries of one `when`."""
        if not self.choices:
            return self.common
        choices = f"any_of: [{', '.join(f'{{{choice}}}' for choice in self.choices)}]"
        return choices if self.common == EVERY_REQUEST else f"all_of: [{{{self.common}}}, {{{choices}}}]"


def in_words(space: Space, box: Box) -> str:
    """A box as the entries of a `when`, on one line."""
    return ", ".join(_Words(space, box).entries()) or EVERY_REQUEST


def region_in_words(space: Space, region: Region) -> Said:
    """A region that is not empty, what its boxes have in common said once."""
    first, *others = region
    common = {axis: mask for axis, mask in first.items() if all(box.get(axis) == mask for box in others)}
    rests = [{axis: mask for axis, mask in box.items() if axis not in common} for box in region]
    if not others:
        return Said(in_words(space, common))
    grouped = _by_alternatives(space, rests)
    choices = [", ".join(_Words(space, box, _Any(fact, members)).entries()) for box, fact, members in grouped]
    if len(choices) > 1:
        return Said(in_words(space, common), tuple(choices))
    box, fact, members = grouped[0]
    return Said(", ".join(_Words(space, {**common, **box}, _Any(fact, members)).entries()))


def _by_alternatives(space: Space, boxes: Sequence[Box]) -> list[tuple[Box, str, tuple[str, ...]]]:
    """Boxes, those taken together of which each asks for another member of the same set and nothing else: each with
    the set and the members of which one is in it."""
    groups: dict[tuple[str, frozenset[tuple[int, int]]], list[int]] = {}
    for box in boxes:
        for axis, mask in box.items():
            if mask == 1 and space.axes[axis].aspect is Aspect.MEMBER:
                rest = frozenset((other, cells) for other, cells in box.items() if other != axis)
                groups.setdefault((space.axes[axis].fact, rest), []).append(axis)
    found: list[tuple[Box, str, tuple[str, ...]]] = []
    taken: set[frozenset[tuple[int, int]]] = set()
    for (fact, rest), axes in sorted(groups.items(), key=lambda each: -len(each[1])):
        forms = [rest | {(axis, 1)} for axis in axes]
        if len(axes) > 1 and not taken.intersection(forms):
            taken.update(forms)
            found.append((dict(rest), fact, tuple(space.axes[axis].name for axis in axes)))
    return found + [(box, "", ()) for box in boxes if frozenset(box.items()) not in taken]


@dataclass(frozen=True, slots=True)
class _Any:
    """Members of a set of which one must be in it."""

    fact: str = ""
    members: tuple[str, ...] = ()


@dataclass(slots=True)
class _Words:
    """The conditions that a box comes to: single questions, and alternatives of questions, all of which hold."""

    space: Space
    box: Box
    alternatives: _Any = _Any()
    asked: list[Asked] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        facts: dict[str, None] = {}
        for number in sorted(self.box):
            if self.box[number] & self.space.full[number] != self.space.full[number]:
                facts[self.space.axes[number].fact] = None
        if self.alternatives.members:
            facts[self.alternatives.fact] = None
        for fact in facts:
            self._say(fact)

    def entries(self) -> Iterator[str]:
        """What stands in the mapping; a fact that is asked for twice stands under `all_of` the second time."""
        first: dict[str, str] = {}
        more: list[str] = []
        for name, test in self.asked:
            if name in first:
                more.append(_entry(name, test))
            else:
                first[name] = _entry(name, test)
        yield from first.values()
        if len(self.choices) == 1 and not more:
            yield f"any_of: {self.choices[0]}"
        elif self.choices or more:
            alternatives = [f"any_of: {choice}" for choice in self.choices]
            yield f"all_of: [{', '.join(f'{{{each}}}' for each in (*more, *alternatives))}]"

    def _say(self, fact: str) -> None:
        spec = self.space.table.find(fact)
        assert spec is not None
        name, around = _named(fact)
        axes = self.space.axes_of(fact)
        masks = {
            number: mask
            for number in range(axes.first, axes.first + len(axes.axes))
            if (mask := self.box.get(number, -1) & self.space.full[number]) != self.space.full[number]
        }
        for number, mask in masks.items():
            axis = self.space.axes[number]
            if axis.aspect is Aspect.PATTERN:
                pattern = {"glob": _word(axis.name)}
                self._add(name, around, pattern if mask & 1 else {"not": _operand(pattern)})
        value = masks.get(axes.first)
        if spec.type is FactType.SET:
            self._set(name, around, fact, masks)
        elif value is not None:
            self._value(name, around, axes.axes[0], value, spec.type)

    def _value(self, name: str, around: Test, axis: Axis, mask: int, kind: FactType) -> None:
        """What is asked of a value that may be missing."""
        missing = next((1 << bit for bit, value in enumerate(axis.values) if value is None and axis.full >> bit & 1), 0)
        known, mask = axis.full & ~missing, mask & axis.full
        if not mask & known:
            self._add(name, around, {"known": "false"})
            return
        if mask & known == known:
            self._add(name, around, {"known": "true"})
            return
        if mask & missing:
            around = {**around, "missing": "holds"}
        match kind:
            case FactType.FLAG:
                ways = [[{"not": "false" if mask & 1 else "true"}]]
            case FactType.NUMBER:
                ways = [[test] for test in self._numbers(axis, mask & known)]
            case _:
                ways = _Naming(self.space, axis.fact, known).ways(mask & known)
        if len(ways) == 1:
            for test in ways[0]:
                self._add(name, around, test)
        else:
            self.choices.append(f"[{', '.join(_way(name, around, way) for way in ways)}]")

    def _add(self, name: str, around: Test, test: Test) -> None:
        self.asked.append((name, {**test, **around}))

    def _set(self, name: str, around: Test, fact: str, masks: Mapping[int, int]) -> None:
        either = self.alternatives.members if self.alternatives.fact == fact else ()
        within: list[str] = []
        without: list[str] = []
        known = 3
        for number, mask in masks.items():
            axis = self.space.axes[number]
            if axis.aspect is Aspect.KNOWN:
                known = mask
            elif axis.aspect is Aspect.MEMBER:
                (within if mask & 1 else without).append(axis.name)
        if known == 2:
            self._add(name, around, {"known": "false"})
            return
        test: Test = {}
        if either:
            test["any"] = f"[{', '.join(map(_word, either))}]"
        if within:
            test["any" if len(within) == 1 and not either else "all"] = f"[{', '.join(map(_word, within))}]"
        if without:
            test["none"] = f"[{', '.join(map(_word, without))}]"
        may_be_missing = self.space.axes_of(fact).axes[0].aspect is Aspect.KNOWN
        if not test:
            test = {"known": "true"}
        elif known == 3 and may_be_missing:
            test["missing"] = "holds"
        self._add(name, around, test)

    def _numbers(self, axis: Axis, mask: int) -> Iterator[Test]:
        """The stretches of a number; cells that no number lies in go with those before them."""
        stretches = list(_stretches(axis, mask))
        if axis_unit(self.space, axis) is Unit.CLOCK and len(stretches) == 2:
            (begin, end), (start, last) = stretches
            if begin is None and last is None and end is not None and start is not None and not end[1] and not start[1]:
                yield {"from": self._number(axis, start), "to": self._number(axis, end)}
                return
        for begin, end in stretches:
            test: Test = {}
            if begin is not None:
                test["above" if begin[1] else "at_least"] = self._number(axis, begin)
            if end is not None:
                test["at_most" if end[1] else "below"] = self._number(axis, end)
            yield test

    def _number(self, axis: Axis, place: Place) -> str:
        said = say_value(axis.fact, place[0], self.space.table, axis.unit)
        return said if _QUANTITY.match(said) else f'"{said}"'


@dataclass(slots=True)
class _Naming:
    """The words and patterns by which a fact's texts are told apart."""

    space: Space
    fact: str
    known: int
    words: dict[str, int] = field(init=False)
    patterns: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        axes = self.space.axes_of(self.fact)
        self.patterns = {pattern: mask & self.known for pattern, mask in axes.masks_of_patterns().items() if mask}
        self.words = {
            text: mask
            for text in axes.axes[0].values
            if isinstance(text, str) and (mask := axes.mask_of_word(text)) and not mask & axes.unnamed
        }

    def cover(self, target: int, allowed: int) -> list[str] | None:
        """As few patterns and words as are found that together are all of a target, and nothing that is not allowed.
        Words are marked by a leading `=`."""
        chosen: list[str] = []
        left = target
        fitting = [(pattern, mask) for pattern, mask in self.patterns.items() if not mask & ~allowed]
        for pattern, mask in sorted(fitting, key=lambda each: (-each[1].bit_count(), each[0])):
            if (mask & left).bit_count() > 1 or mask & left & ~self._named:
                chosen.append(pattern)
                left &= ~mask
        for word, mask in self.words.items():
            if mask & left:
                chosen.append("=" + word)
                left &= ~mask
        return None if left or not chosen else chosen

    @property
    def _named(self) -> int:
        return sum(set(self.words.values()))

    def _pattern_but_not(self, target: int) -> tuple[str, list[str]] | None:
        """A pattern that all of a target match, and what to leave out of it."""
        found: list[tuple[int, str, list[str]]] = []
        for pattern, mask in self.patterns.items():
            if not target & ~mask:
                others = self.cover(mask & ~target, self.known & ~target)
                if others is not None:
                    found.append((len(others), pattern, others))
        return min(found)[1:] if found else None

    def ways(self, target: int) -> list[list[Test]]:
        """Ways of being a text of some cells, each as questions that all hold: one of these, none of those, one of a
        pattern but none of those, or each class by itself."""
        positive, negative = self.cover(target, target), self.cover(self.known & ~target, self.known & ~target)
        if positive is not None and (negative is None or len(positive) <= len(negative)):
            return [[test] for test in _some(positive)]
        if negative is not None:
            return [[{"not": _operand(test)} for test in _some(negative)]]
        but = self._pattern_but_not(target)
        if but is not None:
            pattern, others = but
            return [_together([*_some([pattern]), *({"not": _operand(test)} for test in _some(others))])]
        return list(self._one_by_one(target))

    def _one_by_one(self, target: int) -> Iterator[list[Test]]:
        """The words of a target, and each class of it by the patterns that it matches and those that it does not."""
        plain = target & self._named
        if words := self.cover(plain, plain):
            yield from ([test] for test in _some(words))
        for bit in range(target.bit_length()):
            cell = target & ~plain & 1 << bit
            if cell:
                matched = [pattern for pattern, mask in self.patterns.items() if mask & cell]
                around = self.known
                for pattern in matched:
                    around &= self.patterns[pattern]
                others = self.cover(around & ~cell, self.known & ~cell) or []
                yield _together(
                    [*(test for pattern in matched for test in _some([pattern]))]
                    + [{"not": _operand(test)} for test in _some(others)]
                )


def axis_unit(space: Space, axis: Axis) -> Unit | None:
    """The unit of an axis's numbers."""
    spec = space.table.find(axis.fact)
    return axis.unit or (None if spec is None else spec.unit)


def _stretches(axis: Axis, mask: int) -> Iterator[tuple[Place | None, Place | None]]:
    """Runs of cells, each from a place to a place (None: from the least, to the greatest)."""
    count = len(axis.places) + 1
    inside, begin = False, None
    known = [bit for bit in range(count) if axis.full >> bit & 1]
    for bit in known:
        here = bool(mask >> bit & 1)
        if here and not inside:
            begin = None if bit == known[0] else axis.places[bit - 1]
        if inside and not here:
            yield begin, axis.places[bit - 1]
        inside = here
    if inside:
        yield begin, None


def _named(fact: str) -> tuple[str, Test]:
    """The name under which a rule asks for a fact, and what it says beside: the zone of a clock."""
    name, bracket, mark = fact.partition("[")
    return name, {"zone": mark.rstrip("]")} if bracket and name.startswith("time.") else {}


def _some(chosen: Sequence[str]) -> list[Test]:
    """Questions of which one holds for the texts that were chosen: words (behind a `=`) and patterns."""
    words = [each[1:] for each in chosen if each.startswith("=")]
    patterns = [each for each in chosen if not each.startswith("=")]
    if patterns and all(is_plain(word) for word in words):
        patterns, words = patterns + words, []
    tests: list[Test] = [{_ONE_OF: _listed(words)}] if words else []
    if patterns:
        for operator, plain in (("prefix", _before), ("suffix", _behind)):
            texts = [plain(pattern) for pattern in patterns]
            if all(text is not None for text in texts):
                return [*tests, {operator: _listed([text for text in texts if text is not None])}]
        tests.append({"glob": _listed(patterns)})
    return tests


def _before(pattern: str) -> str | None:
    return pattern[:-1] if pattern.endswith("*") and len(pattern) > 1 and is_plain(pattern[:-1]) else None


def _behind(pattern: str) -> str | None:
    return pattern[1:] if pattern.startswith("*") and len(pattern) > 1 and is_plain(pattern[1:]) else None


def _together(tests: Sequence[Test]) -> list[Test]:
    """Questions that all hold, in as few mappings as have no operator twice."""
    found: list[Test] = []
    for test in tests:
        for other in found:
            if not other.keys() & test.keys():
                other.update(test)
                break
        else:
            found.append(dict(test))
    return found


def _way(name: str, around: Test, tests: Sequence[Test]) -> str:
    entries = [f"{{{_entry(name, {**test, **around})}}}" for test in tests]
    return entries[0] if len(entries) == 1 else f"{{all_of: [{', '.join(entries)}]}}"


def _entry(name: str, test: Test) -> str:
    return f"{name}: {_operand(test)}"


def _operand(test: Test) -> str:
    """What stands behind a fact, or behind `not`: a value or a list where that says it, else operators."""
    match test:
        case {"not": "true" | "false" as flag, **rest} if not rest:
            return "false" if flag == "true" else "true"
        case {"": listed, **rest} if not rest:
            return listed
        case {"at_least": low, "at_most": high, **rest} if not rest and low == high:
            return low
        case _:
            return "{" + ", ".join(f"{operator or 'any'}: {operand}" for operator, operand in test.items()) + "}"


def _listed(words: Sequence[str]) -> str:
    written = [_word(word) for word in words]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def _word(text: str) -> str:
    """A word as YAML reads it back."""
    if _PLAIN.match(text) and text.lower() not in _SPOKEN:
        return text
    return '"' + "".join(_ESCAPED.get(letter, letter) for letter in text) + '"'


_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
