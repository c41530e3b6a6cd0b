"""Models and pools, as written in a policy."""

from __future__ import annotations

from routebook.catalogue.models import Model, Pool, Price
from routebook.catalogue.providers import Provider
from routebook.catalogue.reading_models import expand, read_models, read_pools
from routebook.documents.problems import Location, Problems
from routebook.documents.quantities import NANO
from tests.support.authored import codes, entries, hints, lines

HERE = Location("policy.yaml", 1, 1)
HOSTED = Provider("hosted", "openai", "https://api.example.com/v1", HERE, region="eu")


def read(text: str) -> tuple[dict[str, Model], Problems]:
    problems = Problems()
    models = read_models(
        entries(text),
        {"hosted": HOSTED},
        ["hosted", "broken"],
        ["tools", "vision"],
        ["chat", "embeddings"],
        ["temperature"],
        ["code", "maths"],
        problems,
    )
    return models, problems


def test_a_model_is_read_whole() -> None:
    """Everything that is written arrives; a model is called upstream as it says."""
    models, problems = read("""
large: {provider: hosted, id: big-1, price: {input: 2.50, output: $15, request: 0.01}, context: 400k, max_output: 128k,
        capabilities: [tools, vision], operations: [chat, embeddings], quality: 0.93, labels: {tier: gold}, tokenizer: llama3}
""")
    assert not problems.found
    large = models["large"]
    assert (large.upstream_id, large.context, large.max_output, large.quality) == ("big-1", 400_000, 128_000, 0.93)
    assert large.capabilities == {"tools", "vision"} and large.operations == {"chat", "embeddings"}
    assert large.region == "eu" and large.labels == {"tier": "gold"} and large.tokenizer == "llama3"


def test_prices_are_dollars_per_million_tokens() -> None:
    """A price is an exact integer of nano-dollars, with or without the sign."""
    price = read("m: {provider: hosted, price: {input: 0.075, output: $15, request: 0.01}}")[0]["m"].price
    assert (price.input, price.output, price.request) == (75_000_000, 15 * NANO, 10_000_000)


def test_kinds_of_tokens_without_a_price_cost_what_their_like_costs() -> None:
    """Cached tokens cost as input, thought as output; sound that has no price stays unknown."""
    price = read("m: {provider: hosted, price: {input: 2, output: 8, cached_input: 1}}")[0]["m"].price
    assert price == Price(input=2 * NANO, cached_input=NANO, cache_write=2 * NANO, output=8 * NANO, reasoning=8 * NANO)
    assert read("m: {provider: hosted}")[0]["m"].price == Price()


def test_a_model_is_called_by_its_own_name_where_it_says_nothing_else() -> None:
    """`id` is optional; a chat model is the usual kind."""
    model = read("gpt-5.6: {provider: hosted}")[0]["gpt-5.6"]
    assert model.upstream_id == "gpt-5.6" and model.operations == {"chat"}


def test_every_slip_in_models_is_found_at_once() -> None:
    """Each with its place; near names are suggested."""
    problems = read("""
a: {provider: hostd, context: 8k, max_output: 9k, capabilities: [tool], quality: 2}
requested: {provider: hosted, price: {input: free, ouput: 3}}
b: {price: [1, 2]}
c: {provider: hosted, price: {input: [1]}}
""")[1]
    assert lines(problems) == [
        "2:15 policy.unknown-provider `hostd` is not a provider of this policy",
        "2:47 catalogue.output-over-context `max_output` is more than `context` in `a`",
        "2:66 document.unknown-word `tool` is not a capability",
        "2:82 document.out-of-range `2` is out of range",
        "3:1 document.reserved-name `requested` cannot name a model",
        "3:46 document.wrong-unit `free` is not a price",
        "3:52 document.unknown-key unknown key `ouput` in `price`",
        "4:4 document.missing-key a model needs `provider`",
        "4:12 document.wrong-type expected `price` (a mapping), found a list",
        "5:38 document.wrong-type a price is a number",
    ]
    assert hints(problems)[0] == "did you mean `hosted`?"


def test_a_model_of_a_provider_with_mistakes_is_not_blamed_for_them() -> None:
    """A provider that could not be read is declared all the same."""
    models, problems = read("m: {provider: broken}")
    assert not problems.found and not models


def test_pools_list_models_once() -> None:
    """Unknown models, repetitions, empty pools and names that are taken are problems."""
    problems = Problems()
    pools = read_pools(entries("all: [a, b, a, c]\nnone: []\na: [b]\n"), ["a", "b"], problems)
    assert lines(problems) == [
        "1:13 document.listed-twice `a` stands twice in the pool `all`",
        "1:16 policy.unknown-model `c` is not a model of this policy",
        "2:1 catalogue.empty-pool the pool `none` is empty",
        "3:1 catalogue.pool-named-as-model `a` is a model and cannot be a pool too",
    ]
    assert pools["all"].models == ("a", "b")


def test_pools_are_replaced_by_what_they_hold() -> None:
    """Each model once, in the order of its first place."""
    pools = {"all": Pool("all", ("a", "b"), HERE)}
    assert expand(["b", "all", "c"], pools) == ("b", "a", "c")


def test_names_are_plain_words() -> None:
    """What goes into headers and labels holds no space; a name that would do is suggested."""
    problems = read("my model: {provider: hosted}")[1]
    assert codes(problems) == ["document.bad-name"]
    assert "`my-model` would do" in (hints(problems)[0] or "")
