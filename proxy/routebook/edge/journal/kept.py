"""The policies that have served, read again from their files as they were kept: to explain, replay and compare with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routebook.routing.policy import Policy


def policy_of(state_dir: Path, digest: str) -> Policy | None:
    """The policy that served, as it was; None where it was never kept or cannot be read any more."""
    from routebook.edge.journal.snapshots import read_snapshot
    from routebook.routing.reading.loading import load_sources

    sources = read_snapshot(state_dir, digest)
    return None if sources is None else load_sources(sources, proving=False).policy


class KeptPolicies:
    """The policies that have served, from state directories, each read when it is first asked for."""

    def __init__(self, state_dirs: Iterable[Path]) -> None:
        self._state_dirs = tuple(state_dirs)
        self._found: dict[str, Policy | None] = {}

    def __repr__(self) -> str:
        return f"<KeptPolicies of {self._state_dirs}>"

    def __reduce__(self) -> tuple[type[KeptPolicies], tuple[tuple[Path, ...]]]:
        return KeptPolicies, (self._state_dirs,)

    def __call__(self, digest: str) -> Policy | None:
        if digest not in self._found:
            found = (policy_of(state_dir, digest) for state_dir in self._state_dirs)
            self._found[digest] = next((policy for policy in found if policy is not None), None)
        return self._found[digest]
