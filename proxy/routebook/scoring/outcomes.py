"""What is known of prompts that several models have answered: one line of JSON each, as benchmarks and logs keep it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

LARGEST_ROW: Final = 4 * 1024 * 1024
"""Bytes of a line that are read."""


class Row(msgspec.Struct, frozen=True, gc=False, rename={"quality": "q"}):
    """One prompt: the `quality` of each model's answer (0 to 1), what each cost (dollars).

    `set` is the benchmark or log it is from, `task` its class where somebody has said it; `signals` stand for the prompt
    where its text was not kept, or its `level` (difficulty and gain, as a record of the same scorer has them). `meta.hard` says of prompts without outcomes whether people think them hard.
    """

    id: str | int
    quality: dict[str, float] = msgspec.field(default_factory=dict)
    set: str = ""
    prompt: str | None = None
    signals: dict[str, float] | None = None
    level: tuple[float, float] | None = None
    task: str | None = None
    cost: dict[str, float] = msgspec.field(default_factory=dict)
    meta: dict[str, Any] | None = None

    @property
    def hard(self) -> bool | None:
        """Whether people think it hard; None where nobody has said."""
        said = (self.meta or {}).get("hard")
        return None if said is None else bool(said)


class BadRow(ValueError):
    """A line is none; the message says why."""


_DECODER: Final = msgspec.json.Decoder(Row)


def row_of(line: bytes) -> Row:
    """The row in a line of JSON. Raises BadRow."""
    if len(line) > LARGEST_ROW:
        raise BadRow(f"the line has more than {LARGEST_ROW:,} bytes")
    try:
        row = _DECODER.decode(line)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadRow(str(error)) from error
    if row.prompt is None and row.signals is None and row.level is None:
        raise BadRow("neither `prompt` nor `signals` is there")
    for name, quality in row.quality.items():
        if not 0 <= quality <= 1:
            raise BadRow(f"the quality {quality:g} of `{name}` is not from 0 to 1")
    for name, cost in row.cost.items():
        if not 0 <= cost < float("inf"):
            raise BadRow(f"the cost {cost:g} of `{name}` is no amount of dollars")
    return row
