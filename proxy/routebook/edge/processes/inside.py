"""How a service is asked from inside, by its own console: over the address where it listens, as any client.

Nothing is passed by: whoever asks shows a secret for sessions, signed as those that clients are given (`edge.identity
.ephemeral`), so the policy decides, and its budgets pay, as for everybody.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from routebook.edge.admin.service import Doorway
from routebook.edge.identity.book import KeyBook
from routebook.edge.identity.ephemeral import Grant, secret_of
from routebook.edge.processes.listening import read_address
from routebook.edge.processes.state import digest_key
from routebook.edge.tls.pair import Pair, trusting

LIFETIME: Final = 60
"""Seconds that the secret is good for: it is used at once."""

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a listener on all addresses is asked."""


def doorway_to(listens: str, pair: Pair | None, state_dir: Path, client: str, model: str) -> Doorway:
    """The way in to a session with a model, where the service listens and shows this pair."""
    address = read_address(listens)
    host = _EVERYWHERE.get(address.host, address.host)
    pepper = KeyBook.of_service(state_dir).open(time.monotonic()).pepper
    grant = Grant(client, int(time.time()) + LIFETIME, model=model)
    trust = None if pair is None else trusting(pair.leaf)
    certified = pair is not None and pair.asks_clients
    return Doorway(host, address.port, trust, secret_of(grant, pepper or digest_key(state_dir)), certified)
