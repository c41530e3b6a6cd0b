"""Settings, as written in a policy."""

from __future__ import annotations

import pytest

from routebook.catalogue.providers import Timeouts
from routebook.documents.nodes import Mapping
from routebook.documents.problems import Problems
from routebook.health.breakers import Thresholds
from routebook.ledger.budgets import Abandoned, Orphans
from routebook.routing.policy import CacheRoom, Retries, Settings
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
retries: {attempts: 2, rounds: 3, backoff: 1s, within: 9s, budget: 50%, hedge: 2s}
breaker: {failures: 40%, of: 10, within: 1m, in_a_row: 3, rest: 5s, slow_after: 2s}
record: {headers: [X-Request-Id], content: true}
cache: {bytes: 1MiB, entry: 2KiB}
ledger: {orphans: prompt, abandoned: hold}
""")
    assert not problems.found
    breaker = Thresholds(0.4, 10, 60.0, 3, 5.0, 2.0)
    assert settings == Settings(
        1_048_576,
        5.0,
        2000,
        30.0,
        Retries(2, 3, 1.0, 9.0, 0.5, 2.0),
        breaker,
        ("x-request-id",),
        True,
        CacheRoom(1_048_576, 2048),
        injected_max_output=2000,
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
        ("{breaker: {failures: 0%}}", ["1:22 document.out-of-range `0%` is out of range"]),
        ("{breaker: {rest: 2d}}", ["1:18 document.out-of-range `2d` is out of range"]),
        ("{breaker: {slow_after: 5}}", ["1:24 document.wrong-unit `5` is not a duration"]),
        ("{retries: 3}", ["1:11 document.wrong-type expected `retries` (a mapping), found `3`"]),
        ("{stream: {stall: never}}", ["1:18 document.wrong-unit `never` is not a duration"]),
        ("{timeouts: {connect: 0s}}", ["1:22 document.out-of-range `0s` is out of range"]),
        (
            "{record: {headers: [Authorization]}}",
            ["1:21 policy.secret-header the header `authorization` holds a secret"],
        ),
        ("{cache: {bytes: 1KiB}}", ["1:17 document.out-of-range `1KiB` is out of range"]),
        (
            "{cache: {bytes: 64KiB, entry: 128KiB}}",
            ["1:9 document.out-of-range one answer may be larger than all together"],
        ),
        ("{record: {content: yes}}", ["1:20 document.wrong-type expected `true` or `false`, found `yes`"]),
    ],
)
def test_every_slip_in_settings_has_its_place(written: str, expected: list[str]) -> None:
    """A setting that is not understood is never passed over."""
    assert lines(read(written)[1]) == expected


def test_one_answer_is_never_larger_than_all_together() -> None:
    """Where only the room in all is said, and it is small."""
    (settings, _), problems = read("cache: {bytes: 64KiB}")
    assert not problems.found and settings.cache == CacheRoom(65_536, 65_536)
