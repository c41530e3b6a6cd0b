"""What a request meets whose client and upstream speak different dialects: whom it can be written for, and what is lost."""

from __future__ import annotations

from collections.abc import Mapping

from routebook.catalogue.models import Model
from routebook.chat.conversation import ChatRequest
from routebook.chat.features import FEATURES, Feature
from routebook.chat.loss import Done
from routebook.protocols.carrying import Target, losses_of
from routebook.protocols.dialects import DIALECTS


def target_of(model: Model, verdicts: Mapping[Feature, Done], transcodes: bool = False) -> Target:
    """The model as a dialect's writer must know it; `verdicts` are what the policy wants done with what is lost,
    `transcodes` says whether somebody changes the format of sound."""
    provider = model.provider
    return Target(
        model.upstream_id,
        provider.version,
        model.max_output,
        provider.ask_usage,
        frozenset(FEATURES[word] for word in model.lacks),
        verdicts,
        model.voices,
        transcodes,
    )


def refused_by(name: str, chat: ChatRequest, target: Target) -> tuple[str, ...]:
    """What of the request the dialect cannot carry and must: features by name, each once. Values are not looked at, so
    writing the request may find more."""
    side = DIALECTS[name].upstream
    assert side is not None
    losses = losses_of(chat, side.owned, side.carries, target).all()
    return tuple(dict.fromkeys(loss.feature for loss in losses if loss.done is Done.REFUSED))
