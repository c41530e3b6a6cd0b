"""What a translation did not carry, said aloud."""

from __future__ import annotations

import enum

from routebook.chat.parts import Value


class Done(enum.Enum):
    """What is done where a dialect or a model cannot carry something."""

    REFUSED = "refused"
    DROPPED = "dropped"
    EMULATED = "emulated"


class Loss(Value, frozen=True, gc=False):
    """One thing that was asked for, or answered, and does not arrive as it was meant.

    `feature` is its name in `chat.features`, which is also how a policy speaks of it; `path` is where it stood
    (`messages[2].parts[0]`), never what stood there; `why` is for people. A request with a `REFUSED` loss is not sent.
    """

    feature: str
    path: str
    done: Done
    why: str
