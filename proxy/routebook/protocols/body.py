"""Bodies as JSON objects: reading them typed, and replacing top-level fields without touching any other byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Raw

from routebook.chat.parts import Json
from routebook.protocols.errors import ProtocolError, Side

T = TypeVar("T")

MODEL_LENGTH = 256
"""The longest name of a model that is taken; it is recorded, so it must be bounded."""

WORD = msgspec.json.Decoder(str)
"""Reads a text."""
FLAG = msgspec.json.Decoder(bool)
"""Reads true or false."""
NUMBER = msgspec.json.Decoder(float)
"""Reads a number."""
COUNT = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)])
"""Reads a count that is believed of a client."""
WORDS = msgspec.json.Decoder(list[str])
"""Reads a list of texts."""
RAWS = msgspec.json.Decoder(list[Raw])
"""Reads a list of values, each as it came."""
FIELDS = msgspec.json.Decoder(dict[str, Raw])
"""Reads an object, each of its fields as it came."""

_NULL = b"null"[0]
_PLACE = re.compile(r" - at `\$\.?([^`]*)`\Z")
_AT_BYTE = re.compile(r" \(byte ([0-9]+)\)\Z")
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_COMMA = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")
_OPEN = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*")


def decode(decoder: msgspec.json.Decoder[T], body: bytes | Raw, within: str = "") -> T:
    """A JSON text in the decoder's type; raises ProtocolError of the client's side, with the field at fault."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_shape(str(error), within) from None
    except RecursionError:
        raise ProtocolError(Side.CLIENT, "the body is nested too deeply") from None
    except UnicodeDecodeError:
        raise ProtocolError(Side.CLIENT, "the body is not UTF-8") from None
    except ValueError as error:
        place = _AT_BYTE.search(str(error))
        where = f" at byte {place[1]}" if place and not within else f" in `{within}`" if within else ""
        raise ProtocolError(Side.CLIENT, f"the body is not JSON{where}", param=within or None) from None


def _wrong_shape(words: str, within: str) -> ProtocolError:
    place = _PLACE.search(words)
    path = place[1] if place else ""
    param = f"{within}{'' if path.startswith('[') or not within or not path else '.'}{path}" or None
    fault = _PLACE.sub("", words)
    return ProtocolError(
        Side.CLIENT, f"{fault[:1].lower()}{fault[1:]}" + (f" in `{param}`" if param else ""), param=param
    )


def read_fields(body: bytes) -> dict[str, Raw]:
    """The top-level fields of a JSON object, each as it came; a key that stands twice has its last value."""
    return decode(FIELDS, body)


def read_field(fields: Mapping[str, Raw], name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    """One field in the decoder's type; None where it is absent or null. Raises ProtocolError."""
    raw = fields.get(name)
    return None if raw is None or is_null(raw) else decode(decoder, raw, name)


def is_null(raw: Raw) -> bool:
    """Whether a value is `null`."""
    return memoryview(raw)[0] == _NULL


def starts_with(raw: Raw, letter: bytes) -> bool:
    """Whether a value begins with this byte, which tells what kind of JSON it is."""
    return memoryview(raw)[0] == letter[0]


def is_given(fields: Mapping[str, Raw], name: str) -> bool:
    """Whether a field says something."""
    return name in fields and not is_null(fields[name])


def json_of(raw: Raw) -> Json:
    """A value as the text it came as; raises ProtocolError where that is not UTF-8."""
    try:
        return Json(bytes(raw).decode("utf-8"))
    except UnicodeDecodeError:
        raise ProtocolError(Side.CLIENT, "the body is not UTF-8") from None


def given(raw: Raw) -> Json | None:
    """A value as the text it came as, None for `null`; raises ProtocolError where that is not UTF-8."""
    return None if is_null(raw) else json_of(raw)


def wrong(message: str, param: str) -> ProtocolError:
    """The error for a field of the client's, named by its place, that is not what it must be."""
    return ProtocolError(Side.CLIENT, f"{message} in `{param}`", param=param)


def read_model(fields: Mapping[str, Raw]) -> str:
    """The name under `model`; raises ProtocolError where it is absent, empty or longer than a record should hold."""
    model = read_field(fields, "model", WORD)
    if not model or len(model) > MODEL_LENGTH:
        raise ProtocolError(Side.CLIENT, f"`model` must be a text of 1 to {MODEL_LENGTH} characters", param="model")
    return model


def check_named(model: str) -> None:
    """Raise ProtocolError where the name of a model in a path is empty or longer than a record should hold."""
    if not model or len(model) > MODEL_LENGTH:
        raise ProtocolError(Side.CLIENT, f"the model's name must have 1 to {MODEL_LENGTH} characters")


def named(body: bytes, fields: dict[str, Raw], model: str) -> bytes:
    """The body with the model that its path names, in `fields` too: upstreams are told in the body."""
    if read_field(fields, "model", WORD) == model:
        return body
    body = with_fields(body, fields, {"model": model})
    fields["model"] = Raw(msgspec.json.encode(model))
    return body


def with_fields(body: bytes, fields: Mapping[str, Raw], new: Mapping[str, Any]) -> bytes:
    """The body with top-level fields set; every other field keeps its bytes and its place, new ones come last.

    `fields` are the body's own (`read_fields`). The body itself comes back where `new` is empty, unless a key stands
    in it twice: such a key is sent once, with the value that was read here, for otherwise an upstream could read
    another value than the one the decision was made on.
    """
    if not new and not _may_repeat_keys(body, fields):
        return body
    return msgspec.json.encode({**fields, **new})


def taken_out(body: bytes, fields: dict[str, Raw], name: str) -> tuple[bytes, Raw | None]:
    """The body without a top-level field that is for us alone, and what stood in it; `fields` lose it too."""
    said = fields.pop(name, None)
    return (body, None) if said is None else (msgspec.json.encode(fields), said)


def _may_repeat_keys(body: bytes, fields: Mapping[str, Raw]) -> bool:
    """Whether the body cannot be shown to have every key once, written plainly.

    Without white space and repetition a body is exactly as long as its fields; otherwise it is walked, field by field.
    """
    compact = 1 + sum(memoryview(value).nbytes + 4 + len(key.encode()) for key, value in fields.items())
    if compact == len(body):
        return False
    opened = _OPEN.match(body)
    position = opened.end() if opened else 0
    for key, value in fields.items():
        written, plain = b'"%b"' % key.encode(), bytes(value)
        colon = _COLON.match(body, position + len(written)) if body.startswith(written, position) else None
        if colon is None or not body.startswith(plain, colon.end()):
            return True
        position = colon.end() + len(plain)
        comma = _COMMA.match(body, position)
        position = comma.end() if comma else position
    return body[position:].strip(b" \t\r\n") != b"}"
