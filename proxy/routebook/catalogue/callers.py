"""Who may call: clients with their team, tags and what they may use."""

from __future__ import annotations

from dataclasses import dataclass, field

from routebook.documents.problems import Location


@dataclass(frozen=True, slots=True)
class Client:
    """A caller that the policy knows.

    `keys` are keyed digests (`hmac-sha256:...`), never keys. `models` None means every model of the policy;
    `may_set_tags` are the tags that a request may add by header or metadata (None: any).
    """

    name: str
    location: Location
    keys: tuple[str, ...] = ()
    team: str | None = None
    tags: frozenset[str] = frozenset()
    labels: dict[str, str] = field(default_factory=dict)
    models: tuple[str, ...] | None = None
    may_set_tags: frozenset[str] | None = None


ANONYMOUS = Client("anonymous", Location("", 1, 1))
"""Who calls while a policy declares no clients; served on loopback only."""
