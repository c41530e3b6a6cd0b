"""Values worked out when somebody first asks."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pytest

from routebook.chat.lazily import lazily


class Counted:
    """Counts how often it worked."""

    def __init__(self) -> None:
        self.worked = 0

    @lazily
    def value(self) -> int:
        """What it works out."""
        self.worked += 1
        if self.worked == 1 and self.fails:
            raise ValueError("not yet")
        return self.worked

    fails = False


def test_it_works_once_for_each_object() -> None:
    """The second time it is an attribute like any other."""
    one, other = Counted(), Counted()
    assert (one.value, one.value, other.value) == (1, 1, 1)
    assert (one.worked, one.__dict__["value"]) == (1, 1)


def test_a_failure_is_not_kept() -> None:
    """Who asks again gets another try."""
    one = Counted()
    one.fails = True
    with pytest.raises(ValueError, match="not yet"):
        _ = one.value
    assert one.value == 2


def test_it_is_documented_as_the_function_is() -> None:
    """On the class it is itself, with its words."""
    assert Counted.value.__doc__ == "What it works out."


def test_a_value_that_nobody_works_out_makes_no_object() -> None:
    """A class that forgets it fails when an object is made, not when somebody asks."""

    class Sized(ABC):
        @lazily
        @abstractmethod
        def size(self) -> int:
            """How large it is."""

    class Square(Sized):
        @lazily
        def size(self) -> int:
            """Four."""
            return 4

    with pytest.raises(TypeError, match="abstract"):
        Sized()  # type: ignore[abstract]
    assert Square().size == 4
