"""The table of dialects."""

from __future__ import annotations

import pytest

from routebook.catalogue.reading_providers import DIALECTS as WORDS
from routebook.protocols.anthropic.dialect import ANTHROPIC
from routebook.protocols.codec import Dialect, Operation
from routebook.protocols.dialects import DIALECTS, OPERATIONS, PATHS, SERVED, reader_at
from routebook.protocols.form import FormReader
from routebook.protocols.openai_chat.dialect import OPENAI_CHAT
from routebook.protocols.openai_responses.dialect import OPENAI_RESPONSES
from routebook.protocols.session_dialects import SESSIONS
from routebook.protocols.spoken import SPOKEN, asked_in
from routebook.routing.fact_table import CLIENT_DIALECTS
from routebook.routing.fact_table import OPERATIONS as ASKED
from routebook.routing.outcomes import Caps


def test_every_dialect_and_operation_is_one_that_rules_know() -> None:
    """A rule could otherwise not speak of it."""
    assert {each.name for each in SERVED} <= set(CLIENT_DIALECTS)
    assert {operation.name for _, operation in OPERATIONS.values()} <= set(ASKED)


BODIES = {
    "openai-chat": {
        "chat": b'{"model":"m","messages":[]}',
        "embeddings": b'{"model":"m","input":"a"}',
        "speech": b'{"model":"m","input":"a","voice":"v"}',
        "completion": b'{"model":"m","prompt":"a"}',
    },
    "anthropic": dict.fromkeys(("chat", "count_tokens"), b'{"model":"m","messages":[],"max_tokens":9}'),
    "openai-responses": dict.fromkeys(("chat", "count_tokens"), b'{"model":"m","input":"a"}'),
}


def _reads_a_form(operation: Operation) -> None:
    """Its fields, and nothing to edit: its model is put in on the way."""
    form = FormReader(b"b")
    form.feed(
        form.part("model", "m") + b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--'
    )
    asked = operation.read(form, 100, 1)
    assert (asked.operation, asked.dialect, asked.model) == (operation.name, "openai-chat", "m")
    assert operation.edit(asked, "up", True, Caps()) == b""


@pytest.mark.parametrize("dialect", [OPENAI_CHAT, ANTHROPIC, OPENAI_RESPONSES], ids=lambda dialect: dialect.name)
def test_what_stands_at_a_path_reads_and_edits_its_requests(dialect: Dialect) -> None:
    """One line of the table is all that an exchange needs."""
    for operation in dialect.operations:
        path = operation.path.replace("{model}", "m")
        found = PATHS.find(path)
        assert found is not None and (found.dialect, found.operation) == (dialect, operation)
        if operation.is_form:
            _reads_a_form(operation)
            continue
        asked = found.read(BODIES[dialect.name][operation.name])
        assert (asked.operation, asked.dialect, asked.model) == (operation.name, dialect.name, "m")
        assert operation.edit(asked, "m", True, Caps()) is BODIES[dialect.name][operation.name]
        assert b'"up"' in operation.edit(asked, "up", True, Caps())


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/openai/deployments/gpt-5/chat/completions", "gpt-5"),
        ("/openai//deployments/gpt%205/chat/completions", "gpt 5"),
        ("//v1//chat/completions", None),
    ],
)
def test_a_model_may_stand_in_the_path(path: str, model: str | None) -> None:
    """Azure's clients name the deployment there; it counts, whatever the body says, and goes into the body."""
    found = PATHS.find(path)
    assert found is not None
    for body in (b'{"model":"m","messages":[]}', b'{"messages":[],"model":"m"}'):
        asked = found.read(body)
        assert asked.model == (model or "m")
        assert found.operation.read(asked.body).model == asked.model


def test_a_body_without_a_model_takes_that_of_its_path() -> None:
    """The body is then all that an upstream of the plain form needs."""
    found = PATHS.find("/openai/deployments/gpt-5/embeddings")
    assert found is not None
    assert found.read(b'{"input":"a"}').body == b'{"input":"a","model":"gpt-5"}'


@pytest.mark.parametrize(
    "path",
    [
        "/openai/deployments//chat/completions",
        "/openai/deployments//completions",
        "/openai/deployments/%00/chat/completions",
        "/openai/deployments/" + "x" * 600 + "/chat/completions",
        "/v1/chat/completions/",
        "/V1/chat/completions",
        "",
    ],
)
def test_no_other_path_is_taken_for_one_that_is_served(path: str) -> None:
    """A value in a path is not empty, not endless and has no control characters."""
    assert PATHS.find(path) is None


def test_nothing_is_read_at_other_paths() -> None:
    """The table is closed."""
    assert reader_at("/v1/complete") is None
    assert reader_at("/v1/embeddings") is not None


def test_what_providers_speak_is_what_the_table_has() -> None:
    """Policies are read by words alone; the words must be those of the table, and of the catalogue."""
    table: dict[str, list[str]] = {}
    for dialect in DIALECTS.values():
        if dialect.upstream is not None:
            table.setdefault(dialect.spoken_by, []).append(dialect.name)
    for session in SESSIONS.values():
        for word in session.spoken_by:
            table.setdefault(word, []).append(session.name)
    assert {word: sorted(names) for word, names in SPOKEN.items()} == {
        word: sorted(names) for word, names in table.items()
    }
    assert set(SPOKEN) <= set(WORDS)
    for word, names in SPOKEN.items():
        assert all(asked_in(word, name) == name for name in names)
        assert asked_in(word, "nobody's") == names[0]
    assert asked_in("nothing", "openai-chat") is None
