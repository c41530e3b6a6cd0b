"""`jwt` of a client: whose bearer tokens are taken, and which of their claims describe the caller."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from routebook.catalogue.callers import ClaimNames, Client, KeySetFile, KeySetSource, KeySetUrl, TokenTerms
from routebook.catalogue.reach import is_near
from routebook.documents.names import check_name
from routebook.documents.nodes import Node, Sequence
from routebook.documents.problems import Location, Problems
from routebook.documents.reading import Fields, read_text, read_texts, read_word

JWT_KEYS = {
    "issuer": "who must have signed the token (`iss`)",
    "audience": "for whom it must be (`aud`): one text or several",
    "jwks": "where the issuer's public keys stand: `{url: ...}` or `{file: ...}`",
    "algorithms": "the signatures that are taken (default: RS256 and ES256)",
    "require": "further claims with what they must say (one of several texts)",
    "claims": "which claims say who the bearer is",
}
"""The keys of `jwt`, with what they mean."""

KEY_SET_KEYS = {"url": "the address that they are fetched from", "file": "the file that they are read from"}
"""The keys of `jwks`, with what they mean."""

CLAIM_KEYS = {
    "name": "the claim that names the bearer, who is a client of its own then: `CLIENT/BEARER`",
    "team": "the claim that names the team (a path such as `groups.0`)",
    "tags": "the claim that holds tags: a list, or words with spaces between them",
    "labels": "claims that become labels, by label",
}
"""The keys of `claims`, with what they mean."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures that only the issuer can make. Those with a shared secret (HS256), and `none`, are never taken."""

USUAL_ALGORITHMS = ("RS256", "ES256")


def read_terms(fields: Fields) -> TokenTerms | None:
    """The `jwt` of a client; None where it has none, or it cannot be used."""
    node, problems = fields.node("jwt"), fields.problems
    inner = None if node is None else Fields.of(node, JWT_KEYS, problems, "`jwt`", ("issuer", "audience", "jwks"))
    if inner is None:
        return None
    for name in ("audience", "algorithms"):
        _check_not_empty(inner, name)
    issuer, audiences = inner.text("issuer"), inner.texts("audience")
    key_set, algorithms = _read_key_set(inner), _read_algorithms(inner)
    require = {key.text: frozenset(read_texts(value, problems)) for key, value in inner.named("require", "claims")}
    claims = _read_claims(inner)
    if issuer is None or not audiences or key_set is None:
        return None
    return TokenTerms(issuer, audiences, key_set, algorithms, require, claims)


def _check_not_empty(fields: Fields, name: str) -> None:
    node = fields.node(name)
    if isinstance(node, Sequence) and not node.items:
        fields.problems.error(
            "policy.empty-list", f"no `{name}` means that no token is taken", node.location, "name one, or leave it out"
        )


def check_bearers(clients: Collection[Client], problems: Problems) -> None:
    """Nobody else has the name of a bearer, and no token fits two clients alike."""
    for owner in clients:
        for other in clients if owner.bearers is not None else ():
            if other.name.startswith(owner.bearers or ""):
                problems.error(
                    "document.reserved-name",
                    f"`{other.name}` cannot name a client",
                    other.location,
                    f"names that begin so belong to the bearers of tokens of `{owner.name}`",
                    [(owner.location, "their client")],
                )
    _check_twins(clients, problems)


def _check_twins(clients: Iterable[Client], problems: Problems) -> None:
    seen: list[tuple[TokenTerms, Location]] = []
    for client in clients:
        terms = client.tokens
        if terms is None:
            continue
        for other, place in seen:
            if (other.issuer, other.require) == (terms.issuer, terms.require) and set(other.audiences) & set(
                terms.audiences
            ):
                problems.error(
                    "catalogue.shared-issuer",
                    f"tokens of `{client.name}` are another client's as well",
                    client.location,
                    "tell them apart by `audience`, or by claims that they `require`",
                    [(place, "the first one")],
                )
                break
        seen.append((terms, client.location))


def _read_key_set(fields: Fields) -> KeySetSource | None:
    node, problems = fields.node("jwks"), fields.problems
    inner = None if node is None else Fields.of(node, KEY_SET_KEYS, problems, "`jwks`")
    if inner is None:
        return None
    url, path = inner.text("url"), inner.text("file")
    if (url is None) == (path is None):
        problems.error(
            "catalogue.bad-key-set",
            "the public keys come from one place",
            inner.location,
            "write `{url: ...}` or `{file: ...}`",
        )
        return None
    if url is None:
        return None if path is None else KeySetFile(path)
    fault = _url_fault(url)
    if fault is None:
        return KeySetUrl(url)
    place = inner.node("url")
    problems.error("catalogue.bad-url", fault, inner.location if place is None else place.location)
    return None


def _url_fault(text: str) -> str | None:
    """Why keys cannot be fetched from there, or whoever stands between could put in keys of their own."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "the address of the public keys cannot be read"
    if "@" in parts.netloc or parts.fragment or port == 0 or not parts.hostname or not text.isascii() or " " in text:
        return "the address of the public keys cannot be used"
    if parts.scheme == "https" or (parts.scheme == "http" and is_near(parts.hostname)):
        return None
    return "public keys are only as good as the way they come: write `https://`"


def _read_algorithms(fields: Fields) -> tuple[str, ...]:
    items = fields.items("algorithms", "a list of algorithms")
    if fields.node("algorithms") is None:
        return USUAL_ALGORITHMS
    known = "a signature that only its issuer can make"
    return tuple(word for item in items if (word := read_word(item, ALGORITHMS, fields.problems, known)) is not None)


def _read_claims(fields: Fields) -> ClaimNames:
    node: Node | None = fields.node("claims")
    inner = None if node is None else Fields.of(node, CLAIM_KEYS, fields.problems, "`claims`")
    if inner is None:
        return ClaimNames()
    labels: dict[str, str] = {}
    for key, value in inner.named("labels", "a mapping of labels to claims"):
        text = read_text(value, fields.problems) if check_name(key, fields.problems, "a label") else None
        if text is not None:
            labels[key.text] = text
    return ClaimNames(inner.text("name"), inner.text("team"), inner.text("tags"), labels)
