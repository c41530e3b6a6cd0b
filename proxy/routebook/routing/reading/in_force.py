"""What a policy may declare although this version does not yet act on it: said aloud, never passed over.

The language is larger than what is built; a declaration without effect would be a trap. Each line here goes when the
feature arrives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec

from routebook.catalogue.callers import Client
from routebook.documents.nodes import Mapping
from routebook.documents.problems import Location, Problems
from routebook.policy.rules import Rule
from routebook.routing.outcomes import Outcome
from routebook.routing.reading.sections import Sections

CODE = "policy.not-in-force"


TOKEN_LIBRARY = "joserfc"
"""What the extra `jwt` installs."""


def report_not_in_force(sections: Sections, rules: Sequence[Rule[Outcome]]) -> None:
    """Warn once for each thing that is declared and not in force, at its first place."""
    said: set[str] = set()
    for what, place, effect in _declared(sections):
        if what not in said:
            said.add(what)
            sections.problems.warning(CODE, f"{what} not in force in this version: {effect}", place)


def report_not_installed(clients: Collection[Client], problems: Problems) -> None:
    """Tokens are verified by a library that is an extra: without it, nobody could get in by one."""
    bearers = [client for client in clients if client.tokens is not None]
    if bearers and find_spec(TOKEN_LIBRARY) is None:
        problems.error(
            "catalogue.no-jwt",
            f"tokens of `{bearers[0].name}` cannot be verified: the extra `jwt` is not installed",
            bearers[0].location,
            "`pip install 'routebook[jwt]'`",
        )


def _declared(sections: Sections) -> Iterator[tuple[str, Location, str]]:
    for key, node in sections.entries["settings"]:
        if key.text == "record" and isinstance(node, Mapping) and node.entries:
            yield "`settings.record` is", key.location, "records hold the usual, and no word of a prompt or an answer"
