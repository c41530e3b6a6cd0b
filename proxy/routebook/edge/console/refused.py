"""Pages for those who are not shown what they asked for: why, and what to do; the way in where a token is needed."""

from __future__ import annotations

from typing import Final

from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Html, Reply
from routebook.edge.console.layout import GUARD, rendered

_HEADLINES: Final = {
    400: "That cannot be read",
    401: "Sign in",
    403: "That is not yours to do",
    404: "There is nothing here",
    405: "That is not how this is asked for",
    500: "Something is broken here",
    503: "Not at the moment",
}


def page_of(refused: Refused, address: str) -> Reply:
    """A refusal as a page; where a token is missing, with the form that takes one and leads back to the address."""
    signs_in = refused.status == 401
    values = {
        "headline": _HEADLINES.get(refused.status, "That was refused"),
        "message": refused.message,
        "code": refused.code,
        "signs_in": signs_in,
        "then": address if address.startswith("/console") and not address.startswith("/console/login") else "/console",
        # somebody who has only come without a token has made no mistake yet
        "mistaken": signs_in and refused.code != "admin.no-token",
    }
    challenge = {"WWW-Authenticate": 'Bearer realm="routebook admin"'} if signs_in else {}
    return Reply(Html(rendered("refused", values)), refused.status, {**GUARD, **challenge})


def doorstep(address: str) -> Reply:
    """For somebody who comes from another site: a page that leads on, so that the browser sends its session along."""
    return Reply(Html(rendered("doorstep", {"address": address})), headers=GUARD)
