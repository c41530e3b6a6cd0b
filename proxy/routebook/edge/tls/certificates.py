"""The certificates of a service: those that its listeners show, and those that were read to take their place."""

from __future__ import annotations

from dataclasses import dataclass

from routebook.edge.tls.pair import BadPair, Files, Pair, read_pair


@dataclass(frozen=True, slots=True)
class Shown:
    """What each listener shows (None: it speaks no TLS)."""

    public: Pair | None = None
    admin: Pair | None = None

    def ends(self) -> list[tuple[tuple[str, ...], float]]:
        """When each certificate ends (Unix time), by its listener."""
        pairs = (("public", self.public), ("admin", self.admin))
        return [((name,), pair.ends) for name, pair in pairs if pair is not None]


class Certificates:
    """Reads pairs and keeps what is shown. One that cannot be used never takes the place of one that can."""

    def __init__(self, public: Files | None, admin: Files | None) -> None:
        self._public = public
        self._admin = admin
        self._read: Shown | None = None
        self.shown = Shown()

    def __repr__(self) -> str:
        return f"<Certificates {self.shown}>"

    def read(self, now: float) -> None:
        """Read the files, to be taken by `take`; raises BadPair. A certificate that has ended is refused where it would
        take another one's place: a service that starts goes by what it has."""
        self._read = None
        self._read = Shown(_fresh(self._public, self.shown.public, now), _fresh(self._admin, self.shown.admin, now))

    def take(self) -> bool:
        """Show what was read last; whether that is something else."""
        if self._read is None or self._read == self.shown:
            return False
        self.shown = self._read
        return True


def _fresh(files: Files | None, before: Pair | None, now: float) -> Pair | None:
    if files is None:
        return None
    pair = read_pair(files)
    if before is not None and pair != before and pair.ends <= now:
        raise BadPair("the certificate has ended already", files.certificate)
    return pair
