"""What a dialect can carry: the tables from which both the losses of a request and `docs/protocols.md` are made."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from routebook.chat.conversation import ChatRequest
from routebook.chat.features import Feature, Telling
from routebook.chat.loss import Done, Loss
from routebook.chat.used import used


class Way(enum.Enum):
    """How something arrives."""

    CARRIED = "carried"
    CHANGED = "changed"
    EMULATED = "emulated"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Carriage:
    """How a dialect carries one feature. `note` says in which form, or why not; it is shown to people.

    CARRIED: reading what was written gives the same. CHANGED: it arrives in another form, and nothing of it is lost.
    EMULATED: something else stands for it, which is a loss that is reported. LOST: it does not arrive.
    """

    way: Way
    note: str = ""


CARRIED = Carriage(Way.CARRIED)


def changed(note: str) -> Carriage:
    """It arrives in another form."""
    return Carriage(Way.CHANGED, note)


def emulated(note: str) -> Carriage:
    """Something else stands for it."""
    return Carriage(Way.EMULATED, note)


def lost(note: str) -> Carriage:
    """It does not arrive."""
    return Carriage(Way.LOST, note)


Carries = Mapping[Feature, Carriage]
"""What a dialect's requests can hold. What does not stand in it is lost."""

Tells = Mapping[Telling, Carriage]
"""What a dialect's answers can hold. What does not stand in it is lost."""

UNKNOWN = lost("this dialect has nothing like it")


@dataclass(frozen=True, slots=True)
class Target:
    """The model that a request is written for.

    `model` is the upstream's name of it, `version` that of the API where the dialect has several (`2026-10-21`),
    `max_output` the most tokens it can give, for dialects that must be told a number. `ask_usage`: whether usage may
    be asked for in a stream. `lacks` are features that the dialect carries and this model does not take (`temperature`
    of models that think). `voices` are the provider's names of voices, by the names that clients use; `*` stands for all
    others. `verdicts` is what the policy wants done instead of a feature's default. `transcodes`: whole sound can be had in
    any format.
    """

    model: str
    version: str | None = None
    max_output: int | None = None
    ask_usage: bool = True
    lacks: frozenset[Feature] = frozenset()
    verdicts: Mapping[Feature, Done] = field(default_factory=dict)
    voices: Mapping[str, str] = field(default_factory=dict)
    transcodes: bool = False

    def voice_of(self, named: str | None) -> str | None:
        """What the provider calls a voice that a client names; a name without a line of its own goes as it is."""
        return self.voices.get(named or "*", self.voices.get("*", named))

    def done(self, feature: Feature, matters: bool = False) -> Done:
        """What is done where the feature cannot be carried."""
        return self.verdicts.get(feature) or (Done.REFUSED if matters else feature.default)


class Losses:
    """The losses of one translation, as they are noted.

    A writer asks `takes` before it writes what its table says it carries, and notes by itself only what depends on
    values (a schema with words that the dialect has not).
    """

    def __init__(self, target: Target, carries: Carries, noted: Iterable[Loss] = ()) -> None:
        self.target = target
        self._carries = carries
        self._noted = list(noted)

    def __repr__(self) -> str:
        return f"<Losses {len(self._noted)}>"

    def takes(self, feature: Feature) -> bool:
        """Whether the feature is to be written: the dialect has a form for it, and the model takes it."""
        carriage = self._carries.get(feature, UNKNOWN)
        return carriage.way is not Way.LOST and feature not in self.target.lacks

    def note(self, feature: Feature, path: str, why: str, done: Done | None = None) -> Done:
        """Report that this use of the feature is not carried; what is to be done with it, for the writer to do."""
        verdict = self.target.done(feature) if done is None else done
        self._noted.append(Loss(feature.word, path, verdict, why))
        return verdict

    def all(self) -> tuple[Loss, ...]:
        """Everything that was noted, in order."""
        return tuple(self._noted)


def losses_of(chat: ChatRequest, owned: frozenset[str], carries: Carries, target: Target) -> Losses:
    """What of the request is lost by the table alone, whatever its values are; the writer adds what it finds itself.

    What belongs to one dialect (signatures, ids, foreign parts and fields) is lost by every other, whatever the tables
    say; `owned` are the names that the dialect takes for its own, and writers leave out what is under another.
    """
    losses = Losses(target, carries)
    for feature, path, owner, matters in used(chat):
        carriage = carries.get(feature, UNKNOWN)
        if owner is not None and owner not in owned:
            losses.note(feature, path, f"it belongs to `{owner}`", target.done(feature, matters))
        elif feature in target.lacks:
            losses.note(feature, path, "the model does not take it", target.done(feature, matters))
        elif carriage.way is Way.LOST:
            losses.note(feature, path, carriage.note, target.done(feature, matters))
        elif carriage.way is Way.EMULATED:
            losses.note(feature, path, carriage.note, target.verdicts.get(feature, Done.EMULATED))
    return losses
