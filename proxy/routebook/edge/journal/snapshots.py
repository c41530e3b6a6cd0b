"""The policies that have served, by digest, so that a record can be explained after the files have changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import orjson

DIRECTORY = "policies"
"""The folder of snapshots inside a state directory."""

Sources = tuple[tuple[str, str], ...]
"""The files of a policy: name and text."""


def save_snapshot(state_dir: Path, digest: str, sources: Sequence[tuple[str, str]]) -> Path:
    """Keep a policy's files under its digest. It is there whole or not at all; raises OSError on a full disk."""
    folder = state_dir / DIRECTORY
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{digest}.json"
    if path.exists():
        return path
    beside = path.with_suffix(f".{os.getpid()}.new")
    try:
        beside.write_bytes(orjson.dumps({"digest": digest, "sources": [list(source) for source in sources]}))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def read_snapshot(state_dir: Path, digest: str) -> Sources | None:
    """The files of a policy that has served, or None where it never did here."""
    if not digest.isalnum():
        return None
    try:
        content = orjson.loads((state_dir / DIRECTORY / f"{digest}.json").read_bytes())
    except FileNotFoundError:
        return None
    return tuple((str(name), str(text)) for name, text in content["sources"])
