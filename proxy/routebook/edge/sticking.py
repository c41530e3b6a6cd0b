"""Conversations that stay on the model and account that answered them (`stick:`), seen from one exchange."""

from __future__ import annotations

from routebook.edge.entry import Entry
from routebook.routing.affinity import Conversation, answer_digest, conversation_of
from routebook.routing.facts import RequestFacts
from routebook.routing.outcomes import Route, Within


def follow(route: Route, facts: RequestFacts, entry: Entry, within: Within, keeps: bool = False) -> Conversation | None:
    """The conversation of a request, where its rule or its client (`within`) keeps it together, or it goes
    on from an answer. Chance is the
    conversation's own then, so that all workers begin it at the same place; the draw is recorded as every other.

    Where the dialect `keeps` answers, this one's id will be known as well, so that the next request finds the way.
    """
    gateway = entry.gateway
    if keeps:
        secret = gateway.conversation_secret
        entry.answer_digest = lambda identity: answer_digest(facts.client.name, identity, secret)
    conversation = conversation_of(route, facts, gateway.affinities, gateway.conversation_secret, within)
    if conversation is not None:
        entry.conversation, entry.draw = conversation, conversation.draw
    return conversation


def remember(entry: Entry) -> None:
    """The conversation stays with whoever has just begun to answer it; a refusal is no answer."""
    answering = entry.answering
    if entry.conversation is not None and answering is not None and entry.attempts.answered_by(answering):
        place = answering.name, answering.path
        entry.gateway.affinities.answered(entry.conversation.digest, place, entry.gateway.clock.monotonic())
