"""Which policies came into force when and by whom, which were turned away; and what changed from one to another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta

from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Html, Reply, Role, Route, Wanted
from routebook.edge.admin.service import Service
from routebook.edge.console.layout import GUARD, page
from routebook.edge.console.workbench import workbench
from routebook.edge.journal import history
from routebook.edge.journal.snapshots import read_snapshot

MOST: Final = 200
"""Changes that are shown."""


class ComparisonWanted(Wanted, frozen=True):
    """Two policies that have served here."""

    old: Annotated[str, Meta(description="the digest of the one before")]
    new: Annotated[str, Meta(description="the digest of the one after")]


async def history_page(service: Service, asked: Asked) -> Reply:
    """Every change."""
    return await page(service, asked, "history", lambda: _found(service))


async def history_json(service: Service, _: Asked) -> Reply:
    """The same for programs."""
    changes = await asyncio.to_thread(history.read, service.state_dir)
    return Reply({"changes": [history.as_json(each) for each in changes[:MOST]]}, headers=GUARD)


async def reload_now(service: Service, _: Asked) -> Reply:
    """Read the policy again; the history says what came of it."""
    await service.reload()
    return Reply(Html(b""), 303, {**GUARD, "Location": "/console/history"})


async def compare_page(service: Service, asked: Asked) -> Reply:
    """What changed in meaning, and in the files."""
    wanted: ComparisonWanted = asked.query
    kept = [await asyncio.to_thread(read_snapshot, service.state_dir, each) for each in (wanted.old, wanted.new)]
    if None in kept:
        raise Refused("admin.unknown-record", "one of these policies is not kept here")
    order = {"task": "compare", "state_dir": str(service.state_dir), "old": wanted.old, "new": wanted.new}
    work = await workbench().ask(order)
    return await page(
        service,
        asked,
        "compare",
        lambda: {"work": work, "wanted": wanted, "files": changed_files(*kept), "most": 40, "live": not work.is_done},
    )


def _found(service: Service) -> Mapping[str, Any]:
    changes = history.read(service.state_dir)[:MOST]
    kept = history.kept_digests(service.state_dir)
    told = {each.digest for each in changes}
    return {
        "changes": changes,
        "kept": kept,
        "digests": sorted(kept, key=lambda digest: -kept[digest])[:MOST],
        "older": [(digest, at) for digest, at in sorted(kept.items(), key=lambda each: -each[1]) if digest not in told],
    }


def changed_files(old: Any, new: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """The lines that differ, by file: each with its sign."""
    import difflib

    before, after = dict(old or ()), dict(new or ())
    found = []
    for name in sorted(before.keys() | after.keys()):
        lines = list(
            difflib.unified_diff(before.get(name, "").splitlines(), after.get(name, "").splitlines(), lineterm="", n=2)
        )[2:]
        if lines:
            found.append((name, [(line[:1], line[1:]) for line in lines]))
    return found


ROUTES = (
    Route("GET", "/console/history", Role.READ, "which policies came into force when", history_page, {200: Html}),
    Route("GET", "/console/history.json", Role.READ, "the same for programs", history_json, {200: dict}),
    Route(
        "GET",
        "/console/history/compare",
        Role.READ,
        "what changed from one policy to another",
        compare_page,
        {200: Html},
        ComparisonWanted,
    ),
    Route(
        "POST",
        "/console/history/reload",
        Role.OPERATE,
        "reads the policy again, as `POST /reload`",
        reload_now,
        {303: Html},
    ),
)
