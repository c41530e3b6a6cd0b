"""The table of routes: what the admin listener serves, and nothing else.

The listener, the OpenAPI document, `docs/admin.md` and the test of who may do what are all made from it. To add a route:

1. In the module of its subject (as `decisions`), write what it asks as a `Wanted`, what it answers as a `Shown`, and
   an async handler `(service, asked) -> Reply` that raises `Refused` with a code of `refusals.STATUSES`.
2. Where it needs the service, add a method to `service.Service` and carry it out in the supervisor.
3. Add a `Route` to the module's `ROUTES`, the module to `ROUTES` below, new codes to `cli/codes.py`; run `make docs`.

Fields may be described with `Annotated[int, Meta(description=...)]`. Nothing else is to be done: the new row is
authorized, documented, and tested with every kind of token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from routebook.edge.admin import accounts, budgets, decisions, feedback, health, keys, ledger, policy
from routebook.edge.admin.document import openapi
from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Asked, Reply, Role, Route
from routebook.edge.admin.service import Service
from routebook.edge.console.pages import ROUTES as PAGES


async def describe_routes(_: Service, __: Asked) -> Reply:
    """This table, as OpenAPI 3.1."""
    return Reply(openapi(ROUTES))


ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *policy.ROUTES,
    *decisions.ROUTES,
    *feedback.ROUTES,
    *accounts.ROUTES,
    *budgets.ROUTES,
    *ledger.ROUTES,
    *keys.ROUTES,
    *PAGES,
    Route("GET", "/openapi.json", Role.READ, "this table as an OpenAPI 3.1 document", describe_routes, {200: dict}),
)


class Router:
    """Finds the row of a request. Paths are compared byte by byte: dot segments, doubled or encoded slashes lead nowhere."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            self._by_path.setdefault(route.path, {})[route.method] = route
        self._patterns = [(_pattern(path), path) for path in self._by_path if "{" in path]

    def __repr__(self) -> str:
        return f"<Router of {len(self._by_path)} paths>"

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The row, and the names that stand in the path; raises Refused. HEAD asks what GET does."""
        known, names = self._place(path)
        methods = self._by_path.get(known, {})
        if not methods:
            raise Refused("admin.unknown-path", "there is nothing at this path; `/openapi.json` lists what there is")
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            raise WrongMethod(methods)
        return route, names

    def _place(self, path: str) -> tuple[str, dict[str, str]]:
        if path in self._by_path and "{" not in path:
            return path, {}
        for pattern, known in self._patterns:
            if (match := pattern.fullmatch(path)) is not None:
                return known, {name: unquote(value) for name, value in match.groupdict().items()}
        return "", {}


class WrongMethod(Refused):
    """A path that is served, by another method; `allowed` are those that it takes, for the header `Allow`."""

    def __init__(self, methods: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(methods))
        super().__init__("admin.wrong-method", f"this path takes {self.allowed}")


def _pattern(path: str) -> re.Pattern[str]:
    """A path of the table as a pattern: a name stands for anything without a slash, encoded or not."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>(?:(?!%2[fF])[^/])+)", re.escape(path)))
