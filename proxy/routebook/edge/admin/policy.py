"""Routes about the policy: what serves, and reading it again."""

from __future__ import annotations

from routebook.edge.admin.route import Asked, Reply, Role, Route
from routebook.edge.admin.service import PolicyShown, ReloadShown, Service


async def policy(service: Service, _: Asked) -> Reply:
    """What serves."""
    return Reply(service.describe())


async def reload(service: Service, _: Asked) -> Reply:
    """200 where the files as they stand now serve, 422 with the problems where they do not."""
    reloaded = await service.reload()
    return Reply(ReloadShown.of(reloaded), 200 if reloaded.succeeded else 422)


ROUTES = (
    Route(
        "GET", "/policy", Role.READ, "digest, files, workers, warnings and the last reload", policy, {200: PolicyShown}
    ),
    Route(
        "POST",
        "/reload",
        Role.OPERATE,
        "reads the policy again and answers with what came of it",
        reload,
        {200: ReloadShown, 422: ReloadShown},
    ),
)
