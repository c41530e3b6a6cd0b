"""Portkey's queries as conditions: a Mongo-like language over metadata and parameters, as its gateway evaluates it.

The gateway's own reading is kept, with its turns: keys of an object are looked at in their order, and `$and` or `$or`
decides at once, whatever stands behind it; what is absent is unequal to everything.
"""

from __future__ import annotations

import re

from routebook.routing.drafting import Entry, Value
from routebook.routing.importing.source import Part

NUMBERS = {"$gt": "above", "$gte": "at_least", "$lt": "below", "$lte": "at_most"}
PARAMETERS = {
    "model": "request.model",
    "max_tokens": "request.max_output",
    "max_completion_tokens": "request.max_output",
}
_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "completion",
    "/v1/embeddings": "embeddings",
}
_LITERAL = re.compile(r"[A-Za-z0-9 _@/:,-]*(?:\\[.\-/+][A-Za-z0-9 _@/:,-]*)*\Z")


def condition_of(query: Part) -> Value | None:
    """The condition that a query is; None after noting what in it cannot be asked here."""
    found: list[Value] = []
    entries = list(query.entries())
    for number, (key, part) in enumerate(entries):
        inner = _entry(key, part)
        if inner is None:
            return None
        found.append(inner)
        if key in ("$and", "$or"):
            for _, behind in entries[number + 1 :]:
                behind.changed(f"Portkey's gateway never looks at what stands behind `{key}`, so it is left out")
            break
    return found[0] if len(found) == 1 else {"all_of": found} if found else {}


def _entry(key: str, part: Part) -> Value | None:
    if key in ("$and", "$or"):
        inner = [condition_of(each) for each in part.items()]
        if any(each is None for each in inner):
            return None
        return {"all_of" if key == "$and" else "any_of": [each for each in inner if each is not None]}
    fact = _fact(key)
    asked = None if fact is None else _asked(fact, part)
    if fact is None:
        part.left(f"no fact is `{key}`: its rule cannot be written")
    elif asked is None:
        part.left("this cannot be asked of the fact: its rule cannot be written")
    else:
        part.carried(f"asked of `{fact}`")
        if fact.startswith("request.metadata."):
            part.notes.remark(
                "Metadata is what stands in the request's body (`metadata`); what clients send in the header "
                "`x-portkey-metadata` is not read."
            )
        return asked if isinstance(asked, dict) and "any_of" in asked else {fact: asked}
    return None


def _fact(key: str) -> str | None:
    kind, _, name = key.partition(".")
    if kind == "metadata" and name and "." not in name:
        return f"request.metadata.{name}"
    if kind == "params":
        return PARAMETERS.get(name)
    return "request.operation" if key == "url.pathname" else None


def _asked(fact: str, part: Part) -> Value | None:
    """What is asked of a fact; None where the language cannot ask it."""
    text = part.text()
    if text is not None:
        return _value(fact, text)
    asked: Entry = {}
    for operator, inner in part.entries():
        term = _term(fact, operator, inner)
        if term is None or (set(term) - {"missing"}) & set(asked):
            return None
        asked |= term
    if set(asked) == {"is"}:
        return asked["is"]
    return asked if asked and "is" not in asked else None


def _term(fact: str, operator: str, part: Part) -> Entry | None:
    texts = [_value(fact, text) for each in part.items() if (text := each.text()) is not None]
    if not texts or any(text is None for text in texts):
        return None
    known = [text for text in texts if text is not None]
    match operator:
        case "$eq":
            return {"is": known[0]}
        case "$in":
            return {"is": known}
        case "$ne" | "$nin":
            return {"not": known[0] if operator == "$ne" else known, "missing": "holds"}
        case "$gt" | "$gte" | "$lt" | "$lte" if fact == "request.max_output" and part.number() is not None:
            return {NUMBERS[operator]: int(part.number() or 0)}
        case "$regex" if fact != "request.max_output":
            return _pattern(part.text() or "")
        case _:
            return None


def _value(fact: str, text: str) -> Value | None:
    if fact == "request.operation":
        return _OPERATIONS.get(text)
    if fact == "request.max_output":
        return int(text) if text.isdigit() else None
    return text


def _pattern(pattern: str) -> Entry | None:
    """A regular expression that is only a text, at the beginning, at the end or anywhere."""
    start, end = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    inner = pattern[1 if start else 0 : -1 if end else None]
    if not inner or not _LITERAL.match(inner):
        return None
    text = inner.replace("\\", "")
    if start and end:
        return {"is": text}
    return {"prefix": text} if start else {"suffix": text} if end else {"glob": f"*{text}*"}
