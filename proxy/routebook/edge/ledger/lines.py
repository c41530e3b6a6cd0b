"""The ledger's words on the channel between a worker and the supervisor, which owns the vault.

A worker asks (`lease`, `settled`) and tells (`report`, and `forgo` of a lease that nobody waits for any more); the supervisor asks a worker to give back what lies idle of a
pot (`recall`). Claims, grants and refusals travel as the payload of a frame.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import msgspec

from routebook.edge.ledger.desk import RECALL_SECONDS, Desk
from routebook.edge.ledger.till import DeskGone, Heard, unheard
from routebook.edge.processes.control import Channel, Gone, Message
from routebook.ledger.claims import Claim, Grant, Refusal, Report

ANSWER_SECONDS: Final = 5.0
"""How long the owner may take to say what is settled."""

_encode = msgspec.msgpack.Encoder().encode
_claims = msgspec.msgpack.Decoder(tuple[Claim, ...])
_grant = msgspec.msgpack.Decoder(Grant)
_refusal = msgspec.msgpack.Decoder(Refusal)
_report = msgspec.msgpack.Decoder(Report)
_pots = msgspec.msgpack.Decoder(tuple[tuple[str, int], ...])


class FarDesk:
    """The owner's desk, as a worker reaches it: a `till.Desk`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.offset = 0.0
        """By how much the ledger's time is ahead of this machine's, in seconds."""
        self._leases = 0

    async def lease(
        self, holder: str, claims: Sequence[Claim], who: str, wait: bool, exact: bool = False, heard: Heard = unheard
    ) -> Grant | Refusal:
        """Ask for all claims or none; raises DeskGone. Cancelled, it says so to the owner, and returns what that granted
        before it heard. `heard` is told of a grant before anything else that the owner says after it."""
        self._leases += 1
        number = self._leases
        message = Message("lease", {"who": who, "wait": wait, "exact": exact, "lease": number}, _encode(claims))
        found: list[Grant | Refusal] = []

        def hear(answer: Message) -> None:
            self.offset = answer.fields["offset"]
            grants = answer.fields["granted"]
            found.append((_grant if grants else _refusal).decode(answer.payload))
            if isinstance(found[0], Grant):
                heard(found[0])

        try:
            asking = self._channel.question(message, hear)
            try:
                await asyncio.shield(asking)
            except asyncio.CancelledError:
                self._channel.tell(Message("forgo", {"lease": number}))
                await asking
        except Gone as gone:
            raise DeskGone(str(gone)) from None
        return found[0]

    def report(self, holder: str, report: Report) -> None:
        """Tell; what cannot be told any more concerns nobody."""
        self._channel.tell(Message("report", {}, _encode(report)))

    async def flush(self) -> None:
        """Wait until everything that was told has left."""
        await self._channel.flush()

    async def settled(self, pots: Sequence[tuple[str, int]]) -> list[int]:
        """Ask what is settled in pots; raises DeskGone."""
        try:
            answer = await self._channel.ask(Message("settled", {}, _encode(pots)), ANSWER_SECONDS)
        except Gone as gone:
            raise DeskGone(str(gone)) from None
        found: list[int] = answer.fields["settled"]
        return found


class Counterpart:
    """The owner's side: what workers say of money is brought to the desk, and answered."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._channels: dict[str, Channel] = {}
        self._leases: dict[tuple[str, int], asyncio.Task[None]] = {}

    def opened(self, holder: str, channel: Channel) -> None:
        """A worker is there."""
        self._channels[holder] = channel

    def closed(self, holder: str) -> None:
        """A worker is gone and waits for nothing any more; what it was granted stays counted until its records are read
        (`Desk.bury`)."""
        self._channels.pop(holder, None)
        self.desk.dismiss(holder)
        for (each, _), task in self._leases.items():
            if each == holder:
                task.cancel()

    def may_ask(self, holder: str) -> bool:
        """Whether something may still be granted to a worker: it is there, or one of its questions is not ended yet."""
        return holder in self._channels or any(each == holder for each, _ in self._leases)

    async def hear(self, holder: str, message: Message) -> None:
        """Do what a message of a worker asks; one that concerns no money is passed over."""
        match message.kind:
            case "lease":
                await self._lease(holder, message)
            case "forgo":
                await asyncio.sleep(0)  # a lease that was asked for just before has begun by then
                if (task := self._leases.get((holder, message.fields["lease"]))) is not None:
                    task.cancel()
            case "report":
                self.desk.report(holder, _report.decode(message.payload))
            case "settled":
                found = await self.desk.settled(_pots.decode(message.payload))
                await self._channels[holder].answer(message, settled=found)

    async def recall(self, pot: str, holder: str) -> None:
        """Ask a holder to give back what lies idle of a pot; returns when it has, is gone or has taken too long."""
        if (channel := self._channels.get(holder)) is not None:
            with contextlib.suppress(Gone):
                await channel.ask(Message("recall", {"pot": pot}), RECALL_SECONDS)

    async def _lease(self, holder: str, message: Message) -> None:
        """Answer at once where that can be; otherwise beside everything else, for it may wait for other workers."""
        claims = _claims.decode(message.payload)
        found = self.desk.lease_now(holder, claims, message.fields["exact"])
        if isinstance(found, Grant):
            await self._channels[holder].answer_with(message, _encode(found), granted=True, offset=self.desk.offset)
            return
        key = (holder, message.fields["lease"])
        task = self._leases[key] = asyncio.ensure_future(self._lease_slowly(holder, message, claims))
        task.add_done_callback(lambda _: self._leases.pop(key, None))

    async def _lease_slowly(self, holder: str, message: Message, claims: tuple[Claim, ...]) -> None:
        found: Grant | Refusal
        try:
            fields = message.fields
            found = await self.desk.lease(holder, claims, fields["who"], fields["wait"], fields["exact"])
        except asyncio.CancelledError:
            found = Refusal(claims[0], 0, None)  # nobody hears it, but the question is answered
        channel = self._channels.get(holder)
        if channel is None:
            return
        try:
            granted = isinstance(found, Grant)
            await channel.answer_with(message, _encode(found), granted=granted, offset=self.desk.offset)
        except Gone:
            return
