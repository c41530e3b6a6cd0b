"""What the demands of vendors are made of: checks of a request as it stands on the wire.

A reader takes what it understands. Vendors demand more, and each refuses in its own way what others pass over; the
simulated upstream is as strict as they are, so that what is written for them is known to be taken. A dialect says in its
module `demands` what is demanded of its operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from routebook.protocols.errors import ProtocolError, Side

Option = tuple[str, Callable[[Any], bool], str]
"""A field, what is allowed of it where it is given, and the same in words."""


def wrong(message: str, param: str, *, code: str | None = None) -> ProtocolError:
    """The refusal for a field, in the form that the dialect gives it."""
    return ProtocolError(Side.CLIENT, message, param=param, code=code)


@contextmanager
def wire_of(asked: Any) -> Iterator[dict[str, Any]]:
    """The body of a request, for checks. It is read by its dialect first, so that what no reader takes is told as the
    reader tells it; a check that stumbles over a field has found one of another kind than the vendor takes."""
    if asked.operation == "chat":
        _ = asked.chat
    try:
        yield msgspec.json.decode(asked.body)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProtocolError(Side.CLIENT, "a field is not of the kind that it must be") from error


def check_options(fields: Mapping[str, Any], options: Iterable[Option], within: str = "") -> None:
    """Raise ProtocolError for the first field that is not what it may be."""
    for name, allowed, what in options:
        if fields.get(name) is not None and not allowed(fields[name]):
            raise wrong(f"`{within}{name}` must be {what}", f"{within}{name}")


def is_count(value: object) -> bool:
    """Whether it is a whole number of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_number(least: float, most: float) -> Callable[[object], bool]:
    """Whether something is a number between these, both included."""
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
