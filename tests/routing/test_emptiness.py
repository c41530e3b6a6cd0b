"""Why nobody can serve a request, as its client is told."""

from __future__ import annotations

from typing import Any

import pytest

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.documents.problems import Location
from routebook.routing.candidates import Plan
from routebook.routing.emptiness import Unserved, why_empty
from routebook.routing.memory import BLANK, Memory, Remembered
from tests.support.routes import facts_of, plan, policy

REQUESTED = "rules: [{name: r, route: {to: requested}}]"
BOB = Client("bob", Location("p", 1, 1), models=("small",))
RESTING = Remembered(rests={("big", "main"): (12.0, "429"), ("big", "spare"): (3.0, "429")})


def unserved(
    rules: str = REQUESTED,
    client: Client = ANONYMOUS,
    memory: Memory = BLANK,
    keyless: tuple[tuple[str, str], ...] = (),
    **fields: Any,
) -> Unserved:
    """What the client hears; the plan must be empty."""
    under = policy(rules)
    found = plan(under, facts_of(under, client, **fields), memory=memory, keyless=keyless)
    assert not found.kept
    return why_empty(found)


def test_a_model_that_does_not_exist() -> None:
    """404, as the vendor would say."""
    assert unserved(model="gpt-9") == Unserved("model.unknown", 404, "the model `gpt-9` does not exist here")


def test_a_model_that_this_client_may_not_use_might_as_well_not_exist() -> None:
    """The same 404: what others may use is not told."""
    assert (found := unserved(client=BOB, model="large")).status == 404
    assert found.code == "model.unknown"


def test_a_request_that_no_candidate_can_serve_is_the_clients_to_change() -> None:
    """400 with the limit and the number that is over it."""
    found = unserved(model="large", max_tokens=50_000)
    assert (found.status, found.retry_after) == (400, None)
    assert found.message == ("no candidate can serve the request: `large`: answers at most 16k tokens < 50k asked for")


def test_accounts_that_rest_will_be_back() -> None:
    """503 with the soonest moment."""
    found = unserved(model="large", memory=RESTING)
    assert (found.status, found.retry_after) == (503, 3.0)


def test_a_breaker_that_is_open_closes_again() -> None:
    """503 with the soonest moment; what is being tried may be back as soon as a first token takes."""
    bars = {
        (("big", "main"), "large"): ("breaker.open", 9.0, "5 failures in a row"),
        (("big", "spare"), "large"): ("account.out", 0.0, "401"),
    }
    found = unserved(model="large", memory=Remembered(bars=bars))
    assert (found.status, found.retry_after) == (503, 9.0)
    assert "its breaker is open for 9 s after 5 failures in a row" in found.message
    assert "account taken out of service after 401" in found.message
    bars[("big", "main"), "large"] = ("account.probing", 0.0, "429")
    assert unserved(model="large", memory=Remembered(bars=bars)).retry_after == 1.0


def test_accounts_that_are_out_do_not_come_back_by_themselves() -> None:
    """503 without a promise: waiting does not help."""
    bars = {(("big", name), "large"): ("account.out", 0.0, "401") for name in ("main", "spare")}
    found = unserved(model="large", memory=Remembered(bars=bars))
    assert (found.code, found.status, found.retry_after) == ("policy.no-candidate", 503, None)


def test_a_key_that_is_not_set_is_the_operators_fault() -> None:
    """503 without a promise."""
    found = unserved(model="large", keyless=(("big", "main"), ("big", "spare")))
    assert (found.code, found.status, found.retry_after) == ("policy.no-candidate", 503, None)


def test_a_guarantee_that_forbids_everybody_is_a_refusal() -> None:
    """403: no change of the request's size would help."""
    rules = REQUESTED + "\nguarantees: [{name: g, when: {request.model: large}, never: {model: [large]}}]"
    found = unserved(rules, model="large")
    assert (found.status, "the guarantee `g` forbids it" in found.message) == (403, True)


@pytest.mark.parametrize("empty", [Plan((), ())])
def test_an_empty_plan_without_reasons_is_still_told(empty: Plan) -> None:
    """Nothing is assumed about how it came to be."""
    assert why_empty(empty).status == 503
