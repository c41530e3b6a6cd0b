"""Bringing a new policy to all workers, or to none.

Reloads that are asked for while one runs become one: it begins when the running one is over, so whoever asked gets an
answer about the files as they were after the question.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from routebook.edge.journal.history import Change, commit_of, note
from routebook.edge.journal.snapshots import save_snapshot
from routebook.edge.operations_log import operations_log
from routebook.edge.processes.control import Channel, Gone, Message
from routebook.edge.processes.reload import Compiled, Rejected, rejected

STAGE_SECONDS = 20.0
"""How long a worker may take to unpickle a policy."""

COMMIT_SECONDS = 5.0
"""How long a worker may take to swap a pointer, behind whatever else it has to do."""

Compile = Callable[[], Awaitable[Compiled | Rejected]]
"""Reads the policy anew."""


class Taker(Protocol):
    """A process that a policy is brought to."""

    digest: str | None

    @property
    def channel(self) -> Channel:
        """The way to talk to it."""
        ...


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a reload. `result` is `swapped`, `unchanged` or `rejected`; `digest` is what serves now."""

    result: str
    digest: str
    at: float
    seconds: float
    problems: tuple[dict[str, Any], ...] = ()
    text: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the files as they stand are what serves."""
        return self.result != "rejected"


@dataclass(slots=True)
class Tally:
    """Counts of reloads by result, and the last two of interest."""

    by_result: dict[str, int] = field(default_factory=dict)
    last: Reloaded | None = None
    last_success: float = 0.0


class Rollout:
    """The policy in force and the way to the next. `takers` are the workers that serve at the moment."""

    def __init__(
        self,
        current: Compiled,
        compile_again: Compile,
        takers: Callable[[], Sequence[Taker]],
        state_dir: Path,
        path: Path,
    ) -> None:
        self.current = current
        self.tally = Tally(last_success=time.time())
        self._compile = compile_again
        self._takers = takers
        self._state_dir = state_dir
        self._path = path
        self.on_taken: Callable[[], Awaitable[None]] = _nothing_more
        self._running: asyncio.Task[Reloaded] | None = None
        self._next: asyncio.Task[Reloaded] | None = None

    def __repr__(self) -> str:
        return f"<Rollout of {self.current.digest}, {self.tally.by_result}, {'busy' if self._running else 'idle'}>"

    def request(self) -> asyncio.Task[Reloaded]:
        """Reload soon; the task is shared by all who ask before it begins."""
        if self._next is None:
            self._next = asyncio.create_task(self._run_after(self._running))
        return self._next

    async def reload(self) -> Reloaded:
        """Reload and wait for what comes of it; a caller that leaves does not stop it."""
        return await asyncio.shield(self.request())

    async def bring(self, taker: Taker) -> None:
        """Bring a worker that began under an older policy to the one in force."""
        current = self.current
        if taker.digest == current.digest:
            return
        if await self._staged([taker], current) is None:
            await self._commit([taker], current)

    async def _run_after(self, previous: asyncio.Task[Reloaded] | None) -> Reloaded:
        if previous is not None:
            await asyncio.wait({previous})
        self._running, self._next = self._next, None
        began, before = time.monotonic(), self.current.digest
        try:
            outcome = await self._try()
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end reloading for good
            operations_log().error("reload failed", exception=type(error).__name__)
            outcome = rejected("reload.failed", f"the reload failed ({type(error).__name__})", self._path)
        finally:
            self._running = None
        reloaded = self._note(outcome, before, time.monotonic() - began)
        if reloaded.result != "unchanged":
            await asyncio.to_thread(self._remember, outcome, before, reloaded)
        return reloaded

    def _remember(self, outcome: Compiled | Rejected, before: str, reloaded: Reloaded) -> None:
        """Write down what came of a reload, for those who look later."""
        commit, first = None, None
        if isinstance(outcome, Rejected):
            first = str(outcome.first_error.get("message"))
        else:
            commit = commit_of(self._path, outcome.sources)
        remember(
            self._state_dir,
            Change(reloaded.at, reloaded.result, reloaded.digest, before, len(outcome.problems), first, commit),
        )

    async def _try(self) -> Compiled | Rejected:
        """Compile, keep the files, stage everywhere, and only then commit."""
        compiled = await self._compile()
        if isinstance(compiled, Rejected):
            return compiled
        takers = list(self._takers())
        if compiled.digest == self.current.digest:
            await self._refresh(takers)
            await self.on_taken()
            return compiled
        try:
            await asyncio.to_thread(save_snapshot, self._state_dir, compiled.digest, compiled.sources)
        except OSError as error:
            return rejected("reload.no-snapshot", f"the policy's files cannot be kept ({error.strerror})", self._path)
        if (reason := await self._staged(takers, compiled)) is not None:
            for taker in takers:
                await _tell(taker, Message("drop"))
            return rejected("reload.worker-refused", f"a worker could not take the policy ({reason})", self._path)
        await self._commit(takers, compiled)
        for late in self._takers():
            await self.bring(late)
        await self.on_taken()
        return compiled

    async def _staged(self, takers: Sequence[Taker], compiled: Compiled) -> str | None:
        """Why not every worker could take the policy, or None. A worker that died is no reason: its successor will."""
        stage = Message("stage", {"digest": compiled.digest}, compiled.pickled)
        answers = await asyncio.gather(
            *(taker.channel.ask(stage, STAGE_SECONDS) for taker in takers), return_exceptions=True
        )
        for taker, answer in zip(takers, answers, strict=True):
            if isinstance(answer, Gone) and taker.channel.is_open:
                return str(answer)
            if isinstance(answer, Message) and answer.fields["error"]:
                return str(answer.fields["error"])
        return None

    async def _commit(self, takers: Sequence[Taker], compiled: Compiled) -> None:
        """The point of no return: from here on a worker that starts gets the new policy."""
        self.current = compiled
        answers = await asyncio.gather(
            *(taker.channel.ask(Message("commit"), COMMIT_SECONDS) for taker in takers), return_exceptions=True
        )
        for taker, answer in zip(takers, answers, strict=True):
            if isinstance(answer, Message):
                taker.digest = answer.fields["digest"]

    async def _refresh(self, takers: Sequence[Taker]) -> None:
        """The policy is the same; keys in files may not be."""
        for taker in takers:
            await _tell(taker, Message("refresh"))

    def _note(self, outcome: Compiled | Rejected, before: str, seconds: float) -> Reloaded:
        """Count what came of a reload, and say it in the log with its first place."""
        result = "rejected" if isinstance(outcome, Rejected) else "unchanged" if outcome.digest == before else "swapped"
        reloaded = Reloaded(result, self.current.digest, time.time(), seconds, outcome.problems, outcome.text)
        self.tally.by_result[result] = self.tally.by_result.get(result, 0) + 1
        self.tally.last = reloaded
        if reloaded.succeeded:
            self.tally.last_success = reloaded.at
        log = operations_log()
        if isinstance(outcome, Rejected):
            log.error(
                "reload rejected",
                keeps=self.current.digest,
                problems=len(outcome.problems),
                seconds=round(seconds, 3),
                **place_of(outcome.first_error),
            )
        else:
            log.info(
                f"reload {result}",
                digest=self.current.digest,
                before=before,
                seconds=round(seconds, 3),
                **self.current.holds,
            )
        return reloaded


def place_of(problem: dict[str, Any]) -> dict[str, Any]:
    """What a log line says of a problem: code, place and message."""
    return {
        "code": problem["code"],
        "message": problem["message"],
        "place": f"{problem['file']}:{problem['line']}:{problem['column']}",
    }


async def _nothing_more() -> None:
    """Where nothing but the policy is read again."""


def remember(state_dir: Path, change: Change) -> None:
    """Add to the history of policies; on a full disk the log is the only place that says it."""
    try:
        note(state_dir, change)
    except OSError as error:
        operations_log().error("history not written", reason=(error.strerror or "").lower())


async def _tell(taker: Taker, message: Message) -> None:
    try:
        await taker.channel.send(message)
    except Gone:
        return
