"""Ids of calls as this dialect takes them: of letters, digits, `_` and `-`, and each once in a conversation."""

from __future__ import annotations

import re
from typing import Final

_OTHERS: Final = re.compile(r"[^a-zA-Z0-9_-]")


class CallIds:
    """Names the calls of one conversation as they come, and finds the names again for their results.

    Ids that can stay do; the same conversation gets the same names every time, and so keeps its place in a cache.
    """

    def __init__(self) -> None:
        self._named: dict[str, str] = {}
        self._used: set[str] = set()

    def __repr__(self) -> str:
        return f"<CallIds {len(self._used)}>"

    def of_call(self, given: str) -> str:
        """The id of a call that comes now; results that name the same id from here on belong to it."""
        plain = _OTHERS.sub(lambda other: f"_{ord(other[0]):x}_", given) or "call"
        name, number = plain, 1
        while name in self._used:
            number += 1
            name = f"{plain}_{number}"
        self._used.add(name)
        self._named[given] = name
        return name

    def of_result(self, given: str) -> str:
        """The id of the call that a result belongs to."""
        return self._named.get(given) or _OTHERS.sub(lambda other: f"_{ord(other[0]):x}_", given) or "call"
