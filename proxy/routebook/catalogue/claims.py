"""What the claims of a verified token say of its bearer. Whoever signed them is trusted; what is missing or of another
kind than the policy expects is not made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from routebook.catalogue.callers import Client, TokenTerms

LONGEST = 200
"""Characters of a name, a team, a tag or a label."""

Claims = Mapping[str, Any]
"""The claims of a token, as JSON has them."""


class ClaimsUnfit(ValueError):
    """A claim is missing or of another kind than the policy says; the message names the claim, never what it says."""


def is_for(terms: TokenTerms, claims: Claims) -> bool:
    """Whether one of the audiences is named (RFC 7519, 4.1.3)."""
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    return isinstance(named, list) and any(each in terms.audiences for each in named if isinstance(each, str))


def meets(terms: TokenTerms, claims: Claims) -> bool:
    """Whether every required claim says one of the texts that it may say."""
    return all(not wanted.isdisjoint(_words(claim(claims, path))) for path, wanted in terms.require.items())


def bearer(client: Client, claims: Claims) -> Client:
    """The caller that a token of this client's issuer describes; raises ClaimsUnfit."""
    assert client.tokens is not None
    names = client.tokens.claims
    labels = {label: _text(claims, path) for label, path in names.labels.items()}
    return replace(
        client,
        name=client.name if names.name is None else f"{client.name}/{_required(claims, names.name)}",
        team=(None if names.team is None else _text(claims, names.team)) or client.team,
        tags=client.tags if names.tags is None else client.tags | _tags(claims, names.tags),
        labels=client.labels | {label: text for label, text in labels.items() if text is not None},
    )


def claim(claims: Claims, path: str) -> object:
    """What stands at a path: a claim of that very name, or the way down through mappings and lists; None for nothing."""
    if path in claims:
        return claims[path]
    found: object = claims
    for step in path.split("."):
        match found:
            case dict():
                found = found.get(step)
            case list() if step.isascii() and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            case _:
                return None
    return found


def _required(claims: Claims, path: str) -> str:
    text = _text(claims, path)
    if text is None:
        raise ClaimsUnfit(f"there is no `{path}`")
    return text


def _text(claims: Claims, path: str) -> str | None:
    found = claim(claims, path)
    if found is None:
        return None
    if not isinstance(found, str) or not _is_fit(found):
        raise ClaimsUnfit(f"`{path}` is no short text")
    return found


def _tags(claims: Claims, path: str) -> frozenset[str]:
    """The texts of a list, or the words of a text (`scope` is written so: RFC 8693, 4.2)."""
    found = claim(claims, path)
    tags = found.split() if isinstance(found, str) else [] if found is None else found
    if not isinstance(tags, list) or not all(isinstance(tag, str) and _is_fit(tag) for tag in tags):
        raise ClaimsUnfit(f"`{path}` is no list of short texts")
    return frozenset(tags)


def _is_fit(text: str) -> bool:
    return 0 < len(text) <= LONGEST and text.isprintable()


def _words(found: object) -> set[str]:
    """What a claim says, as a policy would write it: `true` and `7` are words too."""
    match found:
        case list():
            return {word for each in found if not isinstance(each, list) for word in _words(each)}
        case bool():
            return {str(found).lower()}
        case str() | int():
            return {str(found)}
    return set()
