"""The vocabulary of streams: what happens while a model answers.

`choice` numbers the answers, `block` the parts of one answer in the order in which they stand in it; both begin at 0.
Blocks may grow at the same time. What is said here in pieces is what `chat.answer` says at once.
"""

from __future__ import annotations

import enum

import msgspec

from routebook.chat.faults import Fault
from routebook.chat.parts import Citation, Foreign, Image, Signature, ToolKind
from routebook.chat.usage import Usage


class Finish(enum.Enum):
    """Why a model stopped. What a provider calls an error of the model is none of these: it is `Failed`."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    CONTEXT_FULL = "context_full"
    TOOL_CALLS = "tool_calls"
    FILTERED = "filtered"
    REFUSED = "refused"
    PAUSED = "paused"


class Happening(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag=True, tag_field="event"):
    """What all events are: frozen, compared by what they hold."""


class Started(Happening, frozen=True, gc=False):
    """The answer has begun. `created` is seconds since 1970, where the provider says so; `model` the one that serves."""

    id: str | None = None
    model: str | None = None
    created: int | None = None


class TextDelta(Happening, frozen=True, gc=False):
    """Some more text."""

    text: str
    block: int = 0
    choice: int = 0


class ReasoningDelta(Happening, frozen=True, gc=False):
    """Some more thought."""

    text: str
    block: int = 0
    choice: int = 0


class SignatureSeen(Happening, frozen=True, gc=False):
    """A block's signature, whole. A block that has nothing else is reasoning without its text."""

    signature: Signature
    block: int = 0
    choice: int = 0
    is_redacted: bool = False


class ToolCallStarted(Happening, frozen=True, gc=False):
    """A call of a tool begins; its arguments follow."""

    id: str
    name: str
    block: int = 0
    choice: int = 0
    kind: ToolKind = ToolKind.FUNCTION


class ArgumentsDelta(Happening, frozen=True, gc=False):
    """Some more of a call's arguments."""

    text: str
    block: int = 0
    choice: int = 0


class ToolCallEnded(Happening, frozen=True, gc=False):
    """A call's arguments are complete. Readers say so for every call of an answer that finishes, whether or not their
    dialect does; and no function is called with nothing: where it takes no arguments, they are `{}`."""

    block: int = 0
    choice: int = 0


class RefusalDelta(Happening, frozen=True, gc=False):
    """Some more of a refusal."""

    text: str
    block: int = 0
    choice: int = 0


class AudioDelta(Happening, frozen=True, gc=False):
    """Some more sound, in base64 by itself."""

    base64: str
    block: int = 0
    choice: int = 0


class TranscriptDelta(Happening, frozen=True, gc=False):
    """Some more of what the sound says."""

    text: str
    block: int = 0
    choice: int = 0


class AudioSeen(Happening, frozen=True, gc=False):
    """What else is known of a block's sound; what is None is not known yet, or never."""

    block: int = 0
    choice: int = 0
    media_type: str | None = None
    id: str | None = None
    expires_at: int | None = None


class ImageSeen(Happening, frozen=True, gc=False):
    """A picture, whole."""

    image: Image
    block: int = 0
    choice: int = 0


class CitationSeen(Happening, frozen=True, gc=False):
    """Where a block of text got something from."""

    citation: Citation
    block: int = 0
    choice: int = 0


class ForeignSeen(Happening, frozen=True, gc=False):
    """A block that only its own dialect knows, whole."""

    part: Foreign
    block: int = 0
    choice: int = 0


class TokenLogprob(Happening, frozen=True, gc=False):
    """One token's probability, and those of the tokens that might have stood there. `bytes` is its UTF-8 form."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple[TokenLogprob, ...] = ()


class LogprobsSeen(Happening, frozen=True, gc=False):
    """The probabilities of some more tokens, of the text or of the refusal."""

    tokens: tuple[TokenLogprob, ...]
    choice: int = 0
    of_refusal: bool = False


class UsageSeen(Happening, frozen=True, gc=False):
    """What was used so far; the last one holds."""

    usage: Usage


class TierSeen(Happening, frozen=True, gc=False):
    """The tier of service that the request was served in."""

    tier: str


class Finished(Happening, frozen=True, gc=False):
    """One answer is complete. `stop_sequence` is the one that ended it; `said` the provider's word for the reason."""

    finish: Finish
    choice: int = 0
    stop_sequence: str | None = None
    said: str | None = None


class Failed(Happening, frozen=True, gc=False):
    """The provider reported an error in the stream; nothing follows."""

    fault: Fault


Event = (
    Started
    | TextDelta
    | ReasoningDelta
    | SignatureSeen
    | ToolCallStarted
    | ArgumentsDelta
    | ToolCallEnded
    | RefusalDelta
    | AudioDelta
    | TranscriptDelta
    | AudioSeen
    | ImageSeen
    | CitationSeen
    | ForeignSeen
    | LogprobsSeen
    | UsageSeen
    | TierSeen
    | Finished
    | Failed
)
