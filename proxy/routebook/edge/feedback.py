"""Feedback: how good an answer was, from 0 to 1, said afterwards by the client who got it, or by an operator.

It is a line of the journal, so it outlives the process; the quality that is predicted of the model for that class of task
follows it (`routing.predicting`), in every worker of the host within a second, and again after a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from routebook.edge.answers import Failure, answer
from routebook.edge.callers import identify
from routebook.edge.gateway import Gateway
from routebook.edge.headers import SERVER
from routebook.edge.journal.records import Record, Records
from routebook.edge.journal.writer import JournalUnavailable
from routebook.routing.record import utc

PATH: Final = "/feedback"
"""Where clients say it."""

LARGEST: Final = 16 * 1024
"""Bytes of a body."""

AT_ONCE: Final = 4
"""So many are looked up at the same time in a worker; further ones are told to come again."""


class FeedbackWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says of an answer."""

    decision: Annotated[str, Meta(min_length=1, max_length=64)]
    quality: Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer that was rated: which, whose, of which class of task (empty: the prompt was not judged), and how good it
    was."""

    decision: str
    model: str
    task: str
    quality: float

    def line(self, by: str, now: float) -> dict[str, Any]:
        """As the journal has it; `by` is who says so."""
        return {
            "id": self.decision,
            "time": utc(now),
            "by": by,
            "model": self.model,
            "task": self.task,
            "quality": self.quality,
        }

    def shown(self) -> dict[str, Any]:
        """As whoever said it is told. What is of no class is kept and teaches nothing at run time."""
        return {
            "decision": self.decision,
            "model": self.model,
            "task": self.task or None,
            "quality": self.quality,
            "learnt": bool(self.task),
        }


class NotRated(Exception):
    """An answer cannot be rated: a stable code, and words for whoever tried."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def rated(state_dir: Path, identity: str, quality: float, client: str | None = None) -> Rated:
    """What is to be noted of an answer; raises NotRated. `client` may rate its own only; None: an operator may all.

    Reads index and journal: not for the event loop.
    """
    with Records(state_dir) as records:
        record, before = records.find(identity), records.has_feedback(identity)
    decided = {} if record is None else record.decided or {}
    if record is None or not decided or (client is not None and decided.get("client") != client):
        raise NotRated(
            "feedback.unknown-decision", "no decision of yours has this id; perhaps it is older than records are kept"
        )
    model = _answered_by(record)
    if model is None:
        raise NotRated("feedback.unanswered", "no model has answered that request, or it still runs")
    if before:
        raise NotRated("feedback.repeated", "that answer was rated already; what was said first counts")
    return Rated(identity, model, (decided.get("asked") or {}).get("judged", {}).get("task", ""), quality)


def _answered_by(record: Record) -> str | None:
    ended: Mapping[str, Any] = record.ended or {}
    status = ended.get("status")
    return ended.get("model") if isinstance(status, int) and status < 300 else None


class Feedback:
    """One worker's way of taking feedback."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._running = 0

    def __repr__(self) -> str:
        return f"<Feedback, {self._running} being looked up>"

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer `POST /feedback`."""
        try:
            return web.json_response(await self._take(request), headers=SERVER)
        except Failure as failure:
            return answer(failure)

    async def _take(self, request: web.BaseRequest) -> dict[str, Any]:
        gateway = self._gateway
        client = identify(request, gateway, gateway.serving)
        wanted = await _read(request)
        if self._running >= AT_ONCE:
            raise Failure("feedback.busy", "too many answers are being rated at this moment", retry_after=1.0)
        self._running += 1
        try:
            state_dir = gateway.journal.folder.parent
            found = await asyncio.to_thread(rated, state_dir, wanted.decision, wanted.quality, client.name)
        except NotRated as error:
            raise Failure(error.code, error.message, param="decision") from None
        finally:
            self._running -= 1
        try:
            gateway.journal.feedback(found.line(client.name, gateway.clock.now()))
        except JournalUnavailable:
            raise Failure("journal.unavailable", "feedback cannot be recorded at the moment") from None
        if found.task:
            gateway.memory.learnt.ratings.rated(found.model, found.task, found.quality)
        return found.shown()


async def _read(request: web.BaseRequest) -> FeedbackWanted:
    if (request.content_length or 0) > LARGEST:
        raise Failure("request.too-large", f"feedback is at most {LARGEST} bytes")
    body = b""
    try:
        async with asyncio.timeout(5.0):
            while part := await request.content.readany():
                body += part
                if len(body) > LARGEST:
                    raise Failure("request.too-large", f"feedback is at most {LARGEST} bytes")
    except TimeoutError:
        raise Failure("request.slow", "the feedback did not arrive within 5 s") from None
    try:
        return msgspec.json.decode(body, type=FeedbackWanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        words = str(error) if isinstance(error, msgspec.ValidationError) else "it is no JSON"
        raise Failure("request.malformed", f"feedback is `decision` and `quality` (0 to 1): {words}") from None
