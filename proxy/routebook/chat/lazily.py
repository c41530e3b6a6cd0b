"""Values that are worked out when somebody first asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class lazily(Generic[T]):
    """A property that is worked out once and then stands in the object as an attribute.

    As `functools.cached_property`, without the lock that the latter takes up to Python 3.11 (0.5 microseconds at every
    first use; requests live in one thread). Of a method that is abstract it is abstract itself.
    """

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self.__isabstractmethod__ = getattr(work, "__isabstractmethod__", False)
        self.__doc__ = work.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, of: None, owner: type) -> lazily[T]: ...
    @overload
    def __get__(self, of: object, owner: type) -> T: ...

    def __get__(self, of: object | None, owner: type) -> lazily[T] | T:
        if of is None:
            return self
        value = self._work(of)
        setattr(of, self._name, value)  # not through `__dict__`: an object that is never asked for it does without one
        return value
