"""The route by which operators, and what they run, rate answers of any client."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service, Shown
from routebook.edge.feedback import NotRated

_CODES: Final = {
    "feedback.unknown-decision": "admin.unknown-record",
    "feedback.unanswered": "admin.unanswered",
    "feedback.repeated": "admin.rated-already",
    "journal.unavailable": "admin.not-recorded",
}
"""What each reason is called on this listener."""


class RatingWanted(Wanted, frozen=True):
    """How good an answer was."""

    quality: Annotated[float, Meta(ge=0, le=1, description="from 0, useless, to 1, as good as can be")]


class RatedShown(Shown, frozen=True):
    """An answer that was rated."""

    decision: str
    model: Annotated[str, Meta(description="the model that had answered")]
    task: Annotated[str | None, Meta(description="the class of task; null where the prompt was not judged")]
    quality: float
    learnt: Annotated[bool, Meta(description="whether the model's quality for that class follows it")]


async def rate(service: Service, asked: Asked) -> Reply:
    """Rate an answer."""
    wanted: RatingWanted = asked.body
    try:
        found = await service.rate(asked.names["id"], wanted.quality)
    except NotRated as error:
        raise Refused(_CODES[error.code], error.message) from error
    return Reply(RatedShown(found.decision, found.model, found.task or None, found.quality, bool(found.task)))


ROUTES = (
    Route(
        "POST",
        "/decisions/{id}/feedback",
        Role.OPERATE,
        "say how good an answer was",
        rate,
        {200: RatedShown},
        body=RatingWanted,
    ),
)
