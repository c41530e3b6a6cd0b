"""What a verified token says of its bearer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from routebook.catalogue.callers import ClaimNames, Client, KeySetFile, TokenTerms
from routebook.catalogue.claims import ClaimsUnfit, bearer, claim, is_for, meets
from routebook.documents.problems import Location

TERMS = TokenTerms("i", ("routebook", "gateway"), KeySetFile("k"), ("RS256",))
STAFF = Client(
    "staff", Location("policy.yaml", 1, 1), team="house", tags=frozenset({"eu"}), labels={"tier": "gold"}, models=("m",)
)


def described(names: ClaimNames, **claims: Any) -> Client:
    return bearer(replace(STAFF, tokens=replace(TERMS, claims=names)), claims)


def test_claims_describe_the_bearer() -> None:
    """Name, team, tags and labels by paths; what the policy declares stays, tags and labels are added to."""
    names = ClaimNames("sub", "groups.0", "realm.roles", {"site": "https://a.example/site"})
    ann = described(
        names, sub="ann", groups=["research", "all"], realm={"roles": ["batch"]}, **{"https://a.example/site": "fra"}
    )
    assert (ann.name, ann.team, ann.tags) == ("staff/ann", "research", {"eu", "batch"})
    assert ann.labels == {"tier": "gold", "site": "fra"} and ann.models == ("m",)


def test_without_claims_the_bearer_is_the_client() -> None:
    """Nothing a token says counts where the policy names no claim."""
    found = described(ClaimNames(), sub="ann", team="admins", tags=["root"])
    assert replace(found, tokens=None) == STAFF


def test_what_is_not_there_is_not_made_up() -> None:
    """A missing team is the client's own, a missing tag or label none; a missing name is nobody."""
    found = described(ClaimNames(None, "team", "roles", {"site": "site"}))
    assert (found.team, found.tags, found.labels) == ("house", {"eu"}, {"tier": "gold"})
    with pytest.raises(ClaimsUnfit, match="sub"):
        described(ClaimNames("sub"))


@pytest.mark.parametrize("value", ["", 7, True, ["a"], {"a": 1}, "x" * 201, "a\nb", "a\x1b[1m"])
def test_a_claim_of_another_kind_is_nobody(value: object) -> None:
    """A policy that names the wrong claim lets nobody in, instead of somebody; control characters get nowhere."""
    for names in (ClaimNames(name="c"), ClaimNames(team="c"), ClaimNames(labels={"l": "c"})):
        with pytest.raises(ClaimsUnfit):
            described(names, c=value)


def test_tags_are_a_list_or_words() -> None:
    """`scope` holds words with spaces between them."""
    assert described(ClaimNames(tags="scope"), scope="read write").tags == {"eu", "read", "write"}
    for wrong in (7, ["a", 7], {"a": 1}, [["a"]]):
        with pytest.raises(ClaimsUnfit):
            described(ClaimNames(tags="scope"), scope=wrong)


@pytest.mark.parametrize(
    ("path", "found"),
    [("a", {"b": [1, {"c": 2}]}), ("a.b.0", 1), ("a.b.1.c", 2), ("a.b.2", None), ("a.b.-1", None), ("a.x.y", None)],
)
def test_a_path_leads_down(path: str, found: object) -> None:
    """Through mappings by name and lists by number; nowhere else."""
    assert claim({"a": {"b": [1, {"c": 2}]}}, path) == found


def test_a_token_is_for_somebody() -> None:
    """One audience of several is enough; what is neither a text nor a list of them is for nobody."""
    assert is_for(TERMS, {"aud": "gateway"}) and is_for(TERMS, {"aud": ["x", "routebook"]})
    for audience in (None, "x", "routebook ", [], ["x"], 7, {"routebook": 1}, [["routebook"]]):
        assert not is_for(TERMS, {"aud": audience})


def test_required_claims_say_one_of_their_texts() -> None:
    """Texts, numbers and flags as a policy writes them; one member of a list is enough; each claim must be met."""
    terms = replace(TERMS, require={"ok": frozenset({"true"}), "roles": frozenset({"llm", "7"})})
    assert meets(terms, {"ok": True, "roles": ["x", "llm"]}) and meets(terms, {"ok": "true", "roles": 7})
    for claims in (
        {"ok": True},
        {"ok": False, "roles": "llm"},
        {"ok": True, "roles": ["x"]},
        {"ok": 1, "roles": "llm"},
    ):
        assert not meets(terms, claims)
