"""The first minutes of a newcomer, as the README tells them, done for real."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.support.processes import plain_environment, start, stop
from tests.support.proxy import fetch, read_records
from tests.test_docs import ROOT, blocks

README = ROOT / "README.md"
RULE = re.compile(r"^  - name: drafts-are-cheap\n(?:    .*\n)+", re.MULTILINE)


class Newcomer:
    """Somebody with a checkout: `make run` is running, and commands go to it."""

    def __init__(self, folder: Path, port: int, admin: int) -> None:
        self.folder = folder
        self.port = port
        self.admin = admin

    async def run(self, *words: str, feed: str = "") -> str:
        """Run a program to its end and return what it prints; anything but success fails the test."""
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env=plain_environment(),
        )
        out, complaint = await asyncio.wait_for(process.communicate(feed.encode()), 60)
        assert process.returncode == 0, f"{words}: {out.decode()}{complaint.decode()}"
        return out.decode()

    async def shell(self, text: str) -> str:
        """Run a block of the README, sent to where this newcomer's proxy listens."""
        return await self.run("/bin/sh", "-ec", text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}"))

    async def routebook(self, *words: str) -> str:
        """Run a command of the program on this newcomer's state directory."""
        return await self.run(sys.executable, "-m", "routebook", *words)


@pytest.fixture
async def newcomer(tmp_path: Path) -> AsyncIterator[Newcomer]:
    """`make run`, as the README says, in a folder of its own: what is installed already is not installed again."""
    shutil.copytree(ROOT / "rules", tmp_path / "rules", ignore=shutil.ignore_patterns("__pycache__"))
    port, admin = free_port(), free_port()
    command = [
        "make",
        "--no-print-directory",
        "-C",
        str(ROOT),
        "-o",
        f"{sys.prefix}/.run",
        "run",
        f"VENV={sys.prefix}",
        f"PORT={port}",
        f"ADMIN_PORT={admin}",
        f"POLICY={tmp_path / 'rules'}",
        f"STATE={tmp_path / 'var'}",
    ]
    process = start(command, tmp_path)
    try:
        for _ in range(600):
            assert process.poll() is None, (tmp_path / "serve.log").read_text()
            try:
                if fetch(f"http://127.0.0.1:{admin}/readyz")[0] == 200:
                    break
            except OSError:
                await asyncio.sleep(0.1)
        yield Newcomer(tmp_path, port, admin)
    finally:
        await asyncio.to_thread(stop, process)


def decision_and_ending(folder: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every record so far, oldest first; each has ended."""
    records = sorted(read_records(folder / "var").values(), key=lambda record: str(record.decided["id"]))
    assert all(record.ended for record in records)
    return [(record.decided, record.ended or {}) for record in records]


def _part(real: Any, told: Any) -> Any:
    """What the README tells of a value: of an object, the fields that it names."""
    return {key: real.get(key) for key in told} if isinstance(told, dict) else real


async def test_the_first_minutes(newcomer: Newcomer) -> None:
    """curl and the SDK stream, the decision is listed and explained, a changed rule sends the next request elsewhere."""
    [curl] = blocks(README, "sh")
    [sdk] = blocks(README, "python")
    streamed = await newcomer.shell(curl)
    said = await newcomer.run(sys.executable, "-c", sdk.replace("127.0.0.1:8080", f"127.0.0.1:{newcomer.port}"))
    assert streamed.rstrip().endswith("data: [DONE]")
    assert "simulated answer" in said

    (decided, ended), _ = decision_and_ending(newcomer.folder)
    listed = await newcomer.routebook("decisions")
    explained = await newcomer.routebook("explain", decided["id"])
    assert decided["id"] in listed
    assert "The rule `auto` decided (" in explained
    assert (decided["rule"], ended["end"], ended["status"]) == ("auto", "--", 200)
    assert "long-prompts" in await newcomer.routebook(
        "explain", "--given", "prompt.tokens=200k", "--given", "request.operation=chat"
    )

    rule = RULE.search(blocks(README, "yaml")[0])
    assert rule is not None
    policy = newcomer.folder / "rules" / "policy.yaml"
    behind = "    route: {to: [llama-4-70b]}\n"
    policy.write_text(policy.read_text().replace(behind, f"{behind}\n{rule[0]}", 1))
    await newcomer.routebook("check")
    await newcomer.routebook("reload", "--wait")
    await newcomer.shell(curl.replace("-H 'content-type", "-H 'x-routebook-tags: draft' -H 'content-type"))
    decided, ended = decision_and_ending(newcomer.folder)[-1]
    assert (decided["rule"], ended["model"]) == ("drafts-are-cheap", "gpt-5.6-mini")


async def test_what_the_readme_shows_is_what_is_printed(newcomer: Newcomer) -> None:
    """The listing, the explanation and the record in the README have the words and fields of real ones."""
    await newcomer.shell(blocks(README, "sh")[0])
    [(decided, ended)] = decision_and_ending(newcomer.folder)
    listed, explained = await newcomer.routebook("decisions"), await newcomer.routebook("explain", decided["id"])

    after = README.read_text().partition("$ routebook explain 0")[2].splitlines()[1:]
    example = list(itertools.takewhile(lambda line: not line or line.startswith("    "), after))
    shown = [line.strip() for line in example if line.strip() not in ("", "...")]
    printed = [re.sub(r"\(\S*policy\.yaml", "(rules/policy.yaml", line.strip()) for line in explained.splitlines()]
    assert shown
    assert not [line for line in shown if line not in printed], explained
    headings = next(line for line in README.read_text().splitlines() if line.startswith("    id "))
    assert headings.split() == listed.splitlines()[0].split()
    for line in re.split(r"\n(?=\{)", blocks(README, "json")[0].strip()):
        told = json.loads(line)
        real = decided if told["event"] == "decided" else ended
        same = told.keys() & {"rule", "requested", "facts", "end", "status", "finish", "usage", "cost"}
        assert told.keys() <= real.keys()
        assert {key: told[key] for key in same} == {key: _part(real[key], told[key]) for key in same}


def _shown(command: str) -> list[str]:
    """What the README shows of a command's output, numbers and times masked; `...` stands for more."""
    after = README.read_text().partition(f"    $ {command}\n")[2].splitlines()
    lines = itertools.takewhile(lambda line: line.startswith("    "), after)
    return [_masked(line.removeprefix("    ")) for line in lines if line.strip() != "..."]


def _masked(line: str) -> str:
    return re.sub(r"[0-9][0-9.,:-]*", "0", line)


async def test_money_is_counted_as_the_readme_shows(newcomer: Newcomer) -> None:
    """Asked twice, once of a model that costs something: the budget says what it cost, and the audit agrees."""
    curl = blocks(README, "sh")[0]
    await newcomer.shell(curl)
    await newcomer.shell(curl.replace('"auto"', '"gpt-5.6-mini"'))
    [_, (decided, ended)] = decision_and_ending(newcomer.folder)
    cost = ended["cost"]
    assert decided["hold"]["draws"][0][2] > cost > 0
    async with asyncio.timeout(20):
        while f"settled ${cost / 1e9:.9f}".rstrip("0") not in (said := await newcomer.routebook("budgets")):
            await asyncio.sleep(0.1)
    printed = [_masked(line) for line in said.splitlines()]
    assert _shown("routebook budgets")
    assert [line for line in printed if line in _shown("routebook budgets")] == _shown("routebook budgets")
    verified = await newcomer.routebook("ledger", "verify")
    assert [_masked(line) for line in verified.splitlines()] == _shown("routebook ledger verify")
