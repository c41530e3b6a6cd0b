"""One host in one thread: the ledger's owner with its archive, workers with their gateways, clients and upstreams.

All of it is the program's own code, over a real journal and real books; only the event loops, the wires and the time are
simulated (`simulated_loop`). What happens next is drawn by chance: who gets a turn, which bytes arrive, who is killed.

The law is looked at after every line of the journal: what it settles and holds of a budget never passes the limit.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routebook.edge.gateway import Gateway
from routebook.edge.identity.book import KeyBook
from routebook.edge.journal.archive import Archive
from routebook.edge.journal.writer import DIRECTORY, Journal
from routebook.edge.ledger.lines import FarDesk
from routebook.edge.ledger.owner import Owner
from routebook.edge.metrics import Metrics
from routebook.edge.processes.control import Channel, Gone
from routebook.edge.processes.state import begin_drawing, may_be_drawn
from routebook.edge.server import start_server
from routebook.routing.policy import Policy
from tests.support.simulated_loop import SimulatedProcess, Wire, a_socket
from tests.support.upstream import Play, Say, chunks, completion, event, failure, reply, stream

NOON = 1_795_262_400.0


class Overspent(AssertionError):
    """The law is broken: the message says by which line of the journal."""


@dataclass
class Truth:
    """What the lines of the journal come to: settled and held of each pot, whoever wrote them. `broken` says where the law
    was broken first."""

    limits: Mapping[str, int]
    settled: Tally[str] = field(default_factory=Tally)
    held: dict[str, Tally[str]] = field(default_factory=dict)
    lines: int = 0
    broken: str | None = None
    _read: Tally[str] = field(default_factory=Tally)

    def take(self, text: bytes, writer: str) -> None:
        """One line more."""
        line = json.loads(text)
        self.lines += 1
        match line["event"]:
            case "decided":
                self.held[line["id"]] = amounts(line.get("hold", {}).get("draws", ()))
            case "held":
                self.held[line["id"]] = amounts(line["draws"])
            case "ended":
                held = self.held.pop(line["id"])
                settled = amounts(line.get("settled", ()))
                if any(amount > held[pot] for pot, amount in settled.items()):
                    self.broken = self.broken or f"{writer} settled more than it held, {dict(held)}: {line}"
                self.settled.update(settled)
        self.look(f"{writer} wrote {line}")

    def read(self, segments: Iterable[Path]) -> None:
        """What the archive has written of the dead since this was asked before."""
        for segment in segments:
            text = segment.read_bytes()
            for line in text[self._read[segment.name] :].splitlines():
                self.take(line, segment.name)
            self._read[segment.name] = len(text)

    def drawn(self, pot: str) -> int:
        """All that is settled and held of a pot."""
        return self.settled[pot] + sum(each[pot] for each in self.held.values())

    def look(self, why: str) -> None:
        """Note it where a pot is overdrawn."""
        for pot, limit in self.limits.items():
            if (drawn := self.drawn(pot)) > limit:
                self.broken = self.broken or f"{drawn} of {limit} drawn on {pot}, after {why}"


def amounts(draws: Any) -> Tally[str]:
    """What draws come to, by pot."""
    return Tally({pot: amount for pot, _, amount, *_ in draws})


class MortalJournal(Journal):
    """The journal of a process that may be killed at any line."""

    def __init__(self, state_dir: Path, instance: str, process: SimulatedProcess, truth: Truth) -> None:
        self._process = process
        self._truth = truth
        super().__init__(state_dir, instance)

    def append(self, data: bytes) -> None:
        """A line is written, or the process is dead."""
        if self._process.does():
            super().append(data)
            self._truth.take(data, self.instance)

    def abandon(self) -> None:
        """The process is dead: its lock goes with it, and nothing else."""
        descriptor, self._file = self._file, -1
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


class TornArchive(Archive):
    """The archive, whose round other processes run through."""

    between: Callable[[], None] = staticmethod(lambda: None)

    def _keep_books(self) -> None:
        self.between()
        super()._keep_books()

    def _keep_index(self) -> None:
        self.between()
        super()._keep_index()


class SimulatedSupervisor:
    """The process that owns the ledger."""

    def __init__(self, host: SimulatedHost, number: int) -> None:
        self.process = SimulatedProcess(f"supervisor-{number}", host.monotonic, host.dial)
        self.archive = TornArchive(host.folder, f"s{number}-supervisor", 30.0)
        assert self.archive._tried("books", self.archive._open_books)
        self.archive._prunes_at = float("inf")
        assert self.archive.opening is not None
        self.owner = Owner(self.archive.opening, host.workers_wanted, host)
        self.telling = False

    def attends(self, worker: SimulatedWorker, channel: Channel) -> None:
        """Hear a worker to its end."""
        self.owner.opened(worker.name, channel)

        async def attend() -> None:
            try:
                while True:
                    await self.owner.hear(worker.name, await channel.receive())
            except Gone:
                channel.close()
            self.owner.closed(worker.name)
            self.archive.wake(worker.name)

        worker.attended = self.process.create_task(attend())

    def reads(self, now: float) -> None:
        """One round of the archive; the loop hears of it with its next turn."""
        self.archive._round(now)
        changes, self.archive._changes = self.archive._changes, {}
        buried, self.archive._newly_buried = frozenset(self.archive._newly_buried), set()
        self.telling = True

        def tell() -> None:
            self.telling = False
            self.owner.read_on(changes, buried)

        self.process.call_soon(tell)

    def close(self) -> None:
        """Its files are closed, as the kernel does it."""
        for kept in (self.archive._books, self.archive._index):
            if kept is not None:
                kept.close()


class SimulatedWorker:
    """A worker: its gateway, its listener, and its channel to the supervisor that began it."""

    def __init__(self, host: SimulatedHost, supervisor: SimulatedSupervisor, name: str, policy: Policy) -> None:
        self.name = name
        self.attended: asyncio.Task[None] | None = None
        self.process = SimulatedProcess(name, host.monotonic, host.dial)
        here, there = wired(self.process, supervisor.process)
        self.wires = [wire for _, wire in (here, there)]
        self._drawing = begin_drawing(host.folder)
        self.journal = MortalJournal(host.folder, name, self.process, host.truth)
        self.gateway = self.process.finish(self._opened(host, policy, here[0]))
        self.listening = self.process.create_task(self._listen(here[0]))
        supervisor.attends(self, there[0])

    async def _opened(self, host: SimulatedHost, policy: Policy, channel: Channel) -> Gateway:
        gateway = Gateway(
            policy, self.journal, Metrics(), host, None, self.name, b"k" * 32, FarDesk(channel), KeyBook(host.folder)
        )
        with a_socket() as nowhere:
            await start_server(gateway, nowhere)
        return gateway

    def stops_drawing(self) -> None:
        """By its own will or by its death."""
        descriptor, self._drawing = self._drawing, -1
        if descriptor >= 0:
            os.close(descriptor)

    async def _listen(self, channel: Channel) -> None:
        """What a worker does with its supervisor's words and end, as far as they are of money."""
        try:
            while True:
                message = await channel.receive()
                assert message.kind == "recall"
                self.gateway.till.tighten(message.fields["pot"])
                await channel.answer(message)
        except Gone:
            self.gateway.till.close()
            if self.process.lives:
                self.stops_drawing()

    def asks(self, body: dict[str, Any]) -> Wire:
        """A client of its asks."""
        text = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
        protocol: list[Any] = []
        self.process.calls(lambda: protocol.append(self.process.listens[0]()))
        wire = Wire(self.process, protocol[0])
        wire.send(head.encode() + b"\r\n\r\n" + text)
        return wire


def wired(one: SimulatedProcess, other: SimulatedProcess) -> tuple[tuple[Channel, Wire], tuple[Channel, Wire]]:
    """Two ends of a channel, one in each process."""
    ends = []
    for process in (one, other):
        reader = asyncio.StreamReader(loop=process)
        protocol = asyncio.StreamReaderProtocol(reader, loop=process)
        wire = Wire(process, protocol)
        ends.append((Channel(reader, asyncio.StreamWriter(wire, protocol, reader, process)), wire))
    (_, here), (_, there) = ends
    here.hears, there.hears = there.send, here.send
    here.left, there.left = there.end, here.end
    return ends[0], ends[1]


@dataclass
class Pending:
    """A call that an upstream has heard and not answered."""

    wire: Wire
    asked: dict[str, Any]


class SimulatedHost:
    """The host, and chance. It is a clock too: `now` and `monotonic` pass together."""

    def __init__(
        self,
        folder: Path,
        policy: Policy,
        chance: random.Random,
        limits: Mapping[str, int],
        supervisors_die: bool = False,
        workers: int = 2,
    ) -> None:
        self.folder = folder
        self.chance = chance
        self.passed = 1.0
        self.workers_wanted = workers
        self.supervisors_die = supervisors_die
        self.truth = Truth(limits)
        self.policy = policy
        self.billed = 0
        self.answered: Tally[int] = Tally()
        self.calls: list[Pending] = []
        self.clients: list[Wire] = []
        self.said: list[str] = []
        self.workers: list[SimulatedWorker] = []
        self.dead: list[SimulatedWorker] = []
        self.begun = 0
        self._generations = 0
        self.supervisor = self._new_supervisor()
        self.fill()

    def now(self) -> float:
        """Seconds since 1970."""
        return NOON + self.passed

    def monotonic(self) -> float:
        """Seconds."""
        return self.passed

    def draw(self) -> float:
        """A number by chance."""
        return self.chance.random()

    def noise(self) -> bytes:
        """Bytes by chance."""
        return self.chance.randbytes(10)

    def _new_supervisor(self) -> SimulatedSupervisor:
        self._generations += 1
        supervisor = SimulatedSupervisor(self, self._generations)
        supervisor.archive.between = self._between  # type: ignore[method-assign]
        return supervisor

    def fill(self) -> None:
        """As many workers of this supervisor as there should be."""
        while (
            sum(each.attended is not None and not each.attended.done() for each in self.current()) < self.workers_wanted
        ):
            self.begun += 1
            self.workers.append(SimulatedWorker(self, self.supervisor, f"w{self.begun}-x", self.policy))

    def current(self) -> list[SimulatedWorker]:
        """The workers that the supervisor has begun that is there now, dead or alive."""
        mine = self.supervisor.process
        return [each for each in (*self.workers, *self.dead) if each.wires[1].process is mine]

    def dial(self, wire: Wire) -> None:
        """A worker connects to the upstream."""

        def hears(data: bytes) -> None:
            self.calls.append(Pending(wire, json.loads(data.partition(b"\r\n\r\n")[2])))

        wire.hears = hears

    # What may happen.

    def wires(self) -> list[Wire]:
        """All on which something would arrive."""
        found = [wire for worker in (*self.workers, *self.dead) for wire in worker.wires if wire.has_news]
        return found + [wire for wire in self.clients if wire.has_news]

    def step(self) -> None:
        """Something happens."""
        self.passed += self.chance.choice((0.0, 0.0001, 0.001))
        kind = self.chance.random()
        if kind < 0.45:
            self._turn()
        elif kind < 0.75:
            self._arrive()
        elif kind < 0.85:
            self._answer()
        elif kind < 0.94:
            self._ask()
        else:
            self._happen()
        self._look_after()
        if self.truth.broken is not None:
            raise Overspent(self.truth.broken)

    def _happen(self) -> None:
        match self.chance.randrange(20):
            case 0 | 1 | 2 | 3:
                self.passed += self.chance.choice((0.01, 0.1, 0.3, 1.0))
            case 4 | 5:
                self._leave()
            case 6 if self.workers:
                self.kill(self.chance.choice(self.workers))
            case 7 if self.supervisors_die and self.chance.random() < 0.3:
                self.kill_supervisor()
            case _:
                self._read()

    def _processes(self) -> list[SimulatedProcess]:
        found = [each.process for each in self.workers]
        return [each for each in (*found, self.supervisor.process) if each.lives]

    def _turn(self) -> None:
        ready = [each for each in self._processes() if each.has_work]
        if ready:
            self.chance.choice(ready).turn()

    def _arrive(self) -> None:
        if wires := self.wires():
            self.chance.choice(wires).deliver(self.chance.choice((1, 1, 3, 100)))

    def _ask(self) -> None:
        if not self.workers:
            return
        worker = self.chance.choice(self.workers)
        streamed = self.chance.random() < 0.5
        body = {
            "model": "m",
            "max_tokens": 400,
            "stream": streamed,
            "messages": [{"role": "user", "content": "x" * self.chance.randrange(200)}],
        }
        wire = worker.asks(body)
        wire.hears = lambda data: self._note_answer(data)
        self.clients.append(wire)

    def _note_answer(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 "):
            self.answered[int(data[9:12])] += 1

    def _leave(self) -> None:
        if self.clients:
            self.chance.choice(self.clients).end()

    def _answer(self) -> None:
        """An upstream answers: refuses, breaks off, or answers and bills."""
        if not self.calls:
            return
        call = self.calls.pop(self.chance.randrange(len(self.calls)))
        if self.chance.random() < (0.9 if call.asked["model"] == "dear" else 0.25):
            self._refuse(call)
            return
        price = {"dear": (10_000, 20_000)}.get(call.asked["model"], (1_000, 2_000))
        prompt, answer = self.chance.randint(1, 8), self.chance.randint(1, 400)
        if call.wire.process.lives:
            self.billed += prompt * price[0] + answer * price[1]
        usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
        if call.asked.get("stream"):
            self._say(call, stream(chunks(["word "] * 3, usage=usage)))
        else:
            self._say(call, reply(completion(prompt_tokens=prompt, completion_tokens=answer)))

    def _refuse(self, call: Pending) -> None:
        broken = stream([event({"error": {"message": "no"}})])
        plays: list[Play] = [failure(500), failure(503), broken if call.asked.get("stream") else failure(502)]
        self._say(call, self.chance.choice(plays))

    def _say(self, call: Pending, play: Play) -> None:
        for step in play:
            assert isinstance(step, Say)
            call.wire.send(step.data)
        self.clients.append(call.wire)

    def _read(self) -> None:
        if not self.supervisor.telling:
            self._reads(self.chance.choice((0.0, 20.0)))

    def _reads(self, later: float) -> None:
        self.supervisor.reads(self.passed + later)
        self.truth.read((self.folder / DIRECTORY).glob("*-supervisor-*.jsonl"))

    def _between(self) -> None:
        """While the archive is at work on its thread, others go on."""
        for _ in range(self.chance.choice((0, 0, 1, 5))):
            self.passed += 0.0001
            self.chance.choice((self._turn, self._arrive, self._answer))()

    # Deaths.

    def kill(self, worker: SimulatedWorker) -> None:
        """kill -9, after some more deeds."""
        worker.process.fuse = self.chance.choice((0, 0, 1, 2, 3, 5))

    def kill_supervisor(self) -> None:
        """kill -9; another one begins, and its workers, while the old ones may not have noticed."""
        self.said.append("supervisor killed")
        old = self.supervisor
        old.process.lives = False
        for worker in self.workers:
            worker.wires[0].end()
        old.close()
        old.process.bury()
        while may_be_drawn(self.folder):
            self.passed += 0.0001
            self.chance.choice((self._turn, self._arrive, self._answer, self._ask))()
            self._note_deaths()
        self.supervisor = self._new_supervisor()
        self.fill()

    def _look_after(self) -> None:
        """Who is dead is replaced once the supervisor has heard."""
        self._note_deaths()
        self.fill()

    def _note_deaths(self) -> None:
        """The kernel tells of who is dead, and lets go of what they had."""
        for worker in [each for each in self.workers if not each.process.lives]:
            self.workers.remove(worker)
            self.dead.append(worker)
            worker.journal.abandon()
            worker.stops_drawing()
            worker.wires[1].end()
            self.calls = [call for call in self.calls if call.wire.process is not worker.process]

    # The end.

    def settle_down(self) -> None:
        """Nobody asks any more; everything ends, and is read."""
        for _ in range(4000):
            for worker in self.workers:
                worker.process.fuse = None
            self._look_after()
            wires, ready = self.wires(), [each for each in self._processes() if each.has_work]
            for wire in wires:
                wire.deliver(100)
            for process in ready:
                process.turn()
            if self.calls:
                self._answer()
            elif not wires and not ready:
                if not self.truth.held and not self._keeps():
                    self._reads(0.0)
                    return
                self.passed += 0.3
                if not self.supervisor.telling:
                    self._reads(0.0)
        raise AssertionError(f"still held: {self.truth.held}, kept: {self._keeps()}")

    def _keeps(self) -> bool:
        """Whether the owner counts anything as held."""
        return any(totals.drawn != totals.settled for _, totals in self.supervisor.owner.vault.counters())

    def close(self) -> None:
        """Everything is let go."""
        for worker in self.workers:
            worker.process.lives = False
        self._bury_all()
        self.supervisor.process.lives = False
        self.supervisor.close()
        self.supervisor.process.bury()

    def _bury_all(self) -> None:
        for worker in self.workers:
            worker.journal.abandon()
            worker.stops_drawing()
        for worker in (*self.workers, *self.dead):
            worker.process.bury()

    def faults(self) -> list[dict[str, Any]]:
        """What nobody caught."""
        return [
            fault for each in (*self.workers, *self.dead) for fault in each.process.faults
        ] + self.supervisor.process.faults
