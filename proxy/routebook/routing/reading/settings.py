"""The `settings` section: defaults of the server."""

from __future__ import annotations

from collections.abc import Collection

from routebook.catalogue.providers import Timeouts
from routebook.catalogue.reading_providers import read_timeouts
from routebook.documents.bounds import bounded, whole
from routebook.documents.nodes import Mapping, Scalar
from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit
from routebook.documents.reading import Fields
from routebook.ledger.budgets import Abandoned, Orphans
from routebook.routing.policy import Retries, Settings
from routebook.routing.reading.terms import CREDENTIALS

SETTING_KEYS = {
    "max_body": "the largest request that is read (default 32MiB)",
    "body_timeout": "how long a client may take to send its request (default 30s)",
    "default_max_output": "tokens of answer assumed where a client names no limit (default 4096)",
    "timeouts": "how long to wait for providers that name no timeouts of their own",
    "stream": "what holds for streamed answers",
    "retries": "how far attempts go on",
    "ledger": "what a request is settled with whose end nobody saw",
    "record": "what the decision record holds beyond the usual",
}
"""The keys of `settings`, with what they mean."""

STREAM_KEYS = {"stall": "how long a client may go without reading before its exchange is ended (default 60s)"}
"""The keys of `settings.stream`, with what they mean."""

RETRY_KEYS = {"attempts": "attempts in all, the first one included (default 4)"}
"""The keys of `settings.retries`, with what they mean."""

LEDGER_KEYS = {
    "orphans": "where its process died: what was held (`hold`, the default), its prompt alone, or nothing",
    "abandoned": "where nobody reported its usage: an estimate (`estimate`, the default), or what was held",
}
"""The keys of `settings.ledger`, with what they mean."""

RECORD_KEYS = {
    "headers": "request headers whose values are kept; never those that hold credentials",
    "content": "whether prompts and answers are kept (default false)",
}
"""The keys of `settings.record`, with what they mean."""


def read_settings(node: Mapping, problems: Problems) -> tuple[Settings, Timeouts]:
    """The settings, and the timeouts of providers that name none."""
    fields = Fields.of(node, SETTING_KEYS, problems, "`settings`")
    if fields is None:
        return Settings(), Timeouts()
    usual = Settings()
    max_body = whole(fields, "max_body", Unit.BYTES, "1KiB", "1GiB")
    body_timeout = bounded(fields, "body_timeout", Unit.DURATION, "100ms", "1h")
    max_output = whole(fields, "default_max_output", Unit.TOKENS, "1")
    headers, content = _read_record(fields)
    orphans, abandoned = _read_ledger(fields)
    settings = Settings(
        max_body=usual.max_body if max_body is None else max_body,
        body_timeout=usual.body_timeout if body_timeout is None else body_timeout,
        default_max_output=usual.default_max_output if max_output is None else max_output,
        stall=_read_stall(fields, usual.stall),
        retries=_read_retries(fields),
        record_headers=headers,
        record_content=content,
        orphans=orphans,
        abandoned=abandoned,
    )
    return settings, read_timeouts(fields, Timeouts())


def _inner(fields: Fields, name: str, keys: Collection[str]) -> Fields | None:
    node = fields.node(name)
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return None
    return Fields.of(node, keys, fields.problems, f"`{name}`")


def _read_stall(fields: Fields, usual: float) -> float:
    inner = _inner(fields, "stream", STREAM_KEYS)
    stall = None if inner is None else bounded(inner, "stall", Unit.DURATION, "100ms", "1d")
    return usual if stall is None else stall


def _read_retries(fields: Fields) -> Retries:
    inner = _inner(fields, "retries", RETRY_KEYS)
    attempts = None if inner is None else whole(inner, "attempts", Unit.COUNT, "1", "20")
    return Retries() if attempts is None else Retries(attempts)


def _read_ledger(fields: Fields) -> tuple[Orphans, Abandoned]:
    usual = Settings()
    inner = _inner(fields, "ledger", LEDGER_KEYS)
    if inner is None:
        return usual.orphans, usual.abandoned
    orphans = inner.word("orphans", [rule.value for rule in Orphans], "a rule for orphans", usual.orphans.value)
    abandoned = inner.word(
        "abandoned", [rule.value for rule in Abandoned], "a rule for abandoned requests", usual.abandoned.value
    )
    return Orphans(orphans), Abandoned(abandoned)


def _read_record(fields: Fields) -> tuple[tuple[str, ...], bool]:
    inner = _inner(fields, "record", RECORD_KEYS)
    if inner is None:
        return (), False
    headers: list[str] = []
    for item in inner.items("headers", "a list of header names"):
        name = item.text.lower() if isinstance(item, Scalar) else ""
        if name in CREDENTIALS:
            fields.problems.error(
                "policy.secret-header",
                f"the header `{name}` holds a secret",
                item.location,
                "no secret ever stands in a record",
            )
        headers.append(name)
    return tuple(headers), inner.flag("content")
