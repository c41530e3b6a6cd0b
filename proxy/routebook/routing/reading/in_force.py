"""What a policy may declare although this version does not yet act on it: said aloud, never passed over.

The language is larger than what is built; a declaration without effect would be a trap. Each line here goes when the
feature arrives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec

from routebook.catalogue.callers import Client
from routebook.catalogue.models import Catalogue
from routebook.chat.resampling import can_change_sound
from routebook.documents.nodes import Mapping
from routebook.documents.problems import Location, Problems
from routebook.policy.rules import Rule
from routebook.protocols.spoken import SESSIONS, SPOKEN
from routebook.routing.outcomes import Outcome, Route
from routebook.routing.reading.sections import Sections

CODE = "policy.not-in-force"


SESSION = "realtime"
"""The operation of sessions."""

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


def report_no_resampling(rules: Sequence[Rule[Outcome]], catalogue: Catalogue, problems: Problems) -> None:
    """Where a route holds models of both APIs of sessions, whoever asks crosses to some of them, and sound that crosses is
    resampled by a library that is an extra."""
    if can_change_sound():
        return
    for rule in rules:
        if isinstance(rule.outcome, Route) and len(_apis_of(rule.outcome, catalogue)) > 1:
            problems.warning(
                "catalogue.no-voice",
                f"`{rule.name}` has models of both APIs of sessions, and the extra `voice`, by which a session crosses from "
                "one to the other, is not installed: models of the other API than the client's are passed over",
                rule.location,
                "`pip install 'routebook[voice]'`",
            )


def _apis_of(route: Route, catalogue: Catalogue) -> set[str]:
    """The APIs of sessions that models of a route speak."""
    pools, models = catalogue.pools, catalogue.models
    names = [each for name in route.to for each in (pools[name].models if name in pools else (name,))]
    words = [models[name].provider.dialect for name in names if name in models and SESSION in models[name].operations]
    return {spoken for word in words for spoken in SPOKEN.get(word, ()) if spoken in SESSIONS}


def _declared(sections: Sections) -> Iterator[tuple[str, Location, str]]:
    for key, node in sections.entries["settings"]:
        if key.text == "record" and isinstance(node, Mapping) and node.entries:
            yield "`settings.record` is", key.location, "records hold the usual, and no word of a prompt or an answer"
