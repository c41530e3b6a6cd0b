"""The simulated upstream as a child of the supervisor, for `routebook serve --simulate`."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from types import TracebackType
from typing import Self

from routebook.edge.operations_log import configure_log, operations_log
from routebook.edge.processes.children import Child
from routebook.edge.processes.control import Channel, Gone, Message
from routebook.edge.processes.listening import Address, bind, written

THIS = "routebook.edge.simulator.child"


class Simulation:
    """Keeps a simulated upstream running from `async with` to its end; `address` is the base URL it answers at."""

    def __init__(self) -> None:
        self._listen = bind(Address("127.0.0.1", 0))
        self.address = f"http://{written(self._listen)}/v1"
        self._child: Child
        self._keeper: asyncio.Task[None]
        self._leaving = False

    def __repr__(self) -> str:
        return f"<Simulation at {self.address}>"

    async def __aenter__(self) -> Self:
        self._child = await Child.start(THIS, self._listen)
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        self._child.channel.close()
        await self._keeper
        self._listen.close()

    async def _keep(self) -> None:
        """Wait for its end, and begin it again if that came too early."""
        while True:
            code = await self._child.attend(_nothing)
            if self._leaving:
                return
            operations_log().error("simulated upstream ended", how=code, does="begins it again")
            await asyncio.sleep(0.25)
            self._child = await Child.start(THIS, self._listen)


async def _nothing(_: Message) -> None:
    return None


async def simulate(control: socket.socket, listen: socket.socket) -> None:
    """Answer until the supervisor closes the channel or is gone."""
    # the supervisor imports this module too, and needs nothing of the simulator
    from routebook.edge.simulator.server import start_simulator

    channel = await Channel.over(control)
    await start_simulator(listen)
    try:
        while True:
            await channel.receive()
    except Gone:
        return


def main(arguments: list[str]) -> int:
    """Run in the child process."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    control, listen = (socket.socket(fileno=int(descriptor)) for descriptor in arguments)
    configure_log("warning")
    asyncio.run(simulate(control, listen))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
