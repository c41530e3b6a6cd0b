"""The `guards` section: what is looked for in prompts before anything is decided."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from routebook.catalogue.reading_providers import read_key
from routebook.documents.bounds import bounded
from routebook.documents.names import check_name, read_reference
from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit
from routebook.documents.reading import Fields
from routebook.policy.conditions import ALWAYS, Condition
from routebook.routing.fact_table import FACTS
from routebook.routing.guards import Guard, Mask, Webhook, is_found
from routebook.routing.patterns import matches_everything
from routebook.routing.reading.terms import tests_of

GUARD_KEYS: Final = {
    "mask": "the patterns whose finds are replaced in the request, before rules see it and whoever it is sent to",
    "with": "what stands there instead (default `[masked]`)",
    "webhook": "a service that is asked for a word about the prompt, before rules decide",
    "when": "the requests it looks at (default: all)",
}
"""The keys of one guard, with what they mean: it has `mask` or `webhook`."""

WEBHOOK_KEYS: Final = {
    "url": "where it is asked: POST with JSON, see docs/guards.md",
    "key": "the bearer token it is sent: `{env: NAME}` or `{file: PATH}`",
    "timeout": "how long a request waits for it (default 500ms)",
    "on_failure": "what becomes of a request when no word comes in time",
}
"""The keys of `webhook`, with what they mean."""

ON_FAILURE: Final = {
    "closed": "it is refused (503, `guard.unavailable`)",
    "open": "it goes on, and the guard's fact is missing",
}
"""What each `on_failure` does."""

REPLACEMENT: Final = "[masked]"
_LONGEST: Final = 64
_URL: Final = re.compile(r"[\x21-\x7e]+\Z")


def read_guards(
    entries: Iterable[tuple[Scalar, Node]],
    patterns: Mapping[str, str],
    read_when: Callable[[Node], Condition],
    problems: Problems,
) -> dict[str, Guard]:
    """The guards by name, in the order in which they look; `read_when` reads a condition in the policy's own terms."""
    guards: dict[str, Guard] = {}
    for key, node in entries:
        check_name(key, problems, "a guard")
        fields = Fields.of(node, GUARD_KEYS, problems, "a guard")
        if fields is None:
            continue
        when = _read_when(fields, read_when)
        masks, asks = fields.node("mask") is not None, fields.node("webhook") is not None
        if masks == asks:
            problems.error(
                "policy.bad-guard",
                f"the guard `{key.text}` {'both masks and asks' if masks else 'does nothing'}",
                key.location,
                "give it `mask: [PATTERN]` or `webhook: {url: ...}`",
            )
        guard = _read_mask(key, fields, patterns, when) if masks else _read_webhook(key, fields, when)
        if guard is not None:
            guards[key.text] = guard
    return guards


def check_guard_facts(conditions: Iterable[Condition], guards: Mapping[str, Guard], problems: Problems) -> None:
    """Add a problem for each test that asks a guard for what it does not say."""
    for test in {test.location: test for condition in conditions for test in tests_of(condition)}.values():
        guard = guards.get(FACTS.argument(test.fact) or "") if test.fact.startswith("guard.") else None
        if guard is not None and test.fact != guard.fact:
            does = "masks" if isinstance(guard, Mask) else "asks a service"
            problems.error(
                "policy.wrong-guard-fact",
                f"the guard `{guard.name}` {does}, and never says this",
                test.location,
                f"ask for `{guard.fact}`",
                [(guard.location, "the guard")],
            )


def _read_when(fields: Fields, read_when: Callable[[Node], Condition]) -> Condition:
    node = fields.node("when")
    if node is None:
        return ALWAYS
    when = read_when(node)
    for test in tests_of(when):
        if test.fact.startswith(("guard.", "budget.")):
            fields.problems.error(
                "policy.guard-too-early",
                f"`{test.fact}` is not known yet when guards look",
                test.location,
                "ask about the request, the prompt, the client or the clock",
            )
    return when


def _read_mask(key: Scalar, fields: Fields, patterns: Mapping[str, str], when: Condition) -> Mask | None:
    problems = fields.problems
    named = [
        (name, patterns[name])
        for item in fields.items("mask", "a list of patterns")
        if (name := read_reference(item, patterns, problems, "policy.unknown-pattern", "a pattern of this policy"))
    ]
    replacement = REPLACEMENT if fields.node("with") is None else fields.text("with") or ""
    mask = Mask(key.text, key.location, tuple(named), replacement, when)
    place = fields.node("mask")
    assert place is not None
    if len(replacement) > _LONGEST:
        problems.error("document.out-of-range", f"the text has more than {_LONGEST} characters", place.location)
    for name, expression in named:
        if matches_everything(expression) or is_found(replacement, Mask("", key.location, ((name, expression),), "")):
            problems.error(
                "policy.endless-mask",
                f"`{name}` is found in what stands in its place",
                place.location,
                "write another `with`, or a pattern that matches no empty text",
            )
    return mask if named else None


def _read_webhook(key: Scalar, fields: Fields, when: Condition) -> Webhook | None:
    node = fields.node("webhook")
    inner = None if node is None else Fields.of(node, WEBHOOK_KEYS, fields.problems, "`webhook`", ("url", "on_failure"))
    if inner is None:
        return None
    url, timeout = inner.text("url") or "", bounded(inner, "timeout", Unit.DURATION, "1ms", "30s")
    fault = _url_fault(url)
    place = inner.node("url")
    if place is not None and fault is not None:
        fields.problems.error(
            "catalogue.bad-url", fault, place.location, "write it as `https://guard.example.com/check`"
        )
    closed = inner.word("on_failure", ON_FAILURE, "what a failure does", "closed") != "open"
    source = inner.node("key")
    secret = None if source is None else read_key(source, fields.problems)
    return Webhook(key.text, key.location, url, 0.5 if timeout is None else float(timeout), closed, secret, when)


def _url_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "the URL cannot be read"
    if not usable or not _URL.match(url) or "@" in parts.netloc or parts.fragment:
        return "this is no `http:` or `https:` URL without user and fragment"
    return None
