"""Suggested cases as a file of tests: YAML that the policy's own reader takes, for the author to confirm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from routebook.policy.facts import FactType
from routebook.routing.cases.case import Expectation
from routebook.routing.cases.suggesting import Suggestion
from routebook.routing.facts import FACTS

HEAD = """\
# Suggested by `routebook test --suggest`: what the policy does now, where no test looked before. Read each case: where
# the policy does what you mean, take its line `suggested` out; where it does not, mend the policy or the case.

tests:
"""

WIDTH = 120
"""Columns of a line; facts that would pass it stand one below the other."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/@+$-]*(?: [A-Za-z0-9._/@+$-]+)*\Z|[0-9]+(?:\.[0-9]+)?[kM%a-zA-Z]*\Z")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_HIDDEN = re.compile("[\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")


def as_yaml(suggestions: Iterable[Suggestion]) -> str:
    """A file of tests with these cases."""
    return HEAD + "\n".join(_case(each) for each in suggestions)


def _case(suggestion: Suggestion) -> str:
    case = suggestion.case
    given = [_fact(argument) for argument in suggestion.example.arguments]
    keys = [fact.partition("[")[0] for fact in case.given]
    if len(set(keys)) < len(keys):
        # two facts of one name (a share and an amount of one budget) are told apart by their keys
        given = [
            _fact(f"{key}={argument.partition('=')[2]}")
            for key, argument in zip(case.given, suggestion.example.arguments, strict=True)
        ]
    lines = [f"  - name: {_text(case.name)}", "    suggested: true"]
    if given:
        lines += _mapping("given", given)
    return "\n".join([*lines, *_mapping("expect", list(_expected(case.expect))), ""])


def _mapping(key: str, entries: list[str]) -> list[str]:
    line = f"    {key}: {{{', '.join(entries)}}}"
    return [line] if len(line) <= WIDTH else [f"    {key}:", *(f"      {entry}" for entry in entries)]


def _fact(argument: str) -> str:
    name, _, written = argument.partition("=")
    spec = FACTS.find(name)
    kind = FactType.TEXT if spec is None else spec.type
    match kind:
        case FactType.SET:
            value = f"[{', '.join(_text(word) for word in written.split(','))}]"
        case FactType.FLAG:
            value = written
        case _:
            value = _text(written)
    return f"{_text(name)}: {value}"


def _expected(expect: Expectation) -> Iterable[str]:
    if expect.rule is not None:
        yield f"rule: {_text(expect.rule)}"
    if expect.model is not None:
        yield f"model: {_text(expect.model)}"
    if expect.refuse is not None:
        yield f"refuse: {expect.refuse}"


def _text(text: str) -> str:
    """A text as YAML has it: plain where that is surely read as the same, else in double quotes."""
    if _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
