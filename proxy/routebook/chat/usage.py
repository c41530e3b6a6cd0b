"""How much a request used, by kind, as the model's side counted it."""

from __future__ import annotations

import msgspec
from msgspec.structs import astuple


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens by kind. Kinds do not overlap: `input` excludes what was read from or written to a cache and audio, and
    `audio_input` sound that was read from a cache; `output` excludes reasoning and audio. So cost is a plain sum over kinds, whatever dialect counted how.
    Not tokens: `heard_ms`, milliseconds of sound that is paid by its length, and `characters` of text that is to be spoken.
    """

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    audio_input: int = 0
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0
    cached_audio_input: int = 0
    heard_ms: int = 0
    characters: int = 0

    @property
    def total_input(self) -> int:
        """All tokens that went in, cached ones included."""
        return self.input + self.cached_input + self.cache_write + self.audio_input + self.cached_audio_input

    @property
    def total_output(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output + self.reasoning + self.audio_output

    def parts(self) -> dict[str, int]:
        """The kinds that are not zero, by name."""
        return {name: count for name, count in zip(KINDS, astuple(self), strict=True) if count}


KINDS: tuple[str, ...] = Usage.__struct_fields__
"""The names of the kinds, in the order of `Usage`."""

MEASURES: tuple[str, ...] = ("heard_ms", "characters")
"""Kinds that are no tokens."""
