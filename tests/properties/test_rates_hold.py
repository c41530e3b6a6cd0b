"""However holders draw on a rate, keep what they were granted and give it back: no stretch of time sees more than a
minute's worth and what flowed back in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.ledger.claims import Claim, Kind, Refusal, Report
from routebook.ledger.purse import Purse
from routebook.ledger.vault import Vault

POT = "tokens/all/-"
TOLERANCE = 1  # one token of rounding

steps = st.lists(
    st.tuples(
        st.sampled_from(("ask", "ask", "settle", "settle", "report", "idle", "die")),
        st.integers(0, 2),
        st.integers(1, 120),
        st.sampled_from((0.0, 0.0, 0.1, 1.0, 5.0, 29.9, 70.0)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from((7, 60, 100, 6000)), steps)
def test_no_stretch_of_time_sees_more_than_the_rate_allows(
    limit: int, course: list[tuple[str, int, int, float]]
) -> None:
    """Used is what was settled, at the moment when it was; refusals say when it is worth trying again."""
    vault, now = Vault(2), 1_800_000_000.0
    purses, holds = [Purse() for _ in range(3)], [list[int]() for _ in range(3)]
    uses: list[tuple[float, int]] = []
    for what, number, amount, later in course:
        now += later
        purse, held, name = purses[number], holds[number], f"{number}-{id(purses[number])}"
        if what == "ask":
            claims = (Claim(POT, Kind.RATE, limit, min(amount, limit)),)
            if purse.take(claims) is None:
                answer = vault.lease(name, purse.lacking(claims), now)
                if isinstance(answer, Refusal):
                    assert answer.retry_after is not None and answer.retry_after >= 0
                    continue
                purse.granted(answer)
                assert purse.take(claims) is not None
            held.append(min(amount, limit))
        elif what == "settle" and held:
            one = held.pop(0)
            uses.append((now, one * (amount % 3) // 2))
            purse.settle((POT, 0), one, uses[-1][1])
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
            assert total <= limit + limit * (end - begin) / 60 + TOLERANCE
