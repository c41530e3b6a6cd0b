"""However holders draw on a rate, keep what they were granted and give it back: no stretch of time sees more than a
minute's worth and what flowed back in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.ledger.claims import Claim, Kind, Refusal, Report
from routebook.ledger.purse import Purse
from routebook.ledger.vault import Vault

POT = "tokens/all/-"

steps = st.lists(
    st.tuples(
        st.sampled_from(("ask", "ask", "finish", "finish", "finish", "settle", "idle", "die")),
        st.integers(0, 1),
        st.sampled_from((1, 5, 20, 60)),
        st.sampled_from((0.0, 0.0, 0.0, 0.0, 0.1, 1.0, 5.0, 29.9, 70.0)),
    ),
    min_size=20,
    max_size=60,
)
"""What happens, with whom, how much it is about, and how much later it is."""


def ask(vault: Vault, name: str, purse: Purse, limit: int, amount: int, now: float) -> int | None:
    """Hold so much, or None where the owner has no more."""
    claims = (Claim(POT, Kind.RATE, limit, amount),)
    if purse.take(claims) is None:
        answer = vault.lease(name, purse.lacking(claims), now)
        if isinstance(answer, Refusal):
            assert answer.retry_after is not None and answer.retry_after >= 0
            return None
        purse.granted(answer)
        assert purse.take(claims) is not None
    return amount


@settings(max_examples=300, deadline=None)
@given(st.sampled_from((7, 60, 100)), steps)
def test_no_stretch_of_time_sees_more_than_the_rate_allows(
    limit: int, course: list[tuple[str, int, int, float]]
) -> None:
    """Used is what was settled, at the moment when it was, by holders that ask for as much as there is."""
    vault, now = Vault(2), 1_800_000_000.0
    purses, holds = [Purse() for _ in range(2)], [list[int]() for _ in range(2)]
    uses: list[tuple[float, int]] = []
    for what, number, amount, later in course:
        now += later
        purse, held, name = purses[number], holds[number], f"{number}-{id(purses[number])}"
        if what == "ask":
            while (one := ask(vault, name, purse, limit, min(amount, limit), now)) is not None:
                held.append(one)
        elif what in ("settle", "finish"):
            for one in held:
                uses.append((now, one - one // 3 * (amount % 3)))
                purse.settle((POT, 0), one, uses[-1][1])
            held.clear()
            if what == "finish":
                vault.report(name, purse.report() or Report(), now)
        elif what == "die":
            uses.extend((now, one) for one in held)
            held.clear()
            vault.sweep(now)
            vault.report(name, purse.report() or Report(), now)
            vault.bury(name, {})
            purses[number] = Purse()
        elif (report := purse.report(what == "idle")) is not None:
            vault.report(name, report, now)
    for first, (begin, _) in enumerate(uses):
        total = 0
        for end, amount in uses[first:]:
            total += amount
            assert total <= limit + limit * (end - begin) / 60 + 1e-6
