"""Work that takes longer than a page may: comparing policies, trying out a candidate, replaying hours of traffic, savings.

Each piece of work is done in a helper process with limits of time and memory (`edge.console.workbench_helper`): a policy
that somebody uploads can crash or hang whatever reads it. The page that asked shows how far it is, and what came of it
is kept for a while under a name of its own, so that it has an address.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

SECONDS: Final = 120.0
"""How long one piece of work may take."""

MOST_KEPT, MOST_AT_ONCE, MOST_WAITING = 32, 1, 8
"""Pieces of work whose results are kept; that are done at the same time; and that may wait for their turn."""

PATIENCE: Final = 0.06
"""Seconds that a page waits for work that is quickly done."""


@dataclass(slots=True)
class Work:
    """A piece of work. `result` is None while it is done; `failed` says in words why there is none."""

    name: str
    began: float
    result: Mapping[str, Any] | None = None
    failed: str | None = None
    seconds: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is a result, or a reason why there is none."""
        return self.result is not None or self.failed is not None


class Workbench:
    """Keeps what is being worked on, and what came of it."""

    def __init__(self) -> None:
        self._works: OrderedDict[str, Work] = OrderedDict()
        self._turn = asyncio.Semaphore(MOST_AT_ONCE)

    def __repr__(self) -> str:
        return f"<Workbench of {len(self._works)} pieces of work>"

    def find(self, name: str) -> Work | None:
        """A piece of work by its name; None where it was never begun, or its result was let go."""
        return self._works.get(name)

    async def ask(
        self, order: Mapping[str, Any], about: Mapping[str, Any] | None = None, fresh: float | None = None
    ) -> Work:
        """The work that an order asks for: the one that was asked for already, or, where that is older than `fresh`
        seconds or failed, another. Waits a moment for it."""
        name = hashlib.sha256(orjson.dumps(order, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
        found = self._works.get(name)
        if found is None or found.failed or (fresh is not None and found.is_done and time.time() - found.began > fresh):
            found = Work(name, time.time(), about=about or {})
            if sum(not each.is_done for each in self._works.values()) >= MOST_WAITING:
                found.failed = "too much is being worked on already; ask again in a minute"
                return found
            self._keep(found)
            found.task = asyncio.create_task(self._do(found, order))
        if found.task is not None and not found.is_done:
            await asyncio.wait({found.task}, timeout=PATIENCE)
        return found

    def _keep(self, work: Work) -> None:
        self._works.pop(work.name, None)
        self._works[work.name] = work
        for name in [name for name, each in self._works.items() if each.is_done][
            : max(0, len(self._works) - MOST_KEPT)
        ]:
            del self._works[name]

    async def _do(self, work: Work, order: Mapping[str, Any]) -> None:
        async with self._turn:
            began = time.monotonic()
            try:
                work.result = await _helped(order)
            except HelperFailed as error:
                work.failed = str(error)
            except Exception as error:  # noqa: BLE001 - the page says it; the service goes on
                work.failed = f"it failed ({type(error).__name__})"
            work.seconds = time.monotonic() - began


class HelperFailed(Exception):
    """The helper brought no result; the message says why, for people."""


async def _helped(order: Mapping[str, Any]) -> Mapping[str, Any]:
    helper = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "routebook.edge.console.workbench_helper",
        str(SECONDS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        process_group=0,
    )
    try:
        output, _ = await asyncio.wait_for(helper.communicate(orjson.dumps(order)), SECONDS)
    except TimeoutError:
        raise HelperFailed(f"it took longer than {SECONDS:g} s; ask for less time, or for a smaller policy") from None
    finally:
        # the helper's own children are in its group, and end with it
        with contextlib.suppress(ProcessLookupError):
            os.killpg(helper.pid, signal.SIGKILL)
        if helper.returncode is None:
            await helper.wait()
    code = helper.returncode or 0
    if code != 0:
        killed = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise HelperFailed(f"the helper process that worked on it died ({killed})")
    result: Mapping[str, Any] = orjson.loads(output)
    return result


_benches: dict[int, Workbench] = {}


def workbench() -> Workbench:
    """The workbench of the running event loop."""
    loop = id(asyncio.get_running_loop())
    return _benches.setdefault(loop, Workbench())
