"""What is said in a session, in nobody's dialect: what a client asks for, and what an upstream tells.

Each dialect has two codecs: one that hears its clients and speaks to them, one that does so with upstreams. A session that
crosses is one of the first and one of the second, with these words between them. Sound is samples of 16 bits, one
channel, little-endian, with the rate beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from routebook.chat.conversation import Message, Tool, ToolChoice
from routebook.chat.features import Feature
from routebook.chat.loss import Loss
from routebook.chat.usage import Usage

UNSUPPORTED: Final = "unsupported_by_upstream"
"""The code of what a client asks for and the other API has nothing like."""


class Said(msgspec.Struct, frozen=True, gc=False):
    """What all words of a session are: frozen, compared by what they hold."""


class Turns(Said, frozen=True, gc=False):
    """Who says where a turn of the user's begins and ends: the upstream by what it hears, or the client.

    Times in milliseconds; None is the upstream's own. `interrupts`: whether speech ends an answer that is running.
    """

    automatic: bool = True
    silence_ms: int | None = None
    padding_ms: int | None = None
    interrupts: bool = True


class Settings(Said, frozen=True, gc=False):
    """What a session is set to. `hears` and `tells`: whether what is said is also wanted as text, by the user and by the
    model. `speaks`: whether the answer is sound, else it is text. `slides`: whether the oldest may be forgotten where
    the context is full."""

    instructions: str = ""
    speaks: bool = True
    voice: str | None = None
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice | None = None
    parallel: bool | None = None
    max_output: int | None = None
    temperature: float | None = None
    turns: Turns = Turns()
    hears: bool = False
    tells: bool = True
    slides: bool = True


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that one side asks for and the other has no place for. `matters`: it changes what is meant; `stands_in`:
    something else stands for it."""

    feature: Feature
    path: str
    why: str
    matters: bool = False
    stands_in: bool = False


# ---- what a client asks for


class Configure(Said, frozen=True, gc=False):
    """Be set to this from now on. `lacks` is what the client asked for besides and these words cannot say."""

    settings: Settings
    lacks: tuple[Lack, ...] = ()


class Sound(Said, frozen=True, gc=False):
    """More of what the user says."""

    samples: bytes
    rate: int


class OpenTurn(Said, frozen=True, gc=False):
    """The user begins to speak, by the client's word."""


class CloseTurn(Said, frozen=True, gc=False):
    """The user has spoken, by the client's word. Nothing is answered before `Respond`."""


class PauseSound(Said, frozen=True, gc=False):
    """No sound comes for a while: what was said is complete."""


class Add(Said, frozen=True, gc=False):
    """A further message of the conversation. Nothing is answered before `Respond`."""

    message: Message


class AddResult(Said, frozen=True, gc=False):
    """What a call brought; `name` may be empty where the client's dialect does not say it."""

    call: str
    name: str
    output: str


class Respond(Said, frozen=True, gc=False):
    """Answer now."""


class Cancel(Said, frozen=True, gc=False):
    """Stop answering."""


Ask = Configure | Sound | OpenTurn | CloseTurn | PauseSound | Add | AddResult | Respond | Cancel


# ---- what an upstream tells


class Ready(Said, frozen=True, gc=False):
    """The session is set to what was asked for."""


class TurnBegan(Said, frozen=True, gc=False):
    """The model answers."""


class SoundMade(Said, frozen=True, gc=False):
    """More of what the model says."""

    samples: bytes
    rate: int


class WordsMade(Said, frozen=True, gc=False):
    """The words of what the model says."""

    text: str


class TextMade(Said, frozen=True, gc=False):
    """More of an answer that is text."""

    text: str


class Call(Said, frozen=True, gc=False):
    """A tool is to be called with these arguments, an object in JSON."""

    id: str
    name: str
    arguments: str


class Called(Said, frozen=True, gc=False):
    """The model waits for what these calls bring. `usage` is what is known to be used so far, where it is."""

    calls: tuple[Call, ...]
    usage: Usage | None = None


class CallsDropped(Said, frozen=True, gc=False):
    """Nobody waits for what these calls bring any more."""

    ids: tuple[str, ...]


class Interrupted(Said, frozen=True, gc=False):
    """The user spoke, so the model stopped."""


class TurnEnded(Said, frozen=True, gc=False):
    """The answer is over. `status` is OpenAI's word: completed, cancelled, incomplete, failed; `reason` says why it is
    not whole; `usage` None where the upstream did not say."""

    status: str = "completed"
    reason: str | None = None
    usage: Usage | None = None


class WordsHeard(Said, frozen=True, gc=False):
    """What the user said, as text: more of it, or, where it `is_whole`, all of it."""

    text: str
    is_whole: bool = False


class SpeechBegan(Said, frozen=True, gc=False):
    """The upstream hears that somebody speaks."""


class SpeechEnded(Said, frozen=True, gc=False):
    """The upstream hears that nobody speaks any more: what was said is a turn of the user's."""


class NotCarried(Said, frozen=True, gc=False):
    """Something that was asked for was not done: the upstream's API has nothing like it."""

    what: str
    why: str
    code: str = UNSUPPORTED


class Failed(Said, frozen=True, gc=False):
    """The upstream told an error."""

    code: str | None
    message: str


Tell = (
    Ready
    | TurnBegan
    | SoundMade
    | WordsMade
    | TextMade
    | Called
    | CallsDropped
    | Interrupted
    | TurnEnded
    | WordsHeard
    | SpeechBegan
    | SpeechEnded
    | NotCarried
    | Failed
)


# ---- what is to be done on the wire


class Up(Said, frozen=True, gc=False):
    """A frame for the upstream."""

    frame: bytes


class Down(Said, frozen=True, gc=False):
    """A frame for the client."""

    frame: bytes


class Reopen(Said, frozen=True, gc=False):
    """Connect to the upstream anew, and go on there, as the upstream's codec opens a session now."""


class Close(Said, frozen=True, gc=False):
    """End the session, with this code of RFC 6455 and reason towards the client."""

    code: int
    reason: str


class Lost(Said, frozen=True, gc=False):
    """Something of what the client asked for goes no further; it is to be recorded."""

    losses: tuple[Loss, ...]


Doing = Up | Down | Reopen | Close | Lost
