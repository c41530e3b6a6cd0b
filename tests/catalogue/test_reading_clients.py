"""Clients, as written in a policy."""

from __future__ import annotations

from routebook.catalogue.callers import Client
from routebook.catalogue.models import Pool
from routebook.catalogue.reading_clients import read_clients
from routebook.documents.problems import Location, Problems
from tests.support.authored import codes, entries

DIGEST = "hmac-sha256:" + "ab" * 32
POOLS = {"small": Pool("small", ("mini", "micro"), Location("policy.yaml", 1, 1))}


def read(text: str) -> tuple[dict[str, Client], Problems]:
    problems = Problems()
    return read_clients(entries(text), ["large", "mini", "micro"], POOLS, problems), problems


def test_a_client_is_read_whole() -> None:
    """Pools among its models are replaced by what they hold."""
    clients, problems = read(f"""
web: {{keys: ["{DIGEST}"], team: shop, tags: [eu], labels: {{tier: gold}}, models: [small, large], may_set_tags: [batch]}}
""")
    assert not problems.found
    web = clients["web"]
    assert (web.keys, web.team, web.tags, web.labels) == ((DIGEST,), "shop", {"eu"}, {"tier": "gold"})
    assert web.models == ("mini", "micro", "large") and web.may_set_tags == {"batch"}


def test_a_client_that_names_no_models_may_use_all() -> None:
    """None is no bound; an empty list is a bound that nothing meets."""
    clients, _ = read(
        f'a: {{keys: ["{DIGEST}"]}}\nb: {{jwt: {{issuer: i, audience: a, jwks: {{file: j}}}}, may_set_tags: []}}'
    )
    assert clients["a"].models is None and clients["a"].may_set_tags is None
    assert clients["b"].may_set_tags == frozenset()


def test_only_digests_of_keys_stand_in_a_policy() -> None:
    """A key itself is refused and not repeated."""
    problems = read("a: {keys: [sk-live-0123456789abcdef]}")[1]
    assert codes(problems) == ["catalogue.literal-key"]
    assert "0123" not in "".join(problem.message + (problem.hint or "") for problem in problems)


def test_two_clients_cannot_share_a_key() -> None:
    """Nobody could tell them apart."""
    assert codes(read(f'a: {{keys: ["{DIGEST}"]}}\nb: {{keys: ["{DIGEST}"]}}')[1]) == ["catalogue.shared-key"]


def test_a_client_without_keys_is_one_whose_keys_are_in_the_store() -> None:
    """The usual way is no problem: `check` cannot see the store, and `serve` says whose keys are nowhere."""
    clients, problems = read("a: {team: shop}")
    assert not problems.found and clients["a"].keys == ()


def test_the_name_for_nobody_is_taken() -> None:
    """`anonymous` is the language's own."""
    assert codes(read(f'anonymous: {{keys: ["{DIGEST}"]}}')[1]) == ["document.reserved-name"]
