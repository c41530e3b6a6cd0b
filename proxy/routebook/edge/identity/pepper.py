"""The pepper: the secret that digests of keys are made with, so that nobody who reads a store or a policy can try keys.

It stands in the state directory, or, where several hosts are to understand the same digests, in the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from routebook.edge.processes.state import secret

FILE: Final = "keys.pepper"
VARIABLE: Final = "ROUTEBOOK_KEY_PEPPER"
SHORTEST: Final = 32
"""Characters that a pepper from the environment has at least."""


def given_pepper(environment: Mapping[str, str]) -> bytes | None:
    """The pepper of the environment, None where it has none; raises ValueError with a message for the operator."""
    written = environment.get(VARIABLE)
    if written is None:
        return None
    if len(written.strip()) < SHORTEST:
        raise ValueError(f"{VARIABLE} is shorter than {SHORTEST} characters; `openssl rand -hex 32` makes one")
    return written.strip().encode("utf-8", "surrogateescape")


def own_pepper(state_dir: Path, environment: Mapping[str, str]) -> bytes:
    """The pepper of this host, made where there is none yet; raises ValueError, OSError."""
    return given_pepper(environment) or secret(state_dir / FILE)
