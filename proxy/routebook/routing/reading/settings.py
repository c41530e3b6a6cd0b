"""The `settings` section: defaults of the server."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from routebook.catalogue.providers import Timeouts
from routebook.catalogue.reading_providers import read_timeouts
from routebook.chat.features import FEATURES, Feature
from routebook.chat.loss import Done
from routebook.documents.bounds import bounded, whole
from routebook.documents.nodes import Mapping, Scalar
from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit
from routebook.documents.reading import Fields
from routebook.health.breakers import USUAL, Thresholds
from routebook.ledger.budgets import Abandoned, Orphans
from routebook.routing.policy import CacheRoom, FormRoom, Retries, SessionLimits, Settings, Transcoding
from routebook.routing.reading.terms import CREDENTIALS
from routebook.routing.tracing import Traces

TRANSCODERS: Final = re.compile(r"(/([^/\x00-\x1f]+/)*)?ffmpeg[A-Za-z0-9._-]*")
"""A name, or a whole path, whose last part begins as the program's: nobody who may edit a policy runs another one by it."""

TRACES = {
    Traces.PASS.value: "upstreams are told what the client sent, as it came",
    Traces.JOIN.value: "upstreams are told of this gateway's span, in the client's trace, or in a new one where it has none",
    Traces.RESTART.value: "upstreams are told of this gateway's span, in a trace that begins here: clients are not believed",
}
"""What each way to treat a client's trace does."""

SETTING_KEYS = {
    "max_body": "the largest request that is read (default 32MiB)",
    "body_timeout": "how long a client may take to send its request (default 30s)",
    "max_requests": "how many requests a worker has under way at most: more are refused with 503 and `Retry-After` "
    "(default: as many as it has descriptors for)",
    "traces": "what becomes of a client's trace (`traceparent`)",
    "default_max_output": "tokens of answer assumed where a client names no limit (default 4096); where it is declared, "
    "also the bound that is sent upstream with requests whose tokens or money a budget or limit counts",
    "expected_output": "tokens that an answer is taken to have, where candidates are compared by cost and nothing was learnt "
    "of their answers yet (default 500)",
    "timeouts": "how long to wait for providers that name no timeouts of their own",
    "stream": "what holds for streamed answers",
    "sessions": "how long sessions of voice may last",
    "forms": "how much of a form with a file may be kept while it is on its way",
    "transcoder": "what changes the format of sound that passes from one API to another (default: nothing does)",
    "cache": "how much room the answers have that rules keep by `cache`",
    "retries": "how far attempts go on",
    "ledger": "what a request is settled with whose end nobody saw",
    "losses": "what is done with fields of a request that an upstream's API cannot carry, by their names in "
    "`docs/protocols.md`: `refused`, `dropped`, or `emulated` where its dialect can",
    "breaker": "when a model by an account is left alone for a while",
    "router": "how prompts are judged",
    "record": "what the decision record holds beyond the usual",
}
"""The keys of `settings`, with what they mean."""

STREAM_KEYS = {"stall": "how long a client may go without reading before its exchange is ended (default 60s)"}
"""The keys of `settings.stream`, with what they mean."""

SESSION_KEYS = {
    "longest": "how long a session may last (default 1h)",
    "idle": "how long nothing may be said in it, either way (default 15m)",
}
"""The keys of `settings.sessions`, with what they mean."""

FORM_KEYS = {
    "memory": "in memory: a file that fits can be sent to another model after a failure (default 1MiB)",
    "disk": "on disk, while the fields behind a file are waited for; 0 refuses such forms (default 32MiB)",
}
"""The keys of `settings.forms`, with what they mean."""

TRANSCODER_KEYS = {
    "program": "an ffmpeg, by its name in the service's `PATH` or by its whole path",
    "at_once": "how many processes of it a worker has at most (default 2)",
    "within": "how long one may take, its wait for a place included (default 20s)",
    "longest": "the longest sound that it is given (default 10m)",
}
"""The keys of `settings.transcoder`, with what they mean."""

CACHE_KEYS = {
    "bytes": "bytes of answers that a worker keeps (default 64MiB)",
    "entry": "the largest answer that is kept (default 1MiB)",
}
"""The keys of `settings.cache`, with what they mean."""

RETRY_KEYS = {
    "attempts": "attempts that may fail, the first one included (default 4); those that an account's key or quota fails "
    "do not count",
    "rounds": "how often all candidates are gone through, where their failures may pass (default 1)",
    "backoff": "how long to wait before another round, about; twice as long before each further one (default 250ms)",
    "within": "how long after a request's beginning another round may begin (default: no limit)",
    "budget": "the share of all requests for which a provider that has just failed may be called again (default 20%)",
    "hedge": "how long a candidate may be silent before a second one is called beside it (default: for ever)",
}
"""The keys of `settings.retries`, with what they mean."""

LEDGER_KEYS = {
    "orphans": "where its process died: what was held (`hold`, the default), its prompt alone, or nothing",
    "abandoned": "where nobody reported its usage: an estimate (`estimate`, the default), or what was held",
}
"""The keys of `settings.ledger`, with what they mean."""

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
    expected = whole(fields, "expected_output", Unit.TOKENS, "1")
    headers, content = _read_record(fields)
    orphans, abandoned = _read_ledger(fields)
    settings = Settings(
        max_body=usual.max_body if max_body is None else max_body,
        body_timeout=usual.body_timeout if body_timeout is None else body_timeout,
        traces=Traces(fields.word("traces", TRACES, "what becomes of a trace", usual.traces.value)),
        max_requests=whole(fields, "max_requests", Unit.COUNT, "1", "1M"),
        default_max_output=usual.default_max_output if max_output is None else max_output,
        expected_output=usual.expected_output if expected is None else expected,
        stall=_read_stall(fields, usual.stall),
        retries=_read_retries(fields),
        breaker=_read_breaker(fields),
        record_headers=headers,
        record_content=content,
        cache=_read_cache(fields),
        injected_max_output=max_output,
        orphans=orphans,
        abandoned=abandoned,
        losses=_read_losses(fields),
        sessions=_read_sessions(fields),
        forms=_read_forms(fields),
        transcoder=_read_transcoder(fields),
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


def _read_sessions(fields: Fields) -> SessionLimits:
    usual = SessionLimits()
    inner = _inner(fields, "sessions", SESSION_KEYS)
    if inner is None:
        return usual
    longest = bounded(inner, "longest", Unit.DURATION, "1s", "1d")
    idle = bounded(inner, "idle", Unit.DURATION, "100ms", "1d")
    return SessionLimits(
        usual.longest if longest is None else float(longest), usual.idle if idle is None else float(idle)
    )


def _read_forms(fields: Fields) -> FormRoom:
    usual = FormRoom()
    inner = _inner(fields, "forms", FORM_KEYS)
    if inner is None:
        return usual
    memory = whole(inner, "memory", Unit.BYTES, "64KiB", "64MiB")
    disk = whole(inner, "disk", Unit.BYTES, "0", "1GiB")
    return FormRoom(usual.memory if memory is None else memory, usual.disk if disk is None else disk)


def _read_transcoder(fields: Fields) -> Transcoding | None:
    node = fields.node("transcoder")
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return None
    inner = Fields.of(node, TRANSCODER_KEYS, fields.problems, "`transcoder`", ["program"])
    program = None if inner is None else inner.text("program")
    if inner is None or program is None:
        return None
    if TRANSCODERS.fullmatch(program) is None:
        place = inner.node("program")
        fields.problems.error(
            "policy.bad-transcoder",
            f"`{program}` is no ffmpeg: it is given ffmpeg's options",
            inner.location if place is None else place.location,
            "write `ffmpeg`, or its whole path, as `/usr/bin/ffmpeg`",
        )
    usual = Transcoding(program)
    at_once = whole(inner, "at_once", Unit.COUNT, "1", "64")
    within = bounded(inner, "within", Unit.DURATION, "100ms", "10m")
    longest = bounded(inner, "longest", Unit.DURATION, "1s", "1h")
    return Transcoding(
        program,
        usual.at_once if at_once is None else at_once,
        usual.within if within is None else float(within),
        usual.longest if longest is None else float(longest),
    )


def _read_cache(fields: Fields) -> CacheRoom:
    usual = CacheRoom()
    inner = _inner(fields, "cache", CACHE_KEYS)
    if inner is None:
        return usual
    in_all = whole(inner, "bytes", Unit.BYTES, "64KiB", "64GiB")
    of_one = whole(inner, "entry", Unit.BYTES, "1KiB", "64MiB")
    most = usual.bytes if in_all is None else in_all
    room = CacheRoom(most, min(usual.entry, most) if of_one is None else of_one)
    if room.entry > room.bytes:
        fields.problems.error(
            "document.out-of-range",
            "one answer may be larger than all together",
            inner.location,
            "`entry` must be at most `bytes`",
        )
    return room


def _read_retries(fields: Fields) -> Retries:
    inner = _inner(fields, "retries", RETRY_KEYS)
    usual = Retries()
    if inner is None:
        return usual
    attempts = whole(inner, "attempts", Unit.COUNT, "1", "20")
    rounds = whole(inner, "rounds", Unit.COUNT, "1", "10")
    backoff = bounded(inner, "backoff", Unit.DURATION, "1ms", "1m")
    budget = bounded(inner, "budget", Unit.SHARE, "0%", "100%")
    return Retries(
        usual.attempts if attempts is None else attempts,
        usual.rounds if rounds is None else rounds,
        usual.backoff if backoff is None else float(backoff),
        bounded(inner, "within", Unit.DURATION, "10ms", "1h"),
        usual.budget if budget is None else float(budget),
        bounded(inner, "hedge", Unit.DURATION, "10ms", "5m"),
    )


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


def _read_losses(fields: Fields) -> dict[Feature, Done]:
    inner = _inner(fields, "losses", FEATURES)
    if inner is None:
        return {}
    words = {done.value: done for done in Done}
    said = {feature: inner.word(name, words, "what is done") for name, feature in FEATURES.items()}
    return {feature: words[word] for feature, word in said.items() if word is not None}


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
