"""Talk: a session of voice from the browser, by microphone, file or text, to hear what the policy serves and see what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from msgspec import Meta

from routebook.catalogue.callers import ANONYMOUS
from routebook.catalogue.models import Model
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Conversation, Html, Reply, Role, Route, Script, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.entering import AssetWanted, asset_of
from routebook.edge.console.layout import page
from routebook.edge.console.shelf import SHELF
from routebook.edge.operations_log import operations_log
from routebook.routing.policy import Policy

OPERATION: Final = "realtime"

LISTENING: Final = {"Permissions-Policy": "camera=(), geolocation=(), microphone=(self)"}
"""This page alone may ask for the microphone."""

VOICES: Final = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
"""Names of voices that OpenAI's Realtime API has (developers.openai.com, guides/realtime); any other may be written."""


class TalkWanted(Wanted, frozen=True):
    """With whom to talk, as the page offers it at first."""

    model: Annotated[str, Meta(max_length=400, description="a model that serves sessions")] = ""
    client: Annotated[str, Meta(max_length=400, description="as which client of the policy")] = ""


class SessionWanted(Wanted, frozen=True):
    """With whom to talk."""

    model: Annotated[str, Meta(min_length=1, max_length=400, description="what the session asks for")]
    client: Annotated[
        str, Meta(max_length=400, description="as which client of the policy (empty: it declares none)")
    ] = ""


@dataclass(frozen=True, slots=True)
class Partner:
    """A model that one can talk to. `writes` is what its provider writes down with what was said (None: nothing that the
    policy has a price for); `cuts` says that its API forgets what was not heard of an answer."""

    name: str
    writes: str | None
    cuts: bool


def partners(policy: Policy) -> list[Partner]:
    """The models that serve sessions, in the catalogue's order."""
    models = policy.catalogue.models.values()
    return [
        Partner(each.name, _writer(each, policy), each.provider.dialect != "gemini")
        for each in models
        if OPERATION in each.operations
    ]


def _writer(model: Model, policy: Policy) -> str | None:
    """With what the provider of a model writes down what was said: a model of its own, or, at Gemini's, the model itself."""
    if model.provider.dialect == "gemini":
        return model.upstream_id
    return next(
        (
            each.upstream_id
            for each in policy.catalogue.models.values()
            if each.provider is model.provider and "transcription" in each.operations
        ),
        None,
    )


async def talk_page(service: Service, asked: Asked) -> Reply:
    """The page; what it does is done by its script."""
    return await page(service, asked, "talk", lambda: _found(_policy(service), asked.query), LISTENING)


async def talk(service: Service, asked: Asked) -> Reply:
    """A session, for a page of the console."""
    # the console's other pages need nothing of what a session needs
    from routebook.edge.console.talking import Talking

    wanted: SessionWanted = asked.query
    policy = await asyncio.to_thread(_policy, service)
    if policy.clients and wanted.client not in policy.clients:
        raise Refused("admin.bad-request", "`client`: a client that the policy declares is expected")
    client = wanted.client if policy.clients else ANONYMOUS.name
    operations_log().info("talks from the console", by=asked.visitor.who, client=client)
    models = policy.catalogue.models
    talking = Talking(service.doorway(client, wanted.model), wanted.model, models.get, asked.visitor.is_admitted)
    return Reply(Conversation(talking.goes_on), 101)


async def talk_script(_: Service, __: Asked) -> Reply:
    """What the page does."""
    return asset_of(Script, "talk.js")


async def sound_script(_: Service, __: Asked) -> Reply:
    """How the page takes and plays sound."""
    return asset_of(Script, "sound.js")


def _policy(service: Service) -> Policy:
    policy = SHELF.take(service.state_dir, service.describe().digest)
    if policy is None:
        raise Refused("admin.unknown-record", "the policy in force is not kept in the state directory")
    return policy


def _found(policy: Policy, wanted: TalkWanted) -> Mapping[str, Any]:
    return {"wanted": wanted, "partners": partners(policy), "clients": sorted(policy.clients), "voices": VOICES}


ROUTES = (
    Route(
        "GET",
        "/console/talk",
        Role.READ,
        "talk to a model that serves sessions of voice, and hear it",
        talk_page,
        {200: Html},
        TalkWanted,
    ),
    Route(
        "GET",
        "/console/talk/session",
        Role.OPERATE,
        "a session of its own for that page, as any client has one: a WebSocket",
        talk,
        {101: Conversation},
        SessionWanted,
    ),
    Route(
        "GET", "/console/talk.js", Role.READ, "what the page that talks does", talk_script, {200: Script}, AssetWanted
    ),
    Route(
        "GET",
        "/console/sound.js",
        Role.READ,
        "how the page that talks takes and plays sound",
        sound_script,
        {200: Script},
        AssetWanted,
    ),
)
