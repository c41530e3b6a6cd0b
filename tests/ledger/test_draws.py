"""What a request draws on, by the budgets and limits of a policy."""

from __future__ import annotations

from routebook.catalogue.providers import Account, AccountLimits
from routebook.documents.problems import Location
from routebook.documents.quantities import NANO, Unit
from routebook.ledger.bounds import Amounts
from routebook.ledger.budgets import Budget, Limit, Orphans
from routebook.ledger.claims import Claim, Kind
from routebook.ledger.draws import LONGEST_SCOPE, ScopeValue, account_draws, budget_draws, limit_draws, orphaned, scopes
from tests.ledger.claiming import DAY, NOON

HERE = Location("policy.yaml", 1, 1)
NEEDS = Amounts(money=3 * NANO, tokens=1200)
BUDGET = Budget("team-day", 500 * NANO, Unit.MONEY, "day", None, HERE, "client.team", allowance=2 * NANO)


def of(value: ScopeValue) -> list[str]:
    return scopes("a.fact", lambda fact: {"a.fact": value}[fact])


def test_a_budget_makes_a_claim_on_the_window_of_the_moment() -> None:
    """With all that the owner needs to decide: it knows no policy."""
    draws = budget_draws(BUDGET, lambda fact: {"client.team": "search"}[fact], NEEDS, NOON)
    start = 20_000 * DAY
    assert draws is not None
    assert [(draw.claim, draw.unit) for draw in draws] == [
        (
            Claim(
                "budget/team-day/search",
                Kind.WINDOW,
                500 * NANO,
                3 * NANO,
                start,
                start,
                start + DAY,
                allowance=2 * NANO,
            ),
            Unit.MONEY,
        )
    ]


def test_a_budget_without_a_bound_cannot_be_drawn_on() -> None:
    """A price that nobody knows is not nothing; a price of nothing draws on nothing."""
    assert budget_draws(BUDGET, lambda fact: None, Amounts(None, 1200), NOON) is None
    assert budget_draws(BUDGET, lambda fact: None, Amounts(0, 1200), NOON) == []


def test_a_request_is_counted_once_for_each_of_its_scopes() -> None:
    """A text is one, a set one for each member and none where it is empty; what is not known is counted together."""
    assert of("search") == ["search"]
    assert of(frozenset({"b", "a"})) == ["a", "b"]
    assert of(frozenset()) == []
    assert of(None) == of("") == ["-"]
    assert scopes(None, of) == ["-"]
    assert (of(True), of(3)) == (["true"], ["3"])


def test_a_long_scope_is_cut_and_stays_its_own() -> None:
    """Names of pots have a bounded size, whatever a client sends; two values never share one."""
    long = "x" * 5000
    (one,), (other,) = of(long), of(long + "y")
    assert len(one) == LONGEST_SCOPE and one != other and one == of(long)[0]
    assert of("x" * LONGEST_SCOPE) == ["x" * LONGEST_SCOPE]


def test_a_limit_makes_a_claim_for_each_thing_that_it_limits() -> None:
    """Requests and tokens a minute, requests at the same time, with who may wait for them."""
    limit = Limit("each", HERE, 60, 90_000, 4, "client.name", places=50, wait=5.0)
    draws = limit_draws(limit, lambda fact: {"client.name": "ci"}[fact], NEEDS)
    assert [draw.claim for draw in draws] == [
        Claim("rpm/each/ci", Kind.RATE, 60, 1, wait=5.0, places=50, allowance=60),
        Claim("tpm/each/ci", Kind.RATE, 90_000, 1200, wait=5.0, places=50, allowance=90_000),
        Claim("slots/each/ci", Kind.SLOTS, 4, 1, wait=5.0, places=50, allowance=4),
    ]
    assert limit_draws(Limit("each", HERE, concurrent=4, per="tags"), lambda fact: frozenset(), NEEDS) == []


def test_accounts_of_one_bucket_share_what_they_are_allowed() -> None:
    """An account has pots of its own, a bucket has them for all its accounts."""
    allowed = AccountLimits(concurrent=40)
    alone = account_draws("openai", Account("main", limits=allowed), NEEDS)
    shared = account_draws("openai", Account("main", bucket="project", limits=allowed), NEEDS)
    assert [draw.claim.pot for draw in alone + shared] == ["slots/account/openai/main", "slots/account/openai#project"]
    assert account_draws("openai", Account("main"), NEEDS) == []


def test_an_orphan_is_booked_as_the_policy_says() -> None:
    """With what was held, with what its prompt alone costs at most, or with nothing: never with more than was held."""
    prompt = Amounts(money=NANO, tokens=200)
    drawn = [budget_draws(BUDGET, lambda fact: None, NEEDS, NOON, rule, prompt) or [] for rule in Orphans]
    assert [draw.orphan for (draw,) in drawn] == [3 * NANO, NANO, 0]
    assert orphaned(3 * NANO, Unit.MONEY, Orphans.PROMPT, Amounts(None, 200)) == 3 * NANO
    assert orphaned(3 * NANO, Unit.MONEY, Orphans.PROMPT, Amounts(9 * NANO, 200)) == 3 * NANO
