"""`routebook top`: what came between two looks, in lines, for programs, and drawn on a real terminal."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.cli.top_figures import Look, between, quantile, read_series
from routebook.cli.top_screen import screen
from tests.support.asking import ask
from tests.support.processes import plain_environment, run_command
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.upstream import Upstream

SECONDS = 60.0
MORE = "budgets:\n  month: {limit: $10, window: month}\nlimits:\n  crowd: {concurrent: 3, queue: {places: 2, wait: 1s}}"


async def test_one_interval_for_programs_and_for_people(tmp_path: Path) -> None:
    """What was asked within the interval is in its rates; what stands, in its tables."""
    async with Upstream() as upstream, running_proxy(tmp_path, small_policy(upstream.url, more=MORE)) as proxy:
        await ask(proxy.url)
        state = ("--state-dir", str(proxy.state_dir))
        shown = asyncio.create_task(proxy.command("top", *state, "--every", "5", "--format", "json", "--once"))
        while not shown.done():
            await ask(proxy.url)
            await asyncio.sleep(0.05)
        text = await proxy.command("top", *state, "--every", "0.2", "--once")
        policy = json.loads((await proxy.get_admin("/policy"))[1])
    said = json.loads(shown.result().stdout)
    assert said["version"] == 1 and said["digest"] == policy["digest"] and said["workers"] == 1
    assert said["requests_per_second"] > 0 and said["failed_per_second"] == 0
    [model] = [each for each in said["models"] if each["model"] == "small"]
    assert model["calls_per_second"] > 0 and model["first_token_p50"] > 0 and model["dollars_per_minute"] > 0
    assert [each["rule"] for each in said["rules"]] == ["everything"]
    assert [each["name"] for each in said["budgets"]] == ["month"]
    assert text.returncode == 0 and "\033" not in text.stdout
    for word in (policy["digest"], "small", "scripted/main", "month", "everything", "last reload taken"):
        assert word in text.stdout, text.stdout


async def test_nobody_to_show(tmp_path: Path) -> None:
    """Without a service it says so and ends with 1; an interval that is none is wrong use."""
    done = run_command("top", "--state-dir", str(tmp_path))
    assert done.returncode == 1 and "no service runs" in done.stderr
    assert run_command("top", "--every", "0").returncode == 2


class Terminal:
    """A real pseudo-terminal of this size with `routebook top` on it."""

    def __init__(self, state_dir: Path, *words: str, rows: int = 24, columns: int = 80) -> None:
        self.near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(far)
        self.far = far
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "routebook", "top", "--state-dir", str(state_dir), "--every", "0.3", *words],
            stdin=far,
            stdout=far,
            stderr=far,
            env=plain_environment({"TERM": "xterm"}),
        )

    def until(self, pattern: str) -> str:
        """Read until this was drawn; what was drawn so far."""
        end = time.monotonic() + SECONDS
        while re.search(pattern, self.seen) is None:
            assert time.monotonic() < end, f"{pattern} was never drawn: {self.seen!r}"
            if select.select([self.near], [], [], 0.1)[0]:
                self.seen += os.read(self.near, 65_536).decode("utf-8", "replace")
        return self.seen

    def press(self, key: str) -> None:
        """A key."""
        os.write(self.near, key.encode())

    def close(self) -> None:
        """End whatever is left of it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.near)
        os.close(self.far)


def plain(drawn: str) -> str:
    """What was drawn without colours and movements."""
    return re.sub(r"\033\[[?\d;]*[A-Za-z]", "", drawn)


async def on_terminal(proxy: RunningProxy, rows: int, columns: int) -> tuple[str, int, bool]:
    """Draw till there are figures, press `q`: what was drawn, the exit code, whether the terminal is as it was."""
    terminal = Terminal(proxy.state_dir, rows=rows, columns=columns)
    try:
        await asyncio.to_thread(terminal.until, "the first interval")
        await ask(proxy.url)
        await asyncio.to_thread(terminal.until, r"q ends")
        terminal.press("q")
        await asyncio.to_thread(terminal.until, r"\033\[\?1049l")
        code = await asyncio.to_thread(terminal.process.wait, SECONDS)
        return terminal.seen, code, termios.tcgetattr(terminal.far) == terminal.before
    finally:
        terminal.close()


async def test_it_draws_on_a_terminal_and_leaves_it_as_it_was(tmp_path: Path) -> None:
    """On the other screen, within its size, again and again, until `q`."""
    async with Upstream() as upstream, running_proxy(tmp_path, small_policy(upstream.url, more=MORE)) as proxy:
        drawn, code, same = await on_terminal(proxy, 12, 60)
    assert code == 0 and same
    assert drawn.startswith("\033[?1049h") and drawn.rstrip().endswith("\033[?1049l")
    for one in drawn.split("\033[H")[1:]:
        lines = plain(one.split("\033[?25h")[0]).split("\r\n")
        assert len(lines) <= 12 and max(map(len, lines)) <= 60
    assert "\033[1m" in drawn and "requests" in drawn


async def test_a_service_that_ends_is_said_and_awaited(tmp_path: Path) -> None:
    """The terminal says why there is nothing new, and SIGTERM ends it like Ctrl-C, with the terminal as it was."""
    async with Upstream() as upstream, running_proxy(tmp_path, small_policy(upstream.url)) as proxy:
        terminal = Terminal(proxy.state_dir)
        try:
            await asyncio.to_thread(terminal.until, "q ends")
            proxy.process.terminate()
            await asyncio.to_thread(proxy.process.wait, SECONDS)
            await asyncio.to_thread(terminal.until, "no service runs|does not answer")
            terminal.process.terminate()
            await asyncio.to_thread(terminal.until, r"\033\[\?1049l")
            assert await asyncio.to_thread(terminal.process.wait, SECONDS) == 130
            assert termios.tcgetattr(terminal.far) == terminal.before
        finally:
            terminal.close()


def look(at: float, text: str, **more: Any) -> Look:
    """A look with these samples."""
    accounts = more.get("accounts", [])
    budgets = {"budgets": more.get("budgets", []), "limits": []}
    return Look(at, read_series(text), accounts, budgets, {"version": "1", "digest": "d"})


def test_a_service_that_began_anew_has_no_negative_rates() -> None:
    """A counter that became smaller was begun anew: what it says now is what came."""
    name = 'routebook_requests_total{operation="chat",status="200",end="--"}'
    figures = between(look(0, f"{name} 100\n"), look(10, f"{name} 30\n"))
    assert figures.requests_per_second == 3


def test_ends_are_told_by_whose_fault_they_were() -> None:
    """A client that leaves is listed and no failure; an upstream that breaks off is one, whatever the status."""
    kinds = (("200", "--"), ("200", "CD"), ("200", "UD"), ("429", "BR"))

    def told(*counts: int) -> str:
        return "".join(
            f'routebook_requests_total{{operation="chat",status="{status}",end="{end}"}} {count}\n'
            for (status, end), count in zip(kinds, counts, strict=True)
        )

    figures = between(look(0, told(0, 0, 0, 0)), look(1, told(9, 4, 2, 1)))
    assert [(each.end, each.per_second) for each in figures.ends] == [("CD", 4), ("UD", 2), ("BR", 1)]
    assert (figures.failed_per_second, figures.refused_per_second) == (2, 1)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_real_one(values: list[float], share: float) -> None:
    """Whatever was counted: what is said is within the bucket in which the exact quantile lies."""
    bounds = [0.01, 0.1, 1.0, 10.0, float("inf")]
    buckets = {bound: float(sum(value <= bound for value in values)) for bound in bounds}
    exact = sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]
    said = quantile(buckets, share)
    high = next(bound for bound in bounds if exact <= bound)
    low = ([0.0, *bounds])[bounds.index(high)]
    assert said is not None and low <= said <= high
    assert quantile(dict.fromkeys(bounds, 0.0), share) is None


@pytest.mark.parametrize("height", [5, 8, 12, 20])
def test_a_small_screen_shows_how_much_it_hides(height: int) -> None:
    """The longest tables lose their last rows, and say how many; the head stays."""
    text = "".join(f'routebook_decisions_total{{rule="rule-{number}",outcome="route"}} 1\n' for number in range(40))
    text += "".join(
        f'routebook_upstream_attempts_total{{model="m{number}",account="a",result="ok"}} 1\n' for number in range(30)
    )
    lines = screen(between(look(0, text), look(1, text)), 100, height, colour=False)
    assert len(lines) <= height and lines[0].startswith("routebook ")
    hidden = [int(line.split()[1]) for line in lines if line.startswith("... ")]
    rows = sum(bool(re.match(r"(rule-|m)\d", line)) for line in lines)
    assert height < 8 or hidden
    assert not hidden or rows + sum(hidden) in (30, 40, 70)


def test_names_cannot_command_the_terminal() -> None:
    """A name out of a policy is shown, not obeyed."""
    account = {
        "provider": "p\033[2J", "account": "a", "state": "out", "because": "\033[31mkey", "until": None,
        "in_flight": 0, "calls": 0, "failed": 0, "breakers": [],
    }  # fmt: skip
    lines = screen(between(look(0, ""), look(1, "", accounts=[account])), 200, None, colour=False)
    assert "\033" not in "\n".join(lines) and any("p\\x1b[2J/a" in line for line in lines)
