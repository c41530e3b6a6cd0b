"""What if: a request by its facts or its body, under the policy in force; and a candidate beside it, with what would
change and what became of the last hours' traffic.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from routebook.documents.names import is_name
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Html, Reply, Role, Route, Upload, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.layout import GUARD, link, page
from routebook.edge.console.shelf import SHELF
from routebook.edge.console.spans import SPANS
from routebook.edge.console.trying import PATHS, Tried, tried
from routebook.edge.console.workbench import workbench
from routebook.edge.journal.snapshots import read_snapshot
from routebook.routing.facts import FACTS

REPLAYED: Final = ("none", *SPANS)
"""How far back traffic is decided again."""

MOST_LINES: Final = 20
"""Regions and ways that are shown."""

Text = Annotated[str, Meta(max_length=400_000)]


class WhatIfWanted(Wanted, frozen=True):
    """A request that was never sent."""

    given: Annotated[Text, Meta(description="facts, one a line, as `prompt.tokens=90k`")] = ""
    body: Annotated[Text, Meta(description="a body as a client sends it, in place of facts")] = ""
    path: Annotated[str, Meta(description="where it is sent")] = PATHS[0]
    client: Annotated[str, Meta(description="who sends it, by the name in the policy")] = ""
    headers: Annotated[str, Meta(description="its headers, one a line")] = ""


class CandidateWanted(WhatIfWanted, frozen=True):
    """The same, and a candidate: files of the policy with other texts, or files that are uploaded."""

    name: Annotated[list[str], Meta(description="files that were edited, by name")] = msgspec.field(
        default_factory=list
    )
    text: Annotated[list[str], Meta(description="their texts, in the same order")] = msgspec.field(default_factory=list)
    files: Annotated[list[Upload], Meta(description="files that take the place of those of their name")] = (
        msgspec.field(default_factory=list)
    )
    alone: Annotated[Literal["", "1"], Meta(description="`1`: the uploaded files are the whole policy")] = ""
    replay: Annotated[Literal["none", "1h", "24h", "7d", "30d"], Meta(description="traffic to decide again")] = "24h"


async def what_if_page(service: Service, asked: Asked) -> Reply:
    """The form, and the decision under the policy in force."""
    return await page(service, asked, "what_if", lambda: _found(service, asked.query))


async def try_candidate(service: Service, asked: Asked) -> Reply:
    """Set a candidate to work; what comes of it has an address of its own."""
    wanted: CandidateWanted = asked.body
    digest = service.describe().digest
    sources = candidate_of(read_snapshot(service.state_dir, digest) or (), wanted)
    span = None if wanted.replay == "none" else SPANS[wanted.replay].seconds
    request = _tried(wanted)
    order = {
        "task": "what-if",
        "state_dir": str(service.state_dir),
        "digest": digest,
        "sources": sources,
        "request": msgspec.to_builtins(request),
        # to a minute, so that the same question soon afterwards is the same piece of work
        "since": None if span is None else time.time() // 60 * 60 - span,
    }
    changed = [name for name, text in sources if (name, text) not in (read_snapshot(service.state_dir, digest) or ())]
    about = {"digest": digest, "changed": changed, "replay": wanted.replay, "request": request, "sources": sources}
    work = await workbench().ask(order, about)
    return Reply(Html(b""), 303, {**GUARD, "Location": link("/console/what-if", work.name)})


async def tried_page(service: Service, asked: Asked) -> Reply:
    """What came of a candidate."""
    work = workbench().find(asked.names["work"])
    if work is None:
        raise Refused("admin.unknown-record", "what came of this candidate is not kept any more; ask again")
    return await page(service, asked, "tried", lambda: {"work": work, "most": MOST_LINES, "live": not work.is_done})


def candidate_of(running: Sequence[tuple[str, str]], wanted: CandidateWanted) -> list[tuple[str, str]]:
    """The files of a candidate; raises Refused where they are not to be understood."""
    if len(wanted.name) != len(wanted.text):
        raise Refused("admin.bad-request", "`text`: there must be one for each `name`")
    if wanted.alone and not wanted.files:
        raise Refused("admin.bad-request", "`files`: choose those that are the whole policy")
    found = {} if wanted.alone else {**dict(running), **dict(zip(wanted.name, wanted.text, strict=True))}
    for upload in wanted.files:
        name = upload.name.replace("\\", "/").rpartition("/")[2]
        stem, dot, kind = name.rpartition(".")
        if not dot or kind not in ("yaml", "yml", "json") or not is_name(stem.replace(".", "-")):
            raise Refused(
                "admin.bad-request", f"`{name}` is no file of a policy: expected a name such as `policy.yaml`"
            )
        found[name] = upload.text
    return sorted(found.items())


def _tried(wanted: WhatIfWanted) -> Tried:
    return Tried(wanted.given, wanted.body, wanted.path, wanted.client, wanted.headers)


def _found(service: Service, wanted: WhatIfWanted) -> Mapping[str, Any]:
    digest = service.describe().digest
    policy = SHELF.take(service.state_dir, digest)
    if policy is None:
        raise Refused("admin.unknown-record", "the policy in force is not kept in the state directory")
    request = _tried(wanted)
    return {
        "wanted": wanted,
        "digest": digest,
        "paths": PATHS,
        "clients": sorted(policy.clients),
        "facts": [(spec.name, spec.doc) for spec in FACTS],
        "result": None if request.is_empty else tried(policy, request),
        "files": policy.sources,
        "replayed": REPLAYED,
    }


ROUTES = (
    Route(
        "GET",
        "/console/what-if",
        Role.READ,
        "what the policy in force would do with a request",
        what_if_page,
        {200: Html},
        WhatIfWanted,
    ),
    Route(
        "POST",
        "/console/what-if",
        Role.READ,
        "sets a candidate to work beside the policy in force; changes nothing",
        try_candidate,
        {303: Html},
        form=CandidateWanted,
    ),
    Route(
        "GET",
        "/console/what-if/{work}",
        Role.READ,
        "what came of a candidate: one request, the difference, the last hours again",
        tried_page,
        {200: Html},
        query=None,
    ),
)
