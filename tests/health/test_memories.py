"""What providers want back, kept by client and call."""

from __future__ import annotations

import json

from routebook.chat.parts import Reasoning, Signature
from routebook.chat.remembering import Memory
from routebook.health.memories import LIFE, Memories

MEMORY = Memory((Reasoning("hm", Signature("x", "seal")),), Signature("x", "other"))


def test_a_call_is_remembered_for_its_client_alone() -> None:
    """What was said to one client is put into no request of another."""
    memories = Memories()
    memories.keep("me", {"call_1": MEMORY}, 0.0)
    assert memories.recall("me", "call_1", 1.0) == MEMORY
    assert memories.recall("you", "call_1", 1.0) is None
    assert memories.recall("me", "call_2", 1.0) is None
    assert memories.recall("me", "call_1", LIFE) is None


def test_what_is_kept_is_bounded_in_number_and_in_bytes() -> None:
    """The oldest goes first; what is larger than all room is not kept at all."""
    few = Memories(most=2)
    for number in range(4):
        few.keep("me", {f"call_{number}": MEMORY}, number)
    assert [few.recall("me", f"call_{number}", 5) is None for number in range(4)] == [True, True, False, False]
    small = Memories(room=1000)
    for number in range(20):
        small.keep("me", {f"call_{number}": MEMORY}, number)
    assert 1 <= len(small) < 10
    small.keep("me", {"large": Memory((Reasoning("x" * 2**21),))}, 30)
    assert small.recall("me", "large", 30) is None
    small.keep("me", {"call_19": MEMORY}, 31)
    assert small.recall("me", "call_19", 31) == MEMORY


def test_what_one_worker_keeps_the_others_hear_once() -> None:
    """As JSON, which is what goes between processes."""
    one, other = Memories(), Memories()
    one.keep("me", {"call_1": MEMORY}, 1.0)
    other.hear(json.loads(json.dumps(one.news())))
    assert one.news() == []
    assert other.news() == []
    assert other.recall("me", "call_1", 2.0) == MEMORY
