"""A service that fails is left alone for a while, and then asked by one: what a circuit allows, whatever happens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routebook.health.breakers import Thresholds
from routebook.health.circuits import LONGEST_OPEN, Circuit

RULES = Thresholds(in_a_row=3, rest=10.0)


def opened() -> Circuit:
    """One that has just opened, at 102."""
    circuit = Circuit()
    assert [circuit.failed(at, at - 0.5, RULES) for at in (100.0, 101.0, 102.0)] == [None, None, 10.0]
    return circuit


def test_it_opens_at_failures_in_a_row_and_at_no_others() -> None:
    """An answer between them begins anew."""
    circuit = Circuit()
    for _ in range(10):
        assert circuit.failed(1.0, 0.5, RULES) is None and circuit.failed(1.0, 0.5, RULES) is None
        assert not circuit.answered(1.0, 0.5) and circuit.may_ask(1.0)
    assert opened().is_open


def test_while_it_is_open_nobody_asks_and_then_one_does() -> None:
    """Whose answer closes it."""
    circuit = opened()
    assert not circuit.may_ask(103.0) and circuit.rests_for(103.0) == 9.0
    assert circuit.may_ask(112.0) and not circuit.may_ask(112.1)
    assert circuit.answered(112.5, 112.0) and not circuit.is_open
    assert all(circuit.may_ask(113.0) for _ in range(5))


def test_it_rests_twice_as_long_each_time() -> None:
    """Up to a bound."""
    circuit, at, rests = opened(), 112.0, [10.0]
    for _ in range(8):
        assert circuit.may_ask(at)
        rests.append(circuit.failed(at + 1, at, RULES) or 0.0)
        at += 1 + rests[-1]
    assert rests == [10.0 * min(2**number, LONGEST_OPEN) for number in range(9)]


def test_who_asked_before_it_opened_says_nothing_new() -> None:
    """Their failures open it no further, and their answers do not close it."""
    circuit = opened()
    assert circuit.failed(103.0, 101.9, RULES) is None and circuit.rests_for(103.0) == 9.0
    assert not circuit.answered(103.0, 101.9) and circuit.is_open


def test_who_leaves_while_trying_lets_the_next_one_try() -> None:
    """At once."""
    circuit = opened()
    assert circuit.may_ask(112.0)
    circuit.let_go()
    assert circuit.may_ask(112.0) and not circuit.may_ask(112.0)


@given(st.lists(st.tuples(st.sampled_from(["ask", "fail", "answer", "leave"]), st.floats(0, 20)), max_size=60))
def test_it_never_shuts_for_good(steps: list[tuple[str, float]]) -> None:
    """Whatever has happened, somebody may ask again within the longest rest and the time of a trial."""
    circuit, at, asked = Circuit(), 0.0, list[float]()
    for step, later in steps:
        at += later
        match step:
            case "ask" if circuit.may_ask(at):
                asked.append(at)
            case "fail" if asked:
                circuit.failed(at, asked.pop(0), RULES)
            case "answer" if asked:
                circuit.answered(at, asked.pop(0))
            case "leave" if asked:
                asked.pop(0)
                circuit.let_go()
    assert circuit.may_ask(at + RULES.rest * LONGEST_OPEN + 30.0)
