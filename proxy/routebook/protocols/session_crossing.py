"""A session that crosses: one codec towards the client, one towards the upstream, and what passes between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from routebook.chat.features import Feature
from routebook.chat.loss import Done, Loss
from routebook.chat.talk import (
    Add,
    AddResult,
    Cancel,
    Close,
    CloseTurn,
    Configure,
    Doing,
    Down,
    Lack,
    Lost,
    OpenTurn,
    PauseSound,
    Ready,
    Reopen,
    Respond,
    Sound,
    Up,
)
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.session_codecs import ClientCodec, Heard, UpstreamCodec

_ASKS = Configure | Sound | OpenTurn | CloseTurn | PauseSound | Add | AddResult | Respond | Cancel


class Crossing:
    """One session. `verdicts` is what the policy wants done with what is lost."""

    def __init__(self, client: ClientCodec, upstream: UpstreamCodec, verdicts: Mapping[Feature, Done]) -> None:
        self._client = client
        self._upstream = upstream
        self._verdicts = verdicts
        self.is_ready = False

    def __repr__(self) -> str:
        return f"<Crossing of {self._client!r} and {self._upstream!r}>"

    @property
    def continues(self) -> bool:
        """Whether what a client asks for now only goes on with a turn that is running."""
        return self._upstream.is_in_turn

    def begin(self) -> Sequence[Loss]:
        """What is lost of what the session begins with; where one of it is refused, it must not begin."""
        wanted = self._client.settings()
        losses = self._losses(wanted)
        for _ in self._upstream.ask(wanted):
            pass
        return losses

    def opening(self) -> Sequence[bytes]:
        """The first frames of a connection to the upstream."""
        self.is_ready = False
        return self._upstream.opening()

    def hear(self, frame: bytes) -> Heard:
        """Read a frame of the client's, and change nothing; raises ProtocolError."""
        return self._client.hear(frame)

    def take(self, heard: Heard) -> Iterator[Doing]:
        """What is to be done about a frame of the client's."""
        try:
            for out in self._client.take(heard):
                if isinstance(out, Configure):
                    yield from self._configure(out, heard)
                else:
                    yield from self._pass((out,))
        except ProtocolError as error:
            yield from self.refuse(error, heard.wish.event)

    def refuse(self, error: ProtocolError, event: str | None = None) -> Iterator[Doing]:
        """What is to be done about a client's frame that cannot be followed."""
        yield from self._client.refuse(error, event)

    def came(self, frame: bytes) -> Iterator[Doing]:
        """What is to be done about a frame of the upstream's; raises ProtocolError where it is none of its API's."""
        for out in self._upstream.came(frame):
            if isinstance(out, Ready):
                self.is_ready = True
            yield from self._pass((out,))

    def may_resume(self) -> bool:
        """Whether the session goes on over another connection where this one has ended."""
        return self._upstream.may_resume()

    def cut(self) -> Iterator[Doing]:
        """What is to be done where the connection has ended in between."""
        yield from self._pass(self._upstream.cut())

    def _configure(self, wanted: Configure, heard: Heard) -> Iterator[Doing]:
        losses = self._losses(wanted)
        if losses:
            yield Lost(losses)
        if any(loss.done is Done.REFUSED for loss in losses):
            yield from self._client.denied(heard, losses)
            return
        yield from self._pass((wanted,))
        yield from self._client.configured(heard, losses)

    def _losses(self, wanted: Configure) -> tuple[Loss, ...]:
        return tuple(self._loss(each) for each in (*wanted.lacks, *self._upstream.lacks(wanted.settings)))

    def _loss(self, lack: Lack) -> Loss:
        done = Done.EMULATED if lack.stands_in else self._verdicts.get(lack.feature)
        if done is None:
            done = Done.REFUSED if lack.matters else lack.feature.default
        return Loss(lack.feature.word, lack.path, done, lack.why)

    def _pass(self, outs: Iterable[Any]) -> Iterator[Doing]:
        """From one codec to the other, until all of it stands on a wire."""
        for out in outs:
            match out:
                case Up() | Down() | Reopen() | Close():
                    yield out
                case _ if isinstance(out, _ASKS):
                    yield from self._pass(self._upstream.ask(out))
                case _:
                    yield from self._pass(self._client.tell(out))


def refused(losses: Iterable[Loss]) -> ProtocolError | None:
    """The error of a session that must not begin; None where it may."""
    names = [f"`{loss.path}`: {loss.why}" for loss in losses if loss.done is Done.REFUSED]
    return ProtocolError(Side.CLIENT, f"cannot be carried: {'; '.join(names)}") if names else None
