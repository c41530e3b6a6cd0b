"""Sums beside the index: whatever way the journal is read, they are those of the rows, and what is forgotten leaves them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.edge.journal.index import FILE, Index
from routebook.edge.journal.records import Filters, Records, first_id
from routebook.edge.journal.tallies import BUCKET_SECONDS, bucket_of, moment_of_id
from routebook.edge.journal.writer import DIRECTORY

BEGAN = 1_763_719_200.0

RECORDS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 5), st.integers(0, 200)),  # which ten minutes
        st.sampled_from(["a", "b", None]),
        st.sampled_from(["--", "UD"]),
        st.integers(0, 1000),
        st.booleans(),  # whether it has ended
        st.sampled_from(["one", "two"]),  # whose segment holds its end
    ),
    max_size=12,
)


def journal(state: Path, records: list[Any], when: int) -> None:
    """Write these records: first lines in one segment, endings in two."""
    folder = state / DIRECTORY
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[dict[str, Any]]] = {"one": [], "two": [], "three": []}
    for number, (bucket, rule, end, cost, ended, segment) in enumerate(records):
        identity = first_id(BEGAN + bucket * BUCKET_SECONDS)[:16] + f"{when:04d}{number:06d}"
        lines["one"].append({"event": "decided", "id": identity, "rule": rule, "client": "c", "team": None})
        if ended:
            settled = [["budget/month/-", 0, cost]]
            line = {"event": "ended", "id": identity, "end": end, "model": "m", "account": f"p/{rule}"}
            line |= {"cost": cost, "settled": settled}
            lines["one" if segment == "one" else "two"].append(line)
    for name, found in lines.items():
        if found:
            with open(folder / f"w-{when}{name}.jsonl", "a") as file:
                file.writelines(json.dumps(each) + "\n" for each in found)


def counted(records: list[Any], rule: str) -> tuple[int, int, int]:
    """Requests, failures and cost of a rule, by counting."""
    own = [each for each in records if each[1] == rule and each[4]]
    return len(own), sum(each[2] != "--" for each in own), sum(each[3] for each in own)


@settings(max_examples=40, deadline=None)
@given(RECORDS, RECORDS)
def test_sums_are_those_of_the_records(tmp_path_factory: Any, first: list[Any], second: list[Any]) -> None:
    """With the index behind by none, some or all of the journal, and after its oldest segments were forgotten."""
    state = tmp_path_factory.mktemp("state")
    journal(state, first, 1)
    index = Index(state)
    index.catch_up()
    journal(state, second, 2)
    for behind in (True, False):
        with Records(state) as records:
            by_rule = {each.name: each for each in records.sums("rule", 0)}
            by_account = {each.name: each.cost for each in records.sums("account", 0)}
            pots = sum(each.cost for each in records.sums("pot", 0))
        for rule in ("a", "b"):
            found = by_rule.get(rule)
            shown = (0, 0, 0) if found is None else (found.requests, found.failed, found.cost)
            assert shown == counted(first + second, rule), behind
            assert by_account.get(f"p/{rule}", 0) == shown[2]
        assert pots == sum(each[3] for each in first + second if each[4])
        index.catch_up()
    for name in ("w-1one.jsonl", "w-1two.jsonl"):
        index.forget(name)
        (state / DIRECTORY / name).unlink(missing_ok=True)
    index.close()
    with Records(state) as records:
        by_rule = {each.name: each for each in records.sums("rule", 0)}
    for rule in ("a", "b"):
        found = by_rule.get(rule)
        assert ((0, 0, 0) if found is None else (found.requests, found.failed, found.cost)) == counted(second, rule)


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.integers(0, 200), st.sampled_from([0, 1, 6, 36, 144]))
def test_long_sums_are_the_short_ones_added_up(
    tmp_path_factory: Any, written: list[Any], first: int, step: int
) -> None:
    """From any time on and in any step, a sum is that of its records: which table it was read from does not show."""
    state = tmp_path_factory.mktemp("state")
    journal(state, written, 1)
    begin = int(BEGAN // BUCKET_SECONDS)
    wanted: dict[tuple[str, int], list[int]] = {}
    for bucket, rule, end, cost, ended, _ in written:
        if ended and rule is not None and bucket >= first:
            place = (begin + bucket) // step * step if step else 0
            found = wanted.setdefault((rule, place), [0, 0, 0])
            wanted[rule, place] = [found[0] + 1, found[1] + (end != "--"), found[2] + cost]
    with Records(state) as records:
        sums = records.sums("rule", BEGAN + first * BUCKET_SECONDS, step)
    assert {(each.name, each.bucket): [each.requests, each.failed, each.cost] for each in sums} == wanted
    assert len(sums) == len(wanted)


def test_sums_come_in_steps_of_time(tmp_path: Path) -> None:
    """Each step holds what began in it; a name alone can be asked for."""
    journal(
        tmp_path, [(0, "a", "--", 5, True, "one"), (1, "a", "UD", 7, True, "one"), (3, "b", "--", 1, True, "two")], 1
    )
    with Records(tmp_path) as records:
        steps = records.sums("all", BEGAN, 1)
        assert [(each.bucket - int(BEGAN // BUCKET_SECONDS), each.requests, each.cost) for each in steps] == [
            (0, 1, 5),
            (1, 1, 7),
            (3, 1, 1),
        ]
        assert [each.cost for each in records.sums("rule", BEGAN + BUCKET_SECONDS, 0, "a")] == [7]


def test_an_id_says_when(tmp_path: Path) -> None:
    """To the millisecond; what is no id says nothing."""
    assert moment_of_id(first_id(BEGAN)) == BEGAN
    assert bucket_of(first_id(BEGAN)) == int(BEGAN // BUCKET_SECONDS)
    assert moment_of_id("not an id!") is None


def test_an_index_of_an_earlier_version_is_built_again(tmp_path: Path) -> None:
    """Without sums it is no help to anybody."""
    journal(tmp_path, [(0, "a", "--", 5, True, "one")], 1)
    with sqlite3.connect(tmp_path / FILE) as old:
        old.execute("PRAGMA user_version = 2")
    old.close()
    index = Index(tmp_path)
    index.catch_up()
    index.close()
    with Records(tmp_path) as records:
        assert [each.requests for each in records.sums("rule", 0)] == [1]


def test_an_index_without_long_sums_is_given_them(tmp_path: Path) -> None:
    """Of the version before: what it has is added up, and no segment is read again."""
    written = [(bucket, "a", "--" if bucket % 3 else "UD", bucket, True, "one") for bucket in range(0, 150, 7)]
    journal(tmp_path, written, 1)
    index = Index(tmp_path)
    index.catch_up()
    index.close()
    with Records(tmp_path) as records:
        wanted = [records.sums(kind, BEGAN, step) for kind in ("rule", "all", "pot") for step in (0, 1, 36)]
    with sqlite3.connect(tmp_path / FILE) as old:
        old.execute("ALTER TABLE decision DROP COLUMN account")
        old.execute("INSERT INTO tally SELECT 'pot', bucket, name, 1, 0, cost, 0, 0, 0.0, '' FROM tally_pot")
        for table in ("tally_long", "tally_pot"):
            old.execute(f"DROP TABLE {table}")
        old.execute("DROP INDEX failed")
        old.execute("PRAGMA user_version = 3")
    old.close()
    for path in (tmp_path / DIRECTORY).iterdir():
        path.write_bytes(b"{}\n" * (path.stat().st_size // 3))
    index = Index(tmp_path)
    index.catch_up()
    index.close()
    with Records(tmp_path) as records:
        assert [records.sums(kind, BEGAN, step) for kind in ("rule", "all", "pot") for step in (0, 1, 36)] == wanted
        assert len(records.select(Filters(failed=True), 100)) == sum(each[2] != "--" for each in written)


def test_an_index_without_accounts_goes_on_with_them(tmp_path: Path) -> None:
    """Of the version before: what comes from now on is counted by account too, and its rows are found like the others."""
    journal(tmp_path, [(0, "a", "--", 5, True, "one")], 1)
    index = Index(tmp_path)
    index.catch_up()
    index.close()
    with sqlite3.connect(tmp_path / FILE) as old:
        old.execute("ALTER TABLE decision DROP COLUMN account")
        old.execute("DELETE FROM tally WHERE kind = 'account'")
        old.execute("DELETE FROM tally_long WHERE kind = 'account'")
        old.execute("PRAGMA user_version = 4")
    old.close()
    index = Index(tmp_path)
    journal(tmp_path, [(1, "b", "--", 7, True, "two")], 2)
    index.catch_up()
    index.close()
    with Records(tmp_path) as records:
        assert [(each.name, each.cost) for each in records.sums("account", 0)] == [("p/b", 7)]
        assert len(records.select(Filters(), 10)) == 2 and len(records.sums("rule", 0)) == 2
