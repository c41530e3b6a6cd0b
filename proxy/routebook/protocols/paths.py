"""What is served at which path: a closed table, some of whose paths hold a value (`/v1beta/models/{model}:countTokens`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from routebook.protocols.codec import Dialect, Operation
from routebook.protocols.form import FormReader

LONGEST: Final = 512
"""Characters of a value in a path; longer ones name nothing that is served."""

MOST_PARAMETERS: Final = 100

_SLASHES: Final = re.compile(r"//+")
_VALUE: Final = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a path, with the values in it."""

    dialect: Dialect
    operation: Operation
    values: Mapping[str, Any]

    def read_form(self, form: FormReader, size: int, file_size: int) -> Any:
        """The request in a form, as far as it has been read; raises ProtocolError where it is not one."""
        return self.operation.read(form, size, file_size, **self.values)

    def read(self, body: bytes, headers: Mapping[str, str] | None = None) -> Any:
        """The request in a body, that came with these headers; raises ProtocolError where it is not one."""
        told = self.operation.headers
        if not told or headers is None:
            return self.operation.read(body, **self.values)
        said = {name: value for name, header in told.items() if (value := headers.get(header)) is not None}
        return self.operation.read(body, **self.values, **said)


class Paths:
    """The table. Most requests are found by one look-up; the few forms with a value are tried in order."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._plain: dict[str, Found] = {}
        self._forms: list[tuple[str, str, str, Found]] = []
        for dialect in dialects:
            for operation in dialect.operations:
                found = Found(dialect, operation, operation.given)
                value = _VALUE.search(operation.path)
                if value is None:
                    self._plain[operation.path] = found
                else:
                    self._forms.append(
                        (operation.path[: value.start()], operation.path[value.end() :], value[1], found)
                    )

    def __repr__(self) -> str:
        return f"<Paths {len(self._plain)} plain, {len(self._forms)} with a value>"

    def find(self, path: str, query: str = "") -> Found | None:
        """What stands at this path, its query cut off; None where nothing does.

        Slashes that follow each other count as one: some clients join a base URL and a path with two.
        """
        found = self._find(path)
        return found if found is None or not found.operation.queries else _queried(found, query)

    def _find(self, path: str) -> Found | None:
        found = self._plain.get(path)
        if found is not None:
            return found
        if "//" in path:
            if any(path.startswith(f"{before}/") for before, *_ in self._forms):
                return None  # an empty value, whose neighbour would be taken for it
            path = _SLASHES.sub("/", path)
            if (found := self._plain.get(path)) is not None:
                return found
        for before, after, name, form in self._forms:
            if path.startswith(before) and path.endswith(after) and len(before) + len(after) < len(path):
                value = unquote(path[len(before) : len(path) - len(after)])
                if len(value) <= LONGEST and value.isprintable():
                    return Found(form.dialect, form.operation, {**form.values, name: value})
        return None


def _queried(found: Found, query: str) -> Found:
    """With the parameters that the operation is told of."""
    try:
        said = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        return found
    told = {name: value for name, value in said if name in found.operation.queries}
    return Found(found.dialect, found.operation, {**found.values, **told})
