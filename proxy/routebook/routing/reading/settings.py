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
from routebook.health.breakers import USUAL, Thresholds
from routebook.routing.policy import Retries, Settings
from routebook.routing.reading.terms import CREDENTIALS

SETTING_KEYS = {
    "max_body": "the largest request that is read (default 32MiB)",
    "body_timeout": "how long a client may take to send its request (default 30s)",
    "default_max_output": "tokens of answer assumed where a client names no limit (default 4096)",
    "timeouts": "how long to wait for providers that name no timeouts of their own",
    "stream": "what holds for streamed answers",
    "retries": "how far attempts go on",
    "breaker": "when a model by an account is left alone for a while",
    "record": "what the decision record holds beyond the usual",
}
"""The keys of `settings`, with what they mean."""

STREAM_KEYS = {"stall": "how long a client may go without reading before its exchange is ended (default 60s)"}
"""The keys of `settings.stream`, with what they mean."""

RETRY_KEYS = {"attempts": "attempts in all, the first one included (default 4)"}
"""The keys of `settings.retries`, with what they mean."""

BREAKER_KEYS = {
    "failures": "the share of failed calls at which it opens (default 50%)",
    "of": "among at least so many calls (default 20)",
    "within": "over how long calls are counted (default 30s)",
    "in_a_row": "failed calls in a row at which it opens, however few there are (default 5)",
    "rest": "how long it stays open the first time; twice as long each further time (default 15s)",
    "slow_after": "a first token that comes later counts as a failure (default: none does)",
}
"""The keys of `settings.breaker`, with what they mean."""

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
    settings = Settings(
        max_body=usual.max_body if max_body is None else max_body,
        body_timeout=usual.body_timeout if body_timeout is None else body_timeout,
        default_max_output=usual.default_max_output if max_output is None else max_output,
        stall=_read_stall(fields, usual.stall),
        retries=_read_retries(fields),
        breaker=_read_breaker(fields),
        record_headers=headers,
        record_content=content,
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


def _read_breaker(fields: Fields) -> Thresholds:
    inner, usual = _inner(fields, "breaker", BREAKER_KEYS), USUAL
    if inner is None:
        return usual
    failures = bounded(inner, "failures", Unit.SHARE, "1%", "100%")
    of, in_a_row = whole(inner, "of", Unit.COUNT, "1"), whole(inner, "in_a_row", Unit.COUNT, "1")
    within = bounded(inner, "within", Unit.DURATION, "1s", "1h")
    rest = bounded(inner, "rest", Unit.DURATION, "100ms", "1h")
    return Thresholds(
        failures=usual.failures if failures is None else failures,
        of=usual.of if of is None else of,
        within=usual.within if within is None else within,
        in_a_row=usual.in_a_row if in_a_row is None else in_a_row,
        rest=usual.rest if rest is None else rest,
        slow_after=bounded(inner, "slow_after", Unit.DURATION, "1ms", "1h"),
    )


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
