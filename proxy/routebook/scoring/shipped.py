"""The scorer that comes with the program."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

import msgspec

from routebook.scoring.scorer import Scorer, scorer_of


@lru_cache(maxsize=1)
def shipped() -> Scorer:
    """Read once, when a prompt is first to be judged."""
    return scorer_of(msgspec.json.decode(resources.files("routebook.scoring").joinpath("weights.json").read_bytes()))
