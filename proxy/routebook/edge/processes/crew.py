"""The workers of one supervisor: begun, replaced when they die or leave, watched, asked for their counts, drained."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from routebook.edge.metrics import Snapshot
from routebook.edge.operations_log import operations_log
from routebook.edge.processes.accounts import Board
from routebook.edge.processes.children import KILL_AFTER, Child
from routebook.edge.processes.control import Channel, Gone, Message
from routebook.edge.processes.reload import Compiled
from routebook.edge.scrape import added, lasting
from routebook.edge.tls.pair import Pair, as_fields
from routebook.health.learnt import Learnt

WORKER = "routebook.edge.processes.worker"

COUNT_SECONDS = 2.0
"""How long a worker may take to say what it has counted, when somebody scrapes."""

WATCH_SECONDS = 10.0
"""How often a worker is asked for its counts by itself, and how long it may take to answer then."""

SILENCES = 3
"""A worker that did not answer so often in a row is stuck, and is killed. One silence may be a suspended machine's."""

SHORT_LIFE = 1.0
"""A worker that lived shorter than this many seconds is replaced after a pause, which grows."""

LONGEST_PAUSE = 10.0
"""Seconds between two replacements at most."""


class CrewFailed(Exception):
    """The first workers could not begin; the message says how they ended."""


@dataclass(slots=True, eq=False)
class Hand:
    """One worker process. `digest` is None until it serves; `leaves` is set when it no longer accepts connections."""

    instance: str
    child: Child
    digest: str | None = None
    counted: Snapshot = field(default_factory=dict)
    leaves: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def channel(self) -> Channel:
        """The way to talk to it."""
        return self.child.channel

    @property
    def serves(self) -> bool:
        """Whether it accepts connections."""
        return self.digest is not None and self.child.is_running and not self.leaves.is_set()


class Crew:
    """So many workers, always. `fields` go into each worker's `start`; `current` is the policy that it begins under.
    `replaced` counts those that ended before the service did, `fallen` those that did not end well: killed, or failed.

    A worker that is told to end by somebody else (SIGTERM) is replaced at once and finishes beside its successor: so
    workers can be renewed one by one without a request being lost.
    """

    def __init__(
        self, size: int, listen: socket.socket, host: str, fields: dict[str, Any], current: Callable[[], Compiled]
    ) -> None:
        self.size = size
        self.replaced = 0
        self.fallen = 0
        self.board = Board()
        self.learnt = Learnt()
        self.on_ready: Callable[[Hand], object] = lambda hand: None
        self.on_end: Callable[[Hand], object] = lambda hand: None
        self.on_begin: Callable[[Hand], object] = lambda hand: None
        self.on_message: Callable[[Hand, Message], Awaitable[None]] = _pass_over
        self._listen = listen
        self._host = host
        self._fields = fields
        self._current = current
        self._hands: list[Hand] = []
        self._past: Snapshot = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.Event()
        self._all_ready = asyncio.Event()
        self._first_end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"<Crew of {self.size}, {len(self.serving())} serving, {self.replaced} replaced>"

    def serving(self) -> list[Hand]:
        """The workers that serve at the moment."""
        return [hand for hand in self._hands if hand.serves]

    async def start(self, seconds: float) -> None:
        """Begin all workers and wait until they serve; raises CrewFailed where one does not within the time."""
        for slot in range(self.size):
            self._run(self._keep(slot))
        ready = asyncio.create_task(self._all_ready.wait())
        firsts: set[asyncio.Future[Any]] = {ready, self._first_end}
        await asyncio.wait(firsts, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            reason = self._first_end.result() if self._first_end.done() else f"not ready within {seconds:g} s"
            await self.drain(0)
            raise CrewFailed(reason)

    async def counts(self) -> Snapshot:
        """What all workers have counted, those that have died included."""
        await asyncio.gather(*(self._count(hand, COUNT_SECONDS) for hand in self.serving()))
        return added([self._past, *(hand.counted for hand in self._hands)])

    async def ask_all(self, message: Message) -> list[Message]:
        """What every worker that serves answers; who does not in time is left out."""
        answers = await asyncio.gather(
            *(hand.channel.ask(message, COUNT_SECONDS) for hand in self.serving()), return_exceptions=True
        )
        return [answer for answer in answers if isinstance(answer, Message)]

    async def drain(self, seconds: float) -> bool:
        """Let every worker finish; whether all ended by themselves in time. Call again with 0 to cut what still runs."""
        self._leaving.set()
        for hand in list(self._hands):
            await hand.child.tell(Message("drain", {"seconds": seconds}))
        if not self._tasks:
            return True
        _, late = await asyncio.wait(self._tasks, timeout=seconds + KILL_AFTER)
        for hand in list(self._hands) if late else ():
            hand.child.kill()
        if late:
            await asyncio.wait(late)
        return not late

    def _run(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep(self, slot: int) -> None:
        """Fill one place in the crew for as long as the service runs."""
        pause = 0.0
        while not self._leaving.is_set():
            began = time.monotonic()
            try:
                hand = await self._begin(slot)
            except OSError as error:
                operations_log().error("worker not begun", reason=str(error))
            else:
                life = self._run(self._attend(hand))
                leaves = asyncio.create_task(hand.leaves.wait())
                await asyncio.wait({life, leaves}, return_when=asyncio.FIRST_COMPLETED)
                leaves.cancel()
            pause = min(LONGEST_PAUSE, pause * 2 + 0.25) if time.monotonic() - began < SHORT_LIFE else 0.0
            if pause:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._leaving.wait(), pause)

    async def _begin(self, slot: int) -> Hand:
        hand = Hand(f"{self._host}-w{slot}-{stamp()}", await Child.start(WORKER, self._listen))
        self._hands.append(hand)
        self.on_begin(hand)
        fields = {
            **self._fields,
            "instance": hand.instance,
            "standings": self.board.all(),
            "learnt": self.learnt.known(),
        }
        await hand.child.tell(Message("start", fields, self._current().pickled))
        if self._leaving.is_set():
            await hand.child.tell(Message("drain", {"seconds": 0}))
        return hand

    async def _attend(self, hand: Hand) -> None:
        """Stay with a worker from its beginning to its end."""
        watching = asyncio.create_task(self._watch(hand))
        code = await hand.child.attend(lambda message: self._hear(hand, message))
        watching.cancel()
        self._hands.remove(hand)
        self._past = added([self._past, lasting(hand.counted)])
        self._note_end(hand, code)

    async def _watch(self, hand: Hand) -> None:
        """Kill a worker that is stuck. What it answers meanwhile is what is known of its counts should it be killed."""
        silences = 0
        while silences < SILENCES:
            await asyncio.sleep(WATCH_SECONDS)
            silences = 0 if await self._count(hand, WATCH_SECONDS) else silences + 1
        operations_log().error("worker is stuck", instance=hand.instance, pid=hand.child.pid, does="kills it")
        hand.child.kill()

    async def _count(self, hand: Hand, seconds: float) -> bool:
        """Ask a worker what it has counted; whether it answered in time."""
        try:
            answer = await hand.channel.ask(Message("count"), seconds)
        except Gone:
            return False
        hand.counted = answer.fields["snapshot"]
        return True

    async def _hear(self, hand: Hand, message: Message) -> None:
        match message.kind:
            case "ready":
                hand.digest = message.fields["digest"]
                self.on_ready(hand)
                if len(self.serving()) == self.size:
                    self._all_ready.set()
            case "health":
                self._pass_on_health(message, hand)
            case "leaves":
                hand.leaves.set()
            case "learnt":
                self.learnt.hear(message.fields)
                self._pass_on(message, hand)
            case "sticks":
                self._pass_on(message, hand)
            case "farewell":
                hand.counted = message.fields["snapshot"]
            case _:
                await self.on_message(hand, message)

    async def secure(self, pair: Pair) -> None:
        """Have all workers show this pair, those that begin later too."""
        self._fields["tls"] = as_fields(pair)
        for hand in list(self._hands):
            await hand.child.tell(Message("tls", as_fields(pair)))

    def learn(self, told: dict[str, Any]) -> None:
        """Tell all workers what was learnt elsewhere."""
        self.learnt.hear(told)
        for hand in self._hands:
            hand.channel.mention(Message("learnt", told))

    def _pass_on(self, message: Message, teller: Hand) -> None:
        """Let the other workers know what one of them has learnt."""
        for hand in self.serving():
            if hand is not teller:
                hand.channel.mention(message)

    def _pass_on_health(self, message: Message, teller: Hand) -> None:
        """Tell all other workers what one has learnt of accounts. Nobody waits for one that is slow to hear."""
        news = self.board.hear(message.fields["standings"])
        for hand in self._hands if news else ():
            if hand is not teller:
                self._run(hand.child.tell(Message("health", {"standings": news})))

    def _note_end(self, hand: Hand, code: int) -> None:
        """Say how a worker ended that was not to end, and have what it left looked after."""
        left = hand.leaves.is_set() and code == 0
        if not (self._leaving.is_set() and code == 0):
            how = "told to end" if left else f"signal {-code}" if code < 0 else f"exit code {code}"
            (operations_log().info if left else operations_log().error)(
                "worker ended", instance=hand.instance, pid=hand.child.pid, how=how
            )
            self.replaced += not self._leaving.is_set()
            self.fallen += code != 0
        self.on_end(hand)
        if not self._first_end.done():
            self._first_end.set_result(f"a worker ended before it served (code {code})")


async def _pass_over(hand: Hand, message: Message) -> None:
    """What nobody listens for."""


def stamp() -> str:
    """A short word that no other process of this host has: the time in microseconds, in base 36."""
    digits, rest = "", time.time_ns() // 1000
    while rest:
        rest, digit = divmod(rest, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits
