"""Event loops that run when they are told to, a turn at a time, and wires between them that carry when they are told to.

Several of them stand for several processes of one host, in one thread and one time: so a test says in which order
everything happens, and can have a process killed between any two things that it does to the world.
"""

from __future__ import annotations

import asyncio
import heapq
import socket
from collections.abc import Awaitable, Callable
from typing import Any

Protocol = asyncio.BaseProtocol


class SimulatedProcess(asyncio.BaseEventLoop):
    """One process: its event loop, and whether it lives. `now` are the seconds that all processes share.

    A process that was killed goes on doing nothing at all; `fuse` is after how many more deeds it is killed.
    """

    def __init__(self, name: str, now: Callable[[], float], dial: Callable[[Wire], None]) -> None:
        super().__init__()
        self.name = name
        self.lives = True
        self.fuse: int | None = None
        self.faults: list[dict[str, Any]] = []
        self.wires: list[Wire] = []
        self.listens: list[Callable[[], Protocol]] = []
        self._now = now
        self._dial = dial
        self.set_exception_handler(lambda _, context: self.faults.append(context))

    def __repr__(self) -> str:
        return f"<SimulatedProcess {self.name}, {'alive' if self.lives else 'dead'}>"

    def time(self) -> float:
        """The time of all processes."""
        return self._now()

    @property
    def has_work(self) -> bool:
        """Whether a turn would do something."""
        return self.lives and bool(self._ready or self._is_due())  # type: ignore[attr-defined]

    @property
    def next_timer(self) -> float | None:
        """When the next timer rings."""
        return self._scheduled[0].when() if self._scheduled else None  # type: ignore[attr-defined]

    def turn(self) -> None:
        """One turn of the loop: the timers that are due, and all that was ready when it began."""
        while self._is_due():
            timer = heapq.heappop(self._scheduled)  # type: ignore[attr-defined]
            timer._scheduled = False
            self._ready.append(timer)  # type: ignore[attr-defined]
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            for _ in range(len(self._ready)):  # type: ignore[attr-defined]
                handle = self._ready.popleft()  # type: ignore[attr-defined]
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(before)

    def calls(self, function: Callable[[], object]) -> None:
        """Have something done as if the world had done it, at once."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            function()
        finally:
            asyncio._set_running_loop(before)

    def finish(self, work: Awaitable[Any]) -> Any:
        """Run what needs nobody else to its end."""
        task = asyncio.ensure_future(work, loop=self)
        for _ in range(1000):
            if task.done():
                return task.result()
            self.turn()
        raise AssertionError(f"{work} waits for somebody")

    def does(self) -> bool:
        """Whether something may be done to the world now: written or sent. The fuse burns."""
        if self.lives and self.fuse is not None:
            self.fuse -= 1
            self.lives = self.fuse >= 0
        return self.lives

    def bury(self) -> None:
        """Let its tasks end; nothing of what they do reaches the world."""
        self.lives = False
        for wire in self.wires:
            wire.cut()
        tasks = asyncio.all_tasks(self)
        for _ in range(50):
            for task in tasks:
                task.cancel()
            if not (tasks := asyncio.all_tasks(self)):
                break
            self.turn()
        assert not tasks, f"tasks that do not end: {tasks}"
        self.turn()
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        self.close()

    async def create_connection(self, factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:
        """A wire to an upstream."""
        if (connected := more.get("sock")) is not None:
            connected.close()
        wire = Wire(self, factory())
        self._dial(wire)
        return wire, wire.protocol

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        """Every name is this machine's."""
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Whoever connects is given a wire afterwards."""

    async def create_server(self, factory: Any, *where: Any, **more: Any) -> Any:
        """Clients are let in by `listens`."""
        if (listening := more.get("sock")) is not None:
            listening.close()
        self.listens.append(factory)
        return _Acceptor()

    def _is_due(self) -> bool:
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False
        return bool(scheduled) and scheduled[0].when() <= self._now()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass


class _Acceptor:
    def close(self) -> None:
        pass


class Wire(asyncio.Transport):
    """One process's end of a connection: what it says goes to `hears`, and what is sent to it arrives when it is told."""

    def __init__(self, process: SimulatedProcess, protocol: Any) -> None:
        super().__init__()
        self.process = process
        self.protocol = protocol
        self.hears: Callable[[bytes], None] = lambda data: None
        self.left: Callable[[], None] = lambda: None
        self._to_come: list[bytes] = []
        self._ends = False
        self._closing = False
        process.wires.append(self)
        process.calls(lambda: protocol.connection_made(self))

    def __repr__(self) -> str:
        return f"<Wire of {self.process.name}, {len(self._to_come)} to come>"

    # What the world does.

    @property
    def has_news(self) -> bool:
        """Whether something would arrive."""
        return self.process.lives and bool(self._to_come or self._ends) and not self._closing

    def send(self, data: bytes) -> None:
        """Something is on its way to the process."""
        self._to_come.append(data)

    def end(self) -> None:
        """And nothing more will be."""
        self._ends = True

    def deliver(self, number: int = 1) -> None:
        """So many of the pieces that are on their way arrive, as one; after all of them, the end."""
        data, self._to_come = b"".join(self._to_come[:number]), self._to_come[number:]
        if data:
            self.process.calls(lambda: self.protocol.data_received(data))
        elif self._ends:
            self._ends = False
            self.process.calls(self._ended)

    def _ended(self) -> None:
        if not self.protocol.eof_received():
            self.close()

    # What the process does.

    def write(self, data: Any) -> None:
        """It speaks."""
        if not self._closing and self.process.does():
            self.hears(bytes(data))

    def close(self) -> None:
        """It leaves."""
        if not self._closing:
            self._closing = True
            if self.process.does():
                self.left()
            self.process.call_soon(self.protocol.connection_lost, None)

    def cut(self) -> None:
        """The process is gone, and nothing arrives any more."""
        self._closing = True

    def abort(self) -> None:
        """It leaves at once."""
        self.close()

    def is_closing(self) -> bool:
        """Whether it has left."""
        return self._closing

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits here."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The same."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Everybody is on this machine."""
        return ("127.0.0.1", 1) if name == "peername" else default

    def pause_reading(self) -> None:
        """Whoever reads slowly is a matter of other tests."""

    def resume_reading(self) -> None:
        """The same."""

    def is_reading(self) -> bool:
        """Always."""
        return True

    def set_protocol(self, protocol: Any) -> None:
        """Another one is spoken."""
        self.protocol = protocol

    def get_protocol(self) -> Any:
        """The one that is spoken."""
        return self.protocol


def a_socket() -> socket.socket:
    """A socket that nobody can reach, for who wants to be given one."""
    return socket.socket(socket.AF_UNIX)
