"""What changes from one policy to another, for people, for a pull request and for programs."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from routebook.catalogue.models import Catalogue
from routebook.policy.rules import Rule
from routebook.routing.comparing.meaning import models_of
from routebook.routing.comparing.outside import Altered
from routebook.routing.comparing.regions import Comparison, Moved
from routebook.routing.outcomes import Outcome, Route
from routebook.routing.telling.wording import outcome_in_words

NOTHING = "no request goes elsewhere"

NAMED = 4
"""Rules that are named of those beyond the limit."""

Requests = Mapping[tuple[str | None, str | None], int]
"""Recorded requests by the rule that decided them and the one that would."""


def as_text(found: Comparison, policy: str, most: int, requests: Requests | None = None) -> str:
    """The comparison for people; `policy` is the new one's path, for the commands that show examples."""
    lines = [headline(found)]
    for number, moved in enumerate(found.moved[:most], 1):
        lines.append("")
        lines += _numbered(number, moved)
        lines.append(f"     was  {_decides(moved.old, found.old.catalogue)}")
        lines.append(f"     now  {_decides(moved.new, found.new.catalogue)}")
        lines += [f"          {note}" for note in _notes(moved, requests)]
        if moved.example is not None:
            lines.append(f"          {_command(moved, policy)}")
    if len(found.moved) > most:
        lines += ["", _rest(found.moved[most:])]
    if found.renamed:
        lines += ["", "only renamed", *(f"  `{before}` -> `{after}`" for before, after in found.renamed)]
    if found.altered:
        lines += ["", "outside the rules"]
        for each in found.altered:
            lines += _altered(each)
    if found.opaque:
        lines += ["", _opaque(found)]
    return "\n".join([*lines, ""])


def as_markdown(found: Comparison, policy: str, most: int, requests: Requests | None = None) -> str:
    """The comparison as a comment on a pull request: a line for each region, which opens on the details."""
    lines = [f"### Routing policy: {headline(found)}", ""]
    for number, moved in enumerate(found.moved[:most], 1):
        said = html.escape(moved.said.common)
        lines += [
            f"<details><summary>{number}. <code>{said}</code>: {_name_html(moved.old)} → {_name_html(moved.new)}</summary>",
            "",
            *(["and one of", ""] if moved.said.choices else []),
            *(f"- `{choice}`" for choice in moved.said.choices),
            *([""] if moved.said.choices else []),
            "| | |",
            "|---|---|",
            f"| was | {_cell(_decides(moved.old, found.old.catalogue))} |",
            f"| now | {_cell(_decides(moved.new, found.new.catalogue))} |",
            *(f"\n{note}." for note in _notes(moved, requests)),
        ]
        if moved.example is not None:
            lines += ["", "```sh", _command(moved, policy), "```"]
        lines += ["</details>", ""]
    if len(found.moved) > most:
        lines += [_rest(found.moved[most:]), ""]
    if found.renamed:
        lines += ["Only renamed: " + ", ".join(f"`{before}` → `{after}`" for before, after in found.renamed), ""]
    if found.altered:
        lines += ["<details><summary>Outside the rules</summary>", ""]
        for each in found.altered:
            head, *rest = _altered(each)
            lines += [f"- {head.strip()}", *(f"  - {line.strip()}" for line in rest)]
        lines += ["", "</details>", ""]
    if found.opaque:
        lines += [_opaque(found), ""]
    return "\n".join(lines)


def as_json(found: Comparison, requests: Requests | None = None) -> dict[str, Any]:
    """The comparison for programs, whole."""
    return {
        "old": found.old.digest,
        "new": found.new.digest,
        "moved": [
            {
                "when": moved.said.when,
                "where": list(moved.where),
                "exact": moved.exact,
                "sure": moved.sure,
                "was": _side(moved.old, found.old.catalogue),
                "now": _side(moved.new, found.new.catalogue),
                "example": None if moved.example is None else list(moved.example.arguments),
                **({} if requests is None else {"requests": _count(moved, requests)}),
            }
            for moved in found.moved
        ],
        "renamed": [{"was": before, "now": after} for before, after in found.renamed],
        "outside": [
            {
                "kind": each.kind,
                "name": each.name,
                "how": each.how,
                "fields": [{"name": field.name, "was": field.before, "now": field.after} for field in each.fields],
            }
            for each in found.altered
        ],
        "opaque_patterns": list(found.opaque),
    }


def headline(found: Comparison) -> str:
    """What has changed, on one line."""
    parts = []
    if found.moved:
        count = len(found.moved)
        parts.append(
            "one region of requests goes elsewhere" if count == 1 else f"{count} regions of requests go elsewhere"
        )
    else:
        parts.append(NOTHING)
    if found.renamed:
        parts.append(f"{len(found.renamed)} renamed")
    if found.altered:
        count = len(found.altered)
        parts.append(f"{count} {'change' if count == 1 else 'changes'} outside the rules")
    return ", ".join(parts)


def _rest(moved: Sequence[Moved]) -> str:
    """How many more there are, and which rules most of them come to."""
    by_rule = Counter("no rule" if each.new is None else f"`{each.new.name}`" for each in moved)
    most = [f"{count} to {name}" for name, count in by_rule.most_common(NAMED)]
    others = len(moved) - sum(count for _, count in by_rule.most_common(NAMED))
    return f"and {len(moved)} more: {', '.join([*most, *([f'{others} to others'] if others else [])])}"


def _numbered(number: int, moved: Moved) -> Iterator[str]:
    yield f"{number:>3}. {moved.said.common}"
    for index, choice in enumerate(moved.said.choices):
        yield f"     {'and one of' if index == 0 else '':10}  {choice}"


def _decides(rule: Rule[Outcome] | None, catalogue: Catalogue) -> str:
    if rule is None:
        return "no rule matches"
    words = outcome_in_words(rule.outcome)
    if isinstance(rule.outcome, Route):
        pools = [catalogue.pools[name] for name in rule.outcome.to if name in catalogue.pools]
        words += "".join(f" ({pool.name}: {', '.join(models_of(pool.models, catalogue))})" for pool in pools)
        if rule.outcome.shadow is not None:
            words += f", with a copy to {rule.outcome.shadow[0]}"
    return f"`{rule.name}` ({rule.location.file}:{rule.location.line}): {words}"


def _notes(moved: Moved, requests: Requests | None) -> Iterator[str]:
    if requests is not None:
        yield f"{_count(moved, requests):,} recorded requests"
    if not moved.sure:
        yield "it was too much work to find out whether there is such a request"
    elif not moved.exact:
        yield "some of these: rules before take the others, in more ways than can be said shortly"


def _count(moved: Moved, requests: Requests) -> int:
    before = None if moved.old is None else moved.old.name
    after = None if moved.new is None else moved.new.name
    return requests.get((before, after), 0)


def _command(moved: Moved, policy: str) -> str:
    assert moved.example is not None
    return moved.example.command.replace("routebook explain", f"routebook explain --policy {policy}", 1)


def _altered(each: Altered) -> Iterator[str]:
    name = f" `{each.name}`" if each.name else ""
    if len(each.fields) == 1:
        yield f"  {each.kind}{name} {each.how}: {_field(each.fields[0].name, each.fields[0].before, each.fields[0].after)}"
        return
    yield f"  {each.kind}{name} {each.how}"
    for field in each.fields:
        yield f"    {_field(field.name, field.before, field.after)}"


def _field(name: str, before: str, after: str) -> str:
    return f"{name} {before} -> {after}" if before or after else name


def _opaque(found: Comparison) -> str:
    names = ", ".join(f"`{name}`" for name in found.opaque)
    return f"too many patterns for an exact comparison: whether a text matches {names} is taken as free"


def _side(rule: Rule[Outcome] | None, catalogue: Catalogue) -> dict[str, Any] | None:
    if rule is None:
        return None
    return {
        "rule": rule.name,
        "place": f"{rule.location.file}:{rule.location.line}",
        "decides": outcome_in_words(rule.outcome),
        "models": list(models_of(rule.outcome.to, catalogue)) if isinstance(rule.outcome, Route) else [],
    }


def _name_html(rule: Rule[Outcome] | None) -> str:
    return "no rule" if rule is None else f"<code>{html.escape(rule.name)}</code>"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
