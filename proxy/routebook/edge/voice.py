"""What an exchange's record has to say of sound: when it began, and whose voice it was where a pipeline serves."""

from __future__ import annotations

from collections.abc import Iterable

from routebook.edge.calls import Call
from routebook.edge.gateway import Gateway
from routebook.routing.candidates import Plan
from routebook.routing.pipelines import Spoken, is_heard
from routebook.routing.record import Line


class Voice:
    """The sound of one answer. `listens`: one is asked for, and none has come yet. `piped` are the plans of a pipeline
    (who could have spoken the answer alone, and who may lend a voice), `spoken` what became of that voice, `sentences`
    its calls, `transcoded` what was coded anew. `call` is the one whose answer goes to the client (None: none yet, or
    nobody was called)."""

    __slots__ = ("_first", "call", "listens", "piped", "sentences", "spoken", "transcoded")

    def __init__(self) -> None:
        self.listens = False
        self.call: Call | None = None
        self.piped: tuple[Plan, Plan] | None = None
        self.spoken: Spoken | None = None
        self.sentences: list[Call] = []
        self.transcoded: list[Line] = []
        self._first: float | None = None

    def __repr__(self) -> str:
        return f"<Voice of {self.spoken}, first sound {self.first_audio}>"

    @property
    def first_audio(self) -> float | None:
        """When the first sound went to the client, in seconds since the request came; None where none did."""
        return self._first if self.spoken is None else self.spoken.first_audio

    def expect(self, operation: str, needs: frozenset[str]) -> None:
        """A request for this, that needs that, is on its way: sound may come."""
        self.listens = is_heard(operation, needs)

    def heard(self, at: float, gateway: Gateway) -> None:
        """The first sound goes to the client."""
        self.listens, self._first = False, at
        if self.call is not None and self.call.started is not None:
            sounded(self.call, at - self.call.started, gateway)

    def lost(self, calls: Iterable[Call], answering: Call | None) -> int:
        """What calls cost that brought no answer; sentences that were spoken are the answer's."""
        return sum(each.metered.cost.total for each in calls if each is not answering and each not in self.sentences)


def sounded(call: Call, first: float, gateway: Gateway) -> None:
    """The first sound of a call's answer, or of a session's response, came so many seconds after it was asked for."""
    gateway.memory.sounded(call.watched, first, gateway.clock.monotonic())
    gateway.metrics.first_audio(call.candidate.name, first)
