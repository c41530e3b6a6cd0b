"""Whether two parts of policies mean the same, wherever they stand and however they are written.

A part is compared by its *bare* form: plain tuples without the places in files and without the author's spelling. A
named condition is what it stands for. Bare forms are hashable, so that equal parts of two policies find each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from routebook.documents.problems import Location
from routebook.policy.conditions import AllOf, AnyOf, Named, Test

Bare = object
"""A part of a policy without places and spelling; equal where the parts mean the same."""


def bare(part: Any) -> Bare:
    """The bare form of a condition, a rule's outcome, a model, a budget: of whatever a policy is made of."""
    match part:
        case Named(_, inner):
            return bare(inner)
        case AllOf((only,)) | AnyOf((only,)):
            return bare(only)
        case Test():
            return (Test, part.fact, bare(part.predicate), part.missing_holds, part.known)
        case Location():
            return None
        case bool() | int() | float() | str() | None:
            return (type(part), part)  # otherwise True is 1
        case Mapping():
            return tuple(sorted((repr(key), bare(value)) for key, value in part.items()))
        case list() | tuple():
            return tuple(bare(each) for each in part)
        case frozenset() | set():
            return frozenset(bare(each) for each in part)
    names = names_of_parts(part)
    return part if names is None else (type(part), tuple(bare(getattr(part, name)) for name in names))


def names_of_parts(part: Any) -> tuple[str, ...] | None:
    """The names of the parts that a value is made of; None of one that has none."""
    if isinstance(part, type):
        return None
    if is_dataclass(part):
        return tuple(field.name for field in fields(part))
    found: tuple[str, ...] | None = getattr(part, "__struct_fields__", None)  # of values that are no dataclasses
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two parts mean the same."""
    return bare(one) == bare(other)
