"""Providers, models, pools and clients as JSON Schema: from the tables that their readers use, for editors."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from routebook.catalogue import reading_clients as clients
from routebook.catalogue import reading_models as models
from routebook.catalogue import reading_providers as providers
from routebook.catalogue import reading_tokens as tokens
from routebook.catalogue.providers import Spread
from routebook.catalogue.tokenizers import FAMILIES
from routebook.documents import schema as build
from routebook.documents.names import PATTERN
from routebook.documents.quantities import Unit
from routebook.documents.schema import Schema

LABELS = build.named(build.text(), PATTERN)
"""An author's own words about something, by name."""


def name(example: str = "") -> Schema:
    """A name that an author gives: one plain word."""
    return build.one_of_kinds(build.matching(PATTERN, [example] if example else []), {"type": "number"})


def key_schema() -> Schema:
    """Where a key comes from."""
    return build.one_of_kinds(
        build.record(
            {"env": "the environment variable that holds the key"},
            {"env": build.matching("[A-Za-z_][A-Za-z0-9_]*")},
            ["env"],
        ),
        build.record({"file": "the file that holds the key"}, {"file": {"type": "string"}}, ["file"]),
    )


def provider_schemas() -> dict[str, Schema]:
    """The definitions `provider`, `account`, `limits`, `queue` and `timeouts`."""
    count, tokens, duration = (build.quantity(unit) for unit in (Unit.COUNT, Unit.TOKENS, Unit.DURATION))
    account = {
        "name": name("main"),
        "key": key_schema(),
        "weight": count,
        "bucket": build.text(),
        "limits": build.ref("limits"),
    }
    provider = {
        "dialect": build.word(providers.DIALECTS),
        "base_url": build.matching("https?://.+", ["https://api.openai.com/v1"]),
        "region": build.text(),
        "labels": LABELS,
        "accounts": build.one_or_more(build.ref("account")),
        "spread": build.word(providers.SPREADS, Spread.WEIGHTED.value),
        "limits": build.ref("limits"),
        "timeouts": build.ref("timeouts"),
        "ask_usage": build.flag(True),
        "version": build.matching("[A-Za-z0-9._-]{1,64}", ["2026-10-21"]),
        "key_header": build.matching("[A-Za-z0-9-]{1,64}", ["api-key"]),
        "allow_private": build.flag(),
    }
    return {
        "queue": build.record(providers.QUEUE_KEYS, {"places": count, "wait": build.quantity(Unit.DURATION)}),
        "limits": build.record(
            providers.LIMIT_KEYS,
            {
                "requests_per_minute": count,
                "tokens_per_minute": tokens,
                "concurrent": count,
                "queue": build.ref("queue"),
            },
        ),
        "timeouts": build.record(providers.TIMEOUT_KEYS, dict.fromkeys(providers.TIMEOUT_KEYS, duration)),
        "account": build.record(providers.ACCOUNT_KEYS, account, ["name"]),
        "provider": build.record(providers.PROVIDER_KEYS, provider, ["dialect", "base_url", "accounts"]),
    }


def model_schemas(
    capabilities: Collection[str], operations: Collection[str], features: Mapping[str, str], tasks: Mapping[str, str]
) -> dict[str, Schema]:
    """The definitions `model`, `price` and `pool`, with the words for what a model can do, and does not take."""
    tokens = build.quantity(Unit.TOKENS)
    score: Schema = {"type": "number", "minimum": 0, "maximum": 1}
    model = {
        "provider": build.text(),
        "id": build.text(),
        "price": build.ref("price"),
        "context": tokens,
        "max_output": tokens,
        "capabilities": build.one_or_more(build.word(capabilities)),
        "lacks": build.one_or_more(build.word(features)),
        "operations": build.one_or_more(build.word(operations)),
        "quality": build.one_of_kinds(
            score,
            {
                **build.record(
                    {models.USUAL: "over all tasks", **tasks}, {models.USUAL: score, **dict.fromkeys(tasks, score)}
                ),
                "additionalProperties": score,
            },
        ),
        "labels": LABELS,
        "voices": build.named(build.text(["Kore"])),
        "first_token": build.quantity(Unit.DURATION),
        "first_audio": build.quantity(Unit.DURATION),
        "tokenizer": build.word(FAMILIES),
    }
    return {
        "dollars": dollars(),
        "price": build.record(models.PRICE_KEYS, dict.fromkeys(models.PRICE_KEYS, build.ref("dollars"))),
        "model": build.record(models.MODEL_KEYS, model, ["provider"]),
        "pool": build.one_or_more(build.text()),
    }


def dollars() -> Schema:
    """A price: dollars, with or without the sign."""
    return build.one_of_kinds({"type": "number", "minimum": 0}, build.quantity(Unit.MONEY))


def client_schemas() -> dict[str, Schema]:
    """The definitions `client` and `jwt`."""
    digest = build.matching("hmac-sha256:[0-9a-f]{64}")
    client = {
        "keys": build.one_or_more(digest),
        "certificates": build.one_or_more(build.matching("(dns|uri|email|cn):.+")),
        "jwt": build.ref("jwt"),
        "team": build.text(),
        "tags": build.one_or_more(build.text()),
        "labels": LABELS,
        "models": _some_or_none(),
        "may_set_tags": _some_or_none(),
    }
    claims = {
        **dict.fromkeys(tokens.CLAIM_KEYS, build.text(["groups.0"])),
        "labels": build.named(build.text(), PATTERN),
    }
    jwt = {
        "issuer": build.text(["https://login.example.com"]),
        "audience": build.one_or_more(build.text()),
        "jwks": build.record(tokens.KEY_SET_KEYS, {key: {"type": "string"} for key in tokens.KEY_SET_KEYS}),
        "algorithms": build.one_or_more(build.word(tokens.ALGORITHMS)),
        "require": build.named(build.one_or_more(build.text())),
        "claims": build.record(tokens.CLAIM_KEYS, claims),
    }
    return {
        "client": build.record(clients.CLIENT_KEYS, client),
        "jwt": build.record(tokens.JWT_KEYS, jwt, ["issuer", "audience", "jwks"]),
    }


def _some_or_none() -> Schema:
    """A list in which an empty one has a meaning: none at all."""
    return build.one_of_kinds(build.text(), build.listed(build.text()))
