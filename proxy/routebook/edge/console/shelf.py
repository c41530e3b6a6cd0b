"""Policies as pages need them: read once, and kept for the next page."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Final

from routebook.edge.journal.kept import policy_of
from routebook.routing.policy import Policy

MOST: Final = 4
"""Policies that are kept read; of more, the one that was asked for longest ago is read again."""


class Shelf:
    """The policies that were asked for last. For several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, str], Policy] = OrderedDict()
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<Shelf of {len(self._kept)} policies>"

    def take(self, state_dir: Path, digest: str) -> Policy | None:
        """The policy with this digest; None where it was never kept, or cannot be read any more."""
        with self._lock:
            found = self._kept.pop((state_dir, digest), None) or policy_of(state_dir, digest)
            if found is None:
                return None
            self._kept[state_dir, digest] = found
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
            return found


SHELF: Final = Shelf()
"""The one of this process."""
