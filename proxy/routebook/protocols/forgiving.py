"""Reading what upstreams send: a slip in one field must not cost the others, least of all the text and the usage.

What is shaped as it should be is read in one pass; only what is not is taken apart.
"""

from __future__ import annotations

import json
import re
import types
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Raw

from routebook.protocols.errors import ProtocolError, Side

T = TypeVar("T", bound=msgspec.Struct)

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


class _Misshapen(Exception):
    """A value that is not what was expected, however it is looked at."""


class Forgiving(Generic[T]):
    """Reads JSON objects as a struct; a field of another shape counts as absent, an entry of a list as not there.

    The struct's fields must have defaults; it has no fields of `Raw`, for which `Json` texts are the way.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def __repr__(self) -> str:
        return f"<Forgiving {self._kind.__name__}>"

    def read(self, data: bytes | Raw) -> T:
        """The object; raises ProtocolError of the upstream's side where there is no JSON object at all."""
        try:
            return self._decoder.decode(data)
        except (ValueError, RecursionError):
            pass
        try:
            read: T = _shaped(self._kind, loosely(data))
        except _Misshapen:
            raise ProtocolError(Side.UPSTREAM, "what came is not an object") from None
        return read


def loosely(data: bytes | Raw) -> Any:
    """Any JSON; half a pair of surrogates becomes a replacement character. Raises ProtocolError where it is none."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ProtocolError(Side.UPSTREAM, "what came is nested too deeply") from None
    except ValueError:
        pass
    try:
        text = bytes(data).decode("utf-8", "replace")
        plain = json.dumps(json.loads(text), ensure_ascii=False)
        return msgspec.json.decode(_HALF_A_PAIR.sub("\N{REPLACEMENT CHARACTER}", plain))
    except (ValueError, RecursionError):
        raise ProtocolError(Side.UPSTREAM, "what came is not JSON") from None


def _shaped(kind: Any, value: Any) -> Any:
    """The value as this kind, or as much of it as can be; raises _Misshapen where nothing can."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except (ValueError, RecursionError):
        pass
    if get_origin(kind) in (Union, types.UnionType):
        return _first(get_args(kind), value)
    if get_origin(kind) is list and isinstance(value, list):
        return [each for each in (_tried(get_args(kind)[0], entry) for entry in value) if each is not None]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        hints = _hints(kind)
        fields = {name: _tried(hints[name], value[name]) for name in kind.__struct_fields__ if name in value}
        return kind(**{name: each for name, each in fields.items() if each is not None})
    raise _Misshapen


def _first(kinds: tuple[Any, ...], value: Any) -> Any:
    for kind in kinds:
        if kind is not type(None):
            try:
                return _shaped(kind, value)
            except _Misshapen:
                continue
    raise _Misshapen


def _tried(kind: Any, value: Any) -> Any:
    try:
        return _shaped(kind, value)
    except _Misshapen:
        return None


_KNOWN: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    found = _KNOWN.get(kind)
    if found is None:
        found = _KNOWN[kind] = get_type_hints(kind, include_extras=True)
    return found
