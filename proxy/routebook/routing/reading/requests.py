"""A test's request as a client sends it: where it goes by its path, its dialect or its shape, and that it can be read.

A request that the service would turn away unread tests no rule, so it is a mistake of the test, with the field at fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from routebook.documents.names import read_reference, suggestion
from routebook.documents.nodes import Mapping as MappingNode
from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Location
from routebook.documents.reading import Fields, kind_of, read_text
from routebook.documents.schema import as_data
from routebook.protocols.errors import ProtocolError
from routebook.protocols.shapes import paths_of
from routebook.routing.cases.case import SentRequest
from routebook.routing.constraints import WITHIN_HEADER, read_within
from routebook.routing.fact_table import CLIENT_DIALECTS
from routebook.routing.reading.terms import CREDENTIALS, Terms

REQUEST_KEYS = {
    "body": "what is sent: a mapping, or JSON as a text",
    "path": "where it is sent; where nothing is said, the body tells",
    "dialect": "the API that the body is written for, where that is not plain and no `path` is said",
    "headers": "headers by name; never one that holds a key",
    "client": "who sends it, by the name in `clients`",
}
"""The keys of a test's `request`, with what they mean."""


def read_request(fields: Fields, terms: Terms) -> SentRequest | None:
    """The `request` of a test; None where there is none, or after a problem."""
    node = fields.node("request")
    inner = None if node is None else Fields.of(node, REQUEST_KEYS, fields.problems, "a request", ("body",))
    if inner is None:
        return None
    return _Reading(inner, terms).read()


class _Reading:
    """One request being read."""

    def __init__(self, fields: Fields, terms: Terms) -> None:
        self.fields = fields
        self.problems = fields.problems
        self.clients = terms.declared.get("client", ())
        self.bearers = tuple(terms.declared.get("client of tokens", ()))

    def read(self) -> SentRequest | None:
        """The request, where all of it can be read."""
        found = len(self.problems.errors)
        headers, client, body = self._headers(), self._client(), self._body()
        if body is None or len(self.problems.errors) > found:
            return None
        path = self._path(body, headers)
        if path is None or not self._is_readable(path, body):
            return None
        return SentRequest(path, body, tuple(sorted(headers.items())), client)

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for key, node in self.fields.named("headers", "a mapping of headers"):
            name, text = key.text.lower(), read_text(node, self.problems, "a header's text")
            if name in CREDENTIALS:
                self.problems.error(
                    "policy.secret-header",
                    f"the header `{key.text}` holds a secret",
                    key.location,
                    "a test needs no key: say `client: NAME` of the request",
                )
            elif text is not None:
                headers[name] = text
                self._check_within(name, text, node.location)
        return headers

    def _check_within(self, name: str, text: str, place: Location) -> None:
        try:
            if name == WITHIN_HEADER:
                read_within(text)
        except ValueError as error:
            self.problems.error("policy.unreadable-request", f"the request would be refused: {error}", place)

    def _client(self) -> str | None:
        node = self.fields.node("client")
        if node is None:
            return None
        if isinstance(node, Scalar) and node.text.startswith(self.bearers):
            return node.text
        return read_reference(node, self.clients, self.problems, "policy.unknown-client", "a client of this policy")

    def _body(self) -> bytes | None:
        node = self.fields.node("body")
        match node:
            case None:
                return None
            case MappingNode():
                return msgspec.json.encode(as_data(node))
            case Scalar() if not node.is_null:
                return node.text.encode("utf-8", "replace")
        self.problems.error(
            "document.wrong-type",
            f"expected a body (a mapping, or JSON as a text), found {kind_of(node)}",
            node.location,
        )
        return None

    def _path(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        """Where the request goes: as is said, or as the body tells."""
        # whoever has no test of this kind needs no dialect
        from routebook.protocols.dialects import OPERATIONS, PATHS

        said = self.fields.text("path")
        if said is not None:
            if PATHS.find(*said.partition("?")[::2]) is not None:
                return said
            place = self._place("path")
            self.problems.error(
                "policy.unknown-path", f"nothing is served at `{said}`", place, suggestion(said, OPERATIONS)
            )
            return None
        values = _object(body)
        if values is None:
            self.problems.error("policy.unreadable-request", "the body is no JSON object", self._place("body"))
            return None
        dialect = self.fields.word("dialect", CLIENT_DIALECTS, "a dialect of clients")
        fitting = paths_of(values, headers)
        if dialect is not None:
            chats = (path for path, (each, what) in OPERATIONS.items() if (each.name, what.name) == (dialect, "chat"))
            fitting = tuple(chats)[:1] or fitting
        if len(fitting) == 1 and "{" not in fitting[0]:
            return fitting[0]
        self._report_unclear(fitting)
        return None

    def _report_unclear(self, fitting: tuple[str, ...]) -> None:
        paths = " or ".join(f"`path: {path.replace('{model}', 'MODEL')}`" for path in fitting)
        what = (
            "fits no API" if not fitting else "fits more than one API" if len(fitting) > 1 else "does not name a model"
        )
        hint = f"write {paths}" if fitting else "say where it is sent with `path`"
        self.problems.error("policy.unclear-request", f"the body {what}", self._place("body"), hint)

    def _is_readable(self, path: str, body: bytes) -> bool:
        from routebook.protocols.dialects import PATHS

        found = PATHS.find(*path.partition("?")[::2])
        try:
            if found is not None:
                found.read(body).text  # noqa: B018 - messages are read when they are first asked for
        except ProtocolError as error:
            place = self._place_of(error.param or "")
            self.problems.error("policy.unreadable-request", f"the request would be refused: {error}", place)
            return False
        return True

    def _place(self, key: str) -> Location:
        node = self.fields.node(key)
        return self.fields.location if node is None else node.location

    def _place_of(self, param: str) -> Location:
        """Where a field of the body stands, as far down as its path leads: `messages[0].role`."""
        node = self.fields.node("body")
        place = self._place("body")
        for part in param.replace("[", ".").replace("]", "").split("."):
            node = _within(node, part)
            if node is None:
                break
            place = node.location
        return place


def _within(node: Node | None, part: str) -> Node | None:
    if isinstance(node, MappingNode):
        return node.get(part)
    items = getattr(node, "items", ())
    return items[int(part)] if part.isdecimal() and int(part) < len(items) else None


def _object(body: bytes) -> dict[str, Any] | None:
    """The body as JSON values; None where it is no JSON object."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None
