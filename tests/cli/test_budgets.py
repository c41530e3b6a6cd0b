"""`routebook budgets`: what is left of every budget, from the books and the journal."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from routebook.cli.main import main
from routebook.edge.journal.writer import Journal
from routebook.edge.ledger.books import Books
from routebook.ledger.windows import slice_of
from routebook.routing.reading.loading import load_policy
from tests.edge.ledger.ledgers import begin, end
from tests.support.proxy import small_policy

BUDGETS = """
budgets:
  team-month: {limit: $500, window: month, per: client.team, zone: Europe/Berlin}
  batch: {limit: 20M tokens, window: 24h}
  calls: {limit: 1000 requests, window: day}
"""

DOLLAR = 1_000_000_000


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy with a budget of each unit."""
    path = tmp_path / "policy.yaml"
    path.write_text(small_policy("http://127.0.0.1:9/v1", more=BUDGETS))
    return path


@pytest.fixture
def state_dir(tmp_path: Path, policy: Path) -> Path:
    """What two teams have spent: some of it in the books, some only in the journal, some long ago."""
    loaded = load_policy(policy).policy
    assert loaded is not None
    now = {name: slice_of(budget, time.time()) for name, budget in loaded.budgets.items()}
    month, rolling = now["team-month"], now["batch"]
    folder = tmp_path / "var"
    journal = Journal(folder, "host-w0-a")
    for number, (pot, start, held, used) in enumerate(
        [
            ("budget/team-month/research", month.start, 200 * DOLLAR, 125 * DOLLAR),
            ("budget/team-month/research", month.start - 1, 200 * DOLLAR, 99 * DOLLAR),
            ("budget/team-month/sales", month.start, 400 * DOLLAR, 501 * DOLLAR),
            ("tokens/batch/-", rolling.first, 3_000_000, 2_000_000),
            ("tokens/batch/-", rolling.first - 1, 3_000_000, 3_000_000),
        ]
    ):
        begin(journal, str(number), [[pot, start, held, held]])
        end(journal, str(number), [[pot, start, used]], used)
    books = Books.open(folder)
    books.catch_up()
    books.close()
    begin(journal, "open", [["budget/team-month/research", month.start, 50 * DOLLAR, 50 * DOLLAR]])
    journal.close()
    return folder


def test_every_budget_stands_as_books_and_journal_say(
    policy: Path, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the window that counts now, each scope by itself; what exceeded its hold is said."""
    assert main(["budgets", "--policy", str(policy), "--state-dir", str(state_dir)]) == 0
    shown = capsys.readouterr().out
    assert "team-month: $500.00 a month (Europe/Berlin) per client.team, ends " in shown
    assert "research             settled $125.00, held $50.00, left $325.00 (65 %)" in shown
    assert "settled $501.00, held $0.00, over by $1.00, used beyond what was held $101.00" in shown
    assert "batch: 20M tokens in 1 d, moves on " in shown
    assert "settled 2M tokens, held 0 tokens, left 18M tokens (90 %)" in shown
    assert "settled 0 requests, held 0 requests, left 1,000 requests (100 %)" in shown
    assert "Counted in these windows: team-month $101.00." in shown
    assert "no service is running" in shown


def test_json_and_one_budget(policy: Path, state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Amounts are nano-dollars, tokens or requests; the window's bounds are seconds since 1970."""
    words = ["budgets", "batch", "--policy", str(policy), "--state-dir", str(state_dir), "--format", "json"]
    assert main(words) == 0
    shown = json.loads(capsys.readouterr().out)
    (budget,) = shown["budgets"]
    assert (budget["name"], budget["unit"], budget["limit"], budget["rolling"]) == (
        "batch",
        "tokens",
        20_000_000,
        86_400,
    )
    assert budget["start"] < time.time() < budget["ends"]
    assert budget["scopes"] == [{"scope": "-", "settled": 2_000_000, "held": 0, "left": 18_000_000, "exceeded": 0}]
    assert (shown["running"], shown["overspend"]["bound"]) == (False, 0)


def test_before_anything_ran(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A state directory that does not exist yet has spent nothing, and is not made."""
    assert main(["budgets", "--policy", str(policy), "--state-dir", str(tmp_path / "none")]) == 0
    shown = capsys.readouterr().out
    assert "nobody has drawn on it" in shown and "left 20M tokens (100 %)" in shown
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("team-mont", "no budget or limit `team-mont`; did you mean `team-month`?"),
        ("zebra", "no budget or limit `zebra`"),
    ],
)
def test_a_name_that_is_nobodys(policy: Path, name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the nearest there is."""
    assert main(["budgets", name, "--policy", str(policy)]) == 1
    assert said in capsys.readouterr().err
