"""The workers of one supervisor: begun, replaced when they die, asked for their counts, drained."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from routebook.edge.children import KILL_AFTER, Child
from routebook.edge.control import Channel, Message
from routebook.edge.metrics import IN_PROGRESS, Snapshot
from routebook.edge.operations_log import operations_log
from routebook.edge.reload import Compiled
from routebook.edge.scrape import added

WORKER = "routebook.edge.worker"

COUNT_SECONDS = 2.0
"""How long a worker may take to say what it has counted."""

SHORT_LIFE = 1.0
"""A worker that lived shorter than this many seconds is replaced after a pause, which grows."""

LONGEST_PAUSE = 10.0
"""Seconds between two replacements at most."""


class CrewFailed(Exception):
    """The first workers could not begin; the message says how they ended."""


@dataclass(slots=True)
class Hand:
    """One worker process. `digest` is None until it serves."""

    instance: str
    child: Child
    digest: str | None = None
    counted: Snapshot = field(default_factory=dict)

    @property
    def channel(self) -> Channel:
        """The way to talk to it."""
        return self.child.channel


class Crew:
    """So many workers, always. `fields` go into each worker's `start`; `current` is the policy that it begins under."""

    def __init__(self, size: int, listen: socket.socket, host: str, fields: dict[str, Any],
                 current: Callable[[], Compiled]) -> None:
        self.size = size
        self.replaced = 0
        self.on_ready: Callable[[Hand], object] = lambda hand: None
        self.on_end: Callable[[Hand], object] = lambda hand: None
        self._listen = listen
        self._host = host
        self._fields = fields
        self._current = current
        self._hands: dict[int, Hand] = {}
        self._past: Snapshot = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._leaving = False
        self._first_end: asyncio.Future[str] | None = None
        self._all_ready = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Crew of {self.size}, {len(self.serving())} serving, {self.replaced} replaced>"

    def serving(self) -> list[Hand]:
        """The workers that serve at the moment."""
        return [hand for hand in self._hands.values() if hand.digest is not None and hand.child.is_running]

    async def start(self, seconds: float) -> None:
        """Begin all workers and wait until they serve; raises CrewFailed where one does not within the time."""
        self._first_end = asyncio.get_running_loop().create_future()
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in range(self.size)]
        ready = asyncio.create_task(self._all_ready.wait())
        firsts: set[asyncio.Future[Any]] = {ready, self._first_end}
        await asyncio.wait(firsts, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            reason = self._first_end.result() if self._first_end.done() else f"not ready within {seconds:g} s"
            await self.drain(0)
            raise CrewFailed(reason)
        self._first_end = None

    async def counts(self) -> Snapshot:
        """What all workers have counted, those that have died included."""
        hands = self.serving()
        answers = await asyncio.gather(*(hand.channel.ask(Message("count"), COUNT_SECONDS) for hand in hands),
                                       return_exceptions=True)
        for hand, answer in zip(hands, answers, strict=True):
            if isinstance(answer, Message):
                hand.counted = answer.fields["snapshot"]
        return added([self._past, *(hand.counted for hand in self._hands.values())])

    async def drain(self, seconds: float) -> bool:
        """Let every worker finish; whether all ended by themselves in time. Call again with 0 to cut what still runs."""
        self._leaving = True
        for hand in list(self._hands.values()):
            await hand.child.tell(Message("drain", {"seconds": seconds}))
        if not self._keepers:
            return True
        _, late = await asyncio.wait(self._keepers, timeout=seconds + KILL_AFTER)
        for hand in list(self._hands.values()) if late else ():
            hand.child.kill()
        if late:
            await asyncio.wait(late)
        return not late

    async def _keep(self, slot: int) -> None:
        """Fill one place in the crew for as long as the service runs."""
        pause = 0.0
        while not self._leaving:
            began = time.monotonic()
            hand = await self._begin(slot)
            code = await hand.child.attend(lambda message, hand=hand: self._hear(hand, message))  # type: ignore[misc]
            del self._hands[slot]
            self._past = added([self._past, {**hand.counted, IN_PROGRESS.name: []}])
            self._note_end(hand, code)
            pause = min(LONGEST_PAUSE, pause * 2 + 0.25) if time.monotonic() - began < SHORT_LIFE else 0.0
            if pause and not self._leaving:
                await asyncio.sleep(pause)

    async def _begin(self, slot: int) -> Hand:
        hand = Hand(f"{self._host}-w{slot}-{stamp()}", await Child.start(WORKER, self._listen))
        self._hands[slot] = hand
        policy = self._current()
        await hand.child.tell(Message("start", {**self._fields, "instance": hand.instance}, policy.pickled))
        return hand

    async def _hear(self, hand: Hand, message: Message) -> None:
        match message.kind:
            case "ready":
                hand.digest = message.fields["digest"]
                self.on_ready(hand)
                if len(self.serving()) == self.size:
                    self._all_ready.set()
            case "farewell":
                hand.counted = message.fields["snapshot"]

    def _note_end(self, hand: Hand, code: int) -> None:
        if self._leaving and code == 0:
            return
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        operations_log().error("worker ended", instance=hand.instance, pid=hand.child.pid, how=how,
                               does="ends" if self._leaving else "replaces it")
        self.replaced += not self._leaving
        self.on_end(hand)
        if self._first_end is not None and not self._first_end.done():
            self._first_end.set_result(f"a worker ended before it served ({how})")


def stamp() -> str:
    """A short word that no other process of this host has: the time in microseconds, in base 36."""
    digits, rest = "", time.time_ns() // 1000
    while rest:
        rest, digit = divmod(rest, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits
