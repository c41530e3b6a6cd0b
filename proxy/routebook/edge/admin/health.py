"""Routes about the running service itself: alive, ready, counts."""

from __future__ import annotations

from routebook.edge.admin.route import Asked, Reply, Role, Route
from routebook.edge.admin.service import Service, Shown


class Status(Shown, frozen=True):
    """How the service is."""

    status: str


async def health(_: Service, __: Asked) -> Reply:
    """The supervisor runs."""
    return Reply(Status("ok"))


async def ready(service: Service, _: Asked) -> Reply:
    """Whether requests should be sent here."""
    return Reply(Status("ready")) if service.is_ready else Reply(Status("not ready"), 503)


async def metrics(service: Service, _: Asked) -> Reply:
    """Prometheus text format."""
    return Reply(await service.metrics_text())


ROUTES = (
    Route("GET", "/healthz", Role.ANYONE, "200 while the supervisor lives", health, {200: Status}),
    Route(
        "GET",
        "/readyz",
        Role.ANYONE,
        "200 while a worker serves; 503 while starting and draining",
        ready,
        {200: Status, 503: Status},
    ),
    Route("GET", "/metrics", Role.READ, "Prometheus text, all workers added up", metrics, {200: bytes}),
)
