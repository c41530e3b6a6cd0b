"""The processes of the supervisor: started with a channel each, told to go, never left behind.

Each child leads a process group of its own, so that a terminal's Ctrl-C reaches the supervisor alone, and ends by
itself when its channel does: a supervisor killed with -9 leaves no orphan. The supervisor awaits every child's end, so
none stays a zombie.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable

from routebook.edge.processes.control import Channel, Gone, Message

KILL_AFTER = 5.0
"""Seconds a child has beyond its drain before it is killed, and those it has to end when it has said all it had to."""

Handler = Callable[[Message], Awaitable[None]]
"""What is done with a message of a child that is no answer."""


class Child:
    """One running child process."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.process = process
        self.channel = channel

    def __repr__(self) -> str:
        return f"<Child {self.pid} {'running' if self.is_running else f'ended with {self.process.returncode}'}>"

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.returncode is None

    @classmethod
    async def start(cls, module: str, listen: socket.socket) -> Child:
        """Start `python -m MODULE CONTROL LISTEN` with both sockets inherited."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                str(theirs.fileno()),
                str(listen.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), listen.fileno()),
                process_group=0,
            )
        return cls(process, await Channel.over(ours))

    async def attend(self, handle: Handler) -> int:
        """Hand on what the child says until it ends; how it ended, as `subprocess` says it."""
        with contextlib.suppress(Gone):
            while True:
                await handle(await self.channel.receive())
        self.channel.close()
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self.process.wait(), KILL_AFTER)
        # it closed its channel and does not end: nothing will come of it any more
        self.kill()
        return await self.process.wait()

    async def tell(self, message: Message) -> None:
        """Send a message; a child that is gone hears nothing, which `attend` notices."""
        with contextlib.suppress(Gone):
            await self.channel.send(message)

    def kill(self) -> None:
        """End the process at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
