"""Conversations that stay on the model and account that answered them (`stick:`), seen from one exchange."""

from __future__ import annotations

from routebook.edge.entry import Entry
from routebook.routing.affinity import Conversation, conversation_of
from routebook.routing.facts import RequestFacts
from routebook.routing.outcomes import Route


def follow(route: Route, facts: RequestFacts, entry: Entry) -> Conversation | None:
    """The conversation of a request, where its rule keeps it together. Chance is the conversation's own then, so that
    all workers begin it at the same place; the draw is recorded as every other."""
    gateway = entry.gateway
    conversation = conversation_of(route, facts, gateway.affinities, gateway.conversation_secret)
    if conversation is not None:
        entry.conversation, entry.draw = conversation, conversation.draw
    return conversation


def remember(entry: Entry) -> None:
    """The conversation stays with whoever has just begun to answer it; a refusal is no answer."""
    answering = entry.answering
    if entry.conversation is not None and answering is not None and entry.attempts.answered_by(answering):
        place = answering.name, answering.path
        entry.gateway.affinities.answered(entry.conversation.digest, place, entry.gateway.clock.monotonic())
