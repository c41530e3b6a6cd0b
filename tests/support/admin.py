"""The admin listener as tests ask it: tokens of every kind, and the routes that its own document names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from routebook.edge.admin import tokens
from routebook.edge.admin.route import Role
from tests.support.rawclient import Answer, RawClient


def make_token(state_dir: Path, role: Role = Role.OPERATE, lives: timedelta | None = None) -> tuple[str, str]:
    """A new token of this state directory, and its id."""
    secret, token = tokens.create(state_dir, role, lives, "of a test", tokens.now())
    return secret, token.id


def revoked_token(state_dir: Path) -> str:
    """A token that could operate before it was revoked."""
    secret, identity = make_token(state_dir)
    assert tokens.revoke(state_dir, identity, tokens.now()) is not None
    return secret


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the OpenAPI document. `needs` is the role that it names; None where it is open to all."""

    method: str
    path: str
    needs: str | None

    @property
    def target(self) -> str:
        """A path that a request can ask: every name is one that nothing has."""
        return re.sub(r"{\w+}", "nothing", self.path)


def operations(document: dict[str, Any]) -> list[Operation]:
    """Every operation of an OpenAPI document."""
    return [
        Operation(method.upper(), path, next((scheme["token"][0] for scheme in operation["security"]), None))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def ask(
    url: str,
    method: str,
    target: str,
    *headers: tuple[str, str],
    token: str | None = None,
    body: bytes = b"",
    host: str = "127.0.0.1",
) -> Answer:
    """One request on a connection of its own, with a token where one is given."""
    fields = [("Host", host), ("Content-Length", str(len(body))), *headers]
    if token is not None:
        fields.append(("Authorization", f"Bearer {token}"))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    async with RawClient(url) as client:
        return await client.ask("\r\n".join(lines).encode() + body, timeout=60)


def code_of(answer: Answer) -> str:
    """The stable code of a refusal; empty where the request was carried out."""
    content = answer.json() if answer.body.startswith(b"{") else {}
    error = content.get("error")
    return str(error["code"]) if isinstance(error, dict) else ""
