"""What a call says of the account that paid for it, in this room's words: the news that rests and breakers follow."""

from __future__ import annotations

import enum

import msgspec


class Kind(enum.Enum):
    """What a call came to, as far as the account and the model are concerned."""

    GOOD = "good"
    """The upstream did its work: it answered, or said what was wrong with the request."""
    FAILED = "failed"
    """It did not, through no fault of the request or the account: an error of its own, a time-out, a cut."""
    OVERLOADED = "overloaded"
    """The quota's rate is used up (429)."""
    NO_QUOTA = "no-quota"
    """The quota itself is used up, or not paid for (402, `insufficient_quota`)."""
    KEY_REFUSED = "key-refused"
    """The key is not, or no longer, good for anything (401, 403)."""
    BLAMELESS = "blameless"
    """Nothing was learnt: the client left, or the fault is ours."""


class Rest(msgspec.Struct, frozen=True, gc=False):
    """For how many seconds an upstream wants to be left alone, and what it said of that."""

    seconds: float
    because: str


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """One call's outcome. `because` says what went wrong in a word or two (`429`, `upstream.cut`).

    `rest` is what the answer's headers or body asked for, also that of a good answer that was the last for now.
    `first_byte` is how many seconds after the call a good answer began; None where that measures nothing.
    """

    kind: Kind
    because: str = ""
    rest: Rest | None = None
    first_byte: float | None = None
