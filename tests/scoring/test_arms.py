"""Simple and complex prompts over the ways to weigh quality and cost."""

from __future__ import annotations

from bench.arms import COMPLEX, SIMPLE, shares


def test_complex_prompts_go_to_the_large_model_and_simple_ones_do_not() -> None:
    """In no arm do more simple than complex prompts go there; quality sends the complex ones, cost sends the fewest."""
    found = shares()
    assert all(share.simple <= share.complex for share in found.values())
    assert found["quality"].complex > len(COMPLEX) * 0.8 and found["quality"].simple < len(SIMPLE) * 0.2
    assert found["cost"].complex <= found["balanced"].complex <= found["quality"].complex
    assert shares() == found
