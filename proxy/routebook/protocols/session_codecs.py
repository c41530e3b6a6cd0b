"""The two codecs that a dialect has for sessions that cross."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from routebook.chat.loss import Loss
from routebook.chat.talk import Ask, Close, Configure, Down, Lack, Settings, Tell, Up
from routebook.protocols.errors import ProtocolError
from routebook.protocols.sessions import Wish


class Heard(NamedTuple):
    """A frame of a client, read and not yet followed: what it comes to, and what it says in its dialect's own form."""

    wish: Wish
    said: Any


class ClientCodec(Protocol):
    """Hears one client and speaks to it."""

    def settings(self) -> Configure:
        """What the session begins with; raises ProtocolError."""

    def hear(self, frame: bytes) -> Heard:
        """Read a frame, and change nothing; raises ProtocolError."""

    def take(self, heard: Heard) -> Iterable[Ask | Down]:
        """Follow what was heard: what it asks for, and what is answered at once. Raises ProtocolError."""

    def refuse(self, error: ProtocolError, event: str | None) -> Iterable[Down | Close]:
        """What is to be done about a frame that cannot be followed; `event` is the client's own id of it."""

    def configured(self, heard: Heard, losses: Sequence[Loss]) -> Iterable[Down]:
        """What was to be set is set, but for what was lost."""

    def denied(self, heard: Heard, losses: Sequence[Loss]) -> Iterable[Down | Close]:
        """Nothing was set: too much would have been lost."""

    def tell(self, tell: Tell) -> Iterable[Down | Close | Ask]:
        """Say something to the client, or ask for what follows from it."""


class UpstreamCodec(Protocol):
    """Speaks to one upstream and hears it."""

    def opening(self) -> Sequence[bytes]:
        """The first frames of a connection, with which it goes on where the one before ended."""

    def lacks(self, settings: Settings) -> Sequence[Lack]:
        """What of the settings this API cannot be told."""

    def ask(self, ask: Ask) -> Iterable[Up | Tell | Any]:
        """Ask for something: frames, a wish to connect anew, or what cannot be asked for."""

    def came(self, frame: bytes) -> Iterable[Up | Tell | Any]:
        """A frame of the upstream; raises ProtocolError."""

    @property
    def is_in_turn(self) -> bool:
        """Whether a turn of the model's is running that further asks only continue."""

    def cut(self) -> Iterable[Tell | Any]:
        """The connection has ended in between."""

    def may_resume(self) -> bool:
        """Whether the session can go on over another connection after this one ends. From then on it does."""
