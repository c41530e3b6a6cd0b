"""Who may call, as boxes of requests: a client comes with its team, its labels and its tags, not with any others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.policy.facts import Value
from routebook.policy.regions import Box, Space

_BEARER = "someone"
"""Who presents a token in an example."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A client, and what its requests look like. Clients that no rule tells apart are one, the first.

    `brings` is what its name alone gives an example. Where `models` is None it may use every model.
    """

    client: Client
    box: Box
    models: frozenset[str] | None
    brings: Mapping[str, Value]


def words_of_clients(clients: Iterable[Client]) -> dict[str, set[str]]:
    """What clients are called, by the fact that says so."""
    words: dict[str, set[str]] = {}
    for client in clients:
        words.setdefault("client.name", set()).update(
            (client.name,) if client.bearers is None else (client.name, client.bearers + _BEARER)
        )
        if client.team is not None:
            words.setdefault("client.team", set()).add(client.team)
        for label, text in client.labels.items():
            words.setdefault(f"client.label.{label}", set()).add(text)
    return words


def callers(space: Space, clients: Iterable[Client]) -> list[Caller]:
    """All who may call, as far as rules tell them apart; where no client is declared, anybody."""
    found: dict[object, Caller] = {}
    for client in clients:
        models = None if client.models is None else frozenset(client.models)
        box = _box_of(space, client)
        name = client.name if client.bearers is None else client.bearers + _BEARER
        key = frozenset(box.items()), models
        found.setdefault(key, Caller(client, box, models, {"client.name": name}))
    return list(found.values()) or [Caller(ANONYMOUS, {}, None, {})]


def _box_of(space: Space, client: Client) -> Box:
    claims = None if client.tokens is None else client.tokens.claims
    parts = [_named(space, client)]
    if claims is None or claims.team is None:
        parts.append(space.word("client.team", client.team))
    for fact in {axis.fact for axis in space.axes if axis.fact.startswith("client.label.")}:
        label = fact.removeprefix("client.label.")
        if claims is None or label not in claims.labels:
            parts.append(space.word(fact, client.labels.get(label)))
    for member in space.members("tags"):
        if member in client.tags:
            parts.append(space.member("tags", member, True))
        elif client.may_set_tags is not None and member not in client.may_set_tags and not (claims and claims.tags):
            parts.append(space.member("tags", member, False))
    # facts vary freely of each other, so nothing here excludes anything else
    return {axis: mask for part in parts for axis, mask in part.items()}


def _named(space: Space, client: Client) -> Box:
    """Its own name; of one whose bearers have names of their own, every text that may be one of these."""
    if client.bearers is None:
        return space.word("client.name", client.name)
    named = [text for text in space.named("client.name") if text.startswith(client.bearers)]
    own, others = space.words("client.name", named), space.unnamed("client.name")
    return {axis: mask | others[axis] for axis, mask in own.items()}
