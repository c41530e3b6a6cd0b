"""The `providers` section: upstream APIs and the accounts that pay for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from routebook.catalogue.providers import (
    Account,
    AccountLimits,
    EnvironmentKey,
    FileKey,
    KeySource,
    Provider,
    Spread,
    Timeouts,
)
from routebook.catalogue.reach import is_near, reach_of, written_address
from routebook.documents.bounds import bounded, whole
from routebook.documents.names import check_name
from routebook.documents.nodes import Mapping, Node, Scalar
from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit
from routebook.documents.reading import Fields, read_text

DIALECTS = {
    "openai": "OpenAI's Chat Completions, and everything that imitates them",
    "openai-responses": "OpenAI's Responses",
    "anthropic": "the Anthropic Messages API",
    "gemini": "the Gemini API",
    "ollama": "Ollama's own API",
}
"""What a provider may speak."""

PROVIDER_KEYS = {
    "dialect": "what the provider speaks",
    "base_url": "where its API stands, up to and including the version (`https://api.openai.com/v1`); `{model}` in it is "
    "the model's id there, and `?api-version=` may follow (Azure)",
    "region": "where it stands, for `within` and guarantees",
    "labels": "your own words about it, by name",
    "accounts": "the keys that pay",
    "spread": "which of the accounts a request goes to first (default weighted)",
    "limits": "what the vendor grants each account, unless the account says otherwise",
    "timeouts": "how long to wait for it",
    "version": "which version of its API is spoken, where it has several (`2026-10-21`)",
    "key_header": "the header in which it takes its key, where that is not the usual one (Azure: `api-key`)",
    "ask_usage": "whether usage may be asked for in a stream (default true)",
    "allow_private": "whether its name may lead to a private address (default: where the name is one of a private network)",
}
"""The keys of one provider, with what they mean."""

SPREADS = {
    Spread.WEIGHTED.value: "drawn by `weight`",
    Spread.ROUND_ROBIN.value: "each in its turn, as often as its `weight` says",
    Spread.LEAST_BUSY.value: "the one with the fewest requests under way for its `weight`",
    Spread.DRAIN_FIRST.value: "the first of the list, until it rests; then the next",
    Spread.STICKY.value: "always the same for a conversation, as long as it does not rest",
}
"""What each way to spread does."""

ACCOUNT_KEYS = {
    "name": "the account's name in records; never its key",
    "key": "where the key comes from: `{env: NAME}` or `{file: PATH}`; without it none is sent",
    "weight": "its share of the load, next to the other accounts' (default 1)",
    "bucket": "accounts of one bucket share one quota at the vendor",
    "limits": "what the vendor grants this account",
}
"""The keys of one account, with what they mean."""

LIMIT_KEYS = {
    "requests_per_minute": "requests a minute",
    "tokens_per_minute": "tokens a minute, both ways together",
    "concurrent": "requests at the same time",
    "queue": "who may wait where a limit is reached (default: nobody)",
}
"""The keys of `limits`, with what they mean."""

QUEUE_KEYS = {"places": "how many requests may wait (default 50)", "wait": "for how long (default 5s)"}
"""The keys of `queue`, with what they mean."""

TIMEOUT_KEYS = {
    "connect": "until the connection stands",
    "first_byte": "from the request sent to the first byte of the answer",
    "idle": "between two bytes of the answer",
    "total": "for the whole exchange",
}
"""The keys of `timeouts`, with what they mean."""

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LIKE_A_KEY = re.compile(r"(sk|pk|rk|gsk|xai|ghp|AIza)[-_]?[A-Za-z0-9][-_A-Za-z0-9]{15,}")


def read_providers(
    entries: Iterable[tuple[Scalar, Node]], timeouts: Timeouts, problems: Problems
) -> dict[str, Provider]:
    """The providers by name; `timeouts` hold where a provider names none of its own."""
    providers: dict[str, Provider] = {}
    for key, node in entries:
        check_name(key, problems, "a provider")
        provider = _read_provider(key, node, timeouts, problems)
        if provider is not None:
            providers[key.text] = provider
    return providers


def _read_provider(key: Scalar, node: Node, timeouts: Timeouts, problems: Problems) -> Provider | None:
    fields = Fields.of(node, PROVIDER_KEYS, problems, "a provider", ("dialect", "base_url", "accounts"))
    if fields is None:
        return None
    dialect = fields.word("dialect", DIALECTS, "a dialect", "openai") or "openai"
    base_url = _read_base_url(fields) or ""
    accounts = _read_accounts(fields, read_limits(fields, AccountLimits()))
    _warn_of_keys_in_the_clear(fields, base_url, accounts)
    spread = Spread(fields.word("spread", SPREADS, "a way to spread", Spread.WEIGHTED.value))
    if spread is Spread.DRAIN_FIRST:
        _warn_of_weights(fields)
    return Provider(
        name=key.text,
        dialect=dialect,
        base_url=base_url,
        location=key.location,
        accounts=accounts,
        spread=spread,
        region=fields.text("region"),
        labels=read_labels(fields),
        timeouts=read_timeouts(fields, timeouts),
        ask_usage=fields.flag("ask_usage", True),
        version=_read_header_text(fields, "version", _VERSION),
        key_header=_read_header_text(fields, "key_header", _HEADER),
        allow_private=_read_reach(fields, base_url),
    )


def _read_reach(fields: Fields, base_url: str) -> bool | None:
    """`allow_private`, None where nothing is said; an address that is written and not allowed is an error."""
    said = fields.flag("allow_private", False) if fields.node("allow_private") is not None else None
    place = fields.node("base_url")
    host = urlsplit(base_url).hostname or "" if base_url else ""
    address = written_address(host)
    shown = "127.0.0.1" if host == "localhost" else None if address is None else str(address)
    if place is not None and shown is not None and not reach_of(host, said).allows(shown):
        fields.problems.error(
            "catalogue.private-address",
            f"`{host}` is no public address",
            place.location,
            "write `allow_private: true` beside it if it is meant",
        )
    return said


def read_timeouts(fields: Fields, default: Timeouts) -> Timeouts:
    """The `timeouts` of a mapping; what is not said there is as in the default."""
    node = fields.node("timeouts")
    inner = None if node is None else Fields.of(node, TIMEOUT_KEYS, fields.problems, "`timeouts`")
    if inner is None:
        return default

    def seconds(name: str, otherwise: float, most: str) -> float:
        value = bounded(inner, name, Unit.DURATION, "1ms", most)
        return otherwise if value is None else float(value)

    return Timeouts(
        seconds("connect", default.connect, "5m"),
        seconds("first_byte", default.first_byte, "1d"),
        seconds("idle", default.idle, "1d"),
        seconds("total", default.total, "7d"),
    )


def read_limits(fields: Fields, default: AccountLimits) -> AccountLimits:
    """The `limits` of a mapping; what is not said there is as in the default."""
    node = fields.node("limits")
    inner = None if node is None else Fields.of(node, LIMIT_KEYS, fields.problems, "`limits`")
    if inner is None:
        return default
    requests = whole(inner, "requests_per_minute", Unit.COUNT, "1")
    tokens = whole(inner, "tokens_per_minute", Unit.TOKENS, "1")
    concurrent = whole(inner, "concurrent", Unit.COUNT, "1")
    places, wait = read_queue(inner, (default.places, default.wait))
    return AccountLimits(
        default.requests_per_minute if requests is None else requests,
        default.tokens_per_minute if tokens is None else tokens,
        default.concurrent if concurrent is None else concurrent,
        wait,
        places,
    )


def read_queue(fields: Fields, default: tuple[int, float]) -> tuple[int, float]:
    """The `queue` of a mapping: how many may wait, and for how many seconds; the default where there is none."""
    node = fields.node("queue")
    inner = None if node is None else Fields.of(node, QUEUE_KEYS, fields.problems, "`queue`")
    if inner is None:
        return default
    places = whole(inner, "places", Unit.COUNT, "1", "10k")
    wait = bounded(inner, "wait", Unit.DURATION, "10ms", "10m")
    return 50 if places is None else places, 5.0 if wait is None else float(wait)


def read_labels(fields: Fields) -> dict[str, str]:
    """The `labels` of a mapping: texts by name."""
    labels: dict[str, str] = {}
    for key, node in fields.named("labels", "a mapping of labels"):
        check_name(key, fields.problems, "a label")
        text = read_text(node, fields.problems)
        if text is not None:
            labels[key.text] = text
    return labels


def _read_header_text(fields: Fields, name: str, form: re.Pattern[str]) -> str | None:
    """A text that goes into the head of every request; it must be one plain word."""
    text, node = fields.text(name), fields.node(name)
    if text is None or node is None or form.match(text):
        return text
    hint = "write a name without spaces and signs" + (f": `{plain}`" if form.match(plain := text.strip(" :")) else "")
    fields.problems.error("document.bad-name", f"`{text}` is not one plain word", node.location, hint)
    return None


def _read_base_url(fields: Fields) -> str | None:
    node = fields.node("base_url")
    text = None if node is None else read_text(node, fields.problems, "a URL")
    if node is None or text is None:
        return None
    fault = _url_fault(text)
    if fault is None:
        return text.rstrip("/")
    code, message, hint = fault
    fields.problems.error(code, message, node.location, hint)
    return None


_API_VERSION: Final = re.compile(r"api-version=[A-Za-z0-9._-]{1,40}")
_MODEL_IN_PATH: Final = re.compile(r"(?<=/)\{model\}(?=[/?]|$)")
"""How Azure's older addresses are written: the deployment in the path, the version in the query."""


def _url_fault(text: str) -> tuple[str, str, str] | None:
    """What is wrong with a base URL: code, message and hint. An address that may hold a secret is not repeated."""
    example = "write it as `https://api.example.com/v1`"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "catalogue.bad-url", "the base URL cannot be read", example
    if "@" in parts.netloc:
        return (
            "catalogue.literal-key",
            "the base URL holds a user name or a key",
            "name the key under `accounts`, as `key: {env: NAME}`, and take it out of the URL",
        )
    if parts.scheme not in ("http", "https"):
        return "catalogue.bad-url", "the base URL is neither `http://` nor `https://`", example
    if parts.fragment or "#" in text or ("?" in text and _API_VERSION.fullmatch(parts.query) is None):
        return "catalogue.bad-url", "the base URL holds a query or a fragment", f"{example}; `?api-version=` may follow"
    if set("{}") & set(_MODEL_IN_PATH.sub("", text, count=1)):
        return "catalogue.bad-url", "the base URL holds braces", "only the model's own id may stand in it: `/{model}`"
    if not parts.hostname or port == 0 or not text.isascii() or any(char <= " " or char == "\\" for char in text):
        return "catalogue.bad-url", "the base URL names no host that can be reached", example
    return None


def _warn_of_keys_in_the_clear(fields: Fields, base_url: str, accounts: Iterable[Account]) -> None:
    node = fields.node("base_url")
    if node is None or not base_url.startswith("http://") or all(account.key is None for account in accounts):
        return
    host = urlsplit(base_url).hostname or ""
    if not is_near(host):
        fields.problems.warning(
            "catalogue.key-in-the-clear",
            f"keys go to `{host}` unencrypted",
            node.location,
            "write `https://`; whoever stands between can read what is sent over `http://`",
        )


def _warn_of_weights(fields: Fields) -> None:
    for item in fields.items("accounts", "a list of accounts"):
        weight = item.key("weight") if isinstance(item, Mapping) else None
        if weight is not None:
            fields.problems.warning(
                "catalogue.unused-weight",
                "`weight` means nothing with `spread: drain_first`",
                weight.location,
                "take the weight out, or write another `spread`",
            )


def _read_accounts(fields: Fields, limits: AccountLimits) -> tuple[Account, ...]:
    node = fields.node("accounts")
    if isinstance(node, Mapping):
        fields.problems.error(
            "document.wrong-type",
            "expected a list of accounts, found a mapping",
            node.location,
            "begin each of them with its name: `accounts: [{name: main, key: {env: NAME}}]`",
        )
        return ()
    items = fields.items("accounts", "a list of accounts")
    if node is not None and not items:
        fields.problems.error(
            "catalogue.no-account",
            "the provider has no account",
            node.location,
            "write `accounts: [{name: none}]` where it asks for no key",
        )
    accounts: dict[str, Account] = {}
    places: dict[str, Fields] = {}
    for item in items:
        inner = Fields.of(item, ACCOUNT_KEYS, fields.problems, "an account", ("name",))
        account = None if inner is None else _read_account(inner, limits)
        if inner is None or account is None:
            continue
        if account.name in accounts:
            fields.problems.error(
                "document.duplicate-name",
                f"two accounts are named `{account.name}`",
                inner.location,
                "records and limits know an account by its name; choose another",
                related=[(places[account.name].location, "the first one")],
            )
        _check_bucket(account, inner, accounts, places)
        accounts[account.name] = account
        places[account.name] = inner
    return tuple(accounts.values())


def _check_bucket(account: Account, fields: Fields, earlier: dict[str, Account], places: dict[str, Fields]) -> None:
    """What a vendor grants a bucket it grants once: two words about it would let more through than one of them says."""
    for each in earlier.values():
        if account.bucket is not None and account.bucket == each.bucket and account.limits != each.limits:
            fields.problems.error(
                "catalogue.bucket-of-two-limits",
                f"accounts of the bucket `{account.bucket}` have different limits",
                fields.location,
                "the accounts of a bucket draw on one quota: give them the same `limits`, or say these for the provider",
                related=[(places[each.name].location, "the first one")],
            )
            return


def _read_account(fields: Fields, limits: AccountLimits) -> Account | None:
    name = fields.node("name")
    key_node = fields.node("key")
    key = None if key_node is None else read_key(key_node, fields.problems)
    if not isinstance(name, Scalar) or not check_name(name, fields.problems, "an account"):
        return None
    weight = whole(fields, "weight", Unit.COUNT, "1", "1000")
    allowed = read_limits(fields, limits)
    _warn_of_a_queue_for_nothing(fields, allowed)
    return Account(name.text, key, 1 if weight is None else weight, fields.text("bucket"), allowed)


def _warn_of_a_queue_for_nothing(fields: Fields, allowed: AccountLimits) -> None:
    if allowed.places and allowed.requests_per_minute is allowed.tokens_per_minute is allowed.concurrent is None:
        fields.problems.warning(
            "catalogue.queue-for-nothing",
            "the account has a queue and no limit, so nobody ever waits in it",
            fields.location,
            "give it one of `requests_per_minute`, `tokens_per_minute` and `concurrent`",
        )


def read_key(node: Node, problems: Problems) -> KeySource | None:
    """Where a key comes from. A key that stands in the policy is refused, and never repeated in the message."""
    if not isinstance(node, Mapping):
        _literal(node, problems)
        return None
    fields = Fields.of(node, ("env", "file"), problems, "a key")
    if fields is None:
        return None
    if len(node.entries) != 1:
        problems.error(
            "catalogue.bad-key", "a key comes from one place", node.location, "write `{env: NAME}` or `{file: PATH}`"
        )
        return None
    name, path = fields.text("env"), fields.text("file")
    if name is not None and (not _VARIABLE.match(name) or _LIKE_A_KEY.match(name)):
        if name.startswith("$") and _VARIABLE.match(plain := name.strip("${}")) and not _LIKE_A_KEY.match(plain):
            problems.error(
                "catalogue.bad-key",
                "`$` is no part of a variable's name",
                node.entries[0][1].location,
                f"write `{{env: {plain}}}`",
            )
        else:
            _literal(node.entries[0][1], problems)
        return None
    if name is not None:
        return EnvironmentKey(name)
    return None if path is None else FileKey(path)


def _literal(node: Node, problems: Problems) -> None:
    problems.error(
        "catalogue.literal-key",
        "a key stands in the policy itself",
        node.location,
        "put it in the environment and write `key: {env: NAME}` with the variable's name; "
        "a key that was saved here should be revoked",
    )
