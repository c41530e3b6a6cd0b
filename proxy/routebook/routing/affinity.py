"""Conversations that stay where they are (`stick:`): on the model and account that answered last, as long as that may
still serve them. Prompt caches, signatures of thoughts and answers that are kept at the vendor's are worth nothing
elsewhere.

Staying is an order, never a permission: who was dropped for any reason is not brought back.

Where candidates are put in order by what they are likely to cost, a conversation stays while what another would save with
each request is less than what the move costs once: the prompt that the vendor has in its cache, read anew elsewhere.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from routebook.routing.candidates import Candidate, Dropped, Stick
from routebook.routing.controls import stick_of
from routebook.routing.facts import RequestFacts
from routebook.routing.outcomes import UNCONSTRAINED, Route, Within

SESSION_HEADER: Final = "x-routebook-session"
"""Where a client names the conversation itself, whatever dialect it speaks."""

KEPT: Final = 30 * 86400.0
"""Seconds for which a request may go on from an answer: as long as OpenAI keeps one."""

ELSEWHERE: Final = "route.elsewhere"
"""Why a conversation moves whose model is not in the route that was decided."""

SAVES: Final = "route.saves"
"""Why a conversation moves that could stay: another candidate saves more than the move costs."""

WORSE: Final = "route.quality"
"""Why a conversation moves that could stay: its model is much worse for this prompt than the best."""

Place = tuple[str, str]
"""A model's name and the account's path (`provider/account`)."""


class Event(enum.Enum):
    """What becomes of a conversation at one of its requests."""

    INITIALIZE = "initialize"
    """It was nowhere before, or too long ago."""
    RETAIN = "retain"
    """It stays where it was."""
    SWITCH = "switch"
    """It cannot stay."""


class Table(Protocol):
    """Where conversations are (`health.affinity` is one)."""

    def place_of(self, conversation: bytes, at: float, seconds: float) -> Place | None:
        """Where it was answered last, unless that is longer ago than so many seconds."""


class Conversation(msgspec.Struct, frozen=True, gc=False):
    """The conversation of a request under a rule that sticks. `digest` is empty where only a record is known; `before`
    is where it was answered last, None where it is new here; `bound` that it goes on from what only its provider has."""

    before: Place | None = None
    digest: bytes = b""
    bound: bool = False

    @property
    def draw(self) -> float:
        """A number from 0 to below 1 that is the conversation's own: whoever decides about its first request, whichever
        worker, puts equal candidates in the same order (weighted rendezvous hashing, by `picking.by_weight`)."""
        return (int.from_bytes(self.digest[:8], "big") >> 11) / 2**53


def conversation_of(
    route: Route, facts: RequestFacts, table: Table, secret: bytes, within: Within = UNCONSTRAINED
) -> Conversation | None:
    """The conversation that a request continues, or begins; None where neither its rule nor its client (`within`) keeps
    it together, or nothing tells it.

    Known by the client and what the client calls it, or else by the model asked for and the messages it began with.
    A request that goes on from an answer, by its id, goes to whoever gave that answer, whatever the rule says: nobody
    else has it.
    """
    asked = facts.asked
    if (answer := asked.goes_on_from) is not None:
        found = answer_digest(facts.client.name, answer, secret)
        place = table.place_of(found, facts.at, KEPT)
        if place is not None:
            return Conversation(place, found, bound=True)
    seconds = stick_of(route, within)
    if seconds is None:
        return None
    named = within.session or facts.headers.get(SESSION_HEADER) or asked.session
    if named:
        parts: tuple[bytes, ...] = (b"session", named.encode("utf-8", "surrogatepass"))
    elif asked.opening:
        parts = (b"opening", asked.model.encode("utf-8", "surrogatepass"), asked.opening)
    else:
        return None
    found = _digest(facts.client.name, parts, secret)
    return Conversation(table.place_of(found, facts.at, seconds), found)


def answer_digest(client: str, answer: str, secret: bytes) -> bytes:
    """What a conversation is known by that goes on from an answer with this id."""
    return _digest(client, (b"session", answer.encode("utf-8", "surrogatepass")), secret)


def _digest(client: str, parts: Sequence[bytes], secret: bytes) -> bytes:
    digest = blake2b(key=secret, digest_size=16)
    for part in (client.encode(), *parts):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def stay(
    kept: Sequence[Candidate], dropped: Sequence[Dropped], conversation: Conversation, floor: float | None = None
) -> tuple[list[Candidate], Stick]:
    """The candidates with the one in front that the conversation is with; where it cannot serve, with its model's
    other accounts in front. One that the prompt may not fit stays behind those that it does.

    `floor` is the predicted quality below which it is not worth staying, where the order goes by cost (None: elsewhere).
    """
    found, before, bound = list(kept), conversation.before, conversation.bound
    if before is None:
        return found, Stick(Event.INITIALIZE.value, bound=bound)
    model, path = before
    at = next((index for index, each in enumerate(found) if each.name == model and each.path == path), None)
    if at is not None and (found[at].reason == "kept" or all(each.reason != "kept" for each in found)):
        weighed = None if floor is None or bound else _weigh(found[at], found[0], floor)
        gain, loss, why = (None, None, None) if weighed is None else weighed
        if why is not None:
            return found, Stick(Event.SWITCH.value, before, why, gain, loss)
        found.insert(0, found.pop(at))
        return found, Stick(Event.RETAIN.value, before, None, gain, loss, bound)
    found.sort(key=lambda each: (each.reason != "kept", each.name != model))
    why = _why(dropped, before) if at is None else found[-1].reason
    return found, Stick(Event.SWITCH.value, before, why, bound=bound)


def _weigh(stays: Candidate, other: Candidate, floor: float) -> tuple[int | None, int | None, str | None] | None:
    """What moving gains with each request and costs once, in nano-dollars, and why the conversation moves where it
    does; None where nothing is to be weighed."""
    if other.name == stays.name:
        return None
    if stays.quality is not None and stays.quality < floor:
        return None, None, WORSE
    if stays.expected_cost is None or other.expected_cost is None:
        return None
    gain, loss = stays.expected_cost - other.expected_cost, other.cached
    return gain, loss, SAVES if gain > loss and gain > 0 else None


def _why(dropped: Sequence[Dropped], before: Place) -> str:
    model, path = before
    return next((each.reason for each in dropped if each.name == model and each.account in (None, path)), ELSEWHERE)
