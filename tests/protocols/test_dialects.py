"""The table of dialects."""

from __future__ import annotations

from routebook.protocols.dialects import DIALECTS, OPERATIONS, reader_at
from routebook.routing.fact_table import CLIENT_DIALECTS
from routebook.routing.fact_table import OPERATIONS as ASKED
from routebook.routing.outcomes import Caps


def test_every_dialect_and_operation_is_one_that_rules_know() -> None:
    """A rule could otherwise not speak of it."""
    assert set(DIALECTS) <= set(CLIENT_DIALECTS)
    assert {operation.name for _, operation in OPERATIONS.values()} <= set(ASKED)


def test_what_stands_at_a_path_reads_and_edits_its_requests() -> None:
    """One line of the table is all that an exchange needs."""
    bodies = {"/v1/chat/completions": b'{"model":"m","messages":[]}', "/v1/embeddings": b'{"model":"m","input":"a"}'}
    assert bodies.keys() == OPERATIONS.keys()
    for path, (dialect, operation) in OPERATIONS.items():
        asked = operation.read(bodies[path])
        assert (asked.operation, asked.dialect) == (operation.name, dialect.name)
        assert operation.edit(asked, "m", True, Caps()) is bodies[path]
        assert b'"up"' in operation.edit(asked, "up", True, Caps())


def test_nothing_is_read_at_other_paths() -> None:
    """The table is closed."""
    assert reader_at("/v1/completions") is None
    assert reader_at("/v1/embeddings") is not None
