"""What docs/replay-and-diff.md shows is what the program says: its policies, its journal, its outputs."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from routebook.chat.usage import Usage
from routebook.edge.journal.records import first_id
from routebook.edge.journal.snapshots import save_snapshot
from routebook.protocols.openai_chat.request import read_chat
from routebook.routing.demand import LiveDemand
from routebook.routing.facts import Figure, RequestFacts
from routebook.routing.memory import BLANK
from routebook.routing.meter import metered
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_policy
from routebook.routing.record import Ending, Heading, decided_line, ended_line
from tests.support.processes import run_command

PAGE = (Path(__file__).parents[1] / "docs" / "replay-and-diff.md").read_text()
BLOCKS = [match[1:] for match in re.findall(r"^(`{3,4})(\w*)\n(.*?)^\1$", PAGE, re.MULTILINE | re.DOTALL)]
BEGAN = 1_795_600_800.0
"""25 November 2026, 10:00 UTC."""

REQUESTS = [
    ("auto", 60, ""),
    ("auto", 60_000, ""),
    ("gpt-small", 200, "nightly"),
    ("gpt-large", 200_000, "nightly"),
    ("gpt-large", 90, ""),
]
"""Model asked for, letters of the prompt, tags: as often as their numbers in COUNTS say."""

COUNTS = (31, 4, 12, 3, 50)


def yaml(number: int) -> str:
    """One of the page's policies."""
    return [text for language, text in BLOCKS if language == "yaml"][number]


def shown(command: str) -> str:
    """What the page shows under a command."""
    texts = [text for language, text in BLOCKS if language == "text"]
    found = next(text for text in texts if text.startswith(f"$ {command}\n"))
    return found.partition("\n")[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's two policies, and the journal of the first."""
    old = yaml(0)
    (tmp_path / "rules.yaml").write_text(old)
    (tmp_path / "new.yaml").write_text(old.partition("rules:\n")[0] + yaml(1))
    served = load_policy(tmp_path / "rules.yaml").policy
    assert served is not None and load_policy(tmp_path / "new.yaml").policy is not None
    save_snapshot(tmp_path / "var", served.digest, served.sources)
    journal = tmp_path / "var" / "journal" / "host-20261125T100000000000Z.jsonl"
    journal.parent.mkdir()
    numbered = [request for request, count in zip(REQUESTS, COUNTS, strict=True) for _ in range(count)]
    journal.write_bytes(b"".join(lines(served, number, *request) for number, request in enumerate(numbered)))
    return tmp_path


def lines(policy: Policy, number: int, model: str, letters: int, tags: str) -> bytes:
    """The two lines of a request that the policy decides."""
    now = BEGAN + 60 * number
    body = {"model": model, "messages": [{"role": "user", "content": "word " * (letters // 5)}], "max_tokens": 1000}
    facts = RequestFacts(
        read_chat(orjson.dumps(body)),
        next(iter(policy.clients.values())),
        {"x-routebook-tags": tags},
        now,
        policy,
        BLANK,
    )
    facts.figures = {"month": Figure(70, 100)}
    decision, demand = policy.tree.decide(facts), LiveDemand(facts)
    assert decision.rule is not None and isinstance(decision.rule.outcome, Route)
    plan = Planner(policy).plan(
        decision.rule.outcome, decision.rule.name, demand, facts, facts.client, BLANK, at=0.0, draw=0.5
    )
    identity = first_id(now)[:-4] + "0001"
    first = plan.kept[0]
    usage = metered(first.model, Usage(input=letters // 5, output=400), 0, 0)
    heading = Heading(identity, "host", policy.digest, now)
    ended = ended_line(identity, now + 1, Ending(metered=usage, candidate=first, seconds=1.0))
    both = (
        {"event": "decided", **decided_line(heading, facts, demand, decision, plan, 0.5)},
        {"event": "ended", **ended},
    )
    return b"".join(orjson.dumps(line) + b"\n" for line in both)


@pytest.mark.parametrize(
    "command",
    [
        "routebook diff rules.yaml new.yaml",
        "routebook diff rules.yaml new.yaml --format github",
        "routebook replay --policy new.yaml",
        "routebook replay --own",
    ],
)
def test_what_the_page_shows_is_what_the_program_says(folder: Path, command: str) -> None:
    """Word for word."""
    told = run_command(*command.split()[1:], cwd=folder)
    assert told.returncode == 0, told.stderr
    assert told.stdout == shown(command)
