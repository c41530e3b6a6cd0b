"""The sections of a policy, merged over its files: each name once, ordered lists from one file.

| kind | sections |
|---|---|
| names with values | providers, models, pools, clients, budgets, limits, patterns, guards, conditions, settings |
| lists | rules (in one file only, so that the order is what you read), guarantees, tests |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from routebook.documents.nodes import Document, Mapping, Node, Scalar
from routebook.documents.nodes import Sequence as ListNode
from routebook.documents.problems import Location, Problems
from routebook.documents.reading import Fields, kind_of

SECTIONS = {
    "version": "the version of the language: `1`, once in the policy",
    "providers": "upstream APIs: what they speak, where they stand, who pays",
    "models": "what can be routed to",
    "pools": "named lists of models",
    "clients": "who may call",
    "budgets": "limits on money, tokens or requests over a window",
    "limits": "how much a minute, and how many requests at the same time",
    "patterns": "named regular expressions over prompt text (RE2)",
    "guards": "what is masked in a prompt, and who is asked about it, before rules decide",
    "conditions": "named conditions, to be used in rules",
    "rules": "the ordered rules; the first that matches decides",
    "guarantees": "what must hold for every request, on every hop",
    "tests": "cases that the policy must decide as expected",
    "settings": "defaults of the server",
}
"""The sections of a policy file, with what they hold."""

NAMED = ("providers", "models", "pools", "clients", "budgets", "limits", "patterns", "guards", "conditions", "settings")
LISTED = ("rules", "guarantees", "tests")
VERSION = "1"

_NOWHERE = Location("policy", 1, 1)

Entry = tuple[Scalar, Node]


@dataclass(slots=True)
class Sections:
    """What the files of a policy say, section by section, in the order of the files.

    `whole` is false where a file or a list could not be read: then nothing is reported as absent, for it may stand there.
    `start` is the beginning of the first file, the place of what is absent.
    """

    problems: Problems
    entries: dict[str, list[Entry]] = field(default_factory=lambda: {name: [] for name in NAMED})
    items: dict[str, list[Node]] = field(default_factory=lambda: {name: [] for name in LISTED})
    places: dict[str, Location] = field(default_factory=dict)
    start: Location = _NOWHERE
    whole: bool = True

    def names(self, section: str) -> frozenset[str]:
        """All names that a section declares, of things that could not be read too."""
        return frozenset(key.text for key, _ in self.entries[section])

    def mapping(self, section: str) -> Mapping:
        """A section of names with values, of all files, as one mapping."""
        return Mapping(tuple(self.entries[section]), self.places.get(section, self.start))


def read_sections(documents: Sequence[tuple[str, Document]], problems: Problems) -> Sections:
    """The sections of (name in the policy, document) pairs; files under `tests/` hold tests only."""
    sections = Sections(problems)
    mappings = [
        (name, document, root) for name, document in documents if (root := _root(document, problems)) is not None
    ]
    if documents:
        sections.start = Location(documents[0][1].file, 1, 1)
    for name, _, root in mappings:
        if is_test_file(name):
            _read_test_file(root, sections)
        else:
            _read_policy_file(root, sections)
    sections.whole = sections.whole and all(_was_read(document) for _, document in documents)
    if sections.whole:
        _check_version([root for name, _, root in mappings if not is_test_file(name)], sections)
    _report_duplicates(sections)
    return sections


def is_test_file(name: str) -> bool:
    """Whether a file of the policy holds tests only, by its name in the policy directory."""
    return name.startswith("tests/")


def _was_read(document: Document) -> bool:
    root = document.root
    return document.readable and (
        root is None or isinstance(root, Mapping) or (isinstance(root, Scalar) and root.is_null)
    )


def _root(document: Document, problems: Problems) -> Mapping | None:
    match document.root:
        case Mapping() as root:
            return root
        case None:
            return None
        case Scalar() as root if root.is_null:
            return None
        case root:
            problems.error(
                "document.wrong-type", f"expected sections such as `rules:`, found {kind_of(root)}", root.location
            )
            return None


def _read_policy_file(root: Mapping, sections: Sections) -> None:
    Fields.of(root, SECTIONS, sections.problems, "a policy")
    for key, node in root:
        if key.text in NAMED:
            _add_entries(key, node, sections)
        elif key.text in LISTED:
            _add_items(key, node, sections)


def _read_test_file(root: Mapping, sections: Sections) -> None:
    Fields.of(root, ("tests",), sections.problems, "a file of tests")
    for key, node in root:
        if key.text == "tests":
            _add_items(key, node, sections)


def _add_entries(key: Scalar, node: Node, sections: Sections) -> None:
    sections.places.setdefault(key.text, key.location)
    match node:
        case Mapping():
            sections.entries[key.text].extend(node)
        case Scalar() if node.is_null:
            pass
        case _:
            sections.problems.error(
                "document.wrong-type", f"expected a mapping of {key.text} by name, found {kind_of(node)}", node.location
            )


def _add_items(key: Scalar, node: Node, sections: Sections) -> None:
    if key.text == "rules" and "rules" in sections.places:
        sections.problems.error(
            "policy.rules-in-two-files",
            "the rules stand in more than one place",
            key.location,
            "put them into one file, so that their order is what you read",
            [(sections.places["rules"], "the others")],
        )
    sections.places.setdefault(key.text, key.location)
    match node:
        case ListNode():
            sections.items[key.text].extend(node.items)
        case Scalar() if node.is_null:
            pass
        case _:
            sections.whole = False
            sections.problems.error(
                "document.wrong-type",
                f"expected a list of {key.text}, found {kind_of(node)}",
                node.location,
                f"begin each of the {key.text} with `- name: ...`",
            )


def _check_version(roots: Iterable[Mapping], sections: Sections) -> None:
    found = [(key, node) for root in roots for key, node in root if key.text == "version"]
    if not found:
        sections.problems.error(
            "policy.no-version",
            "no file says which version of the language this is",
            sections.start,
            "add `version: 1`",
        )
        return
    for key, _ in found[1:]:
        sections.problems.error(
            "document.duplicate-name",
            "`version` is given twice",
            key.location,
            "one of the files says it for all",
            [(found[0][0].location, "the first one")],
        )
    for _, node in found:
        if not isinstance(node, Scalar) or node.text != VERSION:
            sections.problems.error(
                "policy.unknown-version",
                f"the language has no version {kind_of(node)}",
                node.location,
                "write `version: 1`",
            )


def _report_duplicates(sections: Sections) -> None:
    for name, entries in sections.entries.items():
        first: dict[str, Location] = {}
        for key, _ in entries:
            # A name twice within one file is a duplicate key, which the loader has reported.
            if key.text in first and first[key.text].file != key.location.file:
                sections.problems.error(
                    "document.duplicate-name",
                    f"`{key.text}` is defined twice in `{name}`",
                    key.location,
                    "names are shared by all files of a policy",
                    [(first[key.text], "the first one")],
                )
            first.setdefault(key.text, key.location)
