"""Settings, as written in a policy."""

from __future__ import annotations

import pytest

from routebook.catalogue.providers import Timeouts
from routebook.documents.nodes import Mapping
from routebook.documents.problems import Problems
from routebook.ledger.budgets import Abandoned, Orphans
from routebook.routing.policy import Retries, Settings
from routebook.routing.reading.settings import read_settings
from tests.support.authored import lines, node


def read(text: str) -> tuple[tuple[Settings, Timeouts], Problems]:
    problems = Problems()
    written = node(text)
    assert isinstance(written, Mapping)
    return read_settings(written, problems), problems


def test_settings_in_full() -> None:
    """Every setting arrives, in bytes and seconds."""
    (settings, timeouts), problems = read("""
max_body: 1MiB
body_timeout: 5s
default_max_output: 2k
timeouts: {connect: 1s, total: 2m}
stream: {stall: 30s}
retries: {attempts: 2}
record: {headers: [X-Request-Id], content: true}
ledger: {orphans: prompt, abandoned: hold}
""")
    assert not problems.found
    assert settings == Settings(
        1_048_576,
        5.0,
        2000,
        30.0,
        Retries(2),
        ("x-request-id",),
        True,
        orphans=Orphans.PROMPT,
        abandoned=Abandoned.HOLD,
    )
    assert timeouts == Timeouts(connect=1.0, total=120.0)


def test_what_is_not_said_is_as_usual() -> None:
    """An empty section changes nothing."""
    (settings, timeouts), problems = read("{}")
    assert (settings, timeouts, problems.found) == (Settings(), Timeouts(), [])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{max_body: 1}", ["1:12 document.out-of-range `1` is out of range"]),
        ("{max_body: 1 apple}", ["1:12 document.wrong-unit `1 apple` is not a size"]),
        ("{max_bdy: 1MiB}", ["1:2 document.unknown-key unknown key `max_bdy` in `settings`"]),
        ("{retries: {attempts: 0}}", ["1:22 document.out-of-range `0` is out of range"]),
        ("{retries: 3}", ["1:11 document.wrong-type expected `retries` (a mapping), found `3`"]),
        ("{stream: {stall: never}}", ["1:18 document.wrong-unit `never` is not a duration"]),
        ("{timeouts: {connect: 0s}}", ["1:22 document.out-of-range `0s` is out of range"]),
        (
            "{record: {headers: [Authorization]}}",
            ["1:21 policy.secret-header the header `authorization` holds a secret"],
        ),
        ("{record: {content: yes}}", ["1:20 document.wrong-type expected `true` or `false`, found `yes`"]),
    ],
)
def test_every_slip_in_settings_has_its_place(written: str, expected: list[str]) -> None:
    """A setting that is not understood is never passed over."""
    assert lines(read(written)[1]) == expected
