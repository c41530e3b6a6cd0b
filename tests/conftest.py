"""What every test gets: an upstream to script, and the promise that no process is left behind."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from routebook.chat import exact_tokens
from tests.support.processes import descendants
from tests.support.upstream import Upstream

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")
"""No example may fail because the machine had something else to do."""


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A scripted upstream that answers politely until told otherwise."""
    async with Upstream() as running:
        yield running


@pytest.fixture
def nobody_counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where the extra `tokens` is not installed: its package cannot be imported."""
    monkeypatch.setitem(sys.modules, "splintr", None)
    exact_tokens._tokenizer.cache_clear()
    yield
    exact_tokens._tokenizer.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left_behind() -> Iterator[None]:
    """Fail the run when a process that a test started outlives the tests (a kernel helper of ours excepted)."""
    before = set(descendants(os.getpid()))
    yield
    left = [pid for pid in descendants(os.getpid()) if pid not in before and not _is_helper(pid)]
    assert not left, f"processes left behind: {[_command(pid) for pid in left]}"


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _is_helper(pid: int) -> bool:
    """multiprocessing keeps its own servers until the interpreter ends; a process without a command is a zombie."""
    command = _command(pid)
    return not command or "multiprocessing" in command
