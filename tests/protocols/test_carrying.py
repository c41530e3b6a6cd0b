"""What is lost by a dialect's table."""

from __future__ import annotations

from routebook.chat.conversation import ChatRequest, Extra, Sampling
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.chat.parts import Json
from routebook.protocols.carrying import CARRIED, Losses, Target, emulated, losses_of, lost

CARRIES = {Feature.USER: CARRIED, Feature.SEED: emulated("by luck"), Feature.STOP: lost("it never stops")}


PLAIN = Target("m")


def noted(chat: ChatRequest, target: Target = PLAIN) -> list[tuple[str, Done]]:
    """The losses by the table above."""
    losses = losses_of(chat, frozenset({"mine"}), CARRIES, target)
    assert isinstance(losses, Losses)
    return [(loss.feature, loss.done) for loss in losses.all()]


def test_losses_follow_the_table() -> None:
    """Carried is no loss; emulated is one; what is lost has its feature's default; what the table omits is lost."""
    chat = ChatRequest("m", user="u", sampling=Sampling(seed=1, top_k=2), stop=("x",))
    assert noted(chat) == [("stop", Done.REFUSED), ("top_k", Done.DROPPED), ("seed", Done.EMULATED)]


def test_a_policy_may_want_something_else_done() -> None:
    """Its verdict counts before the default, also for what would be emulated."""
    chat = ChatRequest("m", sampling=Sampling(seed=1), stop=("x",))
    target = Target("m", verdicts={Feature.STOP: Done.DROPPED, Feature.SEED: Done.REFUSED})
    assert noted(chat, target) == [("stop", Done.DROPPED), ("seed", Done.REFUSED)]


def test_a_model_may_lack_what_its_dialect_carries() -> None:
    """Models that think take no temperature, whatever their dialect does."""
    assert noted(ChatRequest("m", user="u"), Target("m", lacks=frozenset({Feature.USER}))) == [("user", Done.DROPPED)]


def test_foreign_fields_are_lost_by_all_but_their_own() -> None:
    """And refused where the request means something else without them."""
    carries = {Feature.EXTRA: CARRIED}
    chat = ChatRequest(
        "m", extras=(Extra("mine", "a", Json("1")), Extra("x", "b", Json("1")), Extra("x", "c", Json("1"), True))
    )
    losses = losses_of(chat, frozenset({"mine"}), carries, Target("m")).all()
    assert [(loss.path, loss.done) for loss in losses] == [("b", Done.DROPPED), ("c", Done.REFUSED)]
