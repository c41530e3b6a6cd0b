"""What an exchange's record has to say of sound: when it began, and whose voice it was where a pipeline serves."""

from __future__ import annotations

from collections.abc import Iterable

from routebook.edge.calls import Call
from routebook.routing.candidates import Plan
from routebook.routing.pipelines import Spoken
from routebook.routing.record import Line


class Voice:
    """The sound of one answer. `listens`: one is asked for, and none has come yet. `piped` are the plans of a pipeline
    (who could have spoken the answer alone, and who may lend a voice), `spoken` what became of that voice, `sentences`
    its calls, `transcoded` what was coded anew."""

    __slots__ = ("_first", "listens", "piped", "sentences", "spoken", "transcoded")

    def __init__(self) -> None:
        self.listens = False
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

    def heard(self, at: float) -> None:
        """The first sound goes to the client."""
        self.listens, self._first = False, at

    def lost(self, calls: Iterable[Call], answering: Call | None) -> int:
        """What calls cost that brought no answer; sentences that were spoken are the answer's."""
        return sum(each.metered.cost.total for each in calls if each is not answering and each not in self.sentences)
