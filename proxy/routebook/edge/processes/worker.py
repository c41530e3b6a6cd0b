"""One worker process: serves the inherited socket under the policy that its supervisor gives it.

Run by the supervisor as `python -m routebook.edge.processes.worker CONTROL LISTEN` (two inherited file descriptors). A new
policy comes in two steps, so that all workers take it or none does: `stage` unpickles it beside the one in force,
`commit` swaps one pointer. When the supervisor is gone, however it died, the worker finishes what it has and ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from routebook.edge.gateway import Gateway
from routebook.edge.identity.book import KeyBook
from routebook.edge.journal.writer import Journal
from routebook.edge.ledger.lines import FarDesk
from routebook.edge.metrics import Metrics
from routebook.edge.operations_log import configure_log, operations_log
from routebook.edge.processes.accounts import Reporter
from routebook.edge.processes.control import Channel, Gone, Message
from routebook.edge.processes.garbage import Garbage, give_back
from routebook.edge.processes.state import begin_drawing, digest_key
from routebook.edge.server import Listener, start_server
from routebook.edge.tls.pair import context_of, of_fields
from routebook.routing.policy import Policy

NEWS_SECONDS = 0.1
"""How often the other workers are told where conversations are now."""

LEARNT_SECONDS = 1.0
"""How often they are told what was learnt of answers: a row for each model by account, and for each client and model."""

LAG_SECONDS = 0.5
"""How often a worker looks how late it comes to what it has to do."""


class Worker:
    """A gateway, its listener, and the channel to the supervisor."""

    def __init__(
        self,
        channel: Channel,
        gateway: Gateway,
        reporter: Reporter,
        listener: Listener,
        garbage: Garbage,
        drain_seconds: float,
        drawing: int,
    ) -> None:
        self._channel = channel
        self._reporter = reporter
        self._gateway = gateway
        self._listener = listener
        self._garbage = garbage
        self._drain_seconds = drain_seconds
        self._drawing = drawing
        self._staged: Policy | None = None
        self._leaving = asyncio.Event()
        self._cutting = asyncio.Event()
        self._telling: asyncio.Task[None]

    def __repr__(self) -> str:
        return f"<Worker under {self._gateway.policy.digest}, {self._listener.open_exchanges} exchanges open>"

    async def run(self) -> None:
        """Do what the supervisor says until it says `drain`, is gone, or this process is told to end."""
        listening = asyncio.create_task(self._listen())
        telling = asyncio.create_task(self._tell_news())
        teaching = asyncio.create_task(self._tell_learnt())
        watching = asyncio.create_task(self._reporter.watch_keys())
        looking = asyncio.create_task(self._watch_lag())
        giving = asyncio.create_task(give_back())
        await self._leaving.wait()
        draining = asyncio.create_task(self._listener.drain(self._drain_seconds))
        cutting = asyncio.create_task(self._cutting.wait())
        await asyncio.wait({draining, cutting}, return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            draining.cancel()
            await asyncio.wait({draining})
            await self._listener.drain(0)
        cutting.cancel()
        await self._say_farewell()
        watching.cancel()
        looking.cancel()
        giving.cancel()
        listening.cancel()
        telling.cancel()
        teaching.cancel()

    def leave(self, seconds: float | None = None) -> None:
        """Stop accepting and end when the running exchanges have, or cut them after so many seconds; 0 cuts now."""
        if not self._leaving.is_set():
            self._drain_seconds = self._drain_seconds if seconds is None else seconds
            self._leaving.set()
        elif seconds == 0:
            self._cutting.set()

    def leave_or_cut(self) -> None:
        """What SIGTERM means: tell the supervisor, who begins a successor, and leave; the second time, leave now."""
        if self._leaving.is_set():
            self.leave(0)
        else:
            self._telling = asyncio.create_task(self._tell(Message("leaves")))
            self.leave()

    async def _listen(self) -> None:
        try:
            while True:
                await self._obey(await self._channel.receive())
        except Gone:
            # nobody grants any more; a successor counts what this process holds by what stands in the journal
            self._gateway.till.close()
            os.close(self._drawing)
            self.leave()

    async def _obey(self, message: Message) -> None:
        match message.kind:
            case "stage":
                await self._channel.answer(message, error=await self._stage(message.payload))
            case "commit":
                await self._channel.answer(message, digest=self._commit())
            case "drop":
                self._staged = None
            case "refresh":
                self._gateway.take(self._gateway.policy)
            case "count":
                await self._channel.answer(message, snapshot=self._gateway.metrics.snapshot())
            case "sticks":
                self._gateway.affinities.hear(message.fields["news"])
                self._gateway.memories.hear(message.fields["memories"])
            case "learnt":
                self._gateway.memory.learnt.hear(message.fields)
            case "tls":
                await self._listener.accept(context_of(of_fields(message.fields)))
            case "health":
                self._reporter.hear(message.fields["standings"])
            case "accounts":
                await self._channel.answer(message, accounts=self._reporter.reports())
            case "account":
                await self._channel.answer(message, found=await self._reporter.obey(message.fields))
            case "drain":
                self.leave(message.fields["seconds"])
            case "recall":
                self._gateway.till.tighten(message.fields["pot"])
                await self._channel.answer(message)

    async def _tell_news(self) -> None:
        """Tell the other workers, by way of the supervisor, where conversations are, and what providers want back in
        them: their next requests may go there."""
        while True:
            await asyncio.sleep(NEWS_SECONDS)
            news, memories = self._gateway.affinities.news(), self._gateway.memories.news()
            if news or memories:
                self._channel.mention(Message("sticks", {"news": news, "memories": memories}))

    async def _watch_lag(self) -> None:
        """Measure how busy the loop is: what waits for it is every stream of this worker."""
        now = asyncio.get_running_loop().time
        while True:
            due = now() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self._gateway.metrics.lagged(max(0.0, now() - due))

    async def _tell_learnt(self) -> None:
        """Tell the other workers what answers are like, how fast they come and how they were rated."""
        while True:
            await asyncio.sleep(LEARNT_SECONDS)
            if news := self._gateway.memory.learnt.news():
                self._channel.mention(Message("learnt", news))

    async def _stage(self, pickled: bytes) -> str | None:
        """Unpickle a policy beside the one in force; what went wrong, or None."""
        try:
            self._staged = await self._garbage.unpickle(pickled)
        except Exception as error:  # noqa: BLE001 - whatever a pickle may raise, the policy in force stays
            return f"{type(error).__name__}: {error}"
        return None

    def _commit(self) -> str:
        if self._staged is not None:
            self._gateway.take(self._staged)
            self._staged = None
        return self._gateway.policy.digest

    async def _say_farewell(self) -> None:
        await self._tell(Message("farewell", {"snapshot": self._gateway.metrics.snapshot()}))
        self._channel.close()

    async def _tell(self, message: Message) -> None:
        try:
            await self._channel.send(message)
        except Gone:
            operations_log().warning("worker without a supervisor", instance=self._gateway.instance, said=message.kind)


async def serve(control: socket.socket, listen: socket.socket) -> None:
    """Wait for `start`, serve, and return when drained."""
    channel = await Channel.over(control)
    start = await channel.receive()
    configure_log(start.fields["log"])
    instance, state_dir = start.fields["instance"], Path(start.fields["state_dir"])
    journal = Journal(state_dir, instance)
    drawing, garbage = begin_drawing(state_dir), Garbage()
    gateway = Gateway(
        await garbage.unpickle(start.payload),
        journal,
        Metrics(),
        None,
        start.fields["simulate_at"],
        instance,
        digest_key(state_dir),
        FarDesk(channel),
        KeyBook.of_service(state_dir),
    )
    reporter = Reporter(channel, gateway)
    reporter.hear(start.fields["standings"])
    gateway.memory.learnt.hear(start.fields["learnt"])
    garbage.begin()
    context = context_of(of_fields(start.fields["tls"])) if start.fields["tls"] else None
    listener = await start_server(gateway, listen, context)
    worker = Worker(channel, gateway, reporter, listener, garbage, start.fields["drain"], drawing)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.leave_or_cut)
    await channel.send(Message("ready", {"digest": gateway.policy.digest}))
    try:
        await worker.run()
    finally:
        journal.close()


def main(arguments: list[str]) -> int:
    """Serve on the inherited descriptors. The supervisor alone reacts to a terminal's signals."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control, listen = (socket.socket(fileno=int(descriptor)) for descriptor in arguments)
    for descriptor in arguments:
        os.set_inheritable(int(descriptor), False)
    with asyncio.Runner() as runner:
        try:
            runner.run(serve(control, listen))
        except Gone:
            return 1
        # Whatever had to be written is. A thread may be asking for a name that no server answers for: whoever waited for it
        # is gone, and the loop and the interpreter would wait all the same until the system gives up.
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
