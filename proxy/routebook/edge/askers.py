"""Which dialect a caller speaks, as far as its path and headers tell: so that it is answered in its own words, whatever
goes wrong, and finds the models in the shape that it knows."""

from __future__ import annotations

from collections.abc import Mapping

from routebook.protocols.codec import Dialect
from routebook.protocols.dialects import PATHS, SERVED


def asker_at(path: str, headers: Mapping[str, str]) -> Dialect:
    """Whose clients ask at this path with these headers; the first of the table where nothing tells."""
    found = PATHS.find(path)
    if found is not None:
        return found.dialect
    near = [each for each in SERVED if any(path.startswith(models) for models in _listings(each))]
    return known_among(near or SERVED, headers)


def models_at(path: str, headers: Mapping[str, str]) -> tuple[Dialect, str | None] | None:
    """Who asks for models at this path, and for which one (None: for all); None where models are not asked for."""
    for listing in sorted({each for dialect in SERVED for each in _listings(dialect)}, key=len, reverse=True):
        if path == listing or path.startswith(listing + "/"):
            dialect = known_among([each for each in SERVED if listing in _listings(each)], headers)
            return dialect, path[len(listing) + 1 :] or None
    return None


def known_among(dialects: tuple[Dialect, ...] | list[Dialect], headers: Mapping[str, str]) -> Dialect:
    """The one whose clients send a header that they are known by; else the first whose clients are known by none."""
    for dialect in dialects:
        if dialect.client is not None and any(name in headers for name in dialect.client.known_by):
            return dialect
    return next((each for each in dialects if each.client is None or not each.client.known_by), dialects[0])


def _listings(dialect: Dialect) -> tuple[str, ...]:
    return () if dialect.client is None else dialect.client.models
