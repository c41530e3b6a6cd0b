"""The `models` and `pools` sections: what can be routed to."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from routebook.catalogue.models import Model, Pool, Price
from routebook.catalogue.providers import Provider
from routebook.catalogue.reading_providers import read_labels
from routebook.catalogue.tokenizers import FAMILIES, family_of
from routebook.documents.bounds import bounded, read_bounded, whole
from routebook.documents.names import check_name, read_reference
from routebook.documents.nodes import Mapping, Node, Scalar
from routebook.documents.problems import Location, Problems
from routebook.documents.quantities import Unit, parse_quantity
from routebook.documents.reading import Fields, read_list, read_text, read_word

MODEL_KEYS = {
    "provider": "the provider that serves it",
    "id": "what the provider calls it (default: the model's name)",
    "price": "dollars per million tokens, by kind",
    "context": "tokens of prompt and answer together that it can hold",
    "max_output": "tokens it can answer with at most",
    "capabilities": "what it can do beyond text",
    "lacks": "fields that its provider's API has and the model does not take (`temperature`), by their names in "
    "`docs/protocols.md`; looked at where requests are translated",
    "operations": "what it can be asked for (default: chat)",
    "voices": "its provider's names of voices, by the names that clients use (`alloy: Kore`; `*` for all others)",
    "quality": "how good its answers are, from 0 to 1, for `pick: best`, `pick: balanced` and `within`; or by class of task",
    "labels": "your own words about it, by name",
    "first_token": "how long its first token usually takes, for `pick: fastest` and `within` while nothing was measured",
    "first_audio": "how long its first sound usually takes, for `within` while nothing was measured",
    "tokenizer": "the family of its tokenizer, for estimates (default: what its `id` tells)",
}
"""The keys of one model, with what they mean."""

PRICE_KEYS = {
    "input": "tokens of the prompt",
    "cached_input": "tokens read from the vendor's prompt cache (default: as `input`)",
    "cache_write": "tokens written to that cache (default: as `input`)",
    "audio_input": "tokens of sound heard",
    "cached_audio_input": "tokens of sound read from the vendor's prompt cache (default: as `audio_input`)",
    "output": "tokens of the answer",
    "reasoning": "tokens thought before it (default: as `output`)",
    "audio_output": "tokens of sound spoken",
    "minute": "dollars per minute of sound that is written down, where that is paid by its length",
    "characters": "dollars per million characters of text that is spoken, where that is paid by its length",
    "request": "dollars per request, on top",
}
"""The keys of `price`; all but `request` and `minute` in dollars per million tokens."""

USUAL = "usual"
"""The word under which `quality` says how good a model is over all tasks."""

RESERVED = ("requested", "by")
"""Words of the language that cannot name a model or a pool."""


def read_models(
    entries: Iterable[tuple[Scalar, Node]],
    providers: dict[str, Provider],
    declared: Collection[str],
    capabilities: Collection[str],
    operations: Collection[str],
    features: Collection[str],
    tasks: Collection[str],
    problems: Problems,
) -> dict[str, Model]:
    """The models by name. `declared` are all providers' names, of unreadable ones too, so that these are not reported
    a second time; `capabilities`, `operations`, `features` and `tasks` are the closed sets of words."""
    models: dict[str, Model] = {}
    for key, node in entries:
        check_name(key, problems, "a model", RESERVED)
        fields = Fields.of(node, MODEL_KEYS, problems, "a model", ("provider",))
        if fields is None:
            continue
        provider_node = fields.node("provider")
        name = (
            None
            if provider_node is None
            else read_reference(
                provider_node, declared, problems, "policy.unknown-provider", "a provider of this policy"
            )
        )
        model = _read_model(key, fields, providers.get(name or ""), capabilities, operations, features, tasks)
        if model is not None:
            models[key.text] = model
    return models


def _read_wait(fields: Fields, name: str) -> float | None:
    """Seconds that something usually takes."""
    seconds = bounded(fields, name, Unit.DURATION, "1ms", "1h")
    return None if seconds is None else float(seconds)


def _read_model(
    key: Scalar,
    fields: Fields,
    provider: Provider | None,
    capabilities: Collection[str],
    operations: Collection[str],
    features: Collection[str],
    tasks: Collection[str],
) -> Model | None:
    price = _read_price(fields)
    context = whole(fields, "context", Unit.TOKENS, "1")
    max_output = whole(fields, "max_output", Unit.TOKENS, "1")
    able = _read_words(fields, "capabilities", capabilities, "a capability")
    serves = _read_words(fields, "operations", operations, "an operation")
    lacks = _read_words(fields, "lacks", features, "a field")
    quality, qualities = _read_quality(fields, tasks)
    labels = read_labels(fields)
    voices = _read_voices(fields)
    first_token, first_audio = (_read_wait(fields, name) for name in ("first_token", "first_audio"))
    upstream_id = fields.text("id", key.text) or key.text
    said = fields.node("tokenizer")
    tokenizer = None if said is None else read_word(said, FAMILIES, fields.problems, "a family of tokenizers")
    if context is not None and max_output is not None and max_output > context:
        fields.problems.error(
            "catalogue.output-over-context",
            f"`max_output` is more than `context` in `{key.text}`",
            _place(fields, "max_output"),
            "the answer counts towards the context",
        )
    if provider is None:
        return None
    return Model(
        key.text,
        provider,
        upstream_id,
        key.location,
        price,
        context,
        max_output,
        able,
        serves or frozenset({"chat"}),
        quality,
        qualities,
        labels,
        tokenizer or family_of(upstream_id),
        lacks,
        first_token,
        voices,
        first_audio,
    )


def _read_voices(fields: Fields) -> dict[str, str]:
    entries = fields.named("voices", "a mapping of voices: what clients call each, and what the provider does")
    found = {key.text: read_text(node, fields.problems) for key, node in entries}
    return {name: voice for name, voice in found.items() if voice is not None}


def _read_quality(fields: Fields, tasks: Collection[str]) -> tuple[float | None, dict[str, float]]:
    """The quality over all tasks, and by class of task: one number, or one under each word. Where none is under `usual`,
    it is the mean of the others."""
    node = fields.node("quality")
    if not isinstance(node, Mapping):
        quality = bounded(fields, "quality", Unit.SCORE, "0", "1")
        return None if quality is None else float(quality), {}
    inner = Fields.of(node, (USUAL, *tasks), fields.problems, "`quality`")
    found = {
        key.text: float(value)
        for key, each in node
        if inner is not None and (value := read_bounded(each, Unit.SCORE, fields.problems, "0", "1")) is not None
    }
    usual = found.pop(USUAL, None)
    if usual is None and found:
        usual = sum(found.values()) / len(found)
    return usual, found


def _place(fields: Fields, name: str) -> Location:
    node = fields.node(name)
    return fields.location if node is None else node.location


def _read_words(fields: Fields, name: str, words: Collection[str], what: str) -> frozenset[str]:
    found = (read_word(item, words, fields.problems, what) for item in fields.items(name, f"a list, each {what}"))
    return frozenset(word for word in found if word is not None)


def _read_price(fields: Fields) -> Price:
    node = fields.node("price")
    inner = None if node is None else Fields.of(node, PRICE_KEYS, fields.problems, "`price`")
    if inner is None:
        return Price()
    nano = {
        name: read_dollars(value, fields.problems) for name in PRICE_KEYS if (value := inner.node(name)) is not None
    }
    prompt, answer = nano.get("input"), nano.get("output")
    return Price(
        input=prompt,
        cached_input=nano.get("cached_input", prompt),
        cache_write=nano.get("cache_write", prompt),
        audio_input=nano.get("audio_input"),
        output=answer,
        reasoning=nano.get("reasoning", answer),
        audio_output=nano.get("audio_output"),
        request=nano.get("request") or 0,
        cached_audio_input=nano.get("cached_audio_input", nano.get("audio_input")),
        heard_ms=_of_milliseconds(nano.get("minute")),
        characters=nano.get("characters"),
    )


def _of_milliseconds(minute: int | None) -> int | None:
    """The price of a million milliseconds, rounded up, by that of a minute."""
    return None if minute is None else -(-minute * 1_000_000 // 60_000)


def read_dollars(node: Node, problems: Problems) -> int | None:
    """A price as nano-dollars; the dollar sign may be left out, since a price can be nothing else."""
    if isinstance(node, Scalar) and not node.is_null:
        text = node.text if node.text.startswith("$") else f"${node.text}"
        value = parse_quantity(text, Unit.MONEY)
        if value is not None:
            return int(value)
        problems.error(
            "document.wrong-unit",
            f"`{node.text}` is not a price",
            node.location,
            "write dollars per million tokens, such as `2.50`",
        )
        return None
    problems.error(
        "document.wrong-type", "a price is a number", node.location, "write dollars per million tokens, such as `2.50`"
    )
    return None


def read_pools(entries: Iterable[tuple[Scalar, Node]], models: Collection[str], problems: Problems) -> dict[str, Pool]:
    """The pools by name; each lists models of the policy once."""
    pools: dict[str, Pool] = {}
    entries = list(entries)
    others = {key.text for key, _ in entries}
    for key, node in entries:
        if check_name(key, problems, "a pool", RESERVED) and key.text in models:
            problems.error(
                "catalogue.pool-named-as-model",
                f"`{key.text}` is a model and cannot be a pool too",
                key.location,
                "a rule that routes to it would be ambiguous; choose another name",
            )
        items = read_list(node, problems, "a list of models")
        names = [name for item in items if (name := _read_member(item, models, others, problems)) is not None]
        if not items:
            problems.error(
                "catalogue.empty-pool", f"the pool `{key.text}` is empty", key.location, "list the models it stands for"
            )
        report_twice(items, problems, f"the pool `{key.text}`")
        pools[key.text] = Pool(key.text, tuple(dict.fromkeys(names)), key.location)
    return pools


def _read_member(node: Node, models: Collection[str], pools: Collection[str], problems: Problems) -> str | None:
    """One model of a pool; a pool in its place is said to be one."""
    if isinstance(node, Scalar) and node.text in pools and node.text not in models:
        problems.error(
            "policy.unknown-model",
            f"`{node.text}` is a pool, and a pool lists models only",
            node.location,
            "list the models themselves",
        )
        return None
    return read_reference(node, models, problems, "policy.unknown-model", "a model of this policy")


def report_twice(items: Iterable[Node], problems: Problems, where: str) -> None:
    """Add a problem for each text that a list holds twice."""
    first: dict[str, Location] = {}
    for item in items:
        if not isinstance(item, Scalar):
            continue
        if item.text in first:
            problems.error(
                "document.listed-twice",
                f"`{item.text}` stands twice in {where}",
                item.location,
                related=[(first[item.text], "the first time")],
            )
        first.setdefault(item.text, item.location)


def expand(names: Iterable[str], pools: dict[str, Pool]) -> tuple[str, ...]:
    """Model names and pool names as model names, each once, in order."""
    return tuple(dict.fromkeys(model for name in names for model in (pools[name].models if name in pools else (name,))))
