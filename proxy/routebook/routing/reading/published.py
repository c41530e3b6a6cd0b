"""The published schemas: a policy file and a file of policy tests, from the tables that the readers use."""

from __future__ import annotations

from routebook.catalogue.published import client_schemas, dollars, key_schema, model_schemas, name, provider_schemas
from routebook.chat.features import FEATURES
from routebook.chat.loss import Done
from routebook.documents import schema as build
from routebook.documents.names import PATTERN
from routebook.documents.quantities import Unit
from routebook.documents.schema import Schema
from routebook.ledger.budgets import Abandoned, Orphans
from routebook.ledger.published import budget_schemas, limit_schemas
from routebook.policy.facts import FactTable
from routebook.policy.published import condition_schemas, given_schema, value_schemas
from routebook.protocols.shapes import GEMINI
from routebook.routing.outcomes import Pick
from routebook.routing.reading import guarantees, guards, outcomes, router, settings
from routebook.routing.reading.expectations import BOUND_KEYS, DROPS, EXPECT_KEYS, REFUSE_KEYS
from routebook.routing.reading.requests import REQUEST_KEYS
from routebook.routing.reading.rules import RULE_KEYS
from routebook.routing.reading.sections import SECTIONS
from routebook.routing.reading.tests import TEST_KEYS
from routebook.scoring.tasks import TASKS

PICKS = {
    Pick.IN_ORDER: "as they are listed",
    Pick.CHEAPEST: "the cheapest for this request first",
    Pick.FASTEST: "the one whose first token has come soonest of late first",
    Pick.BEST: "the highest `quality` first",
    Pick.BALANCED: "a balance of cost, time and quality",
    Pick.LEAST_BUSY: "the one with the fewest requests under way first",
    Pick.WEIGHTED: "drawn by `weights`",
}
"""What each way to pick does."""


def policy_schema(table: FactTable) -> Schema:
    """The schema of one file of a policy; which sections stand in which file is the author's choice."""
    sections = {
        "version": {"const": 1},
        "providers": _section(build.named(build.ref("provider"), PATTERN)),
        "models": _section(build.named(build.ref("model"), PATTERN)),
        "pools": _section(build.named(build.ref("pool"), PATTERN)),
        "clients": _section(build.named(build.ref("client"), PATTERN)),
        "budgets": _section(build.named(build.ref("budget"), PATTERN)),
        "limits": _section(build.named(build.ref("limit"), PATTERN)),
        "patterns": _section(build.named(build.text(), PATTERN)),
        "guards": _section(build.named(build.ref("guard"), PATTERN)),
        "conditions": _section(build.named(build.ref("condition"), PATTERN)),
        "rules": _section(build.listed(build.ref("rule"))),
        "guarantees": _section(build.listed(build.ref("guarantee"))),
        "tests": _section(build.listed(build.ref("test"))),
        "settings": _section(build.ref("settings")),
    }
    root = build.record(SECTIONS, sections)
    return build.document(root, "urn:routebook:schema:policy:1", "A file of a Routebook policy", _definitions(table))


def policy_test_schema(table: FactTable) -> Schema:
    """The schema of a file under `tests/`."""
    root = build.record({"tests": SECTIONS["tests"]}, {"tests": _section(build.listed(build.ref("test")))})
    return build.document(
        root,
        "urn:routebook:schema:policy-test:1",
        "A file of tests of a Routebook policy",
        build.together(_test_schemas(table), value_schemas(table)),
    )


def _definitions(table: FactTable) -> dict[str, Schema]:
    needs, operations = _words(table, "request.needs"), _words(table, "request.operation")
    return build.together(
        provider_schemas(),
        model_schemas(needs, operations, {each.word: each.about for each in FEATURES.values()}, TASKS),
        client_schemas(),
        budget_schemas(),
        limit_schemas(),
        condition_schemas(table),
        _guard_schemas(),
        _outcome_schemas(),
        _rule_schemas(),
        _guarantee_schemas(needs),
        _setting_schemas(),
        _test_schemas(table),
    )


def _section(schema: Schema) -> Schema:
    return build.or_nothing(schema)


def _words(table: FactTable, fact: str) -> tuple[str, ...]:
    spec = table.find(fact)
    return () if spec is None else spec.words


def _guard_schemas() -> dict[str, Schema]:
    webhook = {
        "url": build.matching("https?://.+", ["https://guard.example.com/check"]),
        "key": key_schema(),
        "timeout": build.quantity(Unit.DURATION),
        "on_failure": build.word(guards.ON_FAILURE),
    }
    guard = {
        "mask": build.one_or_more(build.text()),
        "with": build.text([guards.REPLACEMENT]),
        "webhook": build.record(guards.WEBHOOK_KEYS, webhook, ["url", "on_failure"]),
        "when": build.ref("condition"),
    }
    return {"guard": build.record(guards.GUARD_KEYS, guard)}


def _outcome_schemas() -> dict[str, Schema]:
    share, duration = build.quantity(Unit.SHARE), build.quantity(Unit.DURATION)
    route = {
        "to": build.one_or_more(build.text(["requested"])),
        "pick": build.word({pick.value: doc for pick, doc in PICKS.items()}, Pick.IN_ORDER.value),
        "band": {"type": "number", "minimum": 0, "maximum": 1},
        "weights": build.named(build.quantity(Unit.COUNT)),
        "within": build.ref("within"),
        "split": {**build.named(share), "properties": {"by": build.word(outcomes.SPLIT_BY, "client")}},
        "stick": duration,
        "shadow": build.record(outcomes.SHADOW_KEYS, {"to": build.text(), "share": share}, ["to"]),
        "pipeline": build.record(
            outcomes.PIPELINE_KEYS,
            {
                "text": build.one_or_more(build.text()),
                "speech": build.one_or_more(build.text()),
                "voice": build.text(["alloy"]),
            },
            ["text", "speech"],
        ),
        "set": build.ref("set"),
        "cache": build.one_of_kinds(
            duration, build.record(outcomes.CACHE_KEYS, {"for": duration, "shared": build.flag(False)}, ["for"])
        ),
    }
    within = {
        "cost": build.quantity(Unit.MONEY),
        "first_token": duration,
        "first_audio": duration,
        "quality": {"type": "number", "minimum": 0, "maximum": 1},
        "region": build.one_or_more(build.text()),
        "labels": build.named(build.text(), PATTERN),
    }
    caps = {
        "max_output": build.quantity(Unit.TOKENS),
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "reasoning_effort": build.word(outcomes.EFFORTS),
    }
    refuse = {
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "default": 403},
        "message": build.text(),
        "code": build.text(),
    }
    return {
        "within": build.record(outcomes.WITHIN_KEYS, within),
        "set": build.record(outcomes.SET_KEYS, caps),
        "route": build.record(outcomes.ROUTE_KEYS, route, ["to"]),
        "refuse": build.or_nothing(build.record(outcomes.REFUSE_KEYS, refuse)),
    }


def _rule_schemas() -> dict[str, Schema]:
    values = {
        "name": name(),
        "when": build.ref("condition"),
        "route": build.ref("route"),
        "refuse": build.ref("refuse"),
    }
    either: Schema = {"oneOf": [{"required": ["route"]}, {"required": ["refuse"]}]}
    return {"rule": {**build.record(RULE_KEYS, values, ["name"]), **either}}


def _guarantee_schemas(capabilities: tuple[str, ...]) -> dict[str, Schema]:
    texts = build.one_or_more(build.text())
    reach = {
        "model": texts,
        "provider": texts,
        "region": texts,
        "labels": build.named(texts, PATTERN),
        "capability": build.one_or_more(build.word(capabilities)),
        "price": build.record({"at_most": "dollars per million tokens"}, {"at_most": dollars()}, ["at_most"]),
    }
    values = {"name": name(), "when": build.ref("condition"), "only": build.ref("reach"), "never": build.ref("reach")}
    either: Schema = {"oneOf": [{"required": ["only"]}, {"required": ["never"]}]}
    return {
        "reach": {**build.record(guarantees.REACH_KEYS, reach), "minProperties": 1},
        "guarantee": {**build.record(guarantees.GUARANTEE_KEYS, values, ["name"]), **either},
    }


def _test_schemas(table: FactTable) -> dict[str, Schema]:
    expect = build.record(EXPECT_KEYS, _expect_schemas(table))
    values = {
        "name": build.text(),
        "given": build.or_nothing(given_schema(table)),
        "request": build.ref("sent request"),
        "expect": {**expect, "minProperties": 1},
        "suggested": build.flag(False),
    }
    return {"test": build.record(TEST_KEYS, values, ["name", "expect"]), **_request_schemas(table)}


def _expect_schemas(table: FactTable) -> dict[str, Schema]:
    status: Schema = {"type": "integer", "minimum": 400, "maximum": 599}
    refusal = build.record(REFUSE_KEYS, {"status": status, "code": build.text()})
    amount = build.one_of_kinds(*(build.quantity(unit) for unit in (Unit.MONEY, Unit.TOKENS, Unit.COUNT)))
    return {
        "rule": build.text(),
        "model": build.text(),
        "refuse": build.one_of_kinds(build.flag(), status, refusal),
        "order": build.one_of_kinds(build.text(), build.listed(build.text())),
        "dropped": build.named(build.one_or_more(build.word(DROPS))),
        "cost": _bounded(build.quantity(Unit.MONEY)),
        "holds": build.named(_bounded(amount)),
    }


def _bounded(amount: Schema) -> Schema:
    both = build.record(BOUND_KEYS, dict.fromkeys(BOUND_KEYS, amount))
    return build.one_of_kinds(amount, {**both, "minProperties": 1})


def _request_schemas(table: FactTable) -> dict[str, Schema]:
    # imported where the schema is made: nobody who reads a policy needs the dialects for it
    from routebook.protocols.dialects import OPERATIONS

    values: dict[str, Schema] = {
        "body": {"type": ["object", "string"]},
        "path": build.text([*OPERATIONS, GEMINI.replace("{model}", "MODEL")]),
        "dialect": build.word(_words(table, "request.dialect")),
        "headers": build.named(build.text()),
        "client": build.text(),
    }
    return {"sent request": build.record(REQUEST_KEYS, values, ["body"])}


def _breaker() -> Schema:
    share, count, duration = (build.quantity(unit) for unit in (Unit.SHARE, Unit.COUNT, Unit.DURATION))
    values = {
        "failures": share,
        "of": count,
        "within": duration,
        "in_a_row": count,
        "rest": duration,
        "slow_after": duration,
    }
    return build.record(settings.BREAKER_KEYS, values)


def _retries() -> Schema:
    duration, count = build.quantity(Unit.DURATION), build.quantity(Unit.COUNT)
    values = {
        "attempts": count,
        "rounds": count,
        "backoff": duration,
        "within": duration,
        "budget": build.quantity(Unit.SHARE),
        "hedge": duration,
    }
    return build.record(settings.RETRY_KEYS, values)


def _transcoder() -> Schema:
    duration, count = build.quantity(Unit.DURATION), build.quantity(Unit.COUNT)
    program = build.matching(settings.TRANSCODERS.pattern, ["ffmpeg", "/usr/bin/ffmpeg"])
    values = {"program": program, "at_once": count, "within": duration, "longest": duration}
    return build.record(settings.TRANSCODER_KEYS, values, ["program"])


def _setting_schemas() -> dict[str, Schema]:
    tokens, duration, size = (build.quantity(unit) for unit in (Unit.TOKENS, Unit.DURATION, Unit.BYTES))
    values = {
        "max_body": size,
        "body_timeout": duration,
        "traces": build.word(settings.TRACES, "pass"),
        "max_requests": build.quantity(Unit.COUNT),
        "default_max_output": tokens,
        "expected_output": tokens,
        "timeouts": build.ref("timeouts"),
        "sessions": build.or_nothing(
            build.record(settings.SESSION_KEYS, dict.fromkeys(settings.SESSION_KEYS, duration))
        ),
        "stream": build.or_nothing(build.record(settings.STREAM_KEYS, {"stall": duration})),
        "forms": build.or_nothing(build.record(settings.FORM_KEYS, {"memory": size, "disk": size})),
        "transcoder": build.or_nothing(_transcoder()),
        "cache": build.or_nothing(build.record(settings.CACHE_KEYS, {"bytes": size, "entry": size})),
        "ledger": build.or_nothing(
            build.record(
                settings.LEDGER_KEYS,
                {
                    "orphans": build.word([rule.value for rule in Orphans], Orphans.HOLD.value),
                    "abandoned": build.word([rule.value for rule in Abandoned], Abandoned.ESTIMATE.value),
                },
            )
        ),
        "retries": build.or_nothing(_retries()),
        "losses": build.or_nothing(
            build.record(
                {each.word: each.about for each in FEATURES.values()},
                dict.fromkeys(FEATURES, build.word([done.value for done in Done])),
            )
        ),
        "breaker": build.or_nothing(_breaker()),
        "router": build.or_nothing(
            build.record(
                router.ROUTER_KEYS,
                {
                    "weights": build.matching(r"[^./\\\\][^/\\\\]*\\.json", ["router.json"]),
                    "tasks": build.or_nothing(build.named(build.ref("condition"), PATTERN)),
                },
            )
        ),
        "record": build.or_nothing(
            build.record(
                settings.RECORD_KEYS, {"headers": build.one_or_more(build.text()), "content": build.flag(False)}
            )
        ),
    }
    return {"settings": build.record(settings.SETTING_KEYS, values)}
