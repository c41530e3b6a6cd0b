"""Answers that a rule lets be used again (`cache:`): under which key, for whom, for how long, and in how much room.

A key is a digest of everything that can change an answer: the bytes that would go upstream, to which model of which
provider, and whose answer it may be. Two requests that differ in any of it never share an answer. Nothing is left out
because it probably does not matter: an end user or an entry of metadata in the body makes another key.

The clock is an argument (`at`, monotonic seconds), and so is the secret of the digest: prompts cannot be guessed from
keys.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final, Protocol

import msgspec

from routebook.catalogue.models import Model
from routebook.chat.usage import Usage
from routebook.routing.outcomes import Reuse, Route
from routebook.routing.policy import CacheRoom, Policy

ANSWERING: Final = ("Accept", "OpenAI-Beta", "x-simulate")
"""Headers of a client that go upstream and may change the answer; the others name the client or the exchange."""

REPLAYED: Final = frozenset({"content-type", "content-encoding", "content-language"})
"""Headers of an upstream's answer that speak of its bytes; the others spoke of one exchange, which is over."""

OVERHEAD: Final = 512
"""Bytes that an answer takes besides its own: so many small ones cannot take more room than they are given."""

NO_ROOM: Final = CacheRoom(0, 0)

_MAX_AGE: Final = re.compile(r"max-age=([0-9]{1,9})", re.ASCII)


class Said(Protocol):
    """What an answer says of itself, once it is over."""

    @property
    def usage(self) -> Usage | None:
        """What was used, as the upstream counted."""

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped."""

    @property
    def model(self) -> str | None:
        """The model that served, in the vendor's words."""

    @property
    def id(self) -> str | None:
        """The answer's own id."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """An answer as its client got it: whole, or as a `stream` whose `pieces` are runs of whole events.

    `record` is the decision that brought it, by `rule`, `at` this moment; it may be used for `seconds`. The rest is
    what it said of itself.
    """

    record: str
    rule: str
    at: float
    seconds: float
    status: int
    headers: tuple[tuple[str, str], ...]
    pieces: tuple[bytes, ...]
    stream: bool = False
    usage: Usage | None = None
    finish_reason: str | None = None
    model: str | None = None
    id: None = None
    """Nobody goes on from a copy: the answer's own id is known since it was first given."""

    @property
    def size(self) -> int:
        """The room that it takes, in bytes."""
        return OVERHEAD + sum(map(len, self.pieces))


class Wish(msgspec.Struct, frozen=True, gc=False):
    """What a client says in `Cache-Control`: whether it takes a kept answer, of which age at most (seconds), and
    whether its own may be kept. `word` is the directive that forbids the first."""

    takes: bool = True
    keeps: bool = True
    max_age: float | None = None
    word: str | None = None


class Recalled(msgspec.Struct, frozen=True, gc=False):
    """What was found for a request: an answer that is `age` seconds old, or none (a miss). `bypass` is why nobody
    looked; `model` whose answer it is."""

    model: Model
    answer: Kept | None = None
    age: float = 0.0
    bypass: str | None = None

    @property
    def result(self) -> str:
        """`hit`, `miss` or `bypass`, for the metrics."""
        return "hit" if self.answer is not None else "miss" if self.bypass is None else "bypass"

    def line(self) -> dict[str, Any]:
        """What the record says of it."""
        if self.answer is not None:
            return {"hit": True, "of": self.answer.record, "age": round(self.age, 6)}
        return {"hit": False} if self.bypass is None else {"hit": False, "bypass": self.bypass}


def key_of(
    secret: bytes,
    operation: str,
    dialect: str,
    model: Model,
    body: bytes,
    shows_usage: bool,
    headers: Mapping[str, str],
    client: str | None,
) -> bytes:
    """The key of an answer. `body` is what would go upstream, after every edit; `shows_usage` whether the client wants
    to see what is asked for there in any case; `client` None where all clients share.

    Neither the rule nor the policy is part of it: what an upstream answers does not depend on them.
    """
    provider = model.provider
    said = (headers.get(name) for name in ANSWERING)
    parts = (
        operation,
        dialect,
        provider.name,
        provider.base_url,
        model.upstream_id,
        "usage" if shows_usage else "",
        "all" if client is None else f"client {client}",
        *("" if each is None else f"={each}" for each in said),
    )
    digest = blake2b(key=secret, digest_size=32)
    for part in (*(part.encode("utf-8", "surrogatepass") for part in parts), body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def wish_of(written: str) -> Wish:
    """What `Cache-Control` of a request asks: `no-cache` for a fresh answer, `no-store` for one that leaves no copy
    either, `max-age` for one that is not older. What else stands there is for other caches."""
    if not written:
        return Wish()
    words = {word.strip().lower() for word in written.split(",")}
    if "no-store" in words:
        return Wish(takes=False, keeps=False, word="no-store")
    if "no-cache" in words:
        return Wish(takes=False, word="no-cache")
    ages = [float(found[1]) for word in words if (found := _MAX_AGE.fullmatch(word))]
    return Wish(max_age=min(ages, default=None))


def is_worth_keeping(operation: str, status: int, said: Said | None) -> bool:
    """Whether an answer that came to its protocol's own end is one: successful, and with a reason why it stopped where
    its kind has one. (Some vendors tell an error as a reason to stop.)"""
    if said is None or not 200 <= status < 300:
        return False
    if operation != "chat":
        return said.usage is not None or said.model is not None
    return said.finish_reason is not None and said.finish_reason != "error"


def room_under(policy: Policy) -> CacheRoom:
    """The room for answers under a policy: none where no rule keeps any."""
    keeps = any(isinstance(rule.outcome, Route) and rule.outcome.cache is not None for rule in policy.rules)
    return policy.settings.cache if keeps else NO_ROOM


class AnswerCache:
    """The answers that one worker keeps. What was not used for longest goes first; `sizes` are bytes by rule."""

    def __init__(self, room: CacheRoom = NO_ROOM) -> None:
        self.room = room
        self.bytes = 0
        self.sizes: dict[str, int] = {}
        self._answers: OrderedDict[bytes, Kept] = OrderedDict()

    def __repr__(self) -> str:
        return f"<AnswerCache {len(self._answers)} answers, {self.bytes} of {self.room.bytes} bytes>"

    def find(self, key: bytes, at: float, reuse: Reuse, max_age: float | None = None) -> tuple[Kept, float] | None:
        """The answer under a key and its age, where neither the rule that kept it nor the one that asks, nor the
        client (`max_age`), finds it too old."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        age = at - answer.at
        if age >= answer.seconds:
            self._drop(key)
            return None
        if age >= reuse.seconds or (max_age is not None and age > max_age):
            return None
        self._answers.move_to_end(key)
        return answer, age

    def keep(self, key: bytes, answer: Kept) -> bool:
        """Keep an answer in place of an older one; whether there was room for it."""
        if answer.size > min(self.room.entry + OVERHEAD, self.room.bytes):
            return False
        self._drop(key)
        self._answers[key] = answer
        self._count(answer, answer.size)
        self._shrink()
        return True

    def bound(self, room: CacheRoom) -> None:
        """Use so much room from now on; what no longer has any goes at once."""
        self.room = room
        self._shrink()

    def _shrink(self) -> None:
        while self.bytes > self.room.bytes:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: bytes) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None:
            self._count(answer, -answer.size)

    def _count(self, answer: Kept, size: int) -> None:
        self.bytes += size
        self.sizes[answer.rule] = self.sizes.get(answer.rule, 0) + size


def replayed_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Those of an answer's headers that go out with its bytes again."""
    return tuple((name, value) for name, value in headers if name.lower() in REPLAYED)
